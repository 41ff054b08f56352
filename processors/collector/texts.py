"""Masks blocked values in one text: where they stand as they are, where they stand disguised, and under blocked keys
of JSON.
"""

import re
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import orjson

from processors.collector.expressions import Expression, Matches
from processors.collector.keys import ALLOWED, IGNORED, REMOVED, Keys, rule
from processors.collector.masks import Mask
from processors.collector.triggers import Triggers
from processors.redaction import encoded
from processors.redaction.budget import OverBudget
from processors.redaction.json_pairs import without_pair
from processors.redaction.views import View
from wire.redact import DEEP_JSON, RULE, SCAN, Gather, Hit, unescape

__all__ = ["JSON", "OverBudget", "Texts"]

_MOST_ROUNDS = 4
"""How often a text may be escaped; `processors.redaction` allows the same."""
_LEAST_BUDGET, _TIMES, _EACH = 2**18, 32, 64
"""Bytes that may be looked at on account of one text: so many, and so many times its size; what each look counts
beside its bytes."""
_MOST_CLEAN, _LONGEST_CLEAN = 16_384, 256
"""Texts in which nothing was found are remembered, for keys and most values come again; one that was hit never."""
JSON = (b"{", b"[", b'"')
"""How JSON begins that is looked into."""


class _Found(NamedTuple):
    """A range of a text that falls under a rule, and what it says in plain."""

    start: int
    end: int
    rule: str
    plain: bytes


