"""Two rule sets over the same sample: what the other would newly redact, and what it would newly expose."""

import re
from collections import Counter
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from rehearsal.lines import Line, lines
from rehearsal.rules import Outcome, RuleSet
from rehearsal.view import item_name

__all__ = ["Change", "Difference", "difference"]


class Change(NamedTuple):
    """A text that comes out under one rule set only, with the item and the line of that output it stands in."""

    item: str
    place: str
    key: str
    text: str
    rules: tuple[str, ...]
    """The rules of the set that redacts it which acted on the item."""


class Difference(NamedTuple):
    """What changes from the one rule set to the other, in the order of the sample."""

    newly_exposed: list[Change]
    newly_redacted: list[Change]
    otherwise_different: list[Change]
    """Lines with other words which were not in the original, such as those of another placeholder."""


def difference(now: RuleSet, then: RuleSet, outcomes: Iterable[tuple[Outcome, Outcome]]) -> Difference:
    """Compare what comes out of each item under both."""
    masks = {rule.mask.decode() for rules in (now.rules, then.rules) for rule in rules.values()}
    found = Difference([], [], [])
    for number, (old, new) in enumerate(outcomes, 1):
        _compare(f"{item_name(old.before.signal)} {number}", old, new, masks, found)
    return found


def _compare(name: str, old: Outcome, new: Outcome, masks: set[str], found: Difference) -> None:
    if old.after == new.after or (old.after and new.after and old.after.payload == new.after.payload):
        return
    original = "\n".join(_full(line) for line in lines(old.before))
    exposed = list(_gained(name, original, masks, old, new))
    redacted = list(_gained(name, original, masks, new, old))
    found.newly_exposed.extend(exposed)
    found.newly_redacted.extend(redacted)
    if not exposed and not redacted:
        before = _output(old)
        other = [line for line in _output(new) if line not in before]
        found.otherwise_different.extend(Change(name, *line, _acted(new)) for line in other)


def _output(outcome: Outcome) -> list[Line]:
    return lines(outcome.after) if outcome.after else []


def _acted(outcome: Outcome) -> tuple[str, ...]:
    return tuple(dict.fromkeys(act.rule for act in outcome.acts))


def _full(line: Line) -> str:
    return f"{line.key}\n{line.text}"


_WORD = re.compile(r"\w+")


def _words(text: str, masks: set[str]) -> Iterator[re.Match[str]]:
    """The words of a text, but not those of placeholders."""
    within = [match.span() for mask in masks if mask in text for match in re.finditer(re.escape(mask), text)]
    for word in _WORD.finditer(text):
        if not any(start <= word.start() and word.end() <= end for start, end in within):
            yield word


def _gained(name: str, original: str, masks: set[str], without: Outcome, with_it: Outcome) -> Iterator[Change]:
    """Texts of the original that one output has and the other has not, or not as often."""
    had = Counter(word[0] for line in _output(without) for word in _words(_full(line), masks))
    has = Counter(word[0] for line in _output(with_it) for word in _words(_full(line), masks))
    gained = {word for word in has if has[word] > had[word] and word in original}
    for line in _output(with_it):
        for part in (line.key, line.text):
            for text in _runs(part, gained, masks):
                yield Change(name, line.place, line.key, text, _acted(without))


def _runs(text: str, wanted: set[str], masks: set[str]) -> Iterator[str]:
    """The wanted words, those together that only a few signs keep apart."""
    start = end = -1
    for word in _words(text, masks):
        if word[0] not in wanted:
            continue
        if start >= 0 and len(text[end : word.start()]) <= 3 and not _WORD.search(text[end : word.start()]):
            end = word.end()
            continue
        if start >= 0:
            yield text[start:end]
        start, end = word.span()
    if start >= 0:
        yield text[start:end]
