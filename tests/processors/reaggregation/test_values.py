"""Adding and subtracting the values of each kind."""

from array import array
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.proto.metrics.v1.metrics_pb2 import (
    ExponentialHistogramDataPoint,
    HistogramDataPoint,
    NumberDataPoint,
    SummaryDataPoint,
)

from processors.reaggregation import explicit, exponential, summaries
from processors.reaggregation.exponential import MAX_BUCKETS, Buckets, Exponential
from processors.reaggregation.values import KINDS, packed, unpacked
from wire.metric_points import EXPONENTIAL_HISTOGRAM, HISTOGRAM, SUM, SUMMARY


def bounded(bounds: list[float], counts: list[int], total: float | None = 1.0) -> Any:
    point = HistogramDataPoint(explicit_bounds=bounds, bucket_counts=counts, count=sum(counts), sum=total)
    return explicit.read(point.SerializeToString())


def scaled(scale: int, positive: dict[int, int], zeros: int = 0, threshold: float = 0.0) -> Exponential:
    """A histogram with counts by bucket index."""
    low = min(positive, default=0)
    counts = [positive.get(index, 0) for index in range(low, max(positive, default=-1) + 1)]
    point = ExponentialHistogramDataPoint(
        scale=scale, zero_count=zeros, zero_threshold=threshold, count=zeros + sum(counts), sum=0.0
    )
    point.positive.offset = low
    point.positive.bucket_counts.extend(counts)
    read = exponential.read(point.SerializeToString())
    assert read is not None
    return read


def by_index(side: Buckets) -> dict[int, int]:
    return {index: count for index, count in enumerate(side.counts, side.offset) if count}


def test_numbers() -> None:
    """Whole ones stay whole, until they are too large for OTLP."""
    kind = KINDS[SUM]
    assert NumberDataPoint.FromString(kind.fields(kind.added(2, 3))) == NumberDataPoint(as_int=5)
    assert NumberDataPoint.FromString(kind.fields(2**63)) == NumberDataPoint(as_double=2.0**63)
    assert (kind.grown(5, 3), kind.grown(3, 5), kind.zero(3.5)) == (2, None, 0.0)


def test_explicit_bounds() -> None:
    """Equal bounds add; a set that holds the other is joined to it; others cannot be added."""
    fine, coarse = bounded([1, 2, 5], [1, 2, 3, 4]), bounded([2], [10, 20])
    assert explicit.added(fine, fine) == bounded([1, 2, 5], [2, 4, 6, 8], 2.0)
    assert explicit.added(fine, coarse) == explicit.added(coarse, fine) == bounded([2], [13, 27], 2.0)
    assert explicit.added(fine, bounded([3], [1, 1])) is None
    assert explicit.added(fine, bounded([], [], None)) is None
    assert explicit.added(bounded([], [5]), bounded([1], [1, 1])) == bounded([], [7], 2.0)


def test_explicit_growth() -> None:
    """A lower count anywhere is a beginning; a sum that one does not know is not known."""
    earlier, later = bounded([1], [1, 2], 3.0), bounded([1], [4, 2], 5.0)
    assert explicit.grown(later, earlier) == bounded([1], [3, 0], 2.0)
    assert explicit.grown(earlier, later) is None
    assert explicit.grown(bounded([1], [0, 9]), earlier) is None
    growth = explicit.grown(later, bounded([1], [1, 2], None))
    assert growth is not None
    assert growth.sum is None
    assert explicit.read(HistogramDataPoint(explicit_bounds=[1], bucket_counts=[1]).SerializeToString()) is None


def test_exponential_scales() -> None:
    """The coarser scale holds: bucket i of the finer lies in bucket i >> difference."""
    total = exponential.added(scaled(2, {0: 1, 1: 2, 4: 3, -1: 4}), scaled(1, {0: 10}))
    assert total is not None
    assert (total.scale, by_index(total.positive)) == (1, {0: 13, 2: 3, -1: 4})


def test_exponential_zero_buckets() -> None:
    """The wider one holds; what begins below it goes into it, as far as the bucket reaches."""
    total = exponential.added(scaled(0, {0: 1, 1: 2, 5: 3}, zeros=1), scaled(0, {5: 1}, zeros=2, threshold=3.0))
    assert total is not None
    assert (total.threshold, total.zeros, by_index(total.positive)) == (4.0, 6, {5: 4})


