"""Trace context in a log record, in every spelling: hexadecimal, B3's 64 bits, Datadog's decimal, X-Ray, Google Cloud.

An id that is all zero or of another shape is no id and stays an attribute; a span id without a trace id stays too.
"""

import re
from typing import Any, NamedTuple

from wire.json_logs_fields import Fields, spelled, take

__all__ = ["TraceContext", "take_trace_context"]


class TraceContext(NamedTuple):
    """Ids of 16 and 8 bytes, or empty, and the W3C trace flags."""

    trace_id: bytes = b""
    span_id: bytes = b""
    flags: int = 0


_HEX_32 = re.compile(r"[0-9a-fA-F]{32}")
_HEX_16 = re.compile(r"[0-9a-fA-F]{16}")
_X_RAY = re.compile(r"(?:Root=)?1-([0-9a-fA-F]{8})-([0-9a-fA-F]{24})")
_GOOGLE = re.compile(r"projects/[^/]+/traces/([0-9a-fA-F]{32})")
_DECIMAL = re.compile(r"[0-9]{1,20}")
_TRACEPARENT = re.compile(r"[0-9a-f]{2}-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})")


def _hex_digits(value: str) -> str | None:
    if _HEX_32.fullmatch(value):
        return value
    if _HEX_16.fullmatch(value):
        return value.zfill(32)
    match = _X_RAY.fullmatch(value) or _GOOGLE.fullmatch(value)
    return None if match is None else "".join(match.groups())


def _some(identifier: bytes) -> bytes | None:
    """None for an id of zeros, which says that there is none."""
    return identifier if any(identifier) else None


def _trace_id(value: Any) -> bytes | None:
    digits = _hex_digits(value) if isinstance(value, str) else None
    return None if digits is None else _some(bytes.fromhex(digits))


def _span_id(value: Any) -> bytes | None:
    is_id = isinstance(value, str) and _HEX_16.fullmatch(value)
    return _some(bytes.fromhex(value)) if is_id else None


def _datadog_number(value: Any) -> int | None:
    number = int(value) if isinstance(value, str) and _DECIMAL.fullmatch(value) else value
    return number if type(number) is int and 0 < number < 2**64 else None


def _datadog_trace_id(value: Any) -> bytes | None:
    number = _datadog_number(value)
    if number is not None:
        return number.to_bytes(16, "big")
    return _trace_id(value) if isinstance(value, str) and _HEX_32.fullmatch(value) else None


def _datadog_span_id(value: Any) -> bytes | None:
    number = _datadog_number(value)
    return None if number is None else number.to_bytes(8, "big")


_FLAGS_TEXT = re.compile(r"[0-9a-fA-F]{1,2}")
_SAMPLED = {"true": 1, "false": 0}


def _flags(value: Any) -> int | None:
    """A W3C flags byte as hexadecimal digits or a number, or whether the trace is sampled."""
    if isinstance(value, str) and _FLAGS_TEXT.fullmatch(value):
        return int(value, 16)
    if isinstance(value, (bool, str)):
        return _SAMPLED.get(str(value).lower())
    return value if type(value) is int and 0 <= value <= 0xFF else None


def _traceparent(value: Any) -> TraceContext | None:
    """W3C Trace Context, `traceparent` header."""
    match = _TRACEPARENT.fullmatch(value) if isinstance(value, str) else None
    if match is None:
        return None
    trace_id, span_id = bytes.fromhex(match[1]), bytes.fromhex(match[2])
    return TraceContext(trace_id, span_id, int(match[3], 16)) if any(trace_id) and any(span_id) else None


_TRACE_IDS = (
    *spelled(_trace_id, "trace_id", "traceId", "TraceId", "traceID", "trace.id", "otelTraceID", "otel_trace_id", "@tr"),
    *spelled(_trace_id, "_trace_id", "mdc.trace_id", "mdc.traceId", "contextMap.trace_id", "contextMap.traceId"),
    *spelled(_trace_id, "logging.googleapis.com/trace", "X-B3-TraceId", "x-b3-traceid", "xray_trace_id"),
    *spelled(_trace_id, "X-Amzn-Trace-Id", "x-amzn-trace-id", "AWS-XRAY-TRACE-ID", "trace"),
    *spelled(_datadog_trace_id, "dd.trace_id"),
)
_SPAN_IDS = (
    *spelled(_span_id, "span_id", "spanId", "SpanId", "spanID", "span.id", "otelSpanID", "otel_span_id", "@sp"),
    *spelled(_span_id, "_span_id", "mdc.span_id", "mdc.spanId", "contextMap.span_id", "contextMap.spanId"),
    *spelled(_span_id, "logging.googleapis.com/spanId", "X-B3-SpanId", "x-b3-spanid", "span"),
    *spelled(_datadog_span_id, "dd.span_id"),
)
_TRACE_FLAGS = spelled(
    _flags,
    *("trace_flags", "traceFlags", "TraceFlags", "otelTraceSampled", "otel_trace_flags", "mdc.trace_flags"),
    *("logging.googleapis.com/trace_sampled", "contextMap.trace_flags", "X-B3-Sampled", "x-b3-sampled"),
)
_TRACEPARENTS = spelled(_traceparent, "traceparent", "mdc.traceparent")


def take_trace_context(fields: Fields) -> TraceContext:
    """The trace context of a record, which leaves it."""
    trace_id = take(fields, _TRACE_IDS)
    if trace_id is None:
        return take(fields, _TRACEPARENTS) or TraceContext()
    return TraceContext(trace_id, take(fields, _SPAN_IDS) or b"", take(fields, _TRACE_FLAGS) or 0)
