"""Adding two points of each kind."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.proto.common.v1.common_pb2 import InstrumentationScope
from opentelemetry.proto.metrics.v1.metrics_pb2 import (
    DataPointFlags,
    Exemplar,
    ExponentialHistogramDataPoint,
    HistogramDataPoint,
    Metric,
    NumberDataPoint,
    SummaryDataPoint,
)
from opentelemetry.proto.resource.v1.resource_pb2 import Resource

from processors.aggregation import MAX_BUCKETS, MAX_EXEMPLARS, identity_of, merge, series_of
from tests.payloads import pairs

STALE = DataPointFlags.DATA_POINT_FLAGS_NO_RECORDED_VALUE_MASK
Buckets = ExponentialHistogramDataPoint.Buckets


def merged(kind: str, first: Any, second: Any) -> Any:
    """The first point after the second was added."""
    assert merge(kind, first, second)
    return first


def refused(kind: str, first: Any, second: Any) -> bool:
    """Whether the second could not be added and the first stayed as it was."""
    before = first.SerializeToString()
    return not merge(kind, first, second) and first.SerializeToString() == before


@pytest.mark.parametrize(
    ("first", "second", "total"),
    [
        (NumberDataPoint(as_int=2), NumberDataPoint(as_int=3), NumberDataPoint(as_int=5)),
        (NumberDataPoint(as_int=2), NumberDataPoint(as_double=0.5), NumberDataPoint(as_double=2.5)),
        (NumberDataPoint(as_int=2**63 - 1), NumberDataPoint(as_int=1), NumberDataPoint(as_double=2.0**63)),
    ],
)
def test_sums_add(first: NumberDataPoint, second: NumberDataPoint, total: NumberDataPoint) -> None:
    """Whole numbers stay whole while they can."""
    assert merged("sum", first, second) == total


def test_a_gauge_keeps_the_last_value() -> None:
    """With its type."""
    assert merged("gauge", NumberDataPoint(as_int=7), NumberDataPoint(as_double=0.5)) == NumberDataPoint(as_double=0.5)


def test_the_earlier_known_start_holds() -> None:
    """0 means unknown."""
    for starts, expected in (((5, 3), 3), ((0, 3), 3), ((5, 0), 5), ((0, 0), 0)):
        first, second = (NumberDataPoint(start_time_unix_nano=start) for start in starts)
        assert merged("sum", first, second).start_time_unix_nano == expected


def test_stale_points_give_way() -> None:
    """A point without a value neither adds nor stays; two of them stay one."""
    stale, live = NumberDataPoint(flags=int(STALE)), NumberDataPoint(as_int=4)
    assert merged("sum", NumberDataPoint(as_int=4), stale) == live
    assert merged("sum", NumberDataPoint(flags=int(STALE)), live) == live
    assert merged("sum", NumberDataPoint(flags=int(STALE)), stale) == stale


def test_exemplars_are_joined_within_a_limit() -> None:
    """The first ones."""
    first, second = (
        NumberDataPoint(as_int=1, exemplars=[Exemplar(as_int=offset + index) for index in range(10)])
        for offset in (0, 10)
    )
    assert [exemplar.as_int for exemplar in merged("sum", first, second).exemplars] == list(range(MAX_EXEMPLARS))


def test_histograms_of_equal_bounds_add() -> None:
    """Counts, sum and buckets; the smaller min and the larger max."""
    first = HistogramDataPoint(count=3, sum=6, bucket_counts=[1, 2], explicit_bounds=[5], min=1, max=4)
    second = HistogramDataPoint(count=2, sum=9, bucket_counts=[1, 1], explicit_bounds=[5], min=2, max=7)
    total = HistogramDataPoint(count=5, sum=15, bucket_counts=[2, 3], explicit_bounds=[5], min=1, max=7)
    assert merged("histogram", first, second) == total


def test_what_one_histogram_does_not_know_is_not_known_of_both() -> None:
    """Sum, min and max are optional."""
    first = HistogramDataPoint(count=1, sum=6, min=6, max=6)
    assert merged("histogram", first, HistogramDataPoint(count=1)) == HistogramDataPoint(count=2)


def test_histograms_that_differ_are_refused() -> None:
    """Other bounds, other number of buckets, counts beyond 64 bits; nothing is changed then."""
    first = HistogramDataPoint(count=1, bucket_counts=[1, 0], explicit_bounds=[5])
    assert refused("histogram", first, HistogramDataPoint(count=1, bucket_counts=[1, 0], explicit_bounds=[6]))
    assert refused("histogram", first, HistogramDataPoint(count=1, bucket_counts=[1], explicit_bounds=[5]))
    assert refused("histogram", first, HistogramDataPoint(count=2**64 - 1, bucket_counts=[0, 0], explicit_bounds=[5]))
    assert refused("histogram", first, HistogramDataPoint(count=1, bucket_counts=[2**64 - 1, 0], explicit_bounds=[5]))


def test_exponential_histograms_add_by_bucket() -> None:
    """Offsets are aligned; an empty side takes the other's."""
    first = ExponentialHistogramDataPoint(
        scale=2, count=4, zero_count=1, positive=Buckets(offset=3, bucket_counts=[1, 2]), sum=5
    )
    second = ExponentialHistogramDataPoint(
        scale=2,
        count=6,
        zero_count=2,
        positive=Buckets(offset=1, bucket_counts=[1, 0, 1]),
        negative=Buckets(offset=-4, bucket_counts=[2]),
        sum=7,
    )
    assert merged("exponential_histogram", first, second) == ExponentialHistogramDataPoint(
        scale=2,
        count=10,
        zero_count=3,
        positive=Buckets(offset=1, bucket_counts=[1, 0, 2, 2]),
        negative=Buckets(offset=-4, bucket_counts=[2]),
        sum=12,
    )


