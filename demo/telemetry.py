"""Healthcare telemetry with planted PHI, for `telescrub demo` and the tests: same seed and time, same bytes."""

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from random import Random

from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.metrics.v1.metrics_pb2 import Metric

from demo.logs import Line, lines
from demo.metrics import Labels, Metrics
from demo.people import people
from demo.planted import Planted
from demo.traces import traces
from wire.signal import Signal

__all__ = ["KEPT", "RUN", "Round", "generate", "run_name"]

RUN = "telescrub.demo.run"
"""The resource attribute (or log key) that names the run everything belongs to."""

KEPT: dict[Signal, tuple[str, ...]] = {
    Signal.TRACES: (
        "GET /accounts/{id}",
        "RecordController.show",
        "process appointments",
        "/patients/{id}/records",
        "postgresql",
        "access.checked",
        "django.db.utils.IntegrityError",
        "scheduling-worker",
        "payment declined",
    ),
    Signal.METRICS: (
        "http.server.request.duration",
        "http.server.active_requests",
        "db.client.operations",
        "plugin.executions",
        "plugin.queue.depth",
        "lab-results",
        "/patients/{id}/labs",
    ),
    Signal.LOGS: ("record.opened", "Records.Controller.show/2", "br.example.Claims", "portal-web-0", "guia recusada"),
}
"""Texts that every run of some length holds and that must come out as they went in."""

_PATIENTS = 24
"""Enough for variety, few enough that the search for all their values stays fast however long the run."""
_METRIC_USERS = 8
"""The demo's `user_id` labels give 8 times as many series as there should be."""


@dataclass(frozen=True, slots=True, repr=False)
class Round:
    """What the stack sends in one interval, and what was planted in it.

    `totals` are the sums the counters show once their PHI labels are gone: (service, metric, other labels) → count.
    """

    traces: ExportTraceServiceRequest
    metrics: ExportMetricsServiceRequest
    logs: tuple[Line, ...]
    planted: tuple[Planted, ...]
    totals: dict[tuple[str, str, Labels], int]

    @property
    def items(self) -> dict[Signal, int]:
        """How many spans, data points and log lines there are."""
        spans = sum(len(scope.spans) for resource in self.traces.resource_spans for scope in resource.scope_spans)
        points = sum(
            len(_points(metric))
            for resource in self.metrics.resource_metrics
            for scope in resource.scope_metrics
            for metric in scope.metrics
        )
        return {Signal.TRACES: spans, Signal.METRICS: points, Signal.LOGS: len(self.logs)}

    def log_requests(self) -> Iterator[tuple[str, bytes]]:
        """The log lines as newline-delimited JSON, one body per service."""
        for service, group in itertools.groupby(
            sorted(self.logs, key=lambda line: line.service), lambda line: line.service
        ):
            yield service, b"".join(line.text + b"\n" for line in group)


def _points(metric: Metric) -> list[object]:
    data = getattr(metric, metric.WhichOneof("data") or "gauge")
    return list(data.data_points)


def run_name(seed: int) -> str:
    """Letters only, so that no rule takes it for an identifier."""
    return "run-" + "".join(Random(f"run {seed}").choices("abcdefghjkmnpqrstuvwxyz", k=14))


def generate(
    seed: int, now_unix_nano: int, *, interval_nano: int = 10**9, journeys: int = 6, run: str | None = None
) -> Iterator[Round]:
    """Rounds without end of `journeys` traces each, the first at `now_unix_nano`, `interval_nano` apart."""
    random = Random(seed)
    patients = people(random, _PATIENTS)
    metrics = Metrics(random, patients[:_METRIC_USERS], now_unix_nano)
    resource = {RUN: run or run_name(seed)}
    for number in itertools.count():
        at = now_unix_nano + number * interval_nano
        spans, contexts, traced = traces(random, patients, at, resource, journeys)
        written, logged = lines(random, contexts, resource)
        measured, metered = metrics.collect(at + interval_nano, contexts, resource)
        planted = tuple(traced.planted + metered.planted + logged.planted)
        yield Round(spans, measured, tuple(written), planted, metrics.totals())
