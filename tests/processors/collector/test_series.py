"""Points that become one series when a label of theirs goes."""

from collections import Counter
from typing import Any

import pytest
from opentelemetry.proto.metrics.v1.metrics_pb2 import (
    DataPointFlags,
    Exemplar,
    ExponentialHistogramDataPoint,
    HistogramDataPoint,
    Metric,
    MetricsData,
    NumberDataPoint,
    SummaryDataPoint,
)

from processors.collector.series import join, series
from processors.reaggregation.exemplars import MAX_EXEMPLARS
from tests.payloads import pairs

STALE = int(DataPointFlags.DATA_POINT_FLAGS_NO_RECORDED_VALUE_MASK)
Buckets = ExponentialHistogramDataPoint.Buckets


def joined(kind: str, *points: Any) -> tuple[list[Any], Counter[str]]:
    """What is left of points of one time once the only label that told them apart is gone, and what was dropped."""
    message = MetricsData()
    metric = message.resource_metrics.add().scope_metrics.add().metrics.add(name="m")
    for number, point in enumerate(points):
        added = getattr(metric, kind).data_points.add()
        added.CopyFrom(point)
        added.attributes.extend(pairs({"user": number}))
    before = series(message)
    for point in getattr(metric, kind).data_points:
        del point.attributes[:]
    dropped = join(message, before)
    return list(getattr(metric, kind).data_points), dropped


@pytest.mark.parametrize(
    ("kind", "first", "second", "total"),
    [
        ("sum", NumberDataPoint(as_int=2), NumberDataPoint(as_int=3), NumberDataPoint(as_int=5)),
        ("sum", NumberDataPoint(as_int=2), NumberDataPoint(as_double=0.5), NumberDataPoint(as_double=2.5)),
        ("gauge", NumberDataPoint(as_int=7), NumberDataPoint(as_double=0.5), NumberDataPoint(as_double=0.5)),
        ("sum", NumberDataPoint(as_int=4), NumberDataPoint(flags=STALE), NumberDataPoint(as_int=4)),
        ("sum", NumberDataPoint(flags=STALE), NumberDataPoint(as_int=4), NumberDataPoint(as_int=4)),
        ("sum", NumberDataPoint(flags=STALE), NumberDataPoint(flags=STALE), NumberDataPoint(flags=STALE)),
        (
            "sum",
            NumberDataPoint(as_int=1, start_time_unix_nano=5),
            NumberDataPoint(as_int=1, start_time_unix_nano=3),
            NumberDataPoint(as_int=2, start_time_unix_nano=3),
        ),
        (
            "histogram",
            HistogramDataPoint(count=3, sum=6, bucket_counts=[1, 2], explicit_bounds=[5], min=1, max=4),
            HistogramDataPoint(count=2, sum=9, bucket_counts=[1, 1], explicit_bounds=[5], min=2, max=7),
            HistogramDataPoint(count=5, sum=15, bucket_counts=[2, 3], explicit_bounds=[5], min=1, max=7),
        ),
        (
            "exponential_histogram",
            ExponentialHistogramDataPoint(scale=1, count=1, sum=5, positive=Buckets(offset=4, bucket_counts=[1])),
            ExponentialHistogramDataPoint(scale=0, count=2, sum=7, positive=Buckets(offset=2, bucket_counts=[2])),
            ExponentialHistogramDataPoint(
                scale=0, count=3, sum=12, positive=Buckets(offset=2, bucket_counts=[3]), negative=Buckets()
            ),
        ),
        (
            "summary",
            SummaryDataPoint(count=1, sum=2, quantile_values=[SummaryDataPoint.ValueAtQuantile(quantile=0.5, value=2)]),
            SummaryDataPoint(count=2, sum=3),
            SummaryDataPoint(count=3, sum=5),
        ),
    ],
)
def test_two_points(kind: str, first: Any, second: Any, total: Any) -> None:
    """They become what both are; one without a value gives way."""
    assert joined(kind, first, second) == ([total], Counter())


def test_what_cannot_be_added() -> None:
    """It is dropped and counted, and the first stays as it was."""
    first = HistogramDataPoint(count=1, bucket_counts=[1, 0], explicit_bounds=[5])
    other = HistogramDataPoint(count=1, bucket_counts=[1, 0], explicit_bounds=[6])
    assert joined("histogram", first, other) == ([first], Counter(unmergeable=1))


def test_exemplars() -> None:
    """The newest within the limit."""
    points = [
        NumberDataPoint(
            as_int=1, exemplars=[Exemplar(as_int=time, time_unix_nano=time) for time in range(low, low + 10)]
        )
        for low in (10, 0)
    ]
    (left,), _ = joined("sum", *points)
    assert [each.as_int for each in left.exemplars] == list(range(20 - MAX_EXEMPLARS, 20))


def test_metrics_are_told_apart() -> None:
    """By name, unit, kind, temporality, monotonicity, scope and resource, not by description or order of attributes."""

    def of(resource: dict[str, object], version: str, metric: Metric) -> object:
        message = MetricsData()
        envelope = message.resource_metrics.add()
        envelope.resource.attributes.extend(pairs(resource))
        scope = envelope.scope_metrics.add()
        scope.scope.version = version
        scope.metrics.append(metric)
        return series(message)[0]

    def metric(name: str = "m", unit: str = "", monotonic: bool = False, temporality: int = 1) -> Metric:
        made = Metric(name=name, unit=unit)
        made.sum.is_monotonic = monotonic
        made.sum.aggregation_temporality = temporality  # type: ignore[assignment]
        made.sum.data_points.add()
        return made

    gauge = Metric(name="m")
    gauge.gauge.data_points.add()
    described = metric()
    described.description = "d"
    assert of({}, "", described) == of({}, "", metric())
    assert of({"a": 1, "b": 2}, "", metric()) == of({"b": 2, "a": 1}, "", metric())
    different = [metric(), metric("n"), metric(unit="s"), metric(monotonic=True), metric(temporality=2), gauge]
    told = [of({}, "", each) for each in different] + [of({"a": 1}, "", metric()), of({}, "2", metric())]
    assert len(set(map(repr, told))) == 8
