"""The rules' patterns as two Hyperscan databases: one that finds, in the text of a whole payload, where a closer look
is needed, and one that says, for a single text, exactly what falls under which rule.

The first has no start of match and may say too much; the second need not be fast. What the first may not do is miss a
text in which the second would find something: both are made here from the same rules.
"""

import re
from bisect import bisect_left
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Any, NamedTuple

import hyperscan

from processors.redaction import documents, encoded, messages, views
from processors.redaction.budget import OverBudget
from processors.redaction.checks import CHECKS
from processors.redaction.compiled import database
from processors.redaction.keyed import cued_expressions, keyed_expressions
from processors.redaction.rules import Pattern, Rule
from processors.redaction.spans import path_segment

__all__ = ["Found", "OverBudget", "Patterns"]

_ANYWHERE = hyperscan.HS_FLAG_CASELESS
_KEYWORD = ("keyword", "keyword and check")
_MOST_FINDS = 100_000
_SHORT_BYTES = 2**12
_TOGETHER_BYTES = 2**16
_DISGUISES = [
    *((text, _ANYWHERE) for text in (*views.TRIGGERS, *messages.TRIGGERS)),
    *((text, 0) for text in (*encoded.TRIGGERS, *documents.TRIGGERS)),
]
"""What makes a text worth looking at in plain."""


class Found(NamedTuple):
    """A range of a text that falls under a rule (by number), and what it says in plain if it is disguised.

    `decided`: the rule acts on something that the range encodes, so that what the range itself looks like says nothing.
    """

    start: int
    end: int
    rule: int
    plain: bytes = b""
    decided: bool = False


_Match = tuple[int, int, int]
"""The number of an expression, and where it matched; the start is 0 for those that do not tell."""

Locate = Callable[[bytes, int, int], "tuple[int, int] | None"]
"""From where an expression matched (start, end) to what falls under its rule; None if nothing does."""


@dataclass(frozen=True, slots=True)
class _Expression:
    text: str
    flags: int
    rule: int
    locate: Locate
    by_keyword: bool = False
    trigger: str = ""
    """What finds it, if that is not the text itself."""

    @property
    def starts(self) -> bool:
        """Whether the start of a match is known."""
        return bool(self.flags & hyperscan.HS_FLAG_SOM_LEFTMOST)


def _keyword_before(rule: Rule) -> Callable[[bytes, int, int], bool]:
    """Whether a keyword stands shortly before a range of a text, or begins it: `MRN-12345`."""
    if not rule.keywords:
        return lambda text, start, end: False
    alternatives = "|".join(re.escape(keyword.lower()) for keyword in rule.keywords)
    expression = re.compile(rb"(?<![a-z0-9])(?:" + alternatives.encode() + rb")(?![a-z])")
    within = rule.within + max(len(keyword.encode()) for keyword in rule.keywords)

    def before(text: bytes, start: int, end: int) -> bool:
        first = max(0, start - within - 1)
        window = text[first:end].lower()
        return any(
            found.end() <= start - first or found.start() == start - first
            for found in expression.finditer(window, min(1, first))
        )

    return before


def _check(rule: Rule) -> Callable[[bytes], bool]:
    if rule.validator is None:
        return lambda text: False
    check = CHECKS[rule.validator]
    return lambda text: check(text.decode("utf-8", "replace"))


def _part(expression: str) -> Callable[[bytes, int, int], tuple[int, int] | None]:
    """The last and longest match of an expression within a range of a text."""
    compiled = database([(expression, hyperscan.HS_FLAG_SOM_LEFTMOST)])

    def part(text: bytes, start: int, end: int) -> tuple[int, int] | None:
        matches: list[tuple[int, int, int]] = []
        compiled.scan(text[start:end], match_event_handler=_note, context=matches)
        last = max(matches, key=lambda one: (one[2], -one[1]), default=None)
        return last and (start + last[1], start + last[2])

    return part


