"""Sums: plain numbers."""

import math
from struct import Struct

__all__ = ["Number", "added", "fields", "grown", "is_finite", "zero"]

Number = int | float

_DOUBLE = Struct("<Bd")
_INT = Struct("<Bq")
_AS_DOUBLE, _AS_INT = 4 << 3 | 1, 6 << 3 | 1
_MAX_INT = 2**63


def grown(value: Number, last: Number) -> Number | None:
    """By how much a counter grew; None if it is lower, and so began anew."""
    return value - last if value >= last else None


def added(total: Number, growth: Number) -> Number:
    """Whole numbers stay whole."""
    return total + growth


def fields(value: Number) -> bytes:
    """The value as a field of a NumberDataPoint; a whole number beyond 64 bits becomes a double."""
    if isinstance(value, int) and -_MAX_INT <= value < _MAX_INT:
        return _INT.pack(_AS_INT, value)
    return _DOUBLE.pack(_AS_DOUBLE, float(value))


def is_finite(value: Number) -> bool:
    """Whether it can be added up: one NaN would make every later total one."""
    return isinstance(value, int) or math.isfinite(value)


def zero(value: Number) -> Number:
    """0, as the value's type."""
    return type(value)(0)
