"""Contexts and small OTLP payloads for tests."""

from collections.abc import Mapping, Sequence
from typing import Any

import structlog
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord, LogsData
from opentelemetry.proto.metrics.v1.metrics_pb2 import Metric, MetricsData
from opentelemetry.proto.trace.v1.trace_pb2 import Span, TracesData

from pipeline.batch import Batch, Signal
from pipeline.component import Context
from pipeline.deadline import Deadline
from pipeline.queues.queue import Queue
from pipeline.telemetry import Telemetry
from processors.otlp_objects import any_value


class Healthy:
    """A daemon whose components all run."""

    def problems(self) -> Mapping[str, str]:
        return {}


def context(name: str) -> Context:
    """A context with counters of its own."""
    return Context(name, Telemetry(), structlog.get_logger(), Healthy(), Deadline(1.0))


def dropped(made: Context, signal: Signal, reason: str) -> float:
    """How many items the component counted as dropped."""
    labels = {"component": made.id, "signal": signal.value, "reason": reason}
    return made.telemetry.registry.get_sample_value("telescrub_dropped_items_total", labels) or 0


async def put_released(queue: Queue, batch: Batch) -> None:
    """Put a batch into a queue that hands it out at once."""
    queue.release(await queue.put(batch))


def pairs(attributes: Mapping[str, object]) -> list[KeyValue]:
    """Attributes from plain values."""
    return [KeyValue(key=key, value=any_value(value)) for key, value in attributes.items()]


def plain(attributes: Any) -> dict[str, object]:
    """Attributes with scalar values as plain values."""
    return {entry.key: getattr(entry.value, entry.value.WhichOneof("value")) for entry in attributes}


def value_of(value: AnyValue) -> object:
    """Any value as a plain one."""
    kind = value.WhichOneof("value")
    if kind == "array_value":
        return [value_of(inner) for inner in value.array_value.values]
    if kind == "kvlist_value":
        return {entry.key: value_of(entry.value) for entry in value.kvlist_value.values}
    return None if kind is None else getattr(value, kind)


def traces(spans: Sequence[Span], resource: Mapping[str, object] | None = None) -> Batch:
    """A batch of spans of one resource and the scope `tracer` 1.0."""
    message = TracesData()
    envelope = message.resource_spans.add()
    envelope.resource.attributes.extend(pairs(resource or {}))
    scope = envelope.scope_spans.add(spans=spans)
    scope.scope.name, scope.scope.version = "tracer", "1.0"
    return Batch.encode(Signal.TRACES, message)


def logs(records: Sequence[LogRecord], resource: Mapping[str, object] | None = None) -> Batch:
    """A batch of log records of one resource and scope."""
    message = LogsData()
    envelope = message.resource_logs.add()
    envelope.resource.attributes.extend(pairs(resource or {}))
    envelope.scope_logs.add(log_records=records)
    return Batch.encode(Signal.LOGS, message)


def metrics(*groups: Sequence[Metric], resource: Mapping[str, object] | None = None) -> Batch:
    """A batch of metrics, each group in an envelope of its own with the same resource."""
    message = MetricsData()
    for group in groups:
        envelope = message.resource_metrics.add()
        envelope.resource.attributes.extend(pairs(resource or {}))
        envelope.scope_metrics.add(metrics=group)
    return Batch.encode(Signal.METRICS, message)


def decoded_spans(batch: Batch | None) -> list[Any]:
    """All spans of a batch; none if there is no batch."""
    message: Any = batch.decode() if batch else TracesData()
    return [span for outer in message.resource_spans for scope in outer.scope_spans for span in scope.spans]


def decoded_logs(batch: Batch | None) -> list[Any]:
    """All log records of a batch."""
    message: Any = batch.decode() if batch else LogsData()
    return [record for outer in message.resource_logs for scope in outer.scope_logs for record in scope.log_records]


def decoded_metrics(batch: Batch | None) -> list[Any]:
    """All metrics of a batch."""
    message: Any = batch.decode() if batch else MetricsData()
    return [metric for outer in message.resource_metrics for scope in outer.scope_metrics for metric in scope.metrics]
