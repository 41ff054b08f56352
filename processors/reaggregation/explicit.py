"""Explicit histograms: counts between bounds, added bucket by bucket."""

import operator
from array import array
from bisect import bisect_left
from typing import Any, NamedTuple

from opentelemetry.proto.metrics.v1.metrics_pb2 import HistogramDataPoint

from processors.reaggregation.totals import all_or_none, finite, known

__all__ = ["Explicit", "added", "fields", "grown", "read", "zero"]


class Explicit(NamedTuple):
    """A histogram as it stands at a time. `counts` has one more than `bounds`, or is empty if there are no buckets.

    `sum`, `min` and `max` are None if not known.
    """

    bounds: tuple[float, ...]
    counts: "array[int]"
    observed: int
    sum: float | None
    min: float | None
    max: float | None


def read(point: bytes) -> Explicit | None:
    """The value of a serialized HistogramDataPoint; None if it has another number of buckets than its bounds make."""
    message: Any = HistogramDataPoint.FromString(point)
    bounds, counts = tuple(message.explicit_bounds), array("Q", message.bucket_counts)
    if counts and len(counts) != len(bounds) + 1:
        return None
    return Explicit(
        bounds, counts, message.count, finite(known(message, "sum")), known(message, "min"), known(message, "max")
    )


def grown(value: Explicit, last: Explicit) -> Explicit | None:
    """What came since `last`; None if the histogram began anew: a count is lower, or bounds that were not there."""
    before = _on(last, value.bounds)
    if before is None or value.observed < last.observed or len(before) != len(value.counts):
        return None
    if any(map(operator.lt, value.counts, before)):
        return None
    counts = array("Q", map(operator.sub, value.counts, before))
    total = all_or_none(value.sum, last.sum, operator.sub)
    return value._replace(counts=counts, observed=value.observed - last.observed, sum=total)


def added(total: Explicit, growth: Explicit) -> Explicit | None:
    """Both, on the coarser of the two sets of bounds; None where neither set holds the other, or counts overflow."""
    bounds = min(total.bounds, growth.bounds, key=len)
    left, right = _on(total, bounds), _on(growth, bounds)
    if left is None or right is None or len(left) != len(right):
        return None
    count = total.observed + growth.observed
    try:
        counts = array("Q", map(operator.add, left, right))
        array("Q", [count])
    except OverflowError:
        return None
    return Explicit(
        bounds,
        counts,
        count,
        all_or_none(total.sum, growth.sum, operator.add),
        all_or_none(total.min, growth.min, min),
        all_or_none(total.max, growth.max, max),
    )


def _on(value: Explicit, bounds: tuple[float, ...]) -> "array[int] | None":
    """The counts between other bounds, all of which the value must have: nothing is spread, only joined. None where
    that cannot be, or counts overflow.
    """
    if bounds == value.bounds:
        return value.counts
    if not value.counts or not set(bounds) <= set(value.bounds):
        return None
    counts = array("Q", bytes(8 * (len(bounds) + 1)))
    try:
        for upper, count in zip((*value.bounds, float("inf")), value.counts, strict=True):
            counts[bisect_left(bounds, upper)] += count
    except OverflowError:
        return None
    return counts


def fields(value: Explicit) -> bytes:
    """The value as fields of a HistogramDataPoint."""
    message = HistogramDataPoint(
        count=value.observed,
        sum=value.sum,
        min=value.min,
        max=value.max,
        bucket_counts=value.counts,
        explicit_bounds=value.bounds,
    )
    return message.SerializeToString()


def zero(value: Explicit) -> Explicit:
    """The histogram before anything was observed."""
    counts = array("Q", bytes(8 * len(value.counts)))
    return Explicit(value.bounds, counts, 0, None if value.sum is None else 0.0, None, None)
