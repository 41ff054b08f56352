"""OTLP payloads as bytes: cleaning what came in, decoding, splitting, and replacing parts."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby

from google.protobuf.message import DecodeError, Message

from wire import otlp_walk, schema
from wire.otlp_walk import COMPILED, Malformed, NotCanonical
from wire.protobuf import fields, varint
from wire.signal import Signal

__all__ = ["COMPILED", "Malformed", "count", "decode", "sanitize", "splice", "split"]


def sanitize(signal: Signal, payload: bytes) -> tuple[bytes, int]:
    """The payload, verified and without unknown fields, and how many items it holds. Bytes that need no change come
    back as they are.

    Ids have their length or are empty, strings are UTF-8, singular fields occur once and keys come before their
    values: who walks the bytes afterwards may rely on it. Anything in an unusual form is rewritten by the protobuf
    library.
    Raises: `Malformed`.
    """
    try:
        return payload, otlp_walk.count_items(payload, schema.ROOT[signal])
    except NotCanonical:
        canonical = _canonical(signal, payload)
    try:
        return canonical, otlp_walk.count_items(canonical, schema.ROOT[signal])
    except NotCanonical:
        # The protobuf library looks for unknown fields 64 messages deep, and leaves those below.
        raise Malformed("a field that is not OTLP's is nested too deeply to be taken out") from None


def _canonical(signal: Signal, payload: bytes) -> bytes:
    message = decode(signal, payload)
    message.DiscardUnknownFields()
    _clear_string_indices(message)
    return message.SerializeToString()


def _clear_string_indices(message: Message) -> None:
    """Fields of profiles that other signals must not carry (OTLP 1.11, common.proto)."""
    for field, value in message.ListFields():
        if field.name.endswith("_strindex"):
            message.ClearField(field.name)
        elif field.message_type is not None:
            for child in value if field.is_repeated else (value,):
                _clear_string_indices(child)


def count(signal: Signal, payload: bytes) -> int:
    """How many items a clean payload holds."""
    return otlp_walk.count_items(payload, schema.ROOT[signal])


def decode(signal: Signal, payload: bytes) -> Message:
    """The protobuf message: `TracesData`, `MetricsData` or `LogsData`.

    Raises: `Malformed`.
    """
    try:
        return schema.TYPES[signal].FromString(payload)
    except DecodeError:
        raise Malformed("the protobuf library cannot parse the data") from None


def splice(signal: Signal, payload: bytes, edits: list[tuple[int, int, bytes]]) -> bytes:
    """`wire.otlp_walk.splice` for a whole payload."""
    return otlp_walk.splice(payload, schema.ROOT[signal], edits)


@dataclass(frozen=True, slots=True, eq=False)
class _Envelope:
    """A message around items, such as one ResourceSpans: its tag and what it holds beside items."""

    tag: bytes
    header: bytes


@dataclass(frozen=True, slots=True)
class _Item:
    """One item with its tag, and the envelopes around it, outermost first."""

    envelopes: tuple[_Envelope, ...]
    field: bytes


def _leading_to_items() -> dict[int, set[int]]:
    """By message number: the fields that hold items, or messages that lead to items."""
    leading: dict[int, set[int]] = {}
    wanted = {number for number, is_item in enumerate(schema.ITEM) if is_item}
    while wanted:
        found = {place for place in schema.FIELDS if schema.CHILD[place[0] * schema.WIDTH + place[1]] in wanted}
        found = {place for place in found if schema.KIND[place[0] * schema.WIDTH + place[1]] == schema.MESSAGE}
        wanted = {message for message, _ in found} - leading.keys()
        for message, number in found:
            leading.setdefault(message, set()).add(number)
    return leading


_LEADING = _leading_to_items()


def _items(payload: bytes, message: int, start: int, end: int, envelopes: tuple[_Envelope, ...]) -> Iterator[_Item]:
    for number, begin, content, stop in fields(payload, start, end):
        if number not in _LEADING[message]:
            continue
        child = schema.CHILD[message * schema.WIDTH + number]
        if schema.ITEM[child]:
            yield _Item(envelopes, payload[begin:stop])
        else:
            # Tags of OTLP's envelopes are below 16 and so one byte long.
            envelope = _Envelope(payload[begin : begin + 1], _header(payload, child, content, stop))
            yield from _items(payload, child, content, stop, (*envelopes, envelope))


def _header(payload: bytes, message: int, start: int, end: int) -> bytes:
    """What an envelope holds beside items, such as resource, schema_url, name and unit."""
    inner = fields(payload, start, end)
    return b"".join(payload[begin:stop] for number, begin, _, stop in inner if number not in _LEADING[message])


def _assemble(items: Sequence[_Item], level: int) -> bytes:
    """The items within their envelopes from `level` inwards."""
    if level == len(items[0].envelopes):
        return b"".join(item.field for item in items)
    out = bytearray()
    for envelope, group in groupby(items, key=lambda item: item.envelopes[level]):
        content = envelope.header + _assemble(list(group), level + 1)
        out += envelope.tag + varint(len(content)) + content
    return bytes(out)


_FRAMING_BYTES = 6
"""At most what the tag and length of one envelope take."""


def _sizes(items: Iterable[_Item]) -> Iterator[tuple[_Item, int, int]]:
    """Each item, its own bytes and those of its envelopes."""
    for item in items:
        around = sum(len(envelope.header) + _FRAMING_BYTES for envelope in item.envelopes)
        yield item, len(item.field), around


def split(
    signal: Signal, payload: bytes, items: int, max_items: int = 0, max_bytes: int = 0
) -> list[tuple[bytes, int]]:
    """The items of a clean payload in order, in payloads within both limits (0 = none), each with its count.

    Each part repeats the envelopes (resource, scope, metric) of its items. An item over `max_bytes` by itself makes a
    part by itself.
    """
    if (not max_items or items <= max_items) and (not max_bytes or len(payload) <= max_bytes):
        return [(payload, items)]
    parts: list[list[_Item]] = []
    size = 0
    for item, own, around in _sizes(_items(payload, schema.ROOT[signal], 0, len(payload), ())):
        last = parts[-1] if parts else None
        added = own if last and last[-1].envelopes[-1] is item.envelopes[-1] else own + around
        full = last is None or (max_items and len(last) >= max_items) or (max_bytes and size + added > max_bytes)
        if full or last is None:
            parts.append([item])
            size = own + around
        else:
            last.append(item)
            size += added
    return [(_assemble(part, 0), len(part)) for part in parts]