class Texts:
    """Redacts texts by blocked values and blocked keys. What was done is added to `acts`, as the ids of rules."""

    def __init__(self, keys: Keys, blocked: Sequence[str], mask: Mask, max_bytes: int, max_depth: int) -> None:
        self._keys = keys
        self._blocked = [Expression(pattern) for pattern in blocked]
        self._any = Matches(blocked)
        self._mask = mask
        self._max_bytes = max_bytes
        self._max_depth = max_depth
        self._triggers = Triggers()
        self._clean: set[bytes] = set()
        self.acts: list[str] = []

    def redacted(self, text: bytes, listed: bool = False) -> bytes:
        """The text, `text` itself if nothing had to change. `listed`: in JSON the list of allowed keys holds, too.

        Raises: `OverBudget` if it cannot be looked at: too large, nested or escaped too often.
        """
        if text in self._clean:
            return text
        is_json = text.lstrip()[:1] in JSON
        new = self._without_blocked_keys(text, listed, 0) if is_json and self._has_keys(listed) else text
        if self._blocked or self._keys.says_something_within:
            new = self._without_disguised(new) if self._triggers.found(new) else new
            new = self._without_plain(new)
        if new == text and not is_json and len(text) <= _LONGEST_CLEAN:
            if len(self._clean) >= _MOST_CLEAN:
                self._clean.clear()
            self._clean.add(text)
        return new

    def _has_keys(self, listed: bool) -> bool:
        """Whether there may be keys in JSON whose values must go."""
        return self._keys.says_something_within or (listed and self._keys.removes)

    def _without_plain(self, text: bytes) -> bytes:
        """The blocked values one after the other, as the Collector: a later one sees what an earlier one left."""
        if self._any.first(text) is None:
            return text
        for number, expression in enumerate(self._blocked):
            ranges = expression.ranges(text)
            self.acts += [rule("blocked_value", number)] * len(ranges)
            text = self._replaced(text, [(*one, text[slice(*one)]) for one in ranges])
        return text

    def _replaced(self, text: bytes, ranges: Sequence[tuple[int, int, bytes]]) -> bytes:
        pieces: list[bytes] = []
        at = 0
        for start, end, plain in ranges:
            pieces += text[at:start], self._mask(plain)
            at = end
        return b"".join((*pieces, text[at:])) if ranges else text

    def _without_disguised(self, text: bytes) -> bytes:
        if len(text) > self._max_bytes:
            raise OverBudget
        budget = [_LEAST_BUDGET + _TIMES * len(text)]
        found = _apart(self._disguised(text, 0, budget))
        self.acts += [one.rule for one in found]
        return self._replaced(text, [(one.start, one.end, one.plain) for one in found])

    def _disguised(self, text: bytes, depth: int, budget: list[int]) -> list[_Found]:
        """What falls under a rule in the plain forms of a text, by ranges of the text."""
        if depth > self._max_depth:
            raise OverBudget
        found: list[_Found] = []
        keys_seen = not self._keys.says_something_within or _is_json(text)
        view: View | None = View(text)
        for _ in range(_MOST_ROUNDS):
            if view is None:
                return found
            budget[0] -= len(view.text) + _EACH
            if budget[0] < 0:
                raise OverBudget
            found += [
                one._replace(start=start, end=end)
                for one in self._in_view(view, keys_seen, depth, budget)
                for start, end in (view.origin(one.start, one.end),)
            ]
            view = view.decoded()
        if view is not None:
            raise OverBudget
        return found

    def _in_view(self, view: View, keys_seen: bool, depth: int, budget: list[int]) -> Iterator[_Found]:
        spaced = view.without_plus()
        if spaced is not None:
            yield from self._plain(spaced)
        if not view.is_source:
            yield from self._plain(view.text)
            key_rule = None if keys_seen else self._under_key(_valid(view.text), depth)
            if key_rule is not None:
                yield _Found(0, len(view.text), key_rule, view.text)
        for part in encoded.encoded(view.text, self._max_bytes):
            number = None if part.text is None else self._first(_valid(part.text), depth + 1, budget)
            if number is not None:
                yield _Found(part.start, part.end, number, view.text[part.start : part.end])

    def _plain(self, text: bytes) -> Iterator[_Found]:
        text = _valid(text)
        if self._any.first(text) is not None:
            for number, expression in enumerate(self._blocked):
                for start, end in expression.ranges(text):
                    yield _Found(start, end, rule("blocked_value", number), text[start:end])

    def _first(self, text: bytes, depth: int, budget: list[int]) -> str | None:
        """The rule that acts first on a text that stands encoded in another."""
        budget[0] -= len(text)
        found = next(self._plain(text), None)
        if found is None and self._triggers.found(text):
            found = next(iter(self._disguised(text, depth, budget)), None)
        return self._under_key(text, depth) if found is None else found.rule

    def _under_key(self, text: bytes, depth: int) -> str | None:
        """The rule of the first blocked key in a text, if that is JSON."""
        if not self._keys.says_something_within or text.lstrip()[:1] not in JSON:
            return None
        before = len(self.acts)
        self._without_blocked_keys(text, False, depth)
        acts = self.acts[before:]
        del self.acts[before:]
        return acts[0] if acts else None

    def _without_blocked_keys(self, text: bytes, listed: bool, depth: int) -> bytes:
        """JSON with the values of blocked keys masked; what is not JSON stays."""
        if depth > self._max_depth:
            raise OverBudget
        gather = Gather(lambda _, key: self._code(key, listed), {}, self._max_depth)
        gather.walk_text(text, SCAN)
        pieces: list[bytes] = []
        at = 0
        for hit in gather.hits([]):
            start, end, new = self._json_part(text, hit, at, listed, depth)
            pieces += text[at:start], new
            at = end
        return b"".join((*pieces, text[at:]))

    def _json_part(self, text: bytes, hit: Hit, at: int, listed: bool, depth: int) -> tuple[int, int, bytes]:
        content = text[hit.start : hit.end]
        if hit.code == DEEP_JSON:
            raise OverBudget
        if hit.code == RULE:
            self.acts.append("not_allowed_key")
            new, start, end = without_pair(text, at, hit.start, hit.end)
            return start, end, new
        if hit.code > RULE:
            self.acts.append(rule("blocked_key_pattern", hit.code - RULE - 1))
            return hit.start, hit.end, b'"' + self._mask(content) + b'"'
        return hit.start, hit.end, self._json_string(content, hit, listed, depth)

    def _json_string(self, content: bytes, hit: Hit, listed: bool, depth: int) -> bytes:
        """The content of a string that may be JSON itself; without a container it is a text in double quotes."""
        bare = hit.container is not None
        try:
            inner = unescape(content if bare else content.strip()[1:-1])
        except ValueError:
            return content
        new = self._without_blocked_keys(inner, listed, depth + 1)
        if new == inner:
            return content
        written = orjson.dumps(new.decode("utf-8", "replace"))
        return written[1:-1] if bare else written

    def _code(self, key: bytes, listed: bool) -> int:
        found = (self._keys.listed if listed else self._keys.within)(key.decode("utf-8", "replace"))
        return SCAN if found in (ALLOWED, IGNORED) else RULE if found == REMOVED else RULE + 1 + found


def _apart(found: list[_Found]) -> list[_Found]:
    """The union of what overlaps, each under the rule of its longest part."""
    united: list[_Found] = []
    for one in sorted(found, key=lambda one: (one.start, -one.end)):
        if united and one.start < united[-1].end:
            last = united[-1]
            united[-1] = last._replace(end=max(last.end, one.end))
        else:
            united.append(one)
    return united


def _is_json(text: bytes) -> bool:
    try:
        orjson.loads(text)
    except ValueError:
        return False
    return text.lstrip()[:1] in JSON


_NOT_UTF8 = re.compile("[\udc80-\udcff]")


def _valid(text: bytes) -> bytes:
    """The text with a question mark for each byte that is no UTF-8, as long as it was."""
    try:
        text.decode()
    except UnicodeDecodeError:
        return _NOT_UTF8.sub("?", text.decode("utf-8", "surrogateescape")).encode()
    return text
