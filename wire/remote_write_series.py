"""The series an exporter knows, each with the time it has got to.

Prometheus answers one sample out of order with 400 and takes nothing of the whole request: the order is kept here.
"""

from collections.abc import Hashable, Iterator
from dataclasses import dataclass
from itertools import islice
from sys import intern
from typing import Any, Generic, TypeVar

from wire.prometheus_names import Kind
from wire.remote_write_encode import label_field
from wire.remote_write_labels import Labels

__all__ = ["Family", "Generations", "Group", "Piece", "as_1_0", "piece"]

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")
_PARTS = 64
"""Of a full table, one such part is forgotten at a time."""


class Generations(Generic[K, V]):
    """A table of up to `capacity` entries; the longest unused are forgotten first.

    Two generations: when the young one is full, it becomes the old one. What is asked for in the old one moves to the
    young one; what has to go, goes from the old one. So as many as there is room for can come in turn for ever, and
    none is forgotten.
    """

    def __init__(self, capacity: int) -> None:
        self._capacity = max(capacity, 1)
        self.young: dict[K, V] = {}
        """What was used lately; to be looked into directly where `get` takes too long, but `get` asked after it."""
        self._old: dict[K, V] = {}

    def get(self, key: K) -> V | None:
        found = self.young.get(key)
        if found is None and (found := self._old.pop(key, None)) is not None:
            self.young[key] = found
        return found

    def set(self, key: K, value: V) -> None:
        if key not in self.young and len(self) >= self._capacity:
            self._make_room()
        self.young[key] = value

    def _make_room(self) -> None:
        """Forget several at once: each time, Python passes over all that has moved away."""
        if not self._old:
            self._old, self.young = self.young, {}
        for key in list(islice(self._old, max(self._capacity // _PARTS, 1))):
            del self._old[key]

    def values(self) -> Iterator[V]:
        yield from self._old.values()
        yield from self.young.values()

    def __len__(self) -> int:
        return len(self.young) + len(self._old)


Piece = bytes | tuple[str, ...]
"""Labels as an encoder takes them: `label_field`s joined for 1.0; names and values in turn for 2.0."""


def as_1_0(key: tuple[Any, ...]) -> tuple[Any, ...]:
    """The `key` of a group of 2.0 in 1.0, as far as names stay what they are."""
    return tuple(
        piece(tuple(zip(part[::2], part[1::2], strict=True)), two=False) if isinstance(part, tuple) else part
        for part in key
    )


def piece(labels: Labels, two: bool) -> Piece:
    if two:
        return tuple(intern(text) for label in labels for text in label)
    return b"".join([label_field(name, value) for name, value in labels])


@dataclass(frozen=True, slots=True, repr=False)
class Family:
    """Metadata of a metric: `kind`, help text and unit word, for the Prometheus name it is kept under.

    `type` is the number both versions of the protocol have for it.
    """

    name: str
    kind: Kind
    help: str
    unit: str
    type: int


class Group:
    """The series of one metric and one set of labels: one of a number, many of a histogram.

    The labels of each are `head`, the metric's name, `middle`, the label that tells the parts of a histogram or summary
    apart, `tail`; of a number, and of a native histogram, all are in `head`. `last` is the time of the last point in
    milliseconds, -1 before the first; `pending` are points that wait, with their times.
    """

    __slots__ = ("head", "key", "last", "metric", "middle", "parts", "pending", "tail")

    def __init__(self, metric: Any, key: tuple[Any, ...], head: Piece, middle: Piece = b"", tail: Piece = b"") -> None:
        self.metric = metric
        self.key = key
        self.head: Any = head
        self.middle: Any = middle
        self.tail: Any = tail
        self.last = -1
        self.parts: Any = None
        self.pending: list[tuple[int, tuple[Any, ...]]] | None = None
