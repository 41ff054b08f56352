"""What happens to a value that a document says where it is: decided on by a key, as in structured data."""

from collections.abc import Callable, Sequence

import orjson

from processors.redaction.actions import Actions, Counts
from processors.redaction.names import Names
from processors.redaction.rules import Rule
from wire.redact import RULE, SCAN

__all__ = ["Gone", "Positions", "Treated"]

Document = Callable[[bytes, int, int, Counts], bytes | None]
_MOST_KNOWN = 20_000
_LONGEST_KNOWN = 256


class Gone(Exception):
    """A rule says that the value goes, and with it the text that it is part of."""


class Positions:
    """The rules of documents, by key. `document` redacts a text by itself, JSON or not."""

    def __init__(self, rules: Sequence[Rule], actions: Actions, document: Document) -> None:
        self._names = Names(rules)
        self._actions = actions
        self._document = document
        self._numbers = {rule.id: number for number, rule in enumerate(rules) if rule.action != "keep"}
        self._masks = {rule.mask for rule in rules}
        self._known: dict[str, int | None] = {}

    def number(self, rule: str) -> int | None:
        """The number of a rule by its id, if it is in effect."""
        return self._numbers.get(rule)

    def rule(self, path: str) -> int | None:
        """The number of the rule that a key falls under, given with the keys around it, joined by dots."""
        if path in self._known:
            return self._known[path]
        code = self._names.code(path)
        number = code - RULE if code >= RULE else None
        if len(path) <= _LONGEST_KNOWN:
            if len(self._known) >= _MOST_KNOWN:
                self._known.clear()
            self._known[path] = number
        return number

    def treated(self, depth: int, counts: Counts) -> "Treated":
        """For one text, which is within `depth` others."""
        return Treated(self._actions, self._document, self._masks, depth, counts)


class Treated:
    """Makes of values what the rules say, and counts it."""

    def __init__(self, actions: Actions, document: Document, masks: set[bytes], depth: int, counts: Counts) -> None:
        self._actions = actions
        self._document = document
        self._masks = masks
        self._depth = depth
        self._counts = counts

    def value(self, rule: int, value: bytes) -> bytes:
        """What takes the place of a text or number.

        Raises: `Gone`, `OverBudget`.
        """
        if value in self._masks:
            return value
        new = self.json(rule, orjson.dumps(value.decode("utf-8", "replace")))
        text: str = orjson.loads(new)
        return text.encode()

    def json(self, rule: int, value: bytes) -> bytes:
        """The same for a value in JSON.

        Raises: `Gone`, `OverBudget`.
        """
        new = self._actions.whole(rule, value, True, self._scanned, self._counts)
        if new is None:
            raise Gone
        return new

    def text(self, text: bytes) -> bytes:
        """A text by itself, JSON or not, redacted.

        Raises: `Gone`, `OverBudget`.
        """
        new = self._document(text, SCAN, self._depth + 1, self._counts)
        if new is None:
            raise Gone
        return new

    def _scanned(self, text: bytes, counts: Counts) -> bytes | None:
        return self._document(text, SCAN, self._depth + 1, counts)
