"""Data points as samples: what a number, a histogram or a summary is read as, and the series it is written as.

Reading gives a record: the point's time and start time (0 = unknown, or none) in milliseconds, then what is to be sent.
"""

import math
import struct
from bisect import bisect_left
from collections.abc import Callable, Sequence
from functools import lru_cache
from itertools import accumulate, pairwise
from typing import Any, NamedTuple

from opentelemetry.proto.metrics.v1.metrics_pb2 import ExponentialHistogramDataPoint, SummaryDataPoint

from wire import remote_write_native as native
from wire.remote_write_draft import Draft
from wire.remote_write_encode import sample, stamp_field, varint
from wire.remote_write_exemplars import Exemplar, read_exemplars
from wire.remote_write_labels import decimal_text
from wire.remote_write_series import Group, Piece, piece
from wire.remote_write_values import NAN, NO_RECORDED_VALUE, STALE, Reason, Unfit, ordinary, start_time

__all__ = ["CUSTOM", "EXPONENTIAL", "GAUGE", "HISTOGRAM", "NUMBER", "SUMMARY", "Record", "Shape"]

Record = tuple[Any, ...]


class Shape(NamedTuple):
    """How points of one sort are handled.

    `part` is the label that tells the series of a point apart, empty where there is one series; the names of the series
    end in `suffixes`. `read` makes a record of a point of `wire.remote_write_walk` at so many milliseconds, and raises
    `Unfit`. `samples` says how many samples a record is. `write` adds the series of a record, or of many records of a
    number, which can stand `together` in one series.
    """

    together: bool
    part: str
    suffixes: Sequence[str]
    read: Callable[[int, Any, Group], Record]
    samples: Callable[[Record], int]
    write: Callable[[Draft, Group, Sequence[Record]], None]


def _one(record: Record) -> int:
    return 1


def _read_gauge(milliseconds: int, point: Any, group: Group) -> Record:
    return milliseconds, 0, STALE if point[3] & NO_RECORDED_VALUE else _value(point[4]), None


def _read_counter(milliseconds: int, point: Any, group: Group) -> Record:
    if point[3] & NO_RECORDED_VALUE:
        return milliseconds, 0, STALE, None
    value = point[4]
    if value is None:
        raise Unfit(Reason.NO_VALUE)
    exemplars = _exemplars(point[5], milliseconds, group) if point[5] else None
    return milliseconds, start_time(point[2], milliseconds), value if value == value else NAN, exemplars


def _value(value: float | None) -> float:
    if value is None:
        raise Unfit(Reason.NO_VALUE)
    return ordinary(value)


def _exemplars(raw: list[bytes] | None, milliseconds: int, group: Group) -> list[Exemplar] | None:
    return read_exemplars(raw, group.last, milliseconds, group.metric.label_name) if raw else None


def _write_numbers(draft: Draft, group: Group, records: Sequence[Record]) -> None:
    rest = draft.metadata(group.metric.family) if draft.two else b""
    if len(records) == 1:
        ((milliseconds, start, value, exemplars),) = records
        if exemplars:
            rest = draft.exemplars(exemplars) + rest
        draft.encoder.number(group.head, value, milliseconds, start, rest)
        return
    samples = b""
    for milliseconds, start, value, exemplars in records:
        samples += sample(value, stamp_field(milliseconds, start if draft.two else 0))
        if exemplars:
            rest = draft.exemplars(exemplars) + rest
    encoder = draft.encoder
    encoder.series(encoder.refs(group.head), samples, rest)


class _Parts(NamedTuple):
    """The buckets of a histogram, or the quantiles of a summary: their numbers, and the label of each as a piece."""

    numbers: tuple[float, ...]
    pieces: list[Piece]


_text = lru_cache(maxsize=16_384)(decimal_text)


@lru_cache(maxsize=4096)
def _bounds(packed: bytes, two: bool) -> _Parts | None:
    """Bounds as OTLP packs them, and `le` labels for them and for +Inf; None if they do not rise."""
    bounds = struct.unpack(f"<{len(packed) // 8}d", packed)
    if any(map(math.isnan, bounds)) or any(low >= high for low, high in pairwise(bounds)):
        return None
    if bounds and bounds[-1] == math.inf:
        bounds = bounds[:-1]
    return _Parts(bounds, [piece((("le", text),), two) for text in (*map(_text, bounds), "+Inf")])


def _read_histogram(milliseconds: int, point: Any, group: Group) -> Record:
    """(…, parts, values of the buckets, sum or None, exemplars): buckets are cumulative, the last one is the count."""
    _, _, start, flags, count, total, packed, counts, exemplars = point
    two = group.metric.two
    if flags & NO_RECORDED_VALUE:
        ended: Any = (_bounds(packed, two) if packed else group.parts) or _bounds(b"", two)
        return milliseconds, 0, ended, [STALE] * len(ended.pieces), STALE, None
    parts, single = _buckets(packed, counts, two)
    values = [*map(float, accumulate(single[: len(parts.numbers)])), float(count)]
    group.parts = parts
    if total is not None:
        total = ordinary(total)
    found = _exemplars(exemplars, milliseconds, group)
    return milliseconds, start_time(start, milliseconds), parts, values, total, found


def _buckets(packed: bytes, counts: bytes, two: bool) -> tuple[_Parts, Sequence[int]]:
    if not counts:
        packed = b""
    elif len(counts) != len(packed) + 8:
        raise Unfit(Reason.MALFORMED_POINT)
    parts = _bounds(packed, two)
    if parts is None:
        raise Unfit(Reason.MALFORMED_POINT)
    return parts, struct.unpack(f"<{len(counts) // 8}Q", counts)


