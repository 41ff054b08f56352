"""The edits that redaction makes to a payload: a value replaced, an attribute or an item taken out."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

from processors.redaction.actions import Counts
from processors.redaction.places import ON_METRIC_POINT, Levels
from wire import schema
from wire.protobuf import fields
from wire.redact import Hit

__all__ = ["Changes", "Edits", "Redaction"]

Edit = tuple[int, int, bytes]


Redaction = tuple[str, str, int]
"""What was done where: a rule's id, its action, the place as an index into the tables of `wire.schema`."""


@dataclass(slots=True)
class Changes:
    """What must happen to a payload: edits for `wire.otlp.splice`, which rules acted, what went for other reasons."""

    edits: list[Edit] = field(default_factory=list)
    redactions: Counter[Redaction] = field(default_factory=Counter)
    unreadable: int = 0
    """Values that were over the budget."""
    failed_items: int = 0
    """Items on which the engine failed; they are taken out."""

    def remove(self, start: int, end: int) -> None:
        """Take out a range, with all that was to be changed within it."""
        while self.edits and self.edits[-1][0] >= start:
            self.edits.pop()
        self.edits.append((start, end, b""))


class Edits:
    """Adds to `changes`, in the order of the payload. What lies before `done` is taken out already."""

    def __init__(self, payload: bytes, root: int, changes: Changes) -> None:
        self._payload = payload
        self._changes = changes
        self._levels = Levels(payload, root)
        self._keys: dict[int, set[bytes]] = {}
        self.done = 0

    def replace(self, start: int, end: int, hit: Hit, new: bytes | None, counts: Counts) -> None:
        """Put something in place of a range in which `hit` is the first; None takes out the attribute."""
        owner, place = hit.owner, hit.place
        if owner >= 0 and place in ON_METRIC_POINT:
            counts = [(rule, "drop") for rule, _ in counts]
            self._remove(owner, next(fields(self._payload, owner, len(self._payload)))[3])
        elif owner >= 0 and new is None:
            counts = [(rule, "drop") for rule, _ in counts]
            self._remove(*self._pair_around(start))
        else:
            self._changes.edits.append((start, end, new or b""))
        for rule, action in counts:
            self._changes.redactions[rule, action, place] += 1

    def mask(self, hit: Hit, rule: str, mask: bytes) -> bool:
        """Put a mask in place of a whole value, the quick way; False if it is not so simple."""
        start, end, place = hit[:3]
        if start < self.done or place in ON_METRIC_POINT:
            return False
        if self._payload[start:end] != mask:
            self._changes.edits.append((start, end, mask))
            self._changes.redactions[rule, "mask", place] += 1
        return True

    def _pair_around(self, offset: int) -> tuple[int, int]:
        """The innermost pair of key and value around an offset."""
        pair = [level for level in self._levels.around(offset) if level.message == schema.KEY_VALUE][-1]
        return pair.begin, pair.end

    def _remove(self, start: int, end: int) -> None:
        self._changes.remove(start, end)
        self.done = end

    def remove_item(self, offset: int) -> bool:
        """Take out the item around an offset; False if there is none."""
        for level in self._levels.around(offset):
            if schema.ITEM[level.message]:
                self._changes.failed_items += 1
                self._remove(level.begin, level.end)
                return True
        return False

    def is_taken(self, owner: int, key: bytes) -> bool:
        """Whether another attribute beside the one at `owner` has this key already; if so the later one goes."""
        siblings = self._levels.around(owner)[-2]
        if siblings.start not in self._keys:
            self._keys[siblings.start] = set(self._keys_of(siblings.start, siblings.end))
        taken = key in self._keys[siblings.start]
        self._keys[siblings.start].add(key)
        return taken

    def _keys_of(self, start: int, end: int) -> Iterator[bytes]:
        """The keys of the pairs in a message; what else it holds does no harm."""
        for _, _, content, stop in fields(self._payload, start, end):
            if self._payload[content : content + 1] == b"\x0a":
                _, _, key, key_end = next(fields(self._payload, content, stop))
                yield self._payload[key:key_end]
