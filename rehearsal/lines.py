"""An item as lines that people can compare: each text-bearing place with its key and its text."""

import re
import unicodedata
from collections.abc import Iterator, Sequence
from difflib import SequenceMatcher
from typing import Any, NamedTuple

from google.protobuf.message import Message

from pipeline.batch import Batch

__all__ = ["Line", "Pair", "Piece", "lines", "marked", "pairs", "visible"]


class Line(NamedTuple):
    """`place` is like `Span.attributes`, `key` the way to the value below it, `text` the value."""

    place: str
    key: str
    text: str


class Pair(NamedTuple):
    """A line before and after; None where there is none."""

    before: Line | None
    after: Line | None


Piece = tuple[str, bool]
"""A part of a text, and whether it differs."""


def lines(batch: Batch) -> list[Line]:
    """The texts, and the values of attributes and bodies whatever their type, in the order of the protobuf fields."""
    return list(_of_message(batch.decode()))


def _of_message(message: Message) -> Iterator[Line]:
    for field, value in message.ListFields():
        place = f"{message.DESCRIPTOR.name}.{field.name}"
        for each in value if field.is_repeated else (value,):
            if isinstance(each, str):
                yield Line(place, "", each)
            elif isinstance(each, Message):
                yield from _of_child(each, place)


def _of_child(child: Message, place: str) -> Iterator[Line]:
    match child.DESCRIPTOR.name:
        case "KeyValue":
            yield from _of_pair(child, place, "")
        case "AnyValue":
            yield from _of_value(child, place, "")
        case _:
            yield from _of_message(child)


def _of_pair(pair: Any, place: str, above: str) -> Iterator[Line]:
    yield from _of_value(pair.value, place, f"{above}.{pair.key}" if above else pair.key)


def _of_value(value: Any, place: str, key: str) -> Iterator[Line]:
    match value.WhichOneof("value"):
        case "kvlist_value":
            for pair in value.kvlist_value.values:
                yield from _of_pair(pair, place, key)
        case "array_value":
            for index, each in enumerate(value.array_value.values):
                yield from _of_value(each, place, f"{key}[{index}]")
        case None:
            yield Line(place, key, "")
        case "bytes_value":
            yield Line(place, key, value.bytes_value.decode("utf-8", "backslashreplace"))
        case "bool_value":
            yield Line(place, key, "true" if value.bool_value else "false")
        case kind:
            yield Line(place, key, str(getattr(value, kind)))


def pairs(before: Sequence[Line], after: Sequence[Line]) -> list[Pair]:
    """Which line became which: by place and key, and where keys changed by their order."""
    found: list[Pair] = []
    matcher = SequenceMatcher(None, [line[:2] for line in before], [line[:2] for line in after], autojunk=False)
    for _, start, end, new_start, new_end in matcher.get_opcodes():
        both = min(end - start, new_end - new_start)
        found += map(Pair, before[start : start + both], after[new_start : new_start + both])
        found += [Pair(line, None) for line in before[start + both : end]]
        found += [Pair(None, line) for line in after[new_start + both : new_end]]
    return found


_TOKENS = re.compile(r"\[[a-z][a-z0-9_]*\]|\{id\}|\w+|\s+|.", re.DOTALL)
_MOST_COMPARED = 4_000_000


def marked(before: str, after: str) -> tuple[list[Piece], list[Piece]]:
    """Both texts in pieces, those marked that the other has not."""
    old, new = _TOKENS.findall(before), _TOKENS.findall(after)
    if len(old) * len(new) > _MOST_COMPARED:
        return [(before, before != after)], [(after, before != after)]
    left: list[Piece] = []
    right: list[Piece] = []
    for what, start, end, new_start, new_end in SequenceMatcher(None, old, new, autojunk=False).get_opcodes():
        left.append(("".join(old[start:end]), what != "equal"))
        right.append(("".join(new[new_start:new_end]), what != "equal"))
    return [piece for piece in left if piece[0]], [piece for piece in right if piece[0]]


def visible(text: str) -> str:
    """A text in which nothing steers a terminal or hides: control and format characters are written as escapes."""
    return "".join(_visible(each) for each in text)


def _visible(each: str) -> str:
    if each == "\n" or unicodedata.category(each) not in ("Cc", "Cf", "Cs", "Co", "Zl", "Zp"):
        return each
    return each.encode("unicode_escape").decode()