def test_exponential_histograms_that_differ_are_refused() -> None:
    """Other scale, other zero threshold, and buckets too far apart to hold in memory."""

    def point(offset: int = 0, scale: int = 0, threshold: float = 0) -> ExponentialHistogramDataPoint:
        positive = Buckets(offset=offset, bucket_counts=[1])
        return ExponentialHistogramDataPoint(count=1, scale=scale, zero_threshold=threshold, positive=positive)

    assert refused("exponential_histogram", point(), point(scale=1))
    assert refused("exponential_histogram", point(), point(threshold=0.5))
    assert refused("exponential_histogram", point(-(2**31)), point(2**31 - 1))
    assert refused("exponential_histogram", point(), point(MAX_BUCKETS))
    assert merge("exponential_histogram", point(), point(MAX_BUCKETS - 1))


def test_summaries_lose_their_quantiles() -> None:
    """Count and sum add."""
    first = SummaryDataPoint(count=1, sum=2, quantile_values=[SummaryDataPoint.ValueAtQuantile(quantile=0.5, value=2)])
    assert merged("summary", first, SummaryDataPoint(count=2, sum=3)) == SummaryDataPoint(count=3, sum=5)
    assert refused("summary", SummaryDataPoint(count=1), SummaryDataPoint(count=2**64 - 1))


def test_series_do_not_depend_on_order() -> None:
    """But on type and value."""
    assert series_of(pairs({"a": 1, "b": 2})) == series_of(pairs({"b": 2, "a": 1}))
    assert series_of(pairs({"a": 1})) != series_of(pairs({"a": "1"}))


def test_metrics_are_told_apart() -> None:
    """By name, unit, kind, temporality, monotonicity, scope and resource; not by description."""

    def metric(name: str = "m", unit: str = "", monotonic: bool = False, temporality: int = 1) -> Metric:
        made = Metric(name=name, unit=unit)
        made.sum.is_monotonic = monotonic
        made.sum.aggregation_temporality = temporality  # type: ignore[assignment]
        return made

    here, scope = Resource(), InstrumentationScope()
    gauge = Metric(name="m")
    gauge.gauge.SetInParent()
    described = metric()
    described.description = "d"
    base = identity_of(here, scope, metric())
    assert identity_of(here, scope, described) == base
    others = [
        identity_of(here, scope, other)
        for other in (metric("n"), metric(unit="s"), metric(monotonic=True), metric(temporality=2), gauge)
    ]
    others.append(identity_of(Resource(attributes=pairs({"a": 1})), scope, metric()))
    others.append(identity_of(here, InstrumentationScope(version="2"), metric()))
    assert len({base, *others}) == 8


COUNTS = st.lists(st.integers(0, 2**40), min_size=1, max_size=6)
SIDES = st.builds(lambda offset, counts: Buckets(offset=offset, bucket_counts=counts), st.integers(-20, 20), COUNTS)


def total(buckets: Any) -> dict[int, int]:
    """Non-empty buckets by index."""
    return {buckets.offset + index: count for index, count in enumerate(buckets.bucket_counts) if count}


@given(SIDES, SIDES)
def test_no_bucket_count_is_lost(left: Any, right: Any) -> None:
    """The merged bucket at each index holds both counts."""
    first, second = (ExponentialHistogramDataPoint(positive=side) for side in (left, right))
    expected = total(left)
    for index, count in total(right).items():
        expected[index] = expected.get(index, 0) + count
    assert total(merged("exponential_histogram", first, second).positive) == expected
