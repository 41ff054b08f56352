"""The way of a payload through redaction: gather its texts, scan them at once, look closely at hits, list the edits."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from typing import NamedTuple

import orjson

from processors.redaction.actions import whole
from processors.redaction.names import Names
from processors.redaction.patterns import OverBudget, Patterns
from processors.redaction.places import ON_METRIC_POINT, Levels
from processors.redaction.rules import Rule
from processors.redaction.text import Counts, Text
from wire import schema
from wire.protobuf import fields, length_delimited
from wire.redact import DEEP_JSON, DEEP_VALUE, KEY, KEY_HIT, RULE, Gather, Hit

__all__ = ["Changes", "Engine", "Redaction"]

Edit = tuple[int, int, bytes]


class Redaction(NamedTuple):
    """What was done where: a rule's id, its action, the place as an index into the tables of `wire.schema`."""

    rule: str
    action: str
    place: int


_UNREADABLE = b"[unreadable]"
_MOST_KNOWN_KEYS = 20_000
_LONGEST_KNOWN_KEY = 256


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


@dataclass(slots=True)
class _Unit:
    """What one edit replaces: a row by itself, or a JSON text with its rows."""

    start: int
    end: int
    json: bool
    hits: list[Hit]


def _units(hits: Sequence[Hit]) -> Iterator[_Unit]:
    for (start, end), group in groupby(hits, lambda hit: hit.container or (hit.start, hit.end)):
        parts = list(group)
        yield _Unit(start, end, parts[0].container is not None, parts)


class Engine:
    """Redacts by one set of rules. Not for several threads at once.

    A value with something to look at goes if it has more than `max_value_bytes` or is nested deeper than `max_depth`.
    """

    def __init__(self, rules: Sequence[Rule], max_value_bytes: int, max_depth: int) -> None:
        self._rules = rules
        self._max_depth = max_depth
        self._names = Names(rules)
        self._patterns = Patterns(rules)
        self._text = Text(rules, self._patterns, max_value_bytes, self.document)
        self._known_keys: dict[bytes, int] = {}
        self._gather = Gather(self._decide, self._known_keys, max_depth)

    def changes(self, payload: bytes, root: int) -> Changes:
        """What must change in a clean payload whose outermost message is number `root` of `wire.schema`.

        An item on which the engine fails is taken out; what fails outside of items is raised.
        """
        hits = self._look(self._gather.walk(payload, root))
        changes = Changes()
        if hits:
            edit = _PayloadEdit(self, payload, root, changes)
            for unit in _units(hits):
                edit.add(unit)
        return changes

    def document(self, text: bytes, code: int, depth: int, counts: Counts) -> bytes | None:
        """A text that stands alone, JSON or not, redacted; None if it must go as a whole.

        `code` is that of its key (see `wire.redact`), `depth` how many texts it is within.
        Raises: `OverBudget`.
        """
        if depth > self._max_depth:
            raise OverBudget
        hits = self._look(self._gather.walk_text(text, code))
        if not hits:
            return text
        if hits[0].container is not None:
            return self.json(text, next(_units(hits)), depth, counts)
        return self.leaf(text, hits[0], depth, counts)

    def leaf(self, payload: bytes, hit: Hit, depth: int, counts: Counts) -> bytes | None:
        """The new content of a text or bytes leaf; None if the value must go.

        Raises: `OverBudget`.
        """
        if hit.code == DEEP_JSON:
            raise OverBudget
        return self._text.redact(payload[hit.start : hit.end], hit.code, depth, counts)

    def whole(self, hit: Hit, value: bytes, counts: Counts) -> bytes | None:
        """What takes the place of a value under a key rule."""
        rule = self._rules[hit.code - RULE]
        counts.append((rule.id, rule.action))
        return whole(rule, value)

    def json(self, text: bytes, unit: _Unit, depth: int, counts: Counts) -> bytes | None:
        """A JSON text with its hits replaced and all else as it was; None if it must go as a whole.

        Raises: `OverBudget`.
        """
        pieces: list[bytes] = []
        at = unit.start
        for hit in unit.hits:
            new = self._json_part(text, hit, depth, counts)
            if new is None:
                return None
            pieces += text[at : hit.start], new
            at = hit.end
        return b"".join((*pieces, text[at : unit.end]))

    def _json_part(self, text: bytes, hit: Hit, depth: int, counts: Counts) -> bytes | None:
        content = text[hit.start : hit.end]
        if hit.code >= RULE:
            new = self.whole(hit, content, counts)
            return b"null" if new is None else orjson.dumps(new.decode())
        if hit.escaped:
            return self._text.escaped(content, hit.code, depth, counts)
        new = self.leaf(text, hit, depth, counts)
        return (
            content if new == content else None if new is None else orjson.dumps(new.decode("utf-8", "replace"))[1:-1]
        )

    def _look(self, length: int) -> list[Hit]:
        """What the last walk found that needs a closer look; `length` is that of the text it gathered."""
        with memoryview(self._gather.scanned()) as view, view[:length] as text:
            ends = self._patterns.ends(text) if length else []
        return self._gather.hits(ends)

    def _decide(self, path: bytes, key: bytes) -> int:
        """The code of a key seen for the first time. One that holds something itself is never remembered."""
        code = self._names.code(path.decode("utf-8", "replace"))
        try:
            holds_something = bool(self._patterns.found(key))
        except OverBudget:
            holds_something = True
        if holds_something:
            return code | KEY_HIT
        if len(path) <= _LONGEST_KNOWN_KEY:
            if len(self._known_keys) >= _MOST_KNOWN_KEYS:
                self._known_keys.clear()
            self._known_keys[path] = code
        return code


