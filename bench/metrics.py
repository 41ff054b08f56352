"""What metrics cost: CPU per million data points of each stage, and memory per series. Run: python -m bench.metrics

Figures are CPU time of this machine; only ratios within one run mean anything on another.
"""

import resource
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import structlog
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.metrics.v1.metrics_pb2 import AggregationTemporality, MetricsData
from rich.console import Console
from rich.table import Table

from pipeline.batch import Batch, Signal
from pipeline.component import Context
from pipeline.deadline import Deadline
from pipeline.telemetry import Telemetry
from processors.drop_labels import DropLabels, DropLabelsSettings
from wire import metric_points

_BATCH = 1000
_BATCHES = 40
_SECOND = 10**9


class Healthy:
    """`pipeline.component.Health` where nothing is wrong."""

    def problems(self) -> Mapping[str, str]:
        return {}


def _processor() -> DropLabels:
    context = Context("drop_labels", Telemetry(), structlog.get_logger(), Healthy(), Deadline(1.0))
    return DropLabelsSettings(labels=["session"]).build(context)


def batches(interval: int, *, count: int = _BATCHES, delta: bool = False, label: str = "session") -> list[Batch]:
    """Counters with four labels, one of them different in each point; the same series for each interval."""
    made = []
    for number in range(count):
        data = MetricsData()
        envelope = data.resource_metrics.add()
        envelope.resource.attributes.add(key="service.name", value=AnyValue(string_value="clinic"))
        metric = envelope.scope_metrics.add().metrics.add(name="http.server.requests")
        metric.sum.is_monotonic = True
        metric.sum.aggregation_temporality = (
            AggregationTemporality.AGGREGATION_TEMPORALITY_DELTA
            if delta
            else AggregationTemporality.AGGREGATION_TEMPORALITY_CUMULATIVE
        )
        for index in range(_BATCH):
            texts = {
                label: f"s-{number * _BATCH + index}",
                "http.route": f"/route/{index % 20}",
                "http.request.method": "GET",
                "http.response.status_code": "200",
            }
            metric.sum.data_points.add(
                attributes=[KeyValue(key=key, value=AnyValue(string_value=text)) for key, text in texts.items()],
                start_time_unix_nano=_SECOND,
                time_unix_nano=(100 + interval * 15) * _SECOND,
                as_int=interval,
            )
        made.append(Batch.encode(Signal.METRICS, data))
    return made


def microseconds(work: Callable[[], object], items: int) -> float:
    """CPU time per item."""
    began = time.process_time()
    work()
    return (time.process_time() - began) / items * 1e6


def stages() -> list[tuple[str, float]]:
    """Each stage and its CPU time per data point."""
    items = _BATCH * _BATCHES
    untouched, deltas = batches(1, label="zone"), batches(1, delta=True)
    drop, first = _processor(), batches(1)

    def dropped(sent: list[Batch]) -> float:
        return microseconds(lambda: [drop.process(batch) for batch in sent], items)

    found = [
        (
            "protobuf: parse and serialize",
            microseconds(lambda: [Batch.encode(b.signal, b.decode()) for b in first], items),
        ),
        (
            "take apart (wire.metric_points)",
            microseconds(lambda: [metric_points.walk(b.payload) for b in first], items),
        ),
        ("drop_labels, no such label", dropped(untouched)),
    ]
    for interval in (1, 2, 3):
        found.append((f"drop_labels, cumulative, interval {interval}", dropped(batches(interval))))
        found.append(("… closing it", microseconds(lambda: drop.tick(stopping=True), items)))
    return [*found, ("drop_labels, delta", dropped(deltas))]


def bytes_per_series(series: int = 1_000_000) -> float:
    """What the state of one source takes, measured as growth of resident memory."""
    drop = _processor()
    before = resident()
    for number in range(series // _BATCH):
        drop.process(_numbered(number))
        if number % 100 == 99:
            drop.tick(stopping=True)
    return (resident() - before) / series


def _numbered(number: int) -> Batch:
    """A batch of sources that no other batch has."""
    data = MetricsData()
    metric = data.resource_metrics.add().scope_metrics.add().metrics.add(name="http.server.requests")
    metric.sum.is_monotonic = True
    metric.sum.aggregation_temporality = AggregationTemporality.AGGREGATION_TEMPORALITY_CUMULATIVE
    for index in range(_BATCH):
        text = AnyValue(string_value=f"s-{number * _BATCH + index}")
        metric.sum.data_points.add(
            attributes=[KeyValue(key="session", value=text)],
            start_time_unix_nano=1,
            time_unix_nano=100 * _SECOND,
            as_int=10**6 + index,
        )
    return Batch.encode(Signal.METRICS, data)


def resident() -> int:
    """Bytes of this process that are in memory."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()


def main() -> None:
    table = Table("stage", "µs per data point", "CPU s per million")
    for name, cost in stages():
        table.add_row(name, f"{cost:.2f}", f"{cost:.2f}")
    console = Console()
    console.print(table)
    console.print(f"memory per series: {bytes_per_series():.0f} bytes (a million series)")


if __name__ == "__main__":
    main()
