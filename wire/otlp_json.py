"""OTLP/JSON to OTLP protobuf bytes and back.

protobuf's own `json_format` is no OTLP/JSON codec: it takes hexadecimal ids for base64 and writes names of enums. This
one is driven by the protobuf descriptors: at import each message gets one table to read by (JSON key → what to do) and
one to write by (field number → what to do). Reading is lenient where real clients need it (snake_case keys, names of
enums, 64-bit integers as numbers), writing is strict (OTLP 1.x "JSON Protobuf Encoding").
"""

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import orjson
from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message

from wire import schema
from wire.otlp_json_scalars import Reader, Wrong, delimited, reader, varint, writer
from wire.signal import Signal

__all__ = ["MalformedJson", "decode", "encode"]


class MalformedJson(ValueError):
    """This is not OTLP/JSON; the sentence gives the place by indices and the schema's names, nothing of the data."""


class _TooDeep(Exception):
    """Messages stand within one another deeper than allowed."""


def decode(signal: Signal, text: bytes, *, max_depth: int = 64) -> bytes:
    """The serialized `TracesData`, `MetricsData` or `LogsData` that `text` says; unknown keys are left out.

    `max_depth` is how many messages may stand within one another; an array value takes two, a map value three. Of a
    key that is given twice the last counts; two spellings of one key, or two members of a oneof, are an error.
    Raises: `MalformedJson`.
    """
    tree = _parse(text)
    try:
        return _read_message(schema.ROOT[signal], tree, max_depth)
    except Wrong as wrong:
        place = "".join(reversed(wrong.path)).removeprefix(".") or "the body"
        sentence = f"{place}: {wrong}"
    except _TooDeep:
        sentence = f"the data is nested more than {max_depth} messages deep; send it flatter"
    raise MalformedJson(sentence)


def encode(signal: Signal, payload: bytes) -> bytes:
    """A clean payload as one line of OTLP/JSON without a line end.

    Fields at their default are left out, except members of a oneof and fields with presence that are set. A NaN comes
    out as "NaN" whatever its bits.
    Raises: `google.protobuf.message.DecodeError` if the payload is not OTLP.
    """
    return orjson.dumps(_write_message(schema.ROOT[signal], schema.TYPES[signal].FromString(payload)))


def _parse(text: bytes) -> Any:
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError as error:
        sentence = f"this is not JSON in UTF-8: it cannot be read at line {error.lineno}, column {error.colno}"
    # Raised out here so that the other error, which holds the whole text, does not hang on to this one.
    raise MalformedJson(sentence)


class _Read(NamedTuple):
    """How to read one field: `read` returns its bytes, tags included, given a value and the depth left.

    Only one field of a message may take a `slot`.
    """

    name: str
    slot: str
    read: Callable[[Any, int], bytes]


def _read_message(number: int, value: Any, depth: int) -> bytes:
    if not isinstance(value, dict):
        raise Wrong("an object is needed")
    if depth == 0:
        raise _TooDeep
    fields = _READ[number]
    parts: list[bytes] = []
    seen: set[str] = set()
    for key, content in value.items():
        field = fields.get(key)
        if field is None or content is None:
            continue
        try:
            if field.slot in seen:
                raise Wrong("only one value may be given here, in one spelling of its key")
            seen.add(field.slot)
            parts.append(field.read(content, depth))
        except Wrong as wrong:
            wrong.path.append(f".{field.name}")
            raise
    return b"".join(parts)


def _each(values: Any, read: Callable[[Any], bytes]) -> list[bytes]:
    if not isinstance(values, list):
        raise Wrong("an array is needed")
    out: list[bytes] = []
    for value in values:
        try:
            out.append(read(value))
        except Wrong as wrong:
            wrong.path.append(f"[{len(out)}]")
            raise
    return out


def _read_one(tag: bytes, read: Reader, default: bytes | None) -> Callable[[Any, int], bytes]:
    def field(value: Any, depth: int) -> bytes:
        content = read(value)
        return b"" if content == default else tag + content

    return field


def _read_packed(tag: bytes, read: Reader) -> Callable[[Any, int], bytes]:
    return lambda values, depth: tag + delimited(b"".join(_each(values, read)))


def _read_many(tag: bytes, read: Reader) -> Callable[[Any, int], bytes]:
    return lambda values, depth: b"".join([tag + content for content in _each(values, read)])


def _read_child(tag: bytes, child: int) -> Callable[[Any, int], bytes]:
    return lambda value, depth: tag + delimited(_read_message(child, value, depth - 1))


def _read_children(tag: bytes, child: int) -> Callable[[Any, int], bytes]:
    def element(value: Any, depth: int) -> bytes:
        # An empty value in an array is `{}` and nothing else, but null is what people write.
        if value is None and child == schema.ANY_VALUE:
            value = {}
        return tag + delimited(_read_message(child, value, depth - 1))

    return lambda values, depth: b"".join(_each(values, lambda value: element(value, depth)))


_LENGTH = 2
_DEFAULTS = {0: b"\x00", 1: bytes(8), 2: b"\x00", 5: bytes(4)}
"""By wire type: what follows the tag of a field that has its default value."""


def _read(message: int, field: FieldDescriptor) -> Callable[[Any, int], bytes]:
    at = message * schema.WIDTH + field.number
    kind, wire = schema.KIND[at], schema.WIRE[at]
    tag = varint(field.number << 3 | (_LENGTH if field.is_repeated else wire))
    if kind == schema.MESSAGE:
        return (_read_children if field.is_repeated else _read_child)(tag, schema.CHILD[at])
    if kind == schema.NUMBERS:
        return _read_packed(tag, reader(field, kind))
    if field.is_repeated:
        return _read_many(tag, reader(field, kind))
    return _read_one(tag, reader(field, kind), None if field.has_presence else _DEFAULTS[wire])


def _read_table(message: int) -> dict[str, _Read]:
    table: dict[str, _Read] = {}
    for (owner, _), field in schema.FIELDS.items():
        if owner == message:
            oneof = field.containing_oneof
            entry = _Read(field.json_name, field.json_name if oneof is None else oneof.name, _read(message, field))
            table[field.json_name] = table[field.name] = entry
    return table


class _Write(NamedTuple):
    """How to write one field: its JSON key, and what makes the JSON value of its value."""

    name: str
    write: Callable[[Any], Any]


def _write_message(number: int, message: Message) -> dict[str, Any]:
    fields = _WRITE[number]
    return {
        entry.name: entry.write(value)
        for field, value in message.ListFields()
        if (entry := fields.get(field.number)) is not None
    }


def _write(message: int, field: FieldDescriptor) -> Callable[[Any], Any]:
    at = message * schema.WIDTH + field.number
    child = schema.CHILD[at]
    is_message = schema.KIND[at] == schema.MESSAGE
    one = partial(_write_message, child) if is_message else writer(field, schema.KIND[at])
    return (lambda values: [one(value) for value in values]) if field.is_repeated else one


def _write_table(message: int) -> dict[int, _Write]:
    return {
        number: _Write(field.json_name, _write(message, field))
        for (owner, number), field in schema.FIELDS.items()
        if owner == message
    }


_NUMBERS = range(len(schema.MESSAGES))
_READ = [_read_table(number) for number in _NUMBERS]
_WRITE = [_write_table(number) for number in _NUMBERS]
