"""The way of a payload through redaction: gather its texts, scan them at once, look closely at hits, list the edits."""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from datetime import UTC, datetime

import orjson

from processors.redaction.actions import Actions, Counts
from processors.redaction.edits import Changes, Edits, Redaction
from processors.redaction.json_pairs import without_pair
from processors.redaction.names import Names
from processors.redaction.patterns import OverBudget, Patterns
from processors.redaction.pseudonyms import Pseudonyms
from processors.redaction.rules import Rule, digest
from processors.redaction.text import Text
from processors.redaction.values import as_value
from wire.protobuf import length_delimited
from wire.redact import DEEP_JSON, DEEP_VALUE, KEEP, KEY, KEY_HIT, RULE, SCAN, Gather, Hit

__all__ = ["Changes", "Engine", "Redaction"]

_UNREADABLE = b"[unreadable]"


def _this_year() -> int:
    return datetime.now(UTC).year


def _as_masks(rules: Sequence[Rule]) -> list[Rule]:
    """The rules that observe, as rules that mask; and what is kept, for it stays kept."""
    masks = [rule.model_copy(update={"action": "mask"}) for rule in rules if rule.action == "observe"]
    return masks + [rule for rule in rules if rule.action == "keep"]


def _may_be_json(key: bytes) -> bool:
    return key.lstrip()[:1] in (b"{", b"[")


def _kept(keys: Sequence[str]) -> Names:
    return Names([Rule(id="kept", title="", action="keep", keys=tuple(keys))] if keys else [])


_MOST_KNOWN_KEYS = 20_000
_LONGEST_KNOWN_KEY = 256


def _units(hits: Sequence[Hit]) -> Iterator[Sequence[Hit]]:
    """What one edit replaces: a row by itself, or the rows of one JSON text."""
    first = 0
    for last, hit in enumerate(hits, 1):
        if hit.container is None or last == len(hits) or hits[last].container != hit.container:
            yield hits[first:last]
            first = last


