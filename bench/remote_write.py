"""What remote-write costs: OTLP points to request bodies, of series seen before and of new ones, in both versions.

python -m bench.remote_write
"""

import time
from collections.abc import Iterable, Sequence
from typing import Any

from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.metrics.v1.metrics_pb2 import (
    AggregationTemporality,
    HistogramDataPoint,
    Metric,
    MetricsData,
    NumberDataPoint,
)

from wire.otlp import COMPILED
from wire.remote_write import Options, Translator
from wire.remote_write_requests import series_bodies

_METRICS, _POINTS = 50, 20
_PAYLOADS = 40
_BOUNDS = [0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10, 20]
_CUMULATIVE = AggregationTemporality.AGGREGATION_TEMPORALITY_CUMULATIVE
_START = 1_750_000_000_000


def _pairs(**attributes: str) -> list[KeyValue]:
    return [KeyValue(key=key.replace("__", "."), value=AnyValue(string_value=text)) for key, text in attributes.items()]


def _attributes(point: int, names: str) -> list[KeyValue]:
    return _pairs(
        http__request__method="GET",
        http__route=f"/{names}/{point}",
        server__address="records-api.clinic",
        network__protocol__version="1.1",
        code="200",
    )


def _payload(kind: str, milliseconds: int, names: str = "records") -> bytes:
    """Fifty metrics of twenty points, sums or histograms of sixteen buckets, as one process sends them."""
    data = MetricsData()
    resource = data.resource_metrics.add()
    resource.resource.attributes.extend(
        _pairs(service__name="records-api", service__instance__id="1", host__name="node-1")
    )
    scope = resource.scope_metrics.add()
    scope.scope.name = "clinic.http"
    for number in range(_METRICS):
        scope.metrics.append(_metric(kind, f"http.server.m{number}", milliseconds, names))
    return data.SerializeToString()


def _metric(kind: str, name: str, milliseconds: int, names: str) -> Metric:
    times: dict[str, Any] = {"time_unix_nano": milliseconds * 10**6, "start_time_unix_nano": _START * 10**6}
    metric = Metric(name=name, unit="s")
    if kind == "sum":
        metric.sum.aggregation_temporality, metric.sum.is_monotonic = _CUMULATIVE, True
        metric.sum.data_points.extend(
            NumberDataPoint(as_double=float(milliseconds), attributes=_attributes(point, names), **times)
            for point in range(_POINTS)
        )
    else:
        metric.histogram.aggregation_temporality = _CUMULATIVE
        metric.histogram.data_points.extend(
            HistogramDataPoint(
                count=160,
                sum=80.0,
                bucket_counts=[10] * 16,
                explicit_bounds=_BOUNDS,
                attributes=_attributes(point, names),
                **times,
            )
            for point in range(_POINTS)
        )
    return metric


def _cost(payloads: Sequence[bytes], *, two: bool) -> float:
    """CPU time per point in µs: the least of all payloads but the first, which the machine disturbed least."""
    translator = Translator(Options(), two=two)
    best = float("inf")
    for place, payload in enumerate(payloads):
        started = time.process_time()
        series_bodies(translator.translate(payload).runs, 2000, 3_000_000, two=two)
        if place:
            best = min(best, time.process_time() - started)
    return best / (_METRICS * _POINTS) * 1e6


def _parsing(payload: bytes) -> float:
    """The same unit for what a translator without a kernel begins with, and no more than begins."""
    best = float("inf")
    points: Iterable[Any]
    for _ in range(_PAYLOADS):
        started = time.process_time()
        for metric in MetricsData.FromString(payload).resource_metrics[0].scope_metrics[0].metrics:
            points = (*metric.sum.data_points, *metric.histogram.data_points)
            for point in points:
                for attribute in point.attributes:
                    _ = attribute.key, attribute.value.string_value
        best = min(best, time.process_time() - started)
    return best / (_METRICS * _POINTS) * 1e6


def main() -> None:
    """Print the table."""
    print(f"kernels {'compiled' if COMPILED else 'as Python'}; µs of CPU per data point, 1000 points in a payload")
    for kind in ("sum", "histogram"):
        times = [_START + 10_000 * number for number in range(1, _PAYLOADS + 1)]
        known = [_payload(kind, milliseconds) for milliseconds in times]
        unknown = [_payload(kind, milliseconds, f"n{milliseconds}") for milliseconds in times[:10]]
        reading = _parsing(known[0])
        print(f"{reading:8.2f}  {kind}: reading its attributes with the protobuf library, for comparison")
        for two in (False, True):
            version = "2.0" if two else "1.0"
            cost, first = _cost(known, two=two), _cost(unknown, two=two)
            print(f"{cost:8.2f}  {kind} of a known series as {version} ({cost / reading:.2f} times reading)")
            print(f"{first:8.2f}  {kind} of a new series as {version} ({first / cost:.1f} times a known one)")


if __name__ == "__main__":
    main()
