"""Exponential histograms: added on the coarser scale, with the wider zero bucket (OTLP data model, Merging)."""

import math
import operator
from array import array
from typing import Any, NamedTuple

from opentelemetry.proto.metrics.v1.metrics_pb2 import ExponentialHistogramDataPoint

from processors.reaggregation.totals import all_or_none, finite, known

__all__ = ["MAX_BUCKETS", "Buckets", "Exponential", "added", "fields", "grown", "read", "zero"]

MAX_BUCKETS = 4096
"""Buckets of one side: SDKs send 160; what lies further apart is held at a coarser scale, not in gigabytes."""
_MIN_SCALE, _MAX_SCALE = -10, 20
"""What SDKs use (OpenTelemetry metrics SDK, Base2 Exponential Bucket Histogram Aggregation)."""
_DOUBLINGS = 1075
"""From 1 to the smallest double, and a little more than to the largest."""


class Buckets(NamedTuple):
    """Counts of the buckets from `offset` on; bucket i ends at 2^((i+1)/2^scale)."""

    offset: int
    counts: "array[int]"

    @property
    def end(self) -> int:
        return self.offset + len(self.counts)


class Exponential(NamedTuple):
    """A histogram as it stands at a time; `sum`, `min` and `max` are None if not known."""

    scale: int
    threshold: float
    zeros: int
    positive: Buckets
    negative: Buckets
    observed: int
    sum: float | None
    min: float | None
    max: float | None


def read(point: bytes) -> Exponential | None:
    """The value of a serialized ExponentialHistogramDataPoint; None if it says what cannot be: a scale that SDKs do
    not use, buckets beyond what a double can hold, or no proper threshold.
    """
    message: Any = ExponentialHistogramDataPoint.FromString(point)
    if not 0 <= message.zero_threshold < math.inf or not _MIN_SCALE <= message.scale <= _MAX_SCALE:
        return None
    positive, negative = (
        _trimmed(side.offset, array("Q", side.bucket_counts)) for side in (message.positive, message.negative)
    )
    farthest = _DOUBLINGS * 2.0**message.scale + 1
    if min(positive.offset, negative.offset) < -farthest or max(positive.end, negative.end) > farthest:
        return None
    return Exponential(
        message.scale,
        message.zero_threshold,
        message.zero_count,
        positive,
        negative,
        message.count,
        finite(known(message, "sum")),
        known(message, "min"),
        known(message, "max"),
    )


def _trimmed(offset: int, counts: "array[int]") -> Buckets:
    """Without empty buckets at either end, so that equal histograms are equal."""
    first, last = 0, len(counts)
    while first < last and not counts[first]:
        first += 1
    while last > first and not counts[last - 1]:
        last -= 1
    return Buckets(offset + first if first < last else 0, counts[first:last])


def grown(value: Exponential, last: Exponential) -> Exponential | None:
    """What came since `last`; None if the histogram began anew: it has a finer scale, or a count is lower."""
    if value.observed < last.observed or value.scale > last.scale or value.threshold < last.threshold:
        return None
    try:
        before = _widened(_coarser(last, last.scale - value.scale), value.threshold)
    except OverflowError:
        return None
    if before.threshold > value.threshold or value.zeros < before.zeros:
        return None
    positive, negative = _less(value.positive, before.positive), _less(value.negative, before.negative)
    if positive is None or negative is None:
        return None
    return value._replace(
        zeros=value.zeros - before.zeros,
        positive=positive,
        negative=negative,
        observed=value.observed - last.observed,
        sum=all_or_none(value.sum, last.sum, operator.sub),
    )


def added(total: Exponential, growth: Exponential) -> Exponential | None:
    """Both; None if counts overflow."""
    try:
        left, right = _aligned(total, growth)
        positive, negative = _more(left.positive, right.positive), _more(left.negative, right.negative)
        zeros, count = array("Q", [left.zeros + right.zeros, left.observed + right.observed])
    except OverflowError:
        return None
    return Exponential(
        left.scale,
        left.threshold,
        zeros,
        positive,
        negative,
        count,
        all_or_none(left.sum, right.sum, operator.add),
        all_or_none(left.min, right.min, min),
        all_or_none(left.max, right.max, max),
    )


