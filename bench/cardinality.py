"""What `limit_cardinality` costs: per data point that passes, that is new, that changes; and in memory per series.

python -m bench.cardinality
"""

import gc
import time
import tracemalloc
from collections.abc import Callable, Mapping

import structlog
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.metrics.v1.metrics_pb2 import AggregationTemporality, MetricsData

from pipeline.batch import Batch, Signal
from pipeline.component import Context
from pipeline.deadline import Deadline
from pipeline.telemetry import Telemetry
from processors.limit_cardinality import LimitCardinality, LimitCardinalitySettings

_POINTS = 8000
_METRICS = 20
_REPEATS = 7
_MEASURED_SERIES = 100_000


class _Healthy:
    def problems(self) -> Mapping[str, str]:
        return {}


def pairs(attributes: Mapping[str, str]) -> list[KeyValue]:
    return [KeyValue(key=key, value=AnyValue(string_value=value)) for key, value in attributes.items()]


def points(count: int, begin: int = 0, *, more: str = "") -> Batch:
    """Points of twenty counters, of five attributes; `more` names a sixth whose values are all different."""
    data = MetricsData()
    envelope = data.resource_metrics.add()
    envelope.resource.attributes.extend(pairs({"service.name": "records-api", "service.instance.id": "i1"}))
    scope = envelope.scope_metrics.add()
    for place in range(_METRICS):
        metric = scope.metrics.add(name=f"http.server.{place}", unit="s")
        metric.sum.is_monotonic = True
        metric.sum.aggregation_temporality = AggregationTemporality.AGGREGATION_TEMPORALITY_DELTA
        for number in range(begin, begin + count // _METRICS):
            attributes = {
                "http.route": f"/patients/{{id}}/records/{number % 50}",
                "http.request.method": ("GET", "PUT", "POST")[number % 3],
                "http.response.status_code": str(200 + number % 7),
                "server.address": f"records-{number}.clinic.svc",
                "url.scheme": "https",
                **({more: f"x{number}"} if more else {}),
            }
            metric.sum.data_points.add(
                as_int=number, start_time_unix_nano=10**18, time_unix_nano=10**18 + 1, attributes=pairs(attributes)
            )
    return Batch.encode(Signal.METRICS, data)


def processor(**settings: object) -> LimitCardinality:
    context = Context("limit_cardinality", Telemetry(), structlog.get_logger(), _Healthy(), Deadline(1.0))
    written = {"max_values_per_label": 10**6, "max_series_per_metric": 10**6, **settings}
    return LimitCardinalitySettings.model_validate(written).build(context)


def microseconds(make: Callable[[], LimitCardinality], batch: Batch, *, known: bool) -> float:
    """CPU time per point: the least of several runs, of a processor that knows the batch's series or that does not."""
    best = float("inf")
    tested = make()
    for _ in range(_REPEATS):
        if known:
            tested.process(batch)
        else:
            tested = make()
        started = time.process_time()
        tested.process(batch)
        best = min(best, time.process_time() - started)
    return best / batch.items * 1e6


def bytes_per_series() -> float:
    """Of series whose label values are mostly shared, as tracemalloc counts them."""
    tested = processor()
    batches = [points(10_000, begin) for begin in range(0, _MEASURED_SERIES // _METRICS, 500)]
    tested.process(batches[0])
    gc.collect()
    tracemalloc.start()
    for batch in batches[1:]:
        tested.process(batch)
    gc.collect()
    held, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return held / (_MEASURED_SERIES - 10_000)


def main() -> None:
    """Print the table."""
    plain, with_user, with_pod = points(_POINTS), points(_POINTS, more="user_id"), points(_POINTS, more="pod")
    print(f"µs of CPU per data point of five attributes, {_POINTS} in a request")
    checked = min(_timed(lambda: Batch.received(Signal.METRICS, plain.payload)) for _ in range(_REPEATS))
    figures = {
        "check what was received": checked / plain.items * 1e6,
        "series that are known": microseconds(processor, plain, known=True),
        "series that are new": microseconds(processor, plain, known=False),
        "a label that always goes, and adding up": microseconds(processor, with_user, known=True),
        "a label over its limit, and adding up": microseconds(
            lambda: processor(max_values_per_label=300, never_drop=["server.*"]), with_pod, known=True
        ),
        "values folded, and adding up": microseconds(
            lambda: processor(max_values_per_label=300, never_drop=["server.*"], action="overflow"),
            with_pod,
            known=True,
        ),
    }
    for name, figure in figures.items():
        print(f"{figure:8.2f}  {name}")
    print(f"{bytes_per_series():8.0f}  bytes for a series")


def _timed(work: Callable[[], object]) -> float:
    started = time.process_time()
    work()
    return time.process_time() - started


if __name__ == "__main__":
    main()
