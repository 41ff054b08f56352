"""The few pieces of protobuf's wire format that codecs over bytes need (protobuf.dev, Encoding)."""

from collections.abc import Iterator
from functools import lru_cache

__all__ = ["fields", "length_delimited", "varint"]


@lru_cache(maxsize=4096)
def varint(number: int) -> bytes:
    """A non-negative number as a varint. Cached: the same lengths come again and again."""
    groups = bytearray()
    while number > 0x7F:
        groups.append(number & 0x7F | 0x80)
        number >>= 7
    groups.append(number)
    return bytes(groups)


def length_delimited(tag: int, content: bytes) -> bytes:
    """A text, bytes or message field, whose tag is below 128."""
    return bytes((tag,)) + varint(len(content)) + content


def fields(payload: bytes, start: int, end: int) -> Iterator[tuple[int, int, int, int]]:
    """The fields of a well-formed message: number, start of the tag, start of the content, end."""
    at = start
    while at < end:
        begin = at
        tag, at = _read_varint(payload, at)
        content = at
        if tag & 7 == 0:
            _, at = _read_varint(payload, at)
        elif tag & 7 == 2:
            length, content = _read_varint(payload, at)
            at = content + length
        else:
            at += 8 if tag & 7 == 1 else 4
        yield tag >> 3, begin, content, at


def _read_varint(payload: bytes, at: int) -> tuple[int, int]:
    """The number and where it ends."""
    value = shift = 0
    while payload[at] > 0x7F:
        value |= (payload[at] & 0x7F) << shift
        shift += 7
        at += 1
    return value | payload[at] << shift, at + 1