class Engine:
    """Redacts by one set of rules. Not for several threads at once.

    A value with something to look at goes if it has more than `max_value_bytes` or is nested deeper than `max_depth`.
    Rules that only observe run by themselves, on the payload as it came, so that none hides anything from the others.

    Raises: `ValueError` if a rule pseudonymizes and there are no `pseudonyms`.
    """

    def __init__(
        self,
        rules: Sequence[Rule],
        max_value_bytes: int,
        max_depth: int,
        pseudonyms: Pseudonyms | None = None,
        this_year: Callable[[], int] = _this_year,
    ) -> None:
        self.rules_digest = digest(rules)
        self.pseudonyms = pseudonyms
        acting = [rule for rule in rules if rule.action != "observe"]
        self._observed = frozenset(rule.id for rule in rules if rule.action == "observe")
        self._observer = Engine(_as_masks(rules), max_value_bytes, max_depth) if self._observed else None
        self._rules = acting
        self._max_depth = max_depth
        self._names = Names(acting)
        self._all_but = [(RULE + n, _kept(rule.all_but)) for n, rule in enumerate(acting) if rule.all_but is not None]
        self._patterns = Patterns(acting)
        self._actions = Actions(acting, pseudonyms, this_year)
        self._masks = {
            RULE + number: (rule.id, as_value(mask, False))
            for number, rule in enumerate(acting)
            if (mask := self._actions.mask(number)) is not None and not self._actions.some_stay(number)
        }
        self._text = Text(acting, self._patterns, self._actions, max_value_bytes, self.document)
        self._known_keys: dict[bytes, int] = {}
        self._gather = Gather(self._decide, self._known_keys, max_depth)

    def changes(self, payload: bytes, root: int) -> Changes:
        """What must change in a clean payload whose outermost message is number `root` of `wire.schema`.

        An item on which the engine fails is taken out; what fails outside of items is raised.
        """
        hits = self._look(self._gather.walk(payload, root))
        changes = Changes()
        if hits:
            self._patterns.look_ahead(payload[hit.start : hit.end] for hit in hits if hit.code < RULE)
            try:
                _PayloadEdit(self, payload, root, changes).add_all(hits)
            finally:
                self._patterns.look_ahead(())
        if self._observer is not None:
            changes.redactions.update(self._would_do(self._observer, payload, root))
        return changes

    def _would_do(self, observer: "Engine", payload: bytes, root: int) -> Counter[Redaction]:
        """What the rules that only observe would do. What fails here changes nothing, and is not counted."""
        observed: Counter[Redaction] = Counter()
        with suppress(Exception):
            for (rule, _, place), count in observer.changes(payload, root).redactions.items():
                if rule in self._observed:
                    observed[rule, "observe", place] += count
        return observed

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
            return self.json(text, hits, depth, counts)
        return self.leaf(text, hits[0], depth, counts)

    def leaf(self, payload: bytes, hit: Hit, depth: int, counts: Counts) -> bytes | None:
        """The new content of a text or bytes leaf; None if the value must go.

        Raises: `OverBudget`.
        """
        if hit.code == DEEP_JSON:
            raise OverBudget
        if hit.code == KEY and _may_be_json(payload[hit.start : hit.end]):
            return self.document(payload[hit.start : hit.end], SCAN, depth + 1, counts)
        return self._text.redact(payload[hit.start : hit.end], hit.code, depth, counts)

    def mask(self, code: int) -> tuple[str, bytes] | None:
        """The rule of a code and the AnyValue it leaves under its keys, if that is always the same."""
        return self._masks.get(code)

    def whole(self, hit: Hit, value: bytes, depth: int, counts: Counts) -> bytes | None:
        """What takes the place of a value under a key rule: JSON, or the content of an AnyValue.

        Raises: `OverBudget`.
        """

        def redact(text: bytes, counts: Counts) -> bytes | None:
            return self.document(text, SCAN, depth + 1, counts)

        return self._actions.whole(hit.code - RULE, value, hit.container is not None, redact, counts)

    def json(self, text: bytes, hits: Sequence[Hit], depth: int, counts: Counts) -> bytes | None:
        """The JSON text around some hits with these replaced and all else as it was; None if it must go as a whole.

        Raises: `OverBudget`.
        """
        pieces: list[bytes] = []
        at, stop = hits[0].container or (0, len(text))
        for hit in hits:
            start, end = hit.start, hit.end
            new = self._json_part(text, hit, depth, counts)
            if new is None:
                if hit.code < RULE:
                    return None
                new, start, end = without_pair(text, at, start, end)
            pieces += text[at:start], new
            at = end
        return b"".join((*pieces, text[at:stop]))

    def _json_part(self, text: bytes, hit: Hit, depth: int, counts: Counts) -> bytes | None:
        content = text[hit.start : hit.end]
        if hit.code >= RULE:
            return self.whole(hit, content, depth, counts)
        if hit.escaped:
            return self._text.escaped(content, hit.code, depth, counts)
        new = self.leaf(text, hit, depth, counts)
        return (
            content if new == content else None if new is None else orjson.dumps(new.decode("utf-8", "replace"))[1:-1]
        )

    def _look(self, length: int) -> list[Hit]:
        """What the last walk found that needs a closer look; `length` is that of the text it gathered."""
        return self._gather.hits(self._patterns.ends(self._gather.scanned(length)) if length else [])

    def _code(self, path: str) -> int:
        code = self._names.code(path)
        if code == KEEP:
            return KEEP
        return next((but for but, allowed in self._all_but if allowed.code(path) != KEEP), code)

    def _decide(self, path: bytes, key: bytes) -> int:
        """The code of a key seen for the first time. One that holds something itself is never remembered."""
        code = self._code(path.decode("utf-8", "replace"))
        try:
            holds_something = _may_be_json(key) or any(self._patterns.look(key))
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
        self._edits = Edits(payload, root, changes)

    def add_all(self, hits: Sequence[Hit]) -> None:
        """Add the edits for all hits."""
        for unit in _units(hits):
            if not self.mask(unit[0]):
                self.add(unit)

    def mask(self, hit: Hit) -> bool:
        """Add the edit for a value under a key rule that always leaves the same; False if it takes `add` to do it."""
        mask = None if hit.container is not None else self._engine.mask(hit.code)
        return mask is not None and self._edits.mask(hit, *mask)

    def add(self, hits: Sequence[Hit]) -> None:
        """Add the edit for one unit, unless it lies in what was taken out before."""
        hit = hits[0]
        start, end = hit.container or (hit.start, hit.end)
        if start < self._edits.done:
            return
        counts: Counts = []
        try:
            new = self._new(hits, counts)
        except OverBudget:
            self._changes.unreadable += 1
            new = None if hit.code == KEY else self._as_value(hit, _UNREADABLE)
        except Exception:
            if not self._edits.remove_item(start):
                raise
            return
        if new != self._payload[start:end]:
            self._edits.replace(start, end, hit, new, counts)

    def _new(self, hits: Sequence[Hit], counts: Counts) -> bytes | None:
        hit = hits[0]
        if hit.container is not None:
            return self._engine.json(self._payload, hits, 0, counts)
        if hit.code >= RULE:
            return self._engine.whole(hit, self._payload[hit.start : hit.end], 0, counts)
        if hit.code == DEEP_VALUE:
            raise OverBudget
        new = self._engine.leaf(self._payload, hit, 0, counts)
        if hit.code != KEY or new is None or new == self._payload[hit.start : hit.end]:
            return new
        return None if self._edits.is_taken(hit.owner, new) else new

    def _as_value(self, hit: Hit, text: bytes) -> bytes:
        """A text as what the hit's range is: the content of a text leaf, or of an AnyValue."""
        if hit.container is not None or (hit.code < RULE and hit.code != DEEP_VALUE):
            return text
        return length_delimited(0x0A, text)