def _locate_pattern(rule: Rule, pattern: Pattern) -> Locate:
    if pattern.part is None:
        return _locate_whole(rule, pattern)
    whole, part = _locate_whole(rule, pattern), _part(pattern.part)

    def locate(text: bytes, start: int, end: int) -> tuple[int, int] | None:
        place = part(text, start, end)
        return place if place is not None and whole(text, *place) is not None else None

    return locate


def _locate_whole(rule: Rule, pattern: Pattern) -> Locate:
    before, check = _keyword_before(rule), _check(rule)

    def locate(text: bytes, start: int, end: int) -> tuple[int, int] | None:
        match pattern.needs:
            case "nothing":
                counts = True
            case "keyword":
                counts = before(text, start, end)
            case "check":
                counts = check(text[start:end])
            case "keyword or check":
                counts = before(text, start, end) or check(text[start:end])
            case "keyword and check":
                counts = before(text, start, end) and check(text[start:end])
        return (start, end) if counts else None

    return locate


def _expressions(number: int, rule: Rule) -> list[_Expression]:
    """What a rule looks for in texts."""
    start_needed = hyperscan.HS_FLAG_SOM_LEFTMOST
    found = [
        _Expression(pattern.match, start_needed, number, _locate_pattern(rule, pattern), pattern.needs in _KEYWORD)
        for pattern in rule.patterns
    ]
    if rule.action != "keep":
        found += [_Expression(text, _ANYWHERE, number, locate) for text, locate in keyed_expressions(rule)]
    found += [_Expression(text, start_needed, number, locate) for text, locate in cued_expressions(rule)]
    if rule.paths:
        collections = "|".join(re.escape(word) for word in rule.paths)
        found += [_path(f"(?:\\b|_)(?:{collections})", *begin, number, rule) for begin in _SEGMENT_BEGINS]
    return found


# How an id in a path begins, how many bytes that is, and what finds it: a placeholder is none, for the names of spans
# have one after most of the words. After anything but a slash only numbers and UUIDs are ids.
_SEGMENT_BEGINS = (
    (r"/[^\s/]", 1, r"/(?:[^\s/{]|\{[a-z_.:]*(?:$|[^a-z_.:}]|\}[^\s/?#\"'<>,;()\[\]&|\\]))"),
    (r"[._:-][0-9]{3}", 3, ""),
    (r"[._:-][0-9a-f]{8}-[0-9a-f]{4}-", 14, ""),
)


def _path(collections: str, after: str, size: int, finds: str, number: int, rule: Rule) -> _Expression:
    def locate(text: bytes, _: int, end: int) -> tuple[int, int] | None:
        return path_segment(text, end - size, rule.segments)

    trigger = collections + finds if finds else ""
    return _Expression(collections + after, _ANYWHERE, number, locate, trigger=trigger)


def _triggers(expressions: Sequence[_Expression]) -> list[tuple[str, int]]:
    """The expressions, without start of match, for the finding database."""
    return [
        (expression.trigger or expression.text, expression.flags & ~hyperscan.HS_FLAG_SOM_LEFTMOST)
        for expression in expressions
    ]


def _keywords(rule: Rule) -> tuple[str, int]:
    """What finds the keywords of a rule; it stands for the expressions that need one."""
    keywords = "|".join(re.escape(keyword) for keyword in rule.keywords)
    return rf"(?:\b|_)(?:{keywords})(?:[^a-z\n]|$)", _ANYWHERE


