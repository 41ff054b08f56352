"""Exponential histograms as native histograms, and explicit ones as native histograms with custom buckets (NHCB).

Histogram  { uint64 count_int = 1; double sum = 3; sint32 schema = 4; double zero_threshold = 5;
             uint64 zero_count_int = 6; repeated BucketSpan negative_spans = 8; repeated sint64 negative_deltas = 9;
             repeated BucketSpan positive_spans = 11; repeated sint64 positive_deltas = 12; ResetHint reset_hint = 14;
             int64 timestamp = 15; repeated double custom_values = 16; int64 start_timestamp = 17 (2.0 only) }
BucketSpan { sint32 offset = 1; uint32 length = 2 }

Source: OpenTelemetry specification, Prometheus compatibility, Exponential Histograms and Histograms. The reset hint is
left at 0 (unknown), as Prometheus finds resets itself.
"""

import math
import struct
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from opentelemetry.proto.metrics.v1.metrics_pb2 import ExponentialHistogramDataPoint

from wire.protobuf import varint
from wire.remote_write_values import NAN, STALE, Reason, Unfit, ordinary

__all__ = ["Buckets", "custom", "exponential", "marker", "spans"]

_FINEST, _COARSEST, _CUSTOM = 8, -4, -53
"""The schemas of native histograms: 2^(2^-8) to 2^(2^4) from bucket to bucket; custom bounds."""
_ZERO_THRESHOLD = 1e-128
"""The width of the zero bucket where OTLP has none: Prometheus' own default."""
_MOST = 2**63
_double = struct.Struct("<d").pack


class Buckets(NamedTuple):
    """Counts at consecutive places, without empty ones at either end: `spans` as (offset, length), then `deltas`."""

    spans: Sequence[tuple[int, int]]
    deltas: Sequence[int]


def spans(first: int, counts: Iterable[int]) -> Buckets:
    """Buckets from counts at the places from `first` on.

    One empty bucket between others is written down; from two on a new span begins, as two numbers say as much.
    """
    found: list[tuple[int, int]] = []
    deltas: list[int] = []
    after, before = 0, 0
    for place, count in enumerate(counts, first):
        if not count:
            continue
        gap = place - after
        if found and gap == 1:
            deltas.append(-before)
            before, gap = 0, 0
            found[-1] = (found[-1][0], found[-1][1] + 1)
        if found and gap == 0:
            found[-1] = (found[-1][0], found[-1][1] + 1)
        else:
            found.append((gap, 1))
        deltas.append(count - before)
        after, before = place + 1, count
    return Buckets(found, deltas)


def exponential(point: ExponentialHistogramDataPoint, timestamp: int, start: int) -> bytes:
    """The Histogram message of a point.

    Raises: `Unfit` for a scale below -4, without a sum (same source), and for counts that contradict each other.
    """
    if point.scale < _COARSEST:
        raise Unfit(Reason.SCALE_TOO_COARSE)
    if not point.HasField("sum"):
        raise Unfit(Reason.NO_SUM)
    total = ordinary(point.sum)
    _check(point.count, point.zero_count + sum(point.positive.bucket_counts) + sum(point.negative.bucket_counts), total)
    threshold = point.zero_threshold or _ZERO_THRESHOLD
    return b"".join(
        (
            b"\x08" + varint(point.count) + b"\x19" + _double(total),
            b"\x20" + varint(_zigzag(min(point.scale, _FINEST))),
            b"\x29" + _double(threshold) + b"\x30" + varint(point.zero_count),
            _buckets(0x42, 0x4A, _scaled(point.negative, point.scale)),
            _buckets(0x5A, 0x62, _scaled(point.positive, point.scale)),
            _times(timestamp, start),
        )
    )


def custom(
    bounds: Sequence[float], counts: Sequence[int], count: int, total: float | None, timestamp: int, start: int
) -> bytes:
    """The Histogram message of an explicit histogram: `bounds` without +Inf rising, `counts` one more.

    Raises: `Unfit` for counts that contradict each other.
    """
    known = NAN if total is None else ordinary(total)
    _check(count, sum(counts), known)
    values = struct.pack(f"<{len(bounds)}d", *bounds)
    return b"".join(
        (
            b"\x08" + varint(count) + b"\x19" + _double(known) + b"\x20" + varint(_zigzag(_CUSTOM)),
            _buckets(0x5A, 0x62, spans(0, counts)),
            _times(timestamp, start),
            b"\x82\x01" + varint(len(values)) + values if values else b"",
        )
    )


def marker(timestamp: int, is_custom: bool = False) -> bytes:
    """The stale marker of a native histogram: its sum."""
    schema = b"\x20" + varint(_zigzag(_CUSTOM)) if is_custom else b""
    return b"\x19" + _double(STALE) + schema + _times(timestamp, 0)


def _check(count: int, in_buckets: int, total: float) -> None:
    """Prometheus refuses other counts; where observations were NaN there may be more than in buckets."""
    if max(count, in_buckets) >= _MOST or (in_buckets > count if math.isnan(total) else in_buckets != count):
        raise Unfit(Reason.MALFORMED_POINT)


def _scaled(buckets: ExponentialHistogramDataPoint.Buckets, scale: int) -> Buckets:
    """OTLP's buckets are known by their lower bound, Prometheus' by the upper one: the next place."""
    shift = max(scale - _FINEST, 0)
    if not shift:
        return spans(buckets.offset + 1, buckets.bucket_counts)
    merged: list[int] = []
    first = buckets.offset >> shift
    for place, count in enumerate(buckets.bucket_counts, buckets.offset):
        if (place >> shift) - first == len(merged):
            merged.append(0)
        merged[-1] += count
    return spans(first + 1, merged)


def _buckets(tag_of_spans: int, tag_of_deltas: int, buckets: Buckets) -> bytes:
    if not buckets.deltas:
        return b""
    out = bytearray()
    for offset, length in buckets.spans:
        if not -(2**31) <= offset < 2**31:
            raise Unfit(Reason.MALFORMED_POINT)
        span = (b"\x08" + varint(_zigzag(offset)) if offset else b"") + b"\x10" + varint(length)
        out += bytes((tag_of_spans, len(span))) + span
    deltas = b"".join([varint(_zigzag(delta)) for delta in buckets.deltas])
    return bytes(out) + bytes((tag_of_deltas,)) + varint(len(deltas)) + deltas


def _times(timestamp: int, start: int) -> bytes:
    return b"\x78" + varint(timestamp) + (b"\x88\x01" + varint(start) if start else b"")


def _zigzag(number: int) -> int:
    """protobuf's sint: 0, -1, 1, -2 … as 0, 1, 2, 3 …"""
    return number << 1 if number >= 0 else (-number << 1) - 1
