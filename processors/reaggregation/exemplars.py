"""Exemplars of points that are added up: fewer of them, and without the labels that were taken off."""

from collections.abc import Callable, Sequence
from typing import Any

from opentelemetry.proto.metrics.v1.metrics_pb2 import (
    Exemplar,
    ExponentialHistogramDataPoint,
    HistogramDataPoint,
    NumberDataPoint,
)

from wire.metric_points import EXPONENTIAL_HISTOGRAM, GAUGE, HISTOGRAM, SUM

__all__ = ["MAX_EXEMPLARS", "cleaned", "latest", "without_exemplar_labels"]

MAX_EXEMPLARS = 16
"""Exemplars of one point: 10,000 points that become one would otherwise hand on 10,000 of them."""

_POINTS: dict[int, Any] = {
    GAUGE: NumberDataPoint,
    SUM: NumberDataPoint,
    HISTOGRAM: HistogramDataPoint,
    EXPONENTIAL_HISTOGRAM: ExponentialHistogramDataPoint,
}


def cleaned(exemplars: Sequence[bytes], strip: Callable[[bytes], bool] | None) -> list[bytes]:
    """Serialized exemplars without the attributes whose keys `strip` names."""
    if strip is None:
        return list(exemplars)
    return [_cleaned(Exemplar.FromString(each), strip) for each in exemplars]


def _cleaned(exemplar: Any, strip: Callable[[bytes], bool]) -> bytes:
    kept = [entry for entry in exemplar.filtered_attributes if not strip(entry.key.encode())]
    del exemplar.filtered_attributes[:]
    exemplar.filtered_attributes.extend(kept)
    return bytes(exemplar.SerializeToString())


def latest(exemplars: Sequence[bytes]) -> Sequence[bytes]:
    """The newest within the limit, the same whatever order they came in."""
    if len(exemplars) <= MAX_EXEMPLARS:
        return exemplars
    return sorted(exemplars, key=lambda each: (Exemplar.FromString(each).time_unix_nano, each))[-MAX_EXEMPLARS:]


def without_exemplar_labels(kind: int, point: bytes, strip: Callable[[bytes], bool]) -> bytes:
    """A serialized data point whose exemplars have lost labels; the same bytes if they had none."""
    message = _POINTS[kind].FromString(point)
    if not any(strip(entry.key.encode()) for each in message.exemplars for entry in each.filtered_attributes):
        return point
    for exemplar in message.exemplars:
        exemplar.CopyFrom(Exemplar.FromString(_cleaned(exemplar, strip)))
    return bytes(message.SerializeToString())
