"""The configuration as a tree in which every value still knows where it was written: YAML, before it is typed."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from config.errors import Problem

__all__ = ["List", "Map", "Node", "Place", "Plain", "Scalar", "Steps", "merged", "plain", "problem_at", "walk"]

Plain = str | int | float | bool | None
Steps = tuple[str | int, ...]
"""The way from a node down to another: keys of maps and indexes of lists."""


@dataclass(frozen=True, slots=True)
class Place:
    """A character of a file; lines and columns count from 1."""

    file: str
    line: int
    column: int


@dataclass(frozen=True, slots=True)
class Scalar:
    """A single value.

    `text` is what it says after expansion, `value` that text as YAML types it. `written` is the text as it stands in
    the file; for a value with references (`referenced`) it is the only form that may be shown. A `broken` value could
    not be found out.
    """

    key: Place
    place: Place
    value: Plain = field(repr=False)
    text: str = field(repr=False)
    written: str
    referenced: bool = False
    broken: bool = False

    @property
    def shown(self) -> str:
        """The text that may appear in an error."""
        return self.written if self.referenced else self.text


@dataclass(frozen=True, slots=True)
class Map:
    """A mapping. `key` is the place of the key (or list item) it stands under."""

    key: Place
    place: Place
    entries: "Mapping[str, Node]"


@dataclass(frozen=True, slots=True)
class List:
    """A sequence."""

    key: Place
    place: Place
    items: "tuple[Node, ...]"


Node = Scalar | Map | List


def _child(node: Node, step: str | int) -> Node | None:
    if isinstance(node, Map):
        return node.entries.get(str(step))
    if isinstance(node, List) and isinstance(step, int) and step < len(node.items):
        return node.items[step]
    return None


def walk(node: Node, steps: Steps) -> tuple[Steps, Node]:
    """Go down as far as the tree goes, passing over steps it does not know; the steps taken, and where they end."""
    taken: Steps = ()
    for step in steps:
        child = _child(node, step)
        if child is not None:
            taken, node = (*taken, step), child
    return taken, node


def merged(first: Node, second: Node) -> Node:
    """Two sources as one: maps are merged, of anything else the later counts, as in the Collector."""
    if not (isinstance(first, Map) and isinstance(second, Map)):
        return second
    both = {key: merged(first.entries[key], node) for key, node in second.entries.items() if key in first.entries}
    return Map(second.key, second.place, {**first.entries, **second.entries, **both})


def plain(node: Node, instead: Mapping[Steps, Any], *, masked: bool = False, steps: Steps = ()) -> Any:
    """The tree as Python values, with other values `instead` of some.

    `masked` puts the written form (`${env:NAME}`) in the place of texts that came from references.
    """
    if isinstance(node, Map):
        return {key: plain(each, instead, masked=masked, steps=(*steps, key)) for key, each in node.entries.items()}
    if isinstance(node, List):
        return [plain(each, instead, masked=masked, steps=(*steps, i)) for i, each in enumerate(node.items)]
    value = instead.get(steps, node.value)
    return node.written if masked and node.referenced and isinstance(value, str) else value


def problem_at(node: Node, path: Steps, sentence: str, *, at_key: bool = False) -> Problem:
    """A problem with a value: it stands where a scalar is, and at the key of a map or list, which starts further on.

    `at_key`: it is about the key itself.
    """
    is_there = isinstance(node, Scalar) and node.value is not None
    place = node.place if is_there and not at_key else node.key
    return Problem(place.file, place.line, place.column, "::".join(map(str, path)), sentence)
