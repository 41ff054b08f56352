"""What a ledger says of a span of time, added up for a report."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple

from audit.chain import parse
from audit.shapes import is_as_written
from audit.verify import Gap, Verdict, read

__all__ = ["InForce", "Place", "RuleChange", "Run", "Summary", "Tally", "moment", "summarize"]


def moment(text: str) -> datetime:
    """A time in ISO 8601; UTC if it names no zone. Raises: `ValueError`."""
    time = datetime.fromisoformat(text)
    return time.replace(tzinfo=UTC) if time.tzinfo is None else time.astimezone(UTC)


class Place(NamedTuple):
    """What a row about a redaction is about: which rule acted on what."""

    pipeline: str
    component: str
    rule: str
    version: int
    signal: str
    place: str
    action: str
    epoch: str


@dataclass(slots=True)
class Tally:
    """How often, in how many batches, and when first and last; times as in the rows."""

    count: int = 0
    batches: int = 0
    first: str = ""
    last: str = ""

    def add(self, count: int, batches: int, first: str, last: str) -> None:
        self.count += count
        self.batches += batches
        self.first = min(self.first or first, first)
        self.last = max(self.last, last)


class RuleChange(NamedTuple):
    """A processor began to run with other rules than before: ids of those that are new, gone, or of another version."""

    time: str
    component: str
    digest: str
    new: tuple[str, ...]
    gone: tuple[str, ...]
    changed: tuple[str, ...]


class InForce(NamedTuple):
    """What a processor runs with: its rules as the ledger keeps them, and the signals of the pipelines it is in."""

    signals: frozenset[str]
    rules: tuple[Mapping[str, Any], ...]


@dataclass(slots=True)
class Run:
    """A run of the daemon: from its start to its stop; `stop` is empty if it did not say that it stopped."""

    start: str
    version: str
    last_row: str
    stop: str = ""


@dataclass(slots=True)
class Summary:
    """All that a report says. `rules` is by id, as the ledger knew them last; waivers are by pipeline and reason.

    `hours` has redactions by hour, signal and rule; `drop_hours` dropped items by hour; `in_force` what each processor
    ran with at the end.
    """

    begin: datetime | None
    end: datetime | None
    verdict: Verdict
    places: dict[Place, Tally] = field(default_factory=dict)
    drops: dict[tuple[str, str, str], Tally] = field(default_factory=dict)
    waivers: dict[tuple[str, str], Tally] = field(default_factory=dict)
    hours: Counter[tuple[str, str, str]] = field(default_factory=Counter)
    drop_hours: Counter[str] = field(default_factory=Counter)
    in_force: dict[str, InForce] = field(default_factory=dict)
    smallest: int = 1
    """Counts below this one were raised to it."""
    rules: dict[str, Mapping[str, Any]] = field(default_factory=dict)
    changes: list[RuleChange] = field(default_factory=list)
    runs: list[Run] = field(default_factory=list)

    def redactions(self) -> int:
        return sum(tally.count for tally in self.places.values())

    def gaps(self) -> list[Gap]:
        """Those of the verdict that ended within the report's time."""
        begin, end = as_written(self.begin) if self.begin else "", as_written(self.end) if self.end else "9999"
        return [gap for gap in self.verdict.gaps if begin <= gap.next_start < end]

    def hide_small(self, smallest: int) -> None:
        """Raise every count below `smallest` to it: where few people have what a rule finds, a count is about them."""
        self.smallest = smallest
        for tally in self.places.values():
            tally.count, tally.batches = max(tally.count, smallest), max(tally.batches, 1)
        self.hours = Counter({key: max(count, smallest) for key, count in self.hours.items()})

    def by(self, *names: str) -> dict[tuple[Any, ...], Tally]:
        """The redactions by some of the columns of `Place`, the most frequent first."""
        tallies: dict[tuple[Any, ...], Tally] = {}
        for place, each in self.places.items():
            tally = tallies.setdefault(tuple(getattr(place, name) for name in names), Tally())
            tally.add(each.count, each.batches, each.first, each.last)
        return dict(sorted(tallies.items(), key=lambda item: (-item[1].count, item[0])))

    def bars(self) -> list[str]:
        """The labels of a trend: hours, or days where those would be more than 72; without holes, oldest first."""
        hours = [hour for hour, _, _ in self.hours] + list(self.drop_hours)
        if not hours:
            return []
        first, last = (datetime.fromisoformat(text) for text in (min(hours), max(hours)))
        step = timedelta(hours=1) if last - first < timedelta(hours=72) else timedelta(days=1)
        form = "%Y-%m-%d %H:00" if step < timedelta(days=1) else "%Y-%m-%d"
        labels = (first + step * number for number in range((last - first) // step + 2))
        return [label for label in (each.strftime(form) for each in labels) if label <= last.strftime(form)]

    def trend(self, signal: str | None = None, rule: str | None = None) -> dict[str, int]:
        """Redactions by `bars`; only those of a signal or rule, if one is given."""
        return self._by_bar(
            (hour, count)
            for (hour, its_signal, its_rule), count in self.hours.items()
            if signal in (None, its_signal) and rule in (None, its_rule)
        )

    def trend_of_drops(self) -> dict[str, int]:
        """Dropped items by `bars`."""
        return self._by_bar(self.drop_hours.items())

    def _by_bar(self, counts: Iterable[tuple[str, int]]) -> dict[str, int]:
        bars = dict.fromkeys(self.bars(), 0)
        form = "%Y-%m-%d %H:00" if bars and ":" in next(iter(bars)) else "%Y-%m-%d"
        for hour, count in counts:
            bars[datetime.fromisoformat(hour).strftime(form)] += count
        return bars


def summarize(paths: Sequence[Path], begin: datetime | None, end: datetime | None, verdict: Verdict) -> Summary:
    """Add up the rows from `begin` up to, not including, `end`.

    Rules, and whether they changed, are known from the rows before as well. Raises: `OSError`.
    """
    summary = Summary(begin, end, verdict)
    adding = _Adding(summary)
    for _, _, text in read(paths):
        # A row that somebody changed may lack anything; the verdict names it.
        with suppress(KeyError, TypeError, ValueError):
            if (line := parse(text)) is not None and is_as_written(line.row):
                adding.row(line.row)
    return summary


class _Adding:
    """Goes through the rows in order."""

    def __init__(self, summary: Summary) -> None:
        self._summary = summary
        self._begin = as_written(summary.begin) if summary.begin else ""
        self._end = as_written(summary.end) if summary.end else "9999"
        self._in_force: dict[str, tuple[str, Mapping[str, int]]] = {}

    def row(self, row: Mapping[str, Any]) -> None:
        """Add one row."""
        time, kind = str(row.get("time")), row.get("kind")
        within = self._begin <= time < self._end
        began = kind == "start" or (kind == "reload" and row["outcome"] == "done")
        if began and time < self._end:
            self._summary.in_force.clear()
        elif kind == "config" and time < self._end:
            self._config(row, time, within)
        if not within:
            return
        self._run(row, time, kind)
        if kind == "redaction":
            place = Place(*(row[name] for name in Place._fields))
            self._summary.places.setdefault(place, Tally()).add(row["count"], row["batches"], time, time)
            self._summary.hours[_hour(time), row["signal"], row["rule"]] += row["count"]
        elif kind == "drop":
            labels = row["component"], row["signal"], row["reason"]
            self._summary.drops.setdefault(labels, Tally()).add(row["count"], 0, time, time)
            self._summary.drop_hours[_hour(time)] += row["count"]
        elif kind == "waiver":
            self._summary.waivers.setdefault((row["pipeline"], row["reason"]), Tally()).add(1, 0, time, time)

    def _run(self, row: Mapping[str, Any], time: str, kind: object) -> None:
        runs = self._summary.runs
        if kind == "start" or not runs:
            runs.append(Run(time if kind == "start" else "", str(row.get("version", "")), time))
        runs[-1].last_row = time
        if kind == "stop":
            runs[-1].stop = time

    def _config(self, row: Mapping[str, Any], time: str, within: bool) -> None:
        component, digest = row["component"], row["rules_digest"]
        versions = {rule["id"]: rule["version"] for rule in row["rules"]}
        before, known = self._in_force.get(component, ("", {}))
        if digest != before and within:
            changed = (rule for rule in versions.keys() & known.keys() if versions[rule] != known[rule])
            sides = [versions.keys() - known.keys(), known.keys() - versions.keys(), changed]
            self._summary.changes.append(RuleChange(time, component, digest, *(tuple(sorted(side)) for side in sides)))
        self._in_force[component] = digest, versions
        signals = frozenset(name.partition("/")[0] for name in row["pipelines"])
        said = tuple({name: rule[name] for name in ("id", "legal", "action")} | rule for rule in row["rules"])
        self._summary.in_force[component] = InForce(signals, said)
        self._summary.rules |= {rule["id"]: rule for rule in row["rules"]}


def _hour(time: str) -> str:
    return f"{time[:13]}:00:00+00:00"


def as_written(time: datetime) -> str:
    return time.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
