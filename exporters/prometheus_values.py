"""What an OTLP data point says, in the terms of Prometheus' exposition formats."""

import math
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise
from typing import Any

from wire.prometheus_names import Kind, label_name
from wire.remote_write_exemplars import Exemplar, read_exemplars

__all__ = ["VALUES", "Buckets", "Malformed", "Number", "Quantiles", "Value"]


class Malformed(Exception):
    """The point contradicts itself."""


@dataclass(frozen=True, slots=True, repr=False)
class Number:
    """A counter or a gauge; of its exemplars the latest, as the format has room for one."""

    value: float
    exemplar: Exemplar | None = None


@dataclass(frozen=True, slots=True, repr=False)
class Buckets:
    """A histogram: upper bounds without +Inf, and for each how much lies at or below it; `native` is the exponential
    histogram that they were made from, if they were.
    """

    bounds: Sequence[float]
    totals: Sequence[int]
    count: int
    sum: float | None
    exemplars: Mapping[float, Exemplar]
    """By upper bound (+Inf, too), the latest of each bucket."""
    native: Any = None


@dataclass(frozen=True, slots=True, repr=False)
class Quantiles:
    """A summary."""

    quantiles: Sequence[tuple[float, float]]
    sum: float
    count: int


Value = Number | Buckets | Quantiles


def _exemplars(point: Any, after_ms: int, time_ms: int) -> list[Exemplar]:
    return read_exemplars([each.SerializeToString() for each in point.exemplars], after_ms, time_ms, label_name)


def _number(point: Any, with_exemplars: bool = False) -> Number:
    kind = point.WhichOneof("value")
    if kind is None:
        raise Malformed
    latest = _exemplars(point, -1, point.time_unix_nano // 1_000_000)[-1:] if with_exemplars else []
    return Number(getattr(point, kind), latest[0] if latest else None)


def _histogram(point: Any) -> Buckets:
    bounds, counts = list(point.explicit_bounds), list(point.bucket_counts)
    if not counts:
        bounds = []
    elif len(counts) != len(bounds) + 1 or not _rising(bounds):
        raise Malformed
    if bounds and bounds[-1] == math.inf:
        bounds.pop()
    totals = list(accumulate(counts[: len(bounds)]))
    return Buckets(bounds, totals, point.count, _sum(point), _by_bucket(point, bounds))


def _rising(bounds: Sequence[float]) -> bool:
    return not any(map(math.isnan, bounds)) and all(low < high for low, high in pairwise(bounds))


def _sum(point: Any) -> float | None:
    return float(point.sum) if point.HasField("sum") else None


def _by_bucket(point: Any, bounds: Sequence[float]) -> dict[float, Exemplar]:
    exemplars = _exemplars(point, -1, point.time_unix_nano // 1_000_000)
    return {next((bound for bound in bounds if each.value <= bound), math.inf): each for each in exemplars}


def _exponential(point: Any) -> Buckets:
    """Classic buckets at the powers of two, or of a power of two where the scale is coarser: their bounds are exact,
    few, and the same whatever the scale, so that series do not change their buckets when the range grows.
    """
    counts: Counter[float] = Counter()
    for low, _, count in _coarse(point.negative, point.scale):
        counts[-low] += count
    for _, high, count in _coarse(point.positive, point.scale):
        counts[high] += count
    counts[min((bound for bound in counts if 0 < bound < point.zero_threshold), default=point.zero_threshold)] += (
        point.zero_count
    )
    bounds = sorted(bound for bound in counts if math.isfinite(bound))
    totals = list(accumulate(counts[bound] for bound in bounds))
    return Buckets(bounds, totals, point.count, _sum(point), _by_bucket(point, bounds), point)


_COARSEST = 11
"""From scale -11 on, the first bucket above 1 reaches beyond what a double can be. A scale of -2³¹ would else make
numbers of 256 MiB."""


def _coarse(buckets: Any, scale: int) -> Iterable[tuple[float, float, int]]:
    """(lower bound, upper bound, count) of buckets merged down to scale 0; as they are if that is coarser."""
    shift = max(scale, 0)
    power = 1 << min(-min(scale, 0), _COARSEST)
    merged: dict[int, int] = {}
    for index, count in enumerate(buckets.bucket_counts, buckets.offset):
        if count:
            merged[index >> shift] = merged.get(index >> shift, 0) + count
    return [(_power(index * power), _power((index + 1) * power), count) for index, count in merged.items()]


def _power(exponent: int) -> float:
    if exponent > 1023:
        return math.inf
    return 2.0 ** max(exponent, -1100)


def _summary(point: Any) -> Quantiles:
    found = sorted((one.quantile, one.value) for one in point.quantile_values)
    if len({quantile for quantile, _ in found}) != len(found):
        raise Malformed
    return Quantiles(found, point.sum, point.count)


VALUES: Mapping[Kind, Callable[[Any], Value]] = {
    Kind.GAUGE: _number,
    Kind.UPDOWN: _number,
    Kind.COUNTER: lambda point: _number(point, with_exemplars=True),
    Kind.HISTOGRAM: _histogram,
    Kind.EXPONENTIAL_HISTOGRAM: _exponential,
    Kind.SUMMARY: _summary,
}
"""By kind, what a point says. Raises: `Malformed`."""