class _PayloadEdit:
    """Turns the hits of one payload, in order, into edits."""

    def __init__(self, engine: Engine, payload: bytes, root: int, changes: Changes) -> None:
        self._engine = engine
        self._payload = payload
        self._changes = changes
        self._levels = Levels(payload, root)
        self._keys: dict[int, set[bytes]] = {}
        self._done = 0

    def add(self, unit: _Unit) -> None:
        """Add the edit for one unit, unless it lies in what was taken out before."""
        if unit.start < self._done:
            return
        counts: Counts = []
        try:
            new = self._new(unit, counts)
        except OverBudget:
            self._changes.unreadable += 1
            new = None if unit.hits[0].code == KEY else self._as_value(unit.hits[0], _UNREADABLE)
        except Exception:
            self._remove_item(unit.start)
            return
        if new != self._payload[unit.start : unit.end]:
            self._replace(unit, new, counts)

    def _new(self, unit: _Unit, counts: Counts) -> bytes | None:
        hit = unit.hits[0]
        if unit.json:
            return self._engine.json(self._payload, unit, 0, counts)
        if hit.code >= RULE:
            new = self._engine.whole(hit, self._payload[hit.start : hit.end], counts)
            return None if new is None else self._as_value(hit, new)
        if hit.code == DEEP_VALUE:
            raise OverBudget
        new = self._engine.leaf(self._payload, hit, 0, counts)
        return None if hit.code == KEY and new is not None and self._is_taken(hit, new) else new

    def _as_value(self, hit: Hit, text: bytes) -> bytes:
        """A text as what the hit's range is: the content of a text leaf, or of an AnyValue."""
        if hit.container is not None or (hit.code < RULE and hit.code != DEEP_VALUE):
            return text
        return length_delimited(0x0A, text)

    def _replace(self, unit: _Unit, new: bytes | None, counts: Counts) -> None:
        owner = unit.hits[0].owner
        if owner >= 0 and (new is None or unit.hits[0].place in ON_METRIC_POINT):
            counts = [(rule, "drop") for rule, _ in counts]
            self._remove(owner, next(fields(self._payload, owner, len(self._payload)))[3])
        else:
            self._changes.edits.append((unit.start, unit.end, new or b""))
        place = unit.hits[0].place
        self._changes.redactions.update(Redaction(rule, action, place) for rule, action in counts)

    def _remove(self, start: int, end: int) -> None:
        self._changes.remove(start, end)
        self._done = end

    def _remove_item(self, offset: int) -> None:
        for level in self._levels.around(offset):
            if schema.ITEM[level.message]:
                self._changes.failed_items += 1
                self._remove(level.begin, level.end)
                return
        raise

    def _is_taken(self, hit: Hit, key: bytes) -> bool:
        """Whether another attribute beside it has this key already; if so the later one goes."""
        siblings = self._levels.around(hit.owner)[-2]
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