class Patterns:
    """The compiled patterns of a set of rules."""

    def __init__(self, rules: Sequence[Rule]) -> None:
        self._masks = {rule.mask for rule in rules}
        found = [each for number, rule in enumerate(rules) for each in _expressions(number, rule)]
        self._free = [each for each in found if not each.by_keyword]
        self._gated = [each for each in found if each.by_keyword]
        gates = [_keywords(rules[number]) for number in dict.fromkeys(each.rule for each in self._gated)]
        self._disguises_from = len(self._free) + len(gates)
        self._finding = database(dict.fromkeys([*_DISGUISES, *_triggers(self._free), *gates]))
        self._telling = database([*((each.text, each.flags) for each in self._free), *gates, *_DISGUISES])
        self._behind_gates = database([(each.text, each.flags) for each in self._gated])
        self._ahead: dict[bytes, list[_Match]] = {}

    def ends(self, buffer: bytes) -> list[int]:
        """Where something ends that needs a closer look."""
        ends: set[int] = set()
        self._finding.scan(buffer, match_event_handler=_note_end, context=ends)
        return list(ends)

    def found(self, text: bytes) -> list[Found]:
        """What falls under a rule, in no order, overlapping.

        Raises: `OverBudget` if the text is full of it.
        """
        return self.look(text)[0]

    def look(self, text: bytes) -> tuple[list[Found], bool]:
        """What falls under a rule, and whether something may be disguised.

        Raises: `OverBudget` if the text is full of it.
        """
        matches = self._ahead.get(text)
        if matches is None:
            matches = _matches(self._telling, text)
        if not matches:
            return [], False
        free, disguises = len(self._free), self._disguises_from
        plain = [one for one in matches if one[0] < free]
        found = self._located(text, self._free, plain)
        if len(plain) == len(matches):
            return found, False
        if any(free <= one[0] < disguises for one in matches):
            found += self._located(text, self._gated, _matches(self._behind_gates, text))
        return found, any(one[0] >= disguises for one in matches)

    def look_ahead(self, texts: Iterable[bytes]) -> None:
        """Scan texts that `look` will be asked about, and forget those of before. Short ones are scanned together: to
        begin a scan costs more than to scan them, 2.3 us a text by itself and 0.6 together (2026-11-21)."""
        self._ahead = {}
        together: list[bytes] = []
        size = 0
        for text in dict.fromkeys(texts):
            if len(text) <= _SHORT_BYTES:
                together.append(text)
                size += len(text)
            if size > _TOGETHER_BYTES:
                self._scan_together(together)
                together, size = [], 0
        self._scan_together(together)

    def _scan_together(self, texts: list[bytes]) -> None:
        """Texts a line each. What would run over the end of one is left to be scanned by itself."""
        starts = [0, *accumulate(len(text) + 1 for text in texts)]
        by_text: list[list[_Match]] = [[] for _ in texts]
        alone: set[int] = set()
        try:
            matches = _matches(self._telling, b"\n".join(texts))
        except OverBudget:
            return
        for number, start, end in matches:
            at = bisect_left(starts, end) - 1
            first = starts[at]
            if start < first and number < len(self._free) and self._free[number].starts:
                alone.add(at)
            elif end < starts[at + 1]:
                by_text[at].append((number, max(0, start - first), end - first))
        self._ahead |= {text: by_text[at] for at, text in enumerate(texts) if at not in alone}

    def _located(self, text: bytes, expressions: Sequence[_Expression], matches: list[_Match]) -> list[Found]:
        found: list[Found] = []
        covered: dict[int, int] = {}
        for number, start, end in matches:
            expression = expressions[number]
            # A key within a value that goes anyway is not followed, or values without an end would be read many times.
            if not expression.starts and end < covered.get(number, 0):
                continue
            place = expression.locate(text, start, end)
            if place is not None and text[place[0] : place[1]] not in self._masks:
                covered[number] = place[1]
                found.append(Found(place[0], place[1], expression.rule))
        return found


def _matches(compiled: hyperscan.Database, text: bytes) -> list[_Match]:
    """Raises: `OverBudget` if there are too many."""
    matches: list[_Match] = []
    try:
        compiled.scan(text, match_event_handler=_note, context=matches)
    except hyperscan.ScanTerminated:
        raise OverBudget from None
    return matches


def _note_end(_number: int, _start: int, end: int, _flags: int, ends: Any) -> None:
    ends.add(end)


def _note(number: int, start: int, end: int, _flags: int, matches: Any) -> bool:
    matches.append((number, start, end))
    too_many: bool = len(matches) > _MOST_FINDS
    return too_many
