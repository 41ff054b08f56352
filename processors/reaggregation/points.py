"""Reading data points."""

from processors.reaggregation.sums import is_finite
from processors.reaggregation.values import KINDS, Value
from wire.metric_points import GAUGE, SUM, Point

__all__ = ["MILLISECOND", "value_of"]

MILLISECOND = 1_000_000
"""In nanoseconds. Points of one series must be this far apart, because Prometheus cuts times to milliseconds."""

_NO_VALUE_FLAG = 1
"""DATA_POINT_FLAGS_NO_RECORDED_VALUE_MASK."""


def value_of(kind: int, point: Point, payload: bytes) -> Value | None:
    """The value of a point; None if it has none, or none that can be added up."""
    if point[4] & _NO_VALUE_FLAG:
        return None
    if kind not in (GAUGE, SUM):
        return KINDS[kind].read(payload[point[0] : point[1]])
    value = point[5]
    return value if value is None or kind == GAUGE or is_finite(value) else None
