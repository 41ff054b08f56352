"""The rules' patterns as two Hyperscan databases: one that finds, in the text of a whole payload, where a closer look
is needed, and one that says, for a single text, exactly what falls under which rule.

The first has no start of match and may say too much; the second need not be fast. What the first may not do is miss a
text in which the second would find something: both are made here from the same rules.
"""

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, cast

import hyperscan

from processors.redaction import encoded, messages, views
from processors.redaction.budget import OverBudget
from processors.redaction.checks import CHECKS
from processors.redaction.names import text_spelling
from processors.redaction.rules import Pattern, Rule
from processors.redaction.spans import name_at, path_segment, value_after

__all__ = ["Found", "OverBudget", "Patterns"]

_ANYWHERE = hyperscan.HS_FLAG_CASELESS
_KEYWORD = ("keyword", "keyword and check")
_MOST_FINDS = 100_000
_DISGUISES = [
    *((text, _ANYWHERE) for text in (*views.TRIGGERS, *messages.TRIGGERS)),
    *((text, 0) for text in encoded.TRIGGERS),
]
"""What makes a text worth looking at in plain."""


@dataclass(frozen=True, slots=True)
class Found:
    """A range of a text that falls under a rule (by number), and what it says in plain if it is disguised."""

    start: int
    end: int
    rule: int
    plain: bytes = b""


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


def _keyword_before(rule: Rule) -> Callable[[bytes, int], bool]:
    if not rule.keywords:
        return lambda text, start: False
    alternatives = "|".join(re.escape(keyword.lower()) for keyword in rule.keywords)
    expression = re.compile(rb"(?<![a-z0-9])(?:" + alternatives.encode() + rb")(?![a-z])")
    within = rule.within + max(len(keyword.encode()) for keyword in rule.keywords)

    def before(text: bytes, start: int) -> bool:
        first = max(0, start - within - 1)
        window = text[first : start + 1].lower()
        return any(found.end() <= start - first for found in expression.finditer(window, min(1, first)))

    return before


def _check(rule: Rule) -> Callable[[bytes], bool]:
    if rule.validator is None:
        return lambda text: False
    check = CHECKS[rule.validator]
    return lambda text: check(text.decode("utf-8", "replace"))


def _locate_pattern(rule: Rule, pattern: Pattern) -> Locate:
    before, check = _keyword_before(rule), _check(rule)

    def locate(text: bytes, start: int, end: int) -> tuple[int, int] | None:
        match pattern.needs:
            case "nothing":
                counts = True
            case "keyword":
                counts = before(text, start)
            case "check":
                counts = check(text[start:end])
            case "keyword or check":
                counts = before(text, start) or check(text[start:end])
            case "keyword and check":
                counts = before(text, start) and check(text[start:end])
        return (start, end) if counts else None

    return locate


def _expressions(number: int, rule: Rule) -> list[_Expression]:
    """What a rule looks for in texts."""
    start_needed = hyperscan.HS_FLAG_SOM_LEFTMOST
    found = [
        _Expression(pattern.match, start_needed, number, _locate_pattern(rule, pattern), pattern.needs in _KEYWORD)
        for pattern in rule.patterns
    ]
    if rule.keys and rule.in_text != "never" and rule.action != "keep":
        keys = "|".join(text_spelling(key) for key in rule.keys if not key.endswith("*"))
        text = rf"(?:\b|_)(?:{keys})(?:\\*[\"'])?[ \t]?[=:]"
        found.append(_Expression(text, _ANYWHERE, number, lambda text, _, end: value_after(text, end, rule.in_text)))
    if rule.cues:
        cues = "|".join(re.escape(cue) for cue in rule.cues)
        found.append(
            _Expression(rf"\b(?i:{cues})[:,]? {{1,2}}[A-Z\xc3]", 0, number, lambda text, _, end: name_at(text, end))
        )
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


def _triggers(rule: Rule, expressions: Sequence[_Expression]) -> list[tuple[str, int]]:
    """The expressions, without start of match, for the finding database; those that need a keyword give way to it."""
    found = [
        (expression.trigger or expression.text, expression.flags & ~hyperscan.HS_FLAG_SOM_LEFTMOST)
        for expression in expressions
        if not expression.by_keyword
    ]
    if len(found) < len(expressions):
        keywords = "|".join(re.escape(keyword) for keyword in rule.keywords)
        found.append((rf"(?:\b|_)(?:{keywords})(?:[^a-z\n]|$)", _ANYWHERE))
    return found


def _database(expressions: Sequence[tuple[str, int]]) -> hyperscan.Database:
    """The compiled expressions, with a scratch space of their own: two engines may run at once."""
    database = hyperscan.loadb(_compiled(tuple(expressions)), mode=hyperscan.HS_MODE_BLOCK)
    database.scratch = hyperscan.Scratch(database)
    return database


@lru_cache(maxsize=16)
def _compiled(expressions: tuple[tuple[str, int], ...]) -> bytes:
    """Serialized, because compiling all packs takes 1.4 s and loading them again 0.4 ms (2026-11-21)."""
    database = hyperscan.Database(mode=hyperscan.HS_MODE_BLOCK)
    database.compile(
        expressions=[text.encode() for text, _ in expressions],
        ids=list(range(len(expressions))),
        flags=[flags for _, flags in expressions],
    )
    return bytes(hyperscan.dumpb(database))


class Patterns:
    """The compiled patterns of a set of rules."""

    def __init__(self, rules: Sequence[Rule]) -> None:
        self._exact: list[_Expression] = []
        self._masks = {rule.mask for rule in rules}
        triggers = list(_DISGUISES)
        for number, rule in enumerate(rules):
            expressions = _expressions(number, rule)
            self._exact += expressions
            triggers += _triggers(rule, expressions)
        # In the buffer of all leaves every leaf is a line.
        multiline = hyperscan.HS_FLAG_MULTILINE
        self._finding = _database([(text, flags | multiline) for text, flags in dict.fromkeys(triggers)])
        once = [(text, flags | hyperscan.HS_FLAG_SINGLEMATCH) for text, flags in _DISGUISES]
        self._telling = _database([*((expression.text, expression.flags) for expression in self._exact), *once])

    def ends(self, buffer: memoryview) -> list[int]:
        """Where something ends that needs a closer look."""
        ends: set[int] = set()
        self._finding.scan(cast(bytes, buffer), match_event_handler=_note_end, context=ends)
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
        matches: list[tuple[int, int, int]] = []
        try:
            self._telling.scan(text, match_event_handler=_note, context=matches)
        except hyperscan.ScanTerminated:
            raise OverBudget from None
        plain = [one for one in matches if one[0] < len(self._exact)]
        return list(self._located(text, plain)), len(plain) < len(matches)

    def _located(self, text: bytes, matches: list[tuple[int, int, int]]) -> Iterator[Found]:
        covered: dict[int, int] = {}
        for number, start, end in matches:
            expression = self._exact[number]
            # A key within a value that goes anyway is not followed, or values without an end would be read many times.
            if not expression.flags & hyperscan.HS_FLAG_SOM_LEFTMOST and end < covered.get(number, 0):
                continue
            place = expression.locate(text, start, end)
            if place is not None and text[place[0] : place[1]] not in self._masks:
                covered[number] = place[1]
                yield Found(*place, expression.rule)


def _note_end(_number: int, _start: int, end: int, _flags: int, ends: Any) -> None:
    ends.add(end)


def _note(number: int, start: int, end: int, _flags: int, matches: Any) -> bool:
    matches.append((number, start, end))
    too_many: bool = len(matches) > _MOST_FINDS
    return too_many
