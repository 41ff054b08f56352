"""Redacting one text: it is taken apart, what falls under a rule is replaced, all else stays as it is."""

from collections.abc import Callable, Iterator, Sequence

import orjson

from processors.redaction.actions import Actions, Counts
from processors.redaction.budget import OverBudget
from processors.redaction.disguises import Disguises
from processors.redaction.documents import Documents
from processors.redaction.messages import exception_values
from processors.redaction.octets import is_text
from processors.redaction.patterns import Found, Patterns
from processors.redaction.rules import Rule
from processors.redaction.sql import without_literals
from wire.redact import BYTES, EXCEPTION, SQL, unescape

__all__ = ["Counts", "Text"]

Document = Callable[[bytes, int, int, Counts], bytes | None]


class Text:
    """Redacts texts by a set of rules. Texts within texts, which may be JSON, are given to `document`."""

    def __init__(
        self, rules: Sequence[Rule], patterns: Patterns, actions: Actions, max_bytes: int, document: Document
    ) -> None:
        self._actions = actions
        self._patterns = patterns
        self._max_bytes = max_bytes
        self._document = document
        self._rules = rules
        self._masks = [actions.mask(number) for number in range(len(rules))]
        self._some_stay = [actions.some_stay(number) for number in range(len(rules))]
        self._documents = Documents(rules, actions, document)
        self._disguises = Disguises(rules, patterns, max_bytes, document, self._documents)
        self._messages = next((number for number, rule in enumerate(rules) if rule.language == "exception"), None)
        self._sql = next((rule.id for rule in rules if rule.language == "sql"), "sql_literals")

    def redact(self, text: bytes, code: int, depth: int, counts: Counts) -> bytes | None:
        """The text to pass on, `text` itself if nothing had to change; None if the whole value must go.

        `code` is that of its key (see `wire.redact`), `depth` how many texts it is within.
        Raises: `OverBudget`.
        """
        if len(text) > self._max_bytes:
            raise OverBudget
        if code == BYTES and not is_text(text):
            return self._bytes(text, depth, counts)
        if text.startswith(b'"') and text.endswith(b'"') and len(text) > 1:
            within = self._quoted(text, code, depth, counts)
            if within is not text:
                return within
        if code == SQL:
            text, literals = without_literals(text)
            counts += [(self._sql, "mask")] * literals
        found, disguised = self._patterns.look(text)
        if disguised:
            by_position = self._documents.redacted(text, depth, counts)
            if by_position is None:
                return None
            if by_position != text:
                text = by_position
                found, disguised = self._patterns.look(text)
        if disguised or code == EXCEPTION:
            found = [*self._disguises.found(text, depth), *found]
            if self._messages is not None:
                found += self._quoted_values(text, self._messages, whole=code == EXCEPTION)
        return self._replace(text, found, counts)

    def _quoted_values(self, text: bytes, rule: int, *, whole: bool) -> Iterator[Found]:
        """What an exception quotes, and is no mask."""
        for start, end in exception_values(text, whole=whole):
            if text[start:end] != self._rules[rule].mask:
                yield Found(start, end, rule)

    def _bytes(self, content: bytes, depth: int, counts: Counts) -> bytes | None:
        """Bytes that are no text: what is readable in them or packed makes them go as a whole."""
        number = self._disguises.in_bytes(content, depth)
        if number is not None:
            return self._treated(Found(0, len(content), number), content, counts)
        by_position = self._documents.redacted(content, depth, counts)
        return None if by_position is None else self._replace(by_position, self._patterns.found(by_position), counts)

    def escaped(self, content: bytes, code: int, depth: int, counts: Counts) -> bytes | None:
        """The same for the content of a JSON string with escapes.

        Raises: `OverBudget`, also when the escapes make no text.
        """
        try:
            text = unescape(content)
        except ValueError:
            raise OverBudget from None
        redacted = self._document(text, code, depth + 1, counts)
        if redacted is None or redacted == text:
            return None if redacted is None else content
        return orjson.dumps(redacted.decode("utf-8", "replace"))[1:-1]

    def _quoted(self, text: bytes, code: int, depth: int, counts: Counts) -> bytes | None:
        """A text that is one JSON string."""
        try:
            unescape(text[1:-1])
        except ValueError:
            return text
        content = self.escaped(text[1:-1], code, depth, counts)
        return text if content == text[1:-1] else None if content is None else b'"' + content + b'"'

    def _replace(self, text: bytes, found: list[Found], counts: Counts) -> bytes | None:
        if found and not text.isascii():
            found = [_whole_characters(text, one) for one in found]
        found = [one for one in found if one.decided or not (self._some_stay[one.rule] and self._stays(one, text))]
        if not found:
            return text
        pieces: list[bytes] = []
        at = 0
        for one in _apart(found) if len(found) > 1 else found:
            new = self._treated(one, text, counts)
            if new is None:
                return None
            pieces += text[at : one.start], new
            at = one.end
        return b"".join((*pieces, text[at:]))

    def _stays(self, one: Found, text: bytes) -> bool:
        return self._actions.stays(one.rule, one.plain or text[one.start : one.end])

    def _treated(self, one: Found, text: bytes, counts: Counts) -> bytes | None:
        """What takes the place of what was found, in plain if it was disguised: so equal values have equal tokens."""
        mask = self._masks[one.rule]
        if mask is None:
            return self._actions.in_text(one.rule, one.plain or text[one.start : one.end], counts)
        counts.append((self._rules[one.rule].id, "mask"))
        return mask


def _apart(found: list[Found]) -> list[Found]:
    """The union of what overlaps, each under the rule of its longest part, then the first rule in the packs."""
    ordered = sorted(found, key=lambda one: one.start)
    united = [ordered[0]]
    longest = ordered[0]
    for one in ordered[1:]:
        last = united[-1]
        if one.start >= last.end:
            united.append(one)
            longest = one
            continue
        if (one.start - one.end, one.rule) < (longest.start - longest.end, longest.rule):
            longest = one
        end = max(last.end, one.end)
        plain = longest.plain if (longest.start, longest.end) == (last.start, end) else b""
        united[-1] = Found(last.start, end, longest.rule, plain)
    return united


def _whole_characters(text: bytes, found: Found) -> Found:
    """Widened to whole UTF-8 characters: expressions match bytes."""
    start, end = found.start, found.end
    while start > 0 and text[start] & 0xC0 == 0x80:
        start -= 1
    while end < len(text) and text[end] & 0xC0 == 0x80:
        end += 1
    return found._replace(start=start, end=end)
