"""Data points as samples: which series a number, a histogram or a summary becomes, and the values."""

import math
import struct
from bisect import bisect_left
from collections.abc import Callable, Iterable, Mapping, Sequence
from enum import StrEnum
from functools import lru_cache
from itertools import pairwise
from typing import Any

from opentelemetry.proto.metrics.v1.metrics_pb2 import (
    DataPointFlags,
    HistogramDataPoint,
    NumberDataPoint,
    SummaryDataPoint,
)

from wire.prometheus_names import Kind
from wire.remote_write_labels import METRIC_NAME, Labels, decimal_text

__all__ = ["NAN", "SAMPLES", "STALE", "Reason", "Sample", "Unfit"]

(NAN,) = struct.unpack("<d", struct.pack("<Q", 0x7FF8000000000001))
"""What every NaN of a payload is sent as: the one bit pattern that Prometheus takes for an ordinary NaN."""

(STALE,) = struct.unpack("<d", struct.pack("<Q", 0x7FF0000000000002))
"""The stale marker. A signalling NaN: any arithmetic on it makes it an ordinary one, so it is only ever handed on."""

_NO_RECORDED_VALUE: int = DataPointFlags.DATA_POINT_FLAGS_NO_RECORDED_VALUE_MASK

Sample = tuple[Labels, float]


class Reason(StrEnum):
    """Why a data point was dropped; the values of the label `reason`."""

    DELTA_TEMPORALITY = "delta_temporality"
    DUPLICATE = "duplicate"
    EXPONENTIAL_HISTOGRAM = "exponential_histogram"
    INVALID_LABEL = "invalid_label"
    INVALID_NAME = "invalid_name"
    MALFORMED_POINT = "malformed_point"
    NO_TIMESTAMP = "no_timestamp"
    NO_VALUE = "no_value"
    OUT_OF_ORDER = "out_of_order"
    TYPE_CONFLICT = "type_conflict"
    UNSPECIFIED_TEMPORALITY = "unspecified_temporality"


class Unfit(Exception):
    """A data point or a whole metric that remote-write cannot carry."""

    def __init__(self, reason: Reason) -> None:
        super().__init__(reason.value)
        self.reason = reason


def _is_stale(point: Any) -> bool:
    return bool(point.flags & _NO_RECORDED_VALUE)


def _ordinary(value: float) -> float:
    return value if value == value else NAN


def _number(point: NumberDataPoint, name: str, labels: dict[str, str]) -> list[Sample]:
    labels[METRIC_NAME] = name
    return [(tuple(sorted(labels.items())), STALE if _is_stale(point) else _number_value(point))]


def _number_value(point: NumberDataPoint) -> float:
    kind = point.WhichOneof("value")
    if kind is None:
        raise Unfit(Reason.NO_VALUE)
    return _ordinary(point.as_double) if kind == "as_double" else float(point.as_int)


class _Family:
    """Makes the series of one point: the same labels, but for the name and for the label that tells the parts apart."""

    def __init__(self, name: str, labels: dict[str, str], part_label: str) -> None:
        labels.pop(part_label, None)
        self._name, self._part_label = name, part_label
        self._ordered = tuple(sorted(labels.items()))
        self._name_at = bisect_left(self._ordered, (METRIC_NAME,))
        self._part_at = bisect_left(self._ordered, (part_label,))

    def series(self, suffix: str) -> Labels:
        return (*self._ordered[: self._name_at], (METRIC_NAME, self._name + suffix), *self._ordered[self._name_at :])

    def parts(self, suffix: str, texts: Iterable[str]) -> list[Labels]:
        """One series for each text; the label that tells them apart sorts after the name, which starts with "_"."""
        middle = self._ordered[self._name_at : self._part_at]
        head = (*self._ordered[: self._name_at], (METRIC_NAME, self._name + suffix), *middle)
        tail = self._ordered[self._part_at :]
        return [(*head, (self._part_label, text), *tail) for text in texts]


_bound_text = lru_cache(maxsize=16_384)(decimal_text)


def _histogram(point: HistogramDataPoint, name: str, labels: dict[str, str]) -> list[Sample]:
    """Classic: cumulative buckets by upper bound, then sum and count (OTLP metrics to Prometheus, §Histograms)."""
    family, stale = _Family(name, labels, "le"), _is_stale(point)
    bounds, counts = _buckets(point, stale)
    count = float(point.count)
    values = [*_running_totals(counts), count]
    parts = family.parts("_bucket", [*map(_bound_text, bounds), "+Inf"])
    samples = list(zip(parts, [STALE] * len(parts) if stale else values, strict=True))
    if stale or point.HasField("sum"):
        samples.append((family.series("_sum"), STALE if stale else _ordinary(point.sum)))
    samples.append((family.series("_count"), STALE if stale else count))
    return samples


def _buckets(point: HistogramDataPoint, stale: bool) -> tuple[Sequence[float], Sequence[int]]:
    """Bounds and counts without the last bucket, which `count` stands for."""
    bounds, counts = list(point.explicit_bounds), point.bucket_counts
    if not counts and not stale:
        return (), ()
    if not stale and len(counts) != len(bounds) + 1:
        raise Unfit(Reason.MALFORMED_POINT)
    if any(map(math.isnan, bounds)) or any(low >= high for low, high in pairwise(bounds)):
        raise Unfit(Reason.MALFORMED_POINT)
    if bounds and bounds[-1] == math.inf:
        bounds.pop()
    return bounds, counts[: len(bounds)]


def _running_totals(counts: Iterable[int]) -> Iterable[float]:
    total = 0
    for count in counts:
        total += count
        yield float(total)


def _summary(point: SummaryDataPoint, name: str, labels: dict[str, str]) -> list[Sample]:
    family, stale = _Family(name, labels, "quantile"), _is_stale(point)
    texts = [_bound_text(one.quantile) for one in point.quantile_values]
    if len(set(texts)) != len(texts):
        raise Unfit(Reason.MALFORMED_POINT)
    values = [_ordinary(one.value) for one in point.quantile_values]
    series = [*family.parts("", texts), family.series("_sum"), family.series("_count")]
    values += [_ordinary(point.sum), float(point.count)]
    return list(zip(series, [STALE] * len(series) if stale else values, strict=True))


SAMPLES: Mapping[Kind, Callable[[Any, str, dict[str, str]], list[Sample]]] = {
    Kind.GAUGE: _number,
    Kind.COUNTER: _number,
    Kind.UPDOWN: _number,
    Kind.HISTOGRAM: _histogram,
    Kind.SUMMARY: _summary,
}
"""By kind: the samples of a point of a metric, from the metric's name and the point's labels, which may be changed.

Raises: `Unfit`.
"""
