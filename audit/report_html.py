"""The report as one page for a compliance officer: no script, nothing loaded from elsewhere, made to be printed."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from html import escape
from typing import Any

from audit.report_charts import SIGNALS, spark, trend
from audit.report_grid import grid
from audit.report_page import PAGE
from audit.summary import Summary, Tally

__all__ = ["html"]


def html(summary: Summary) -> str:
    """The whole page."""
    parts = [
        _head(summary),
        _tiles(summary),
        _check(summary),
        _section("Redactions over time", _trend(summary), "Nothing was redacted in this time."),
        _section("By rule", _by_rule(summary), "Nothing was redacted in this time."),
        _section("Coverage: identifier × signal × place", grid(summary), ""),
        _section("Where each rule acted", _by_place(summary), "Nothing was redacted in this time."),
        _section("Dropped items", _drops(summary), "Nothing was dropped."),
        _section("Changes of the rules", _changes(summary), "The rules did not change."),
        _section("Pipelines without redaction", _waivers(summary), "Every pipeline redacts."),
        _section("Runs and gaps", _runs(summary), "The daemon was not started or stopped in this time."),
        _section("Rules that found nothing", _idle(summary), "Every rule in force found something."),
        _notes(),
    ]
    return PAGE.substitute(body="\n".join(parts))


def _section(title: str, content: str, otherwise: str) -> str:
    return f"<h2>{title}</h2>\n{content or f'<p class=quiet>{otherwise}</p>'}"


def _head(summary: Summary) -> str:
    begin = _moment(summary.begin) if summary.begin else "the first row"
    end = _moment(summary.end) if summary.end else "the last row"
    what = f"Telescrub audit ledger, from {begin} to {end}. All times are UTC."
    if summary.smallest > 1:
        what += f" Counts below {summary.smallest} are given as {summary.smallest}."
    return f"<h1>Redaction report</h1>\n<p class=quiet>{what}</p>"


def _moment(time: datetime) -> str:
    return time.strftime("%Y-%m-%d %H:%M:%S")


def _time(written: str) -> str:
    return escape(written[:19].replace("T", " "))


def _tiles(summary: Summary) -> str:
    tiles = {
        "values redacted": summary.redactions(),
        "rules that acted": len(summary.by("rule")),
        "items dropped": sum(tally.count for tally in summary.drops.values()),
        "pipelines without redaction": len({pipeline for pipeline, _ in summary.waivers}),
        "gaps in the ledger": len(summary.gaps()),
    }
    return (
        "<div class=tiles>"
        + "".join(f"<div class=tile><b>{n:,}</b>{name}</div>" for name, n in tiles.items())
        + "</div>"
    )


def _check(summary: Summary) -> str:
    verdict = summary.verdict
    if verdict.problems:
        shown = "".join(f"<li>{escape(str(problem))}</li>" for problem in verdict.problems)
        verdict_in_short = "<b>The ledger is not as it was written.</b> This report may be wrong."
        found = f"<div class=bad>{verdict_in_short}<ul>{shown}</ul></div>"
    else:
        end = f", up to row <code>{verdict.end}</code>" if verdict.end else ""
        found = f"<div class=good><b>The ledger was checked:</b> {verdict.rows:,} rows, none changed{end}.</div>"
    return found + "".join(f"<div class=note>{escape(limit)}</div>" for limit in verdict.limits)


def _trend(summary: Summary) -> str:
    by_signal = {signal: summary.trend(signal) for signal in SIGNALS}
    bars = {label: {signal: by_signal[signal][label] for signal in SIGNALS} for label in summary.bars()}
    form = 13 if bars and ":" in next(iter(bars)) else 10
    gaps = [
        label for label in bars for gap in summary.gaps() if gap.next_start[:form].replace("T", " ") == label[:form]
    ]
    return trend(bars, summary.trend_of_drops(), gaps)


def _table(columns: Sequence[str], lines: Iterable[Sequence[str]]) -> str:
    """Columns whose name begins with # hold numbers. Cells are HTML."""
    kinds = [' class="number"' if column.startswith("#") else "" for column in columns]
    head = "".join(f"<th{kind}>{column.lstrip('#')}</th>" for kind, column in zip(kinds, columns, strict=True))
    body = [
        "<tr>" + "".join(f"<td{kind}>{cell}</td>" for kind, cell in zip(kinds, line, strict=True)) + "</tr>"
        for line in lines
    ]
    return "\n".join((f"<table><thead><tr>{head}</tr></thead><tbody>", *body, "</tbody></table>")) if body else ""