def _write_histogram(draft: Draft, group: Group, records: Sequence[Record]) -> None:
    """Classic: cumulative buckets by upper bound, then sum and count (OTLP metrics to Prometheus, Histograms)."""
    ((milliseconds, start, parts, values, total, exemplars),) = records
    encoder, names = draft.encoder, group.metric.names
    stamp = stamp_field(milliseconds, start if draft.two else 0)
    rest = draft.metadata(group.metric.family)
    head, tail = encoder.refs(group.head + names["_bucket"] + group.middle), encoder.refs(group.tail)
    rests = _by_bucket(draft, parts.numbers, exemplars, rest) if exemplars else None
    encoder.buckets(head, draft.parts(parts.pieces), tail, values, stamp, rest, rests)
    after = group.middle + group.tail
    if total is not None:
        encoder.series(encoder.refs(group.head + names["_sum"] + after), sample(total, stamp), rest)
    encoder.series(encoder.refs(group.head + names["_count"] + after), sample(values[-1], stamp), rest)


def _by_bucket(draft: Draft, bounds: Sequence[float], exemplars: list[Exemplar], rest: bytes) -> dict[int, bytes]:
    """What follows the sample of each bucket that has exemplars: the first whose bound is not below it."""
    found: dict[int, bytes] = {}
    for exemplar in exemplars:
        place = bisect_left(bounds, exemplar.value)
        found[place] = found.get(place, b"") + draft.exemplars((exemplar,))
    return {place: fields + rest for place, fields in found.items()}


def _read_summary(milliseconds: int, point: Any, group: Group) -> Record:
    """(…, parts, their values, sum, count)."""
    summary = SummaryDataPoint.FromString(point[4])
    stale = point[3] & NO_RECORDED_VALUE
    quantiles = tuple(one.quantile for one in summary.quantile_values)
    texts = [_text(quantile) for quantile in quantiles]
    if len(set(texts)) != len(texts):
        raise Unfit(Reason.MALFORMED_POINT)
    parts = _Parts(quantiles, [piece((("quantile", text),), group.metric.two) for text in texts])
    if stale:
        parts = parts if quantiles else group.parts or parts
        return milliseconds, 0, parts, [STALE] * len(parts.pieces), STALE, STALE
    group.parts = parts
    values = [ordinary(one.value) for one in summary.quantile_values]
    start = start_time(point[2], milliseconds)
    return milliseconds, start, parts, values, ordinary(summary.sum), float(summary.count)


def _write_summary(draft: Draft, group: Group, records: Sequence[Record]) -> None:
    ((milliseconds, start, parts, values, total, count),) = records
    encoder, names = draft.encoder, group.metric.names
    stamp = stamp_field(milliseconds, start if draft.two else 0)
    rest = draft.metadata(group.metric.family)
    head, tail = encoder.refs(group.head + names[""] + group.middle), encoder.refs(group.tail)
    encoder.buckets(head, draft.parts(parts.pieces), tail, values, stamp, rest, None)
    after = group.middle + group.tail
    encoder.series(encoder.refs(group.head + names["_sum"] + after), sample(total, stamp), rest)
    encoder.series(encoder.refs(group.head + names["_count"] + after), sample(count, stamp), rest)


def _read_exponential(milliseconds: int, point: Any, group: Group) -> Record:
    """(…, Histogram message, exemplars)."""
    if point[3] & NO_RECORDED_VALUE:
        return milliseconds, 0, native.marker(milliseconds), None
    decoded = ExponentialHistogramDataPoint.FromString(point[4])
    start = start_time(point[2], milliseconds) if group.metric.two else 0
    exemplars = [one.SerializeToString() for one in decoded.exemplars]
    message = native.exponential(decoded, milliseconds, start)
    return milliseconds, start, message, _exemplars(exemplars, milliseconds, group)


def _read_custom(milliseconds: int, point: Any, group: Group) -> Record:
    """(…, Histogram message, exemplars)."""
    _, _, started, flags, count, total, packed, packed_counts, exemplars = point
    if flags & NO_RECORDED_VALUE:
        return milliseconds, 0, native.marker(milliseconds, is_custom=True), None
    parts, counts = _buckets(packed, packed_counts, group.metric.two)
    start = start_time(started, milliseconds)
    if len(counts) > len(parts.numbers) + 1:
        # Above a bound of +Inf there is nothing.
        counts = counts[:-1]
    message = native.custom(parts.numbers, counts or (count,), count, total, milliseconds, start)
    return milliseconds, start, message, _exemplars(exemplars, milliseconds, group)


def _write_native(draft: Draft, group: Group, records: Sequence[Record]) -> None:
    ((_, _, message, exemplars),) = records
    encoder = draft.encoder
    field = (b"\x1a" if draft.two else b"\x22") + varint(len(message)) + message
    metadata = draft.metadata(group.metric.family)
    labels = encoder.refs(group.head)
    if not exemplars:
        encoder.series(labels, field, metadata)
    elif draft.two:
        encoder.series(labels, field, draft.exemplars(exemplars) + metadata)
    else:
        encoder.series(labels, draft.exemplars(exemplars), field)
    draft.histograms += 1


def _parts_and_two(record: Record) -> int:
    return len(record[3]) + 2


GAUGE = Shape(True, "", ("",), _read_gauge, _one, _write_numbers)
NUMBER = Shape(True, "", ("",), _read_counter, _one, _write_numbers)
HISTOGRAM = Shape(False, "le", ("_bucket", "_sum", "_count"), _read_histogram, _parts_and_two, _write_histogram)
SUMMARY = Shape(False, "quantile", ("", "_sum", "_count"), _read_summary, _parts_and_two, _write_summary)
EXPONENTIAL = Shape(False, "", ("",), _read_exponential, _one, _write_native)
CUSTOM = Shape(False, "", ("",), _read_custom, _one, _write_native)
