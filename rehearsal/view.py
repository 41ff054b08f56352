"""What rules would do to a sample, as rows to be shown: on a screen, on a page, as JSON."""

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from pipeline.batch import Signal
from rehearsal.lines import Line, Pair, Piece, lines, marked, pairs
from rehearsal.rules import Act, Outcome

__all__ = ["Row", "Total", "View", "item_name", "totals", "views"]


class Row(NamedTuple):
    """A line in pieces, those marked that the other side has not; None where there is no line."""

    place: str
    key: str
    original: list[Piece] | None
    result: list[Piece] | None

    @property
    def changed(self) -> bool:
        """Whether something was done here."""
        return self.original != self.result


class View(NamedTuple):
    """One item; nothing of a dropped one comes out."""

    name: str
    dropped: bool
    rows: list[Row]
    acts: tuple[Act, ...]
    reasons: tuple[str, ...]

    @property
    def fate(self) -> str:
        """What becomes of the item as a whole, in a sentence; empty if it comes out."""
        why = "; ".join(f"{_REASONS.get(each, 'fail closed')} ({each})" for each in self.reasons)
        return f"the whole item is dropped{f': {why}' if why else ''}" if self.dropped else ""


_REASONS = {
    "redaction_failed": "redaction failed on it, and what cannot be redacted does not pass",
    "no_pseudonym_key": "a rule pseudonymizes, and there is no key for its tenant",
}
"""By the reasons of `telescrub_dropped_items_total`."""


class Total(NamedTuple):
    """In how many items a rule acted, with one action."""

    rule: str
    title: str
    action: str
    items: int


def item_name(signal: Signal) -> str:
    """What one item is called."""
    return {Signal.TRACES: "span", Signal.METRICS: "data point", Signal.LOGS: "log record"}[signal]


def views(outcomes: Sequence[Outcome]) -> Iterator[View]:
    """Every item, counted from 1."""
    for number, outcome in enumerate(outcomes, 1):
        after = lines(outcome.after) if outcome.after else []
        rows = [_row(pair) for pair in pairs(lines(outcome.before), after)]
        name = f"{item_name(outcome.before.signal)} {number}"
        yield View(name, outcome.after is None, rows, outcome.acts, outcome.reasons)


def _row(pair: Pair) -> Row:
    before, after = pair
    if before is None or after is None:
        line = before or after or Line("", "", "")
        whole = [(line.text, True)]
        return Row(line.place, line.key, whole if before else None, whole if after else None)
    if before.key == after.key:
        return Row(before.place, before.key, *marked(before.text, after.text))
    return Row(before.place, "", *marked(f"{before.key} = {before.text}", f"{after.key} = {after.text}"))


def totals(outcomes: Sequence[Outcome]) -> list[Total]:
    """What each rule did in all, the busiest first."""
    found = Counter(
        kind for outcome in outcomes for kind in {(act.rule, act.title, act.action) for act in outcome.acts}
    )
    return [Total(*kind, items) for kind, items in sorted(found.items(), key=lambda each: (-each[1], each[0]))]
