"""Regular expressions as the Collector means them (RE2 on UTF-8), in linear time, by Hyperscan.

Where RE2 prefers the first alternative or the shorter repetition (`a|ab`, `a+?`), here the longest match from the
leftmost start is taken: at least as much is masked.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Annotated, Any

import hyperscan
from pydantic import AfterValidator, Field

from processors.redaction.compiled import compiled

__all__ = ["Blocking", "Condition", "Expression", "Matches", "Range"]

_UTF8 = hyperscan.HS_FLAG_UTF8
_EMPTY = hyperscan.HS_FLAG_ALLOWEMPTY
_START = hyperscan.HS_FLAG_SOM_LEFTMOST
_REMEDIES = (
    ("empty buffer", "it can match an empty text, and a mask would stand between any two characters; write + for *"),
    ("Zero-width", "RE2 has no look-around, nor is there any here; match what stands around, too"),
    ("Back-references", "RE2 has no back-references, nor are there any here; write out what may repeat"),
    ("Possessive", "RE2 has no possessive quantifiers, nor are there any here; write a plain one"),
    ("too large", "it is too large; make its largest {…} smaller, or write + or * for it"),
    ("after (?", "its flags are not known; there are (?i), (?s) and (?m), and lazy quantifiers such as +? for (?U)"),
    (r"\C is", r"\C is not known; write . for it"),
)

Range = tuple[int, int]


def _is_taken(flags: int) -> Callable[[str], str]:
    def check(pattern: str) -> str:
        try:
            compiled([(pattern, flags)])
        except hyperscan.error as problem:
            reason = str(problem)
            remedy = next((remedy for sign, remedy in _REMEDIES if sign in reason), f"it says: {reason.rstrip('.')}")
            raise ValueError(f"the pattern engine does not take this expression: {remedy}") from None
        return pattern

    return check


Blocking = Annotated[str, Field(min_length=1), AfterValidator(_is_taken(_UTF8 | _START))]
"""An expression whose matches are masked."""

Condition = Annotated[str, Field(min_length=1), AfterValidator(_is_taken(_UTF8 | _EMPTY))]
"""An expression that matches or does not."""


class Matches:
    """Which of some conditions a text fulfils; the number of the first, or None."""

    def __init__(self, patterns: Sequence[str]) -> None:
        flags = _UTF8 | _EMPTY | hyperscan.HS_FLAG_SINGLEMATCH
        self._database = compiled([(pattern, flags) for pattern in patterns]) if patterns else None

    def first(self, text: bytes) -> int | None:
        """The number of the first condition that matches anywhere in a text, which must be UTF-8."""
        if self._database is None:
            return None
        found: set[int] = set()
        self._database.scan(text, match_event_handler=_note_number, context=found)
        return min(found, default=None)


def _note_number(number: int, _start: int, _end: int, _flags: int, found: Any) -> None:
    found.add(number)


def _note_range(_number: int, start: int, end: int, _flags: int, found: Any) -> None:
    found.append((start, end))


_MOST_SCANS = 16
"""Of one text by one expression, before the union of all matches is taken instead."""


class Expression:
    """One blocked value: where it matches."""

    def __init__(self, pattern: str) -> None:
        self._database = compiled([(pattern, _UTF8 | _START)])

    def ranges(self, text: bytes) -> list[Range]:
        """What Go's `ReplaceAll` would replace in a text, which must be UTF-8: from the left, not overlapping."""
        chosen: list[Range] = []
        found = self._found(text)
        for _ in range(_MOST_SCANS):
            hides = _choose(sorted(found, key=lambda one: (one[0], -one[1])), chosen)
            found = self._after(text, chosen[-1][1]) if hides else []
            if not found:
                return chosen
        return list(_union(self._found(text)))

    def _after(self, text: bytes, at: int) -> list[Range]:
        """What begins at `at` or later; what stands before counts as the character before, if it hides nothing."""
        before = at - 1
        while before > 0 and text[before] & 0xC0 == 0x80:
            before -= 1
        found = [(before + start, before + end) for start, end in self._found(text[before:])]
        later = [one for one in found if one[0] >= at]
        if len(later) < len(found):
            later += [(at + start, at + end) for start, end in self._found(text[at:])]
        return later

    def _found(self, text: bytes) -> list[Range]:
        found: list[Range] = []
        self._database.scan(text, match_event_handler=_note_range, context=found)
        return found


def _choose(found: list[Range], chosen: list[Range]) -> bool:
    """Add the longest of those that start leftmost, then of those after it, and so on.

    True if there may be others after the last: of the matches with one end Hyperscan tells only the leftmost start, and
    one that overlaps with what was chosen may hide one that does not.
    """
    number = 0
    hides = False
    while number < len(found) and not hides:
        start, end = found[number]
        chosen.append((start, end))
        while number < len(found) and found[number][0] < end:
            hides = hides or found[number][1] > end
            number += 1
    return hides


def _union(found: list[Range]) -> Iterator[Range]:
    first, last = -1, -1
    for start, end in sorted(found):
        if start > last:
            if last >= 0:
                yield first, last
            first = start
        last = max(last, end)
    if last >= 0:
        yield first, last
