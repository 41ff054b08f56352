"""OTLP's messages as flat tables that the kernels walk by, derived from the protobuf descriptors.

A table is indexed by `message * WIDTH + field number`. What the descriptors do not name is UNKNOWN, and so are the
string-table indices of profiles (`key_strindex`, `string_value_strindex`), which mean nothing in other signals.
"""

from collections import deque

from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import Message
from opentelemetry.proto.logs.v1.logs_pb2 import LogsData
from opentelemetry.proto.metrics.v1.metrics_pb2 import MetricsData
from opentelemetry.proto.trace.v1.trace_pb2 import TracesData

from wire.signal import Signal

__all__ = [
    "ANY_VALUE",
    "BYTES",
    "CHILD",
    "FIELDS",
    "ITEM",
    "KEY_VALUE",
    "KIND",
    "MESSAGE",
    "MESSAGES",
    "NUMBER",
    "NUMBERS",
    "ROOT",
    "SLOT",
    "SPAN_ID",
    "TEXT",
    "TRACE_ID",
    "TYPES",
    "UNKNOWN",
    "WIDTH",
    "WIRE",
]

UNKNOWN, NUMBER, NUMBERS, TEXT, BYTES, TRACE_ID, SPAN_ID, MESSAGE = range(8)
"""Kinds of field: not in OTLP; one number; repeated numbers, packed or not; text; bytes; ids of 16 and 8 bytes; a
message.
"""

WIDTH = 32
"""More than the highest field number in OTLP."""

TYPES: dict[Signal, type[Message]] = {Signal.TRACES: TracesData, Signal.METRICS: MetricsData, Signal.LOGS: LogsData}
"""The outermost message of each signal; `Export…ServiceRequest` has the same wire format."""

_VARINT, _FIXED64, _LENGTH, _FIXED32 = 0, 1, 2, 5
_WIRE_TYPES = {
    FieldDescriptor.TYPE_DOUBLE: _FIXED64,
    FieldDescriptor.TYPE_FIXED64: _FIXED64,
    FieldDescriptor.TYPE_SFIXED64: _FIXED64,
    FieldDescriptor.TYPE_FIXED32: _FIXED32,
    FieldDescriptor.TYPE_FLOAT: _FIXED32,
    FieldDescriptor.TYPE_SFIXED32: _FIXED32,
    FieldDescriptor.TYPE_STRING: _LENGTH,
    FieldDescriptor.TYPE_BYTES: _LENGTH,
    FieldDescriptor.TYPE_MESSAGE: _LENGTH,
}
_ITEM_NAMES = (
    "Span",
    "LogRecord",
    "NumberDataPoint",
    "HistogramDataPoint",
    "ExponentialHistogramDataPoint",
    "SummaryDataPoint",
)


def _reachable() -> list[Descriptor]:
    """Every message of the three signals, outermost first; its place in the list is its number."""
    found: list[Descriptor] = []
    waiting: deque[Descriptor] = deque([kind.DESCRIPTOR for kind in TYPES.values()])  # type: ignore[misc]
    while waiting:
        message = waiting.popleft()
        if message not in found:
            found.append(message)
            waiting.extend(field.message_type for field in message.fields if field.message_type is not None)
    return found


MESSAGES = _reachable()
"""The descriptor of each message number."""

_MESSAGE_NUMBERS = {message.full_name: number for number, message in enumerate(MESSAGES)}

ROOT = {signal: _MESSAGE_NUMBERS[kind.DESCRIPTOR.full_name] for signal, kind in TYPES.items()}
KEY_VALUE = next(number for number, message in enumerate(MESSAGES) if message.name == "KeyValue")
ANY_VALUE = next(number for number, message in enumerate(MESSAGES) if message.name == "AnyValue")

FIELDS = {
    (number, field.number): field
    for number, message in enumerate(MESSAGES)
    for field in message.fields
    if not field.name.endswith("_strindex")
}
"""The descriptor of each known field, by message number and field number."""


def _kind(field: FieldDescriptor) -> int:
    if field.type == FieldDescriptor.TYPE_MESSAGE:
        return MESSAGE
    if field.type == FieldDescriptor.TYPE_STRING:
        return TEXT
    if field.type == FieldDescriptor.TYPE_BYTES:
        return {"trace_id": TRACE_ID, "span_id": SPAN_ID, "parent_span_id": SPAN_ID}.get(field.name, BYTES)
    return NUMBERS if field.is_repeated else NUMBER


def _slot(field: FieldDescriptor) -> int:
    """Members of a oneof share a slot; 255 for a repeated field, which may occur any number of times."""
    if field.is_repeated:
        return 255
    oneof = field.containing_oneof
    return field.number if oneof is None else min(member.number for member in oneof.fields)


def _table(default: int) -> bytearray:
    return bytearray([default]) * (len(MESSAGES) * WIDTH)


_kinds, _wires, _children, _slots = _table(UNKNOWN), _table(0), _table(0), _table(255)
for (_message, _number), _field in FIELDS.items():
    _at = _message * WIDTH + _number
    _kinds[_at] = _kind(_field)
    _wires[_at] = _WIRE_TYPES.get(_field.type, _VARINT)
    _slots[_at] = _slot(_field)
    if _field.message_type is not None:
        _children[_at] = _MESSAGE_NUMBERS[_field.message_type.full_name]

KIND = bytes(_kinds)
"""What a field is: UNKNOWN … MESSAGE."""
WIRE = bytes(_wires)
"""Its wire type when it stands alone (0 varint, 1 fixed64, 2 length-delimited, 5 fixed32)."""
CHILD = bytes(_children)
"""The message number of a MESSAGE field."""
SLOT = bytes(_slots)
"""Fields with the same slot (0–31) exclude each other and themselves: at most one may occur; 255 = any number."""
ITEM = bytes(message.name in _ITEM_NAMES for message in MESSAGES)
"""By message number: 1 for a span, log record or data point."""
