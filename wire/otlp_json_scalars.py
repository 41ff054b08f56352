"""OTLP/JSON's scalars: each kind of field read into protobuf wire bytes, and written as a JSON value.

A reader takes what orjson made of the JSON value and returns the bytes that follow the tag, length included; it
raises `Wrong` with what is needed. A writer takes the field's value from a protobuf message (OTLP 1.x "JSON Protobuf
Encoding", proto3 JSON mapping).
"""

import base64
import binascii
import math
import re
import struct
from collections.abc import Callable
from typing import Any

from google.protobuf.descriptor import FieldDescriptor

from wire import schema

__all__ = ["Reader", "Writer", "Wrong", "delimited", "reader", "varint", "writer"]

Reader = Callable[[Any], bytes]
Writer = Callable[[Any], Any]


class Wrong(Exception):
    """A value that its field cannot hold; `path` collects the schema names around it, innermost first."""

    def __init__(self, sentence: str) -> None:
        super().__init__(sentence)
        self.path: list[str] = []


_SHORT_VARINTS = [bytes((value,)) for value in range(0x80)]


def varint(value: int) -> bytes:
    """A base-128 varint of a number from 0 to 2^64 - 1."""
    if value < 0x80:
        return _SHORT_VARINTS[value]
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def delimited(content: bytes) -> bytes:
    """Content with its length before it."""
    return varint(len(content)) + content


def _signed_varint(value: int) -> bytes:
    return varint(value & 0xFFFFFFFFFFFFFFFF)


def _zigzag(value: int) -> bytes:
    return varint(value << 1 if value >= 0 else (-value << 1) - 1)


_INTEGER_TEXT = re.compile(r"-?[0-9]{1,20}")


def _integer_value(value: Any) -> int | None:
    if type(value) is int:
        return value
    if isinstance(value, str) and _INTEGER_TEXT.fullmatch(value):
        return int(value)
    return None


def _integer(bits: int, *, signed: bool, write: Callable[[int], bytes]) -> Reader:
    low, high = (-(1 << bits - 1), (1 << bits - 1) - 1) if signed else (0, (1 << bits) - 1)
    needed = f"an integer from {low} to {high} is needed, as a number or a decimal string"

    def read(value: Any) -> bytes:
        number = _integer_value(value)
        if number is None or not low <= number <= high:
            raise Wrong(needed)
        return write(number)

    return read


_NUMBER_TEXT = re.compile(r"-?[0-9]+(\.[0-9]+)?([eE][+-]?[0-9]+)?")
_SPECIAL_TEXTS = {"NaN": math.nan, "Infinity": math.inf, "-Infinity": -math.inf}


def _double_value(value: Any) -> float | None:
    if type(value) is float or type(value) is int:
        return float(value)
    if not isinstance(value, str):
        return None
    if _NUMBER_TEXT.fullmatch(value):
        number = float(value)
        return number if math.isfinite(number) else None
    return _SPECIAL_TEXTS.get(value)


def _double(value: Any) -> bytes:
    number = _double_value(value)
    if number is None:
        raise Wrong('a number is needed, or one of the strings "NaN", "Infinity" and "-Infinity"')
    return struct.pack("<d", number)


def _bool(value: Any) -> bytes:
    if not isinstance(value, bool):
        raise Wrong("true or false is needed")
    return b"\x01" if value else b"\x00"


def _text(value: Any) -> bytes:
    if not isinstance(value, str):
        raise Wrong("a string is needed")
    return delimited(value.encode())


_BASE64 = re.compile(r"([A-Za-z0-9+/_-]*)(={0,2})")
_TO_STANDARD = str.maketrans("-_", "+/")


def _base64(value: Any) -> bytes:
    match = _BASE64.fullmatch(value) if isinstance(value, str) else None
    if match is None:
        raise Wrong("a base64 string is needed")
    text = match[1].translate(_TO_STANDARD)
    try:
        return delimited(base64.b64decode(text + "=" * (-len(text) % 4)))
    except binascii.Error:
        raise Wrong("a base64 string is needed") from None


def _hex_id(size: int) -> Reader:
    def read(value: Any) -> bytes:
        try:
            content = bytes.fromhex(value) if isinstance(value, str) and len(value) in (0, size * 2) else None
        except ValueError:
            content = None
        # fromhex passes over white space, which makes the id too short.
        if content is None or len(content) not in (0, size):
            raise Wrong(f"an id of {size * 2} hexadecimal digits is needed")
        return delimited(content)

    return read


def _enum(field: FieldDescriptor) -> Reader:
    """Integers of any value (proto3 enums are open); names are tolerated, as the Collector does."""
    assert field.enum_type is not None
    numbers = {value.name: value.number for value in field.enum_type.values}
    read_number = _integer(32, signed=True, write=_signed_varint)

    def read(value: Any) -> bytes:
        return read_number(numbers.get(value, value) if isinstance(value, str) else value)

    return read


_READERS: dict[int, Reader] = {
    FieldDescriptor.TYPE_DOUBLE: _double,
    FieldDescriptor.TYPE_FIXED64: _integer(64, signed=False, write=struct.Struct("<Q").pack),
    FieldDescriptor.TYPE_SFIXED64: _integer(64, signed=True, write=struct.Struct("<q").pack),
    FieldDescriptor.TYPE_FIXED32: _integer(32, signed=False, write=struct.Struct("<I").pack),
    FieldDescriptor.TYPE_UINT32: _integer(32, signed=False, write=varint),
    FieldDescriptor.TYPE_UINT64: _integer(64, signed=False, write=varint),
    FieldDescriptor.TYPE_INT64: _integer(64, signed=True, write=_signed_varint),
    FieldDescriptor.TYPE_SINT32: _integer(32, signed=True, write=_zigzag),
    FieldDescriptor.TYPE_BOOL: _bool,
    FieldDescriptor.TYPE_STRING: _text,
    FieldDescriptor.TYPE_BYTES: _base64,
}
_IDS = {schema.TRACE_ID: _hex_id(16), schema.SPAN_ID: _hex_id(8)}


def reader(field: FieldDescriptor, kind: int) -> Reader:
    """The reader of one value of a field that is no message; `kind` is from `wire.schema`."""
    if kind in _IDS:
        return _IDS[kind]
    return _enum(field) if field.type == FieldDescriptor.TYPE_ENUM else _READERS[field.type]


def _as_it_is(value: Any) -> Any:
    return value


def _double_out(value: float) -> float | str:
    if math.isfinite(value):
        return value
    return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"


def _base64_out(value: bytes) -> str:
    return base64.b64encode(value).decode()


_WRITERS: dict[int, Writer] = {
    FieldDescriptor.TYPE_DOUBLE: _double_out,
    FieldDescriptor.TYPE_FIXED64: str,
    FieldDescriptor.TYPE_SFIXED64: str,
    FieldDescriptor.TYPE_UINT64: str,
    FieldDescriptor.TYPE_INT64: str,
    FieldDescriptor.TYPE_BYTES: _base64_out,
}


def writer(field: FieldDescriptor, kind: int) -> Writer:
    """The writer of one value of a field that is no message; `kind` is from `wire.schema`."""
    return bytes.hex if kind in _IDS else _WRITERS.get(field.type, _as_it_is)
