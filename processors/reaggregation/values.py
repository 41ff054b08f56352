"""What can be done with the values of each kind of metric: read them, tell growth, add, write, put on record."""

from array import array
from collections.abc import Callable
from typing import Any, NamedTuple

from processors.reaggregation import explicit, exponential, summaries, sums
from wire.metric_points import EXPONENTIAL_HISTOGRAM, GAUGE, HISTOGRAM, SUM, SUMMARY

__all__ = ["KINDS", "Kind", "Value", "packed", "unpacked"]

Value = Any
"""A number, `Explicit`, `Exponential` or `Summary`: immutable."""


class Kind(NamedTuple):
    """The functions of one kind. `read` takes a serialized data point, and is not used for numbers.

    `grown` gives None where a counter began anew, `added` where two values cannot be added. `zero` is what a value was
    when it began.
    """

    read: Callable[[bytes], Value]
    grown: Callable[[Value, Value], Value]
    added: Callable[[Value, Value], Value]
    fields: Callable[[Value], bytes]
    zero: Callable[[Value], Value]


def _no_bytes(point: bytes) -> Value:
    raise AssertionError("numbers are read by the kernel")


_NUMBERS = Kind(_no_bytes, sums.grown, sums.added, sums.fields, sums.zero)
KINDS = {
    GAUGE: _NUMBERS,
    SUM: _NUMBERS,
    HISTOGRAM: Kind(explicit.read, explicit.grown, explicit.added, explicit.fields, explicit.zero),
    EXPONENTIAL_HISTOGRAM: Kind(
        exponential.read, exponential.grown, exponential.added, exponential.fields, exponential.zero
    ),
    SUMMARY: Kind(summaries.read, summaries.grown, summaries.added, summaries.fields, summaries.zero),
}
"""By the number of the field that a metric's data stands in."""


def packed(value: Value) -> Any:
    """A value as JSON: a number as it is, anything else a list whose first element says what it is."""
    if isinstance(value, int) and not -(2**63) <= value < 2**63:
        return float(value)
    if isinstance(value, explicit.Explicit):
        return ["explicit", list(value.bounds), value.counts.tolist(), *value[2:]]
    if isinstance(value, exponential.Exponential):
        sides = [[side.offset, side.counts.tolist()] for side in (value.positive, value.negative)]
        return ["exponential", *value[:3], *sides, *value[5:]]
    return ["summary", *value] if isinstance(value, summaries.Summary) else value


def unpacked(value: Any) -> Value:
    """The value that was packed."""
    if not isinstance(value, list):
        return value
    sort, *rest = value
    if sort == "explicit":
        return explicit.Explicit(tuple(rest[0]), array("Q", rest[1]), *rest[2:])
    if sort == "exponential":
        sides = [exponential.Buckets(offset, array("Q", counts)) for offset, counts in rest[3:5]]
        return exponential.Exponential(*rest[:3], *sides, *rest[5:])
    return summaries.Summary(*rest)