def _aligned(left: Exponential, right: Exponential) -> tuple[Exponential, Exponential]:
    """Both on one scale and threshold."""
    scale = min(left.scale, right.scale)
    left, right = _coarser(left, left.scale - scale), _coarser(right, right.scale - scale)
    excess = max(_excess(left.positive, right.positive), _excess(left.negative, right.negative))
    left, right = _coarser(left, excess), _coarser(right, excess)
    while left.threshold != right.threshold:
        threshold = max(left.threshold, right.threshold)
        left, right = _widened(left, threshold), _widened(right, threshold)
    return left, right


def _excess(left: Buckets, right: Buckets) -> int:
    """By how many scales both sides must get coarser to fit into `MAX_BUCKETS`."""
    filled = [side for side in (left, right) if side.counts]
    if not filled:
        return 0
    low, high, steps = min(side.offset for side in filled), max(side.end for side in filled) - 1, 0
    while (high >> steps) - (low >> steps) >= MAX_BUCKETS:
        steps += 1
    return steps


def _coarser(value: Exponential, steps: int) -> Exponential:
    """Each step joins two buckets to one."""
    if steps <= 0:
        return value
    return value._replace(
        scale=value.scale - steps, positive=_joined(value.positive, steps), negative=_joined(value.negative, steps)
    )


def _joined(side: Buckets, steps: int) -> Buckets:
    if not side.counts:
        return side
    low = side.offset >> steps
    counts = array("Q", bytes(8 * (((side.end - 1) >> steps) - low + 1)))
    for index, count in enumerate(side.counts, side.offset):
        counts[(index >> steps) - low] += count
    return Buckets(low, counts)


def _widened(value: Exponential, threshold: float) -> Exponential:
    """Buckets that begin below the threshold go into the zero bucket, which then ends where the last of them does."""
    if threshold <= value.threshold:
        return value
    per_doubling = 2.0**value.scale
    below = _ceiling(math.log2(threshold) * per_doubling)
    sides = [_split(value.positive, below), _split(value.negative, below)]
    last = max((inner.end for inner, _ in sides if inner.counts), default=None)
    if last is not None:
        threshold = max(threshold, 2.0 ** min(last / per_doubling, 1023.0))
    zeros = value.zeros + sum(sum(inner.counts) for inner, _ in sides)
    return value._replace(threshold=threshold, zeros=zeros, positive=sides[0][1], negative=sides[1][1])


def _ceiling(index: float) -> int:
    """Rounded up, unless it is a whole number but for the error of the logarithm."""
    nearest = round(index)
    return nearest if math.isclose(index, nearest, rel_tol=1e-9, abs_tol=1e-9) else math.ceil(index)


def _split(side: Buckets, index: int) -> tuple[Buckets, Buckets]:
    """The buckets before an index and those from it on."""
    at = min(max(index - side.offset, 0), len(side.counts))
    return _trimmed(side.offset, side.counts[:at]), _trimmed(side.offset + at, side.counts[at:])


def _more(left: Buckets, right: Buckets) -> Buckets:
    if not left.counts or not right.counts:
        return left if left.counts else right
    low = min(left.offset, right.offset)
    counts = array("Q", bytes(8 * (max(left.end, right.end) - low)))
    for side in (left, right):
        for index, count in enumerate(side.counts, side.offset - low):
            counts[index] += count
    return Buckets(low, counts)


def _less(value: Buckets, before: Buckets) -> Buckets | None:
    if not before.counts:
        return value
    if not value.counts or before.offset < value.offset or before.end > value.end:
        return None
    counts = value.counts[:]
    for index, count in enumerate(before.counts, before.offset - value.offset):
        if counts[index] < count:
            return None
        counts[index] -= count
    return _trimmed(value.offset, counts)


def fields(value: Exponential) -> bytes:
    """The value as fields of an ExponentialHistogramDataPoint."""
    sides = [
        ExponentialHistogramDataPoint.Buckets(offset=side.offset, bucket_counts=side.counts)
        for side in (value.positive, value.negative)
    ]
    message = ExponentialHistogramDataPoint(
        count=value.observed,
        sum=value.sum,
        min=value.min,
        max=value.max,
        scale=value.scale,
        zero_count=value.zeros,
        zero_threshold=value.threshold,
        positive=sides[0],
        negative=sides[1],
    )
    return message.SerializeToString()


def zero(value: Exponential) -> Exponential:
    """The histogram before anything was observed."""
    nothing = Buckets(0, array("Q"))
    total = None if value.sum is None else 0.0
    return Exponential(value.scale, value.threshold, 0, nothing, nothing, 0, total, None, None)