def _by_rule(summary: Summary) -> str:
    def line(key: tuple[Any, ...], tally: Tally) -> list[str]:
        rule, version, action = key
        named = (
            f"{escape(_said(summary, rule, 'title'))}<br><code>{escape(rule)}</code> {f'v{version}' if version else ''}"
        )
        legal = escape(_said(summary, rule, "legal"))
        return [named, legal, escape(action), f"{tally.count:,}", spark(summary.trend(rule=rule)), _when(tally.last)]

    tallies = summary.by("rule", "version", "action")
    columns = ("rule", "legal reference", "action", "#values", "over time", "last")
    return _table(columns, (line(*entry) for entry in tallies.items()))


_OWN = {
    "over_budget": "Could not be looked at within the limits",
    "photo": "Pictures, recordings and documents, encoded",
    "exception_values": "What messages of exceptions quote",
}
"""What redaction does by itself, without a rule of a file."""


def _said(summary: Summary, rule: str, what: str) -> str:
    return str(summary.rules.get(rule, {}).get(what, _OWN.get(rule, "") if what == "title" else ""))


def _when(written: str) -> str:
    return f'<span class="time">{_time(written)}</span>'


def _by_place(summary: Summary) -> str:
    def line(key: tuple[Any, ...], tally: Tally) -> list[str]:
        rule, signal, place, action = key
        examples = summary.rules.get(rule, {}).get("examples", "")
        cells = [f"<code>{escape(rule)}</code>", escape(signal), f"<code>{escape(place)}</code>", escape(action)]
        return [*cells, f"{tally.count:,}", f"{tally.batches:,}", _when(tally.last), str(examples)]

    by_rule = sorted(summary.by("rule", "signal", "place", "action").items())
    columns = ("rule", "signal", "place", "action", "#values", "#batches", "last", "#its tests")
    return _table(columns, (line(*entry) for entry in by_rule))


def _idle(summary: Summary) -> str:
    acted = {place.rule for place in summary.places}
    idle = (rule for rule in summary.rules.values() if rule["id"] not in acted and rule["action"] != "keep")
    columns = ("rule", "title", "legal reference", "#its tests")
    return _table(
        columns,
        (
            [f"<code>{escape(rule['id'])}</code>", escape(rule["title"]), escape(rule["legal"]), str(rule["examples"])]
            for rule in idle
        ),
    )


def _drops(summary: Summary) -> str:
    return _table(
        ("component", "signal", "reason", "#items", "first", "last"),
        (
            [
                *(f"<code>{escape(each)}</code>" for each in key),
                f"{tally.count:,}",
                _when(tally.first),
                _when(tally.last),
            ]
            for key, tally in sorted(summary.drops.items())
        ),
    )


def _changes(summary: Summary) -> str:
    def named(rules: Sequence[str]) -> str:
        return ", ".join(f"<code>{escape(rule)}</code>" for rule in rules[:8]) + (
            f" and {len(rules) - 8} more" if len(rules) > 8 else ""
        )

    return _table(
        ("time", "component", "new", "gone", "other version", "SHA-256 of the rules"),
        (
            [
                _when(change.time),
                f"<code>{escape(change.component)}</code>",
                *map(named, (change.new, change.gone, change.changed)),
                f"<code>{escape(change.digest)}</code>",
            ]
            for change in summary.changes
        ),
    )


def _waivers(summary: Summary) -> str:
    return _table(
        ("pipeline", "reason given", "first", "last"),
        (
            [f"<code>{escape(pipeline)}</code>", escape(reason), _when(tally.first), _when(tally.last)]
            for (pipeline, reason), tally in summary.waivers.items()
        ),
    )


def _runs(summary: Summary) -> str:
    gaps = "".join(f"<div class=note><b>Gap:</b> {escape(str(gap))}.</div>" for gap in summary.gaps())
    last = len(summary.runs) - 1
    lines = []
    for number, run in enumerate(summary.runs):
        ended = "in order" if run.stop else "no end on record here" if number == last else "<b>killed or crashed</b>"
        begun = _when(run.start) if run.start else "before"
        lines.append([begun, escape(run.version), _when(run.stop or run.last_row), ended])
    return gaps + _table(("started", "version", "last row", "stopped"), lines)


def _notes() -> str:
    return f"<h2>How to read this</h2>\n<p class=quiet>{_HOW_TO_READ}</p>"


_HOW_TO_READ = (
    "Counts are of values, not of people; one value may be counted by several rules. A rule that acted on nothing may "
    "have had nothing to act on. What left is PHI-minimised, not de-identified. The ledger holds no value and no key "
    "from data. The SHA-256 in each of its rows is over the batches as they left redaction."
)
