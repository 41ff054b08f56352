"""CPU of each stage from `otlp` through `limit_cardinality` to `prometheus_remote_write`, for a million data points.

python -m bench.metrics_pipeline

Series are known, as in a steady fleet: each comes in several rounds, and the least of the later ones counts. Figures
are CPU time of this machine; only ratios within one run mean anything on another.
"""

import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, TypeVar

import structlog
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.metrics.v1.metrics_pb2 import Metric, MetricsData
from rich.console import Console
from rich.table import Table

from bench.metrics import Healthy
from exporters.prometheus_remote_write import PrometheusRemoteWriteSettings
from pipeline.batch import Batch, Signal
from pipeline.component import Context
from pipeline.deadline import Deadline
from pipeline.garbage import collect_rarely
from pipeline.telemetry import Telemetry
from processors.delta_to_cumulative import DeltaToCumulativeSettings
from processors.limit_cardinality import LimitCardinalitySettings

_POINTS = 1000
_BATCHES = 20
_ROUNDS = 6
_SECOND = 10**9
_BOUNDS = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0]
_STAGES = ("otlp", "limit_cardinality", "closing intervals", "delta_to_cumulative", "prometheus_remote_write")

T = TypeVar("T")
Fill = Callable[[Metric, dict[str, Any], int], None]


def _counter(metric: Metric, common: dict[str, Any], step: int, *, temporality: int = 2) -> None:
    metric.sum.is_monotonic = True
    metric.sum.aggregation_temporality = temporality  # type: ignore[assignment]
    metric.sum.data_points.add(as_int=step, **common)


def _gauge(metric: Metric, common: dict[str, Any], step: int) -> None:
    metric.gauge.data_points.add(as_double=step / 2, **common)


def _histogram(metric: Metric, common: dict[str, Any], step: int) -> None:
    metric.histogram.aggregation_temporality = 2  # type: ignore[assignment]
    counts = [step] * (len(_BOUNDS) + 1)
    metric.histogram.data_points.add(
        count=sum(counts), sum=step * 9.5, explicit_bounds=_BOUNDS, bucket_counts=counts, **common
    )


def _exponential(metric: Metric, common: dict[str, Any], step: int) -> None:
    metric.exponential_histogram.aggregation_temporality = 2  # type: ignore[assignment]
    point = metric.exponential_histogram.data_points.add(count=40 * step, sum=step * 9.5, scale=3, **common)
    point.positive.offset = -10
    point.positive.bucket_counts.extend([step] * 40)


def _payload(fill: Fill, first: int, step: int) -> bytes:
    """Points of five attributes, one of which is different in each."""
    data = MetricsData()
    envelope = data.resource_metrics.add()
    envelope.resource.attributes.add(key="service.name", value=AnyValue(string_value="records-api"))
    metric = envelope.scope_metrics.add().metrics.add(name="http.server.request", unit="s")
    for number in range(first, first + _POINTS):
        texts = {
            "http.route": f"/records/{number % 20}",
            "http.request.method": "GET",
            "http.response.status_code": "200",
            "url.scheme": "https",
            "pod": f"p-{number}",
        }
        attributes = [KeyValue(key=key, value=AnyValue(string_value=text)) for key, text in texts.items()]
        times = {"start_time_unix_nano": _SECOND, "time_unix_nano": (100 + step * 15) * _SECOND}
        fill(metric, {"attributes": attributes, **times}, step)
    return data.SerializeToString()


class _Pipeline:
    """The stages, and the CPU seconds that each took since they were last set to 0."""

    def __init__(self, *, dropped: bool) -> None:
        context = Context("bench", Telemetry(), structlog.get_logger(), Healthy(), Deadline(1.0))
        limits = {"max_values_per_label": 10**6, "max_series_per_metric": 10**6}
        settings = {**limits, "always_drop": ["pod"] if dropped else []}
        self._limit = LimitCardinalitySettings.model_validate(settings).build(context)
        self._deltas = DeltaToCumulativeSettings().build(context)
        destination = {"endpoint": "http://127.0.0.1:9/api/v1/write"}
        self._exporter = PrometheusRemoteWriteSettings.model_validate(destination).build(context)
        self.seconds = dict.fromkeys(_STAGES, 0.0)

    def run(self, payloads: Sequence[bytes]) -> None:
        left = []
        for payload in payloads:
            batch = self._timed("otlp", partial(Batch.received, Signal.METRICS, payload))
            left.append(self._timed("limit_cardinality", partial(self._limit.process, batch)))
        left += self._timed("closing intervals", partial(self._limit.tick, stopping=True))
        for each in left:
            if each is None:
                continue
            total = self._timed("delta_to_cumulative", partial(self._deltas.process, each))
            assert total is not None
            assert not self._timed("prometheus_remote_write", partial(self._exporter.encode, total)).dropped

    def _timed(self, stage: str, work: Callable[[], T]) -> T:
        began = time.process_time()
        done = work()
        self.seconds[stage] += time.process_time() - began
        return done


def _costs(fill: Fill, *, dropped: bool = False) -> dict[str, float]:
    """CPU seconds for a million points, by stage; of each the least of all rounds but the first."""
    pipeline = _Pipeline(dropped=dropped)
    found = []
    for step in range(1, _ROUNDS + 1):
        payloads = [_payload(fill, number * _POINTS, step) for number in range(_BATCHES)]
        pipeline.seconds = dict.fromkeys(_STAGES, 0.0)
        pipeline.run(payloads)
        found.append(pipeline.seconds)
    million = 10**6 / (_POINTS * _BATCHES)
    return {stage: min(each[stage] for each in found[1:]) * million for stage in _STAGES}


def main() -> None:
    """Print the table."""
    collect_rarely()
    columns = {
        "counter": _costs(_counter),
        "counter, delta": _costs(partial(_counter, temporality=1)),
        "gauge": _costs(_gauge),
        "histogram": _costs(_histogram),
        "exponential": _costs(_exponential),
        "counter, label dropped": _costs(_counter, dropped=True),
        "histogram, label dropped": _costs(_histogram, dropped=True),
    }
    table = Table("CPU s per million points", *columns)
    for stage in _STAGES:
        table.add_row(stage, *(f"{each[stage]:.2f}" for each in columns.values()))
    table.add_row("all", *(f"{sum(each.values()):.2f}" for each in columns.values()))
    Console(width=160).print(table)


if __name__ == "__main__":
    main()
