"""Finding what a text hides: everything is looked at in plain and found at the place where it stands disguised."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from processors.redaction.budget import OverBudget
from processors.redaction.documents import Documents, changed_range
from processors.redaction.encoded import Encoded, encoded
from processors.redaction.octets import is_media, readable, unpacked
from processors.redaction.patterns import Found, Patterns
from processors.redaction.rules import Rule
from processors.redaction.views import View

__all__ = ["PHOTO", "Disguises"]

Document = Callable[[bytes, int, int, list[tuple[str, str]]], bytes | None]

PHOTO = "photo"
"""The rule under which pictures and the like fall, wherever they are."""
_ROUNDS = 4
"""How often a text may be escaped. Links in links are escaped twice or three times."""


_LEAST_BUDGET, _TIMES, _EACH = 2**18, 32, 64
"""Bytes that may be looked at on account of one text: so many, and so many times its size; what each look counts
beside its bytes."""


class Disguises:
    """Looks for rules in the plain forms of texts. `document` redacts a text by itself, JSON or not."""

    def __init__(
        self, rules: Sequence[Rule], patterns: Patterns, max_bytes: int, document: Document, documents: Documents
    ) -> None:
        self._patterns = patterns
        self._max_bytes = max_bytes
        self._document = document
        self._documents = documents
        self._numbers = {rule.id: number for number, rule in enumerate(rules)}
        self._photo = self._numbers.get(PHOTO)
        self._left: int | None = None

    def found(self, text: bytes, depth: int) -> list[Found]:
        """What is disguised in a text, by ranges of it.

        Raises: `OverBudget`, also if the text is escaped too often.
        """
        with self._within_budget(len(text)):
            return self._found(text, depth)

    def _found(self, text: bytes, depth: int) -> list[Found]:
        view: View | None = View(text)
        found: list[Found] = []
        for _ in range(_ROUNDS):
            if view is None:
                return found
            found += self._in_view(view, depth)
            view = view.decoded()
        if view is not None:
            raise OverBudget
        return found

    def in_bytes(self, content: bytes, depth: int) -> int | None:
        """The number of the rule under which bytes that are no UTF-8 fall as a whole, if any.

        Raises: `OverBudget`.
        """
        if is_media(content):
            return self._photo
        plain = unpacked(content, self._max_bytes)
        if plain is not None and is_media(plain):
            return self._photo
        texts = readable(content) if plain is None else [plain]
        with self._within_budget(len(content) + len(plain or b"")):
            return next((found for text in texts if (found := self._number(text, depth)) is not None), None)

    @contextmanager
    def _within_budget(self, size: int) -> Iterator[None]:
        """All that is looked at on account of one text is bounded by its size, however texts are within texts."""
        outermost = self._left is None
        if outermost:
            self._left = _LEAST_BUDGET + _TIMES * size
        try:
            yield
        finally:
            if outermost:
                self._left = None

    def _spend(self, size: int) -> None:
        self._left = (self._left or 0) - size - _EACH
        if self._left < 0:
            raise OverBudget

    def _in_view(self, view: View, depth: int) -> list[Found]:
        self._spend(len(view.text))
        spaced = view.without_plus()
        found = [] if view.is_source else self._patterns.found(view.text)
        if spaced is not None:
            found += self._patterns.found(spaced)
        if not view.is_source and view.text.lstrip()[:1] in (b"{", b"["):
            number = self._number(view.text, depth)
            found += [] if number is None else [Found(0, len(view.text), number, decided=True)]
        elif not view.is_source:
            found += self._by_position(view.text, depth)
        found += [
            one for part in encoded(view.text, self._max_bytes) if (one := self._decoded(part, depth)) is not None
        ]
        return [
            Found(*view.origin(one.start, one.end), one.rule, view.text[one.start : one.end], one.decided)
            for one in found
        ]

    def _by_position(self, text: bytes, depth: int) -> list[Found]:
        """The range of a text in which documents have something that goes."""
        counts: list[tuple[str, str]] = []
        new = self._documents.redacted(text, depth + 1, counts)
        if new == text:
            return []
        return [Found(*changed_range(text, new), self._first(counts), decided=True)]

    def _decoded(self, part: Encoded, depth: int) -> Found | None:
        number = self._photo if part.text is None else self._number(part.text, depth)
        return None if number is None else Found(part.start, part.end, number, decided=True)

    def _number(self, text: bytes, depth: int) -> int | None:
        """The number of the first rule that acts on a text by itself."""
        self._spend(len(text))
        counts: list[tuple[str, str]] = []
        if self._document(text, 0, depth + 1, counts) == text:
            return None
        return self._first(counts)

    def _first(self, counts: list[tuple[str, str]]) -> int:
        """The number of the first rule that acted. Raises: `OverBudget` if it was none, but something too large."""
        number = next((self._numbers[rule] for rule, _ in counts), None)
        if number is None:
            raise OverBudget
        return number
