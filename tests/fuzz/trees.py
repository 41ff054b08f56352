"""Protobuf messages as trees of fields, to be changed in ways that keep them well-formed, and in ways that do not."""

from dataclasses import dataclass, field
from random import Random

from wire import schema

__all__ = ["Field", "Tree", "encoded", "nodes", "read"]

Content = "int | bytes | Tree"


@dataclass(slots=True)
class Field:
    """One field: its number, its wire type, and an integer (types 0, 1, 5), bytes or a message (type 2).

    `lie` is added to the length that is written, `pad` is how many bytes longer than needed its varints are.
    """

    number: int
    wire: int
    content: "int | bytes | Tree"
    lie: int = 0
    pad: int = 0


@dataclass(slots=True)
class Tree:
    """A message: its number in `wire.schema`, -1 if it is none of OTLP's, and its fields in order."""

    message: int
    fields: list[Field] = field(default_factory=list)


def _varint(number: int, pad: int = 0) -> bytes:
    out = bytearray()
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    out.append(number)
    for _ in range(pad):
        out[-1] |= 0x80
        out.append(0)
    return bytes(out)


def encoded(tree: Tree) -> bytes:
    """The bytes of a message."""
    parts: list[bytes] = []
    for each in tree.fields:
        parts.append(_varint(each.number << 3 | each.wire))
        if isinstance(each.content, int):
            parts.append(_number(each.wire, each.content, each.pad))
            continue
        content = encoded(each.content) if isinstance(each.content, Tree) else each.content
        if each.wire == 2:
            parts.append(_varint(max(len(content) + each.lie, 0), each.pad))
        parts.append(content)
    return b"".join(parts)


def _number(wire: int, number: int, pad: int) -> bytes:
    if wire in (1, 5):
        size = 8 if wire == 1 else 4
        return (number & ((1 << 8 * size) - 1)).to_bytes(size, "little")
    return _varint(number & 0xFFFFFFFFFFFFFFFF, pad)


def read(payload: bytes, message: int) -> Tree:
    """The tree of a payload. Raises: `ValueError` or `IndexError` for bytes that are no message."""
    return _read(payload, 0, len(payload), message, 0)


def _read(payload: bytes, at: int, end: int, message: int, depth: int) -> Tree:
    tree = Tree(message)
    while at < end:
        tag, at = _read_varint(payload, at)
        number, wire = tag >> 3, tag & 7
        content: int | bytes | Tree
        if wire == 0:
            content, at = _read_varint(payload, at)
        elif wire == 2:
            size, at = _read_varint(payload, at)
            if size > end - at:
                raise ValueError("longer than what is around it")
            content = _content(payload, at, at + size, message, number, depth)
            at += size
        elif wire in (1, 5):
            size = 8 if wire == 1 else 4
            content = int.from_bytes(payload[at : at + size], "little")
            at += size
        else:
            raise ValueError("a group")
        tree.fields.append(Field(number, wire, content))
    return tree


def _content(payload: bytes, at: int, end: int, message: int, number: int, depth: int) -> "bytes | Tree":
    place = message * schema.WIDTH + number
    if message >= 0 and number < schema.WIDTH and schema.KIND[place] == schema.MESSAGE and depth < 100:
        return _read(payload, at, end, schema.CHILD[place], depth + 1)
    return payload[at:end]


def _read_varint(payload: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while payload[at] > 0x7F:
        value |= (payload[at] & 0x7F) << shift
        shift += 7
        at += 1
    return value | payload[at] << shift, at + 1


def nodes(tree: Tree) -> list[tuple[Tree, int]]:
    """Every field of a tree and of the messages within, as the message that holds it and the place in it."""
    found = []
    waiting = [tree]
    while waiting:
        at = waiting.pop()
        for place, each in enumerate(at.fields):
            found.append((at, place))
            if isinstance(each.content, Tree):
                waiting.append(each.content)
    return found


def some(random: Random, tree: Tree) -> tuple[Tree, int] | None:
    """One of the fields of a tree; None if it has none."""
    found = nodes(tree)
    return random.choice(found) if found else None