def test_exponential_histograms_far_apart() -> None:
    """They are held at a coarser scale, within the limit."""
    total = exponential.added(scaled(10, {-MAX_BUCKETS: 1}), scaled(10, {MAX_BUCKETS: 2}))
    assert total is not None
    assert (total.scale, by_index(total.positive)) == (8, {-MAX_BUCKETS // 4: 1, MAX_BUCKETS // 4: 2})


def test_exponential_growth() -> None:
    """Also over a change to a coarser scale; a finer one is a beginning."""
    earlier, later = scaled(1, {0: 1, 3: 2}), scaled(0, {0: 2, 1: 2, 7: 1})
    growth = exponential.grown(later, earlier)
    assert growth is not None
    assert (by_index(growth.positive), growth.observed) == ({0: 1, 7: 1}, 2)
    assert exponential.grown(earlier, later) is None
    assert exponential.grown(scaled(1, {0: 1, 4: 5}), earlier) is None


@pytest.mark.parametrize("written", [{"scale": 30}, {"zero_threshold": -1.0}, {"zero_threshold": float("inf")}])
def test_what_no_sdk_says_is_no_value(written: dict[str, Any]) -> None:
    """Nor are buckets beyond what a double can hold."""
    assert exponential.read(ExponentialHistogramDataPoint(**written).SerializeToString()) is None
    far = ExponentialHistogramDataPoint(scale=0)
    far.positive.offset = 2**31 - 1
    far.positive.bucket_counts.append(1)
    assert exponential.read(far.SerializeToString()) is None


def test_summaries() -> None:
    """Count and sum."""
    kind = KINDS[SUMMARY]
    point = SummaryDataPoint(count=3, sum=4.5, quantile_values=[SummaryDataPoint.ValueAtQuantile(quantile=0.5)])
    read = kind.read(point.SerializeToString())
    total = kind.added(read, read)
    assert SummaryDataPoint.FromString(kind.fields(total)) == SummaryDataPoint(count=6, sum=9.0)
    assert (kind.grown(total, read), kind.grown(read, total)) == (read, None)
    assert kind.added(read, summaries.Summary(2**64 - 1, 0.0)) is None


def test_counts_that_overflow_are_not_added() -> None:
    """64 bits is what OTLP has."""
    huge = bounded([1], [2**64 - 1, 0])
    assert explicit.added(huge, huge) is None
    assert exponential.added(scaled(0, {0: 2**64 - 1}), scaled(0, {0: 1})) is None
    joined = HistogramDataPoint(explicit_bounds=[1, 2], bucket_counts=[2**64 - 1, 1, 0], count=1)
    finer = explicit.read(joined.SerializeToString())
    assert finer is not None
    assert explicit.added(bounded([2], [1, 0]), finer) is None
    assert explicit.grown(bounded([2], [1, 0]), finer) is None


EXPLICIT = st.lists(st.integers(0, 2**40), min_size=4, max_size=4).map(lambda counts: bounded([1, 2, 5], counts))
EXPONENTIAL = st.builds(
    scaled, st.integers(-2, 4), st.dictionaries(st.integers(-40, 40), st.integers(1, 2**40), max_size=6)
)
NUMBERS = st.integers(0, 2**62)
VALUES = [(SUM, NUMBERS), (HISTOGRAM, EXPLICIT), (EXPONENTIAL_HISTOGRAM, EXPONENTIAL)]


@pytest.mark.parametrize(("number", "strategy"), VALUES)
@given(data=st.data())
def test_the_order_of_adding_does_not_matter(
    number: int, strategy: st.SearchStrategy[Any], data: st.DataObject
) -> None:
    """Any grouping, any order; and what was added is what grew."""
    kind = KINDS[number]
    a, b, c = (data.draw(strategy) for _ in range(3))
    total = kind.added(kind.added(a, b), c)
    assert total == kind.added(a, kind.added(b, c)) == kind.added(kind.added(c, a), b)
    growth = kind.grown(total, kind.added(a, b))
    assert growth is not None
    assert kind.added(growth, kind.added(a, b)) == total
    assert unpacked(orjson.loads(orjson.dumps(packed(a)))) == a
    message = {HISTOGRAM: HistogramDataPoint, EXPONENTIAL_HISTOGRAM: ExponentialHistogramDataPoint}.get(number)
    if message is not None:
        assert kind.read(kind.fields(total)) == total


def test_zero_is_what_everything_grew_from() -> None:
    """Of each kind."""
    assert KINDS[SUM].zero(5) == 0
    cases: list[tuple[int, Any]] = [(HISTOGRAM, bounded([1], [1, 2])), (EXPONENTIAL_HISTOGRAM, scaled(0, {1: 2}))]
    for number, value in cases:
        kind = KINDS[number]
        assert kind.added(kind.zero(value), value)[:4] == value[:4]
    assert array("Q") == exponential.zero(scaled(0, {1: 2})).positive.counts
