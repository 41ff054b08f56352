"""Adding up metric data points whose series became one: pure functions, one merge per kind of metric.

They know nothing of batches; `drop_labels` uses them within one batch, and state across batches can be built on them.
"""

from collections.abc import Callable, Hashable, Iterable, Sequence
from typing import Any

from opentelemetry.proto.metrics.v1.metrics_pb2 import DataPointFlags

__all__ = ["MAX_BUCKETS", "MAX_EXEMPLARS", "identity_of", "merge", "series_of"]

MAX_EXEMPLARS = 16
"""Exemplars of one merged point: 10,000 merged points would otherwise hand on 10,000 of them."""
MAX_BUCKETS = 4096
"""Buckets of one side of a merged exponential histogram: SDKs send 160; offsets far apart would ask for gigabytes."""

_MAX_COUNT = 2**64 - 1
_MAX_INT = 2**63


def series_of(attributes: Iterable[Any]) -> Hashable:
    """What tells a set of attributes from another, whatever their order."""
    return tuple(sorted((entry.key, entry.value.SerializeToString(deterministic=True)) for entry in attributes))


def identity_of(resource: Any, scope: Any, metric: Any) -> Hashable:
    """What tells a metric from another: resource, scope, name, unit, kind, temporality, monotonicity."""
    kind = metric.WhichOneof("data")
    data = getattr(metric, kind)
    return (
        series_of(resource.attributes),
        (scope.name, scope.version, series_of(scope.attributes)),
        (metric.name, metric.unit, kind),
        (getattr(data, "aggregation_temporality", 0), getattr(data, "is_monotonic", False)),
    )


def merge(kind: str, target: Any, other: Any) -> bool:
    """Add `other` to `target`: points of one series and time, of a metric whose data is `kind` (`gauge`, `sum`, …).

    False, with nothing changed, if they cannot be added. A point that only says "no value" (stale) gives way to another
    that has one.
    """
    if _is_stale(other):
        return True
    if _is_stale(target):
        target.CopyFrom(other)
        return True
    merged = _MERGES[kind](target, other)
    if merged:
        _merge_common(target, other)
    return merged


def _is_stale(point: Any) -> bool:
    return bool(point.flags & DataPointFlags.DATA_POINT_FLAGS_NO_RECORDED_VALUE_MASK)


def _merge_common(target: Any, other: Any) -> None:
    """The earlier start, because what is added up began then (0 = unknown), and the first exemplars."""
    starts = [start for start in (target.start_time_unix_nano, other.start_time_unix_nano) if start]
    target.start_time_unix_nano = min(starts, default=0)
    if target.DESCRIPTOR.name != "SummaryDataPoint":
        room = max(0, MAX_EXEMPLARS - len(target.exemplars))
        target.exemplars.extend(other.exemplars[:room])


def _merge_gauges(target: Any, other: Any) -> bool:
    """The last one sent: there is no newer one, the times are equal."""
    _set_number(target, _number(other))
    return True


def _merge_sums(target: Any, other: Any) -> bool:
    """Whole numbers stay whole as long as both are and the sum fits into 64 bits."""
    _set_number(target, _number(target) + _number(other))
    return True


def _number(point: Any) -> int | float:
    value: int | float = point.as_int if point.WhichOneof("value") == "as_int" else point.as_double
    return value


def _set_number(point: Any, value: int | float) -> None:
    if isinstance(value, int) and -_MAX_INT <= value < _MAX_INT:
        point.as_int = value
    else:
        point.as_double = float(value)


def _merge_histograms(target: Any, other: Any) -> bool:
    """Equal bounds only; spreading counts over other bounds would invent values."""
    if target.explicit_bounds != other.explicit_bounds or len(target.bucket_counts) != len(other.bucket_counts):
        return False
    counts = [a + b for a, b in zip(target.bucket_counts, other.bucket_counts, strict=True)]
    if not _fit([target.count + other.count, *counts]):
        return False
    target.bucket_counts[:] = counts
    _merge_totals(target, other)
    return True


def _merge_exponential_histograms(target: Any, other: Any) -> bool:
    """Equal scale and zero threshold only."""
    if target.scale != other.scale or target.zero_threshold != other.zero_threshold:
        return False
    positive = _added_buckets(target.positive, other.positive)
    negative = _added_buckets(target.negative, other.negative)
    if positive is None or negative is None:
        return False
    if not _fit([target.count + other.count, target.zero_count + other.zero_count, *positive[1], *negative[1]]):
        return False
    target.zero_count += other.zero_count
    for buckets, (offset, counts) in ((target.positive, positive), (target.negative, negative)):
        buckets.offset = offset
        buckets.bucket_counts[:] = counts
    _merge_totals(target, other)
    return True


def _added_buckets(left: Any, right: Any) -> tuple[int, list[int]] | None:
    """Offset and counts of both; None if they lie too far apart."""
    filled = [buckets for buckets in (left, right) if buckets.bucket_counts]
    if not filled:
        return 0, []
    low = min(buckets.offset for buckets in filled)
    high = max(buckets.offset + len(buckets.bucket_counts) for buckets in filled)
    if high - low > MAX_BUCKETS:
        return None
    counts = [0] * (high - low)
    for buckets in filled:
        for index, count in enumerate(buckets.bucket_counts, buckets.offset - low):
            counts[index] += count
    return low, counts


def _fit(counts: Sequence[int]) -> bool:
    return max(counts) <= _MAX_COUNT


def _merge_totals(target: Any, other: Any) -> None:
    """Count, and of the optional sum, min and max those that both have: what one does not know is not known of both."""
    target.count += other.count
    for name, add in _TOTALS.items():
        if target.HasField(name) and other.HasField(name):
            setattr(target, name, add((getattr(target, name), getattr(other, name))))
        else:
            target.ClearField(name)


_TOTALS: dict[str, Callable[[Iterable[float]], float]] = {"sum": sum, "min": min, "max": max}


def _merge_summaries(target: Any, other: Any) -> bool:
    """Count and sum; quantiles of both together cannot be told from the quantiles of each."""
    if not _fit([target.count + other.count]):
        return False
    target.count += other.count
    target.sum += other.sum
    del target.quantile_values[:]
    return True


_MERGES: dict[str, Callable[[Any, Any], bool]] = {
    "gauge": _merge_gauges,
    "sum": _merge_sums,
    "histogram": _merge_histograms,
    "exponential_histogram": _merge_exponential_histograms,
    "summary": _merge_summaries,
}
