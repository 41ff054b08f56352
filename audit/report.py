"""A report from a ledger, for people (HTML, one page to print), tables (CSV) and programs (JSON)."""

import csv
import io
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, Literal

import orjson

from audit.chain import Anchor
from audit.coverage import Cell, coverage
from audit.report_html import html
from audit.summary import Place, Summary, Tally, summarize
from audit.verify import verify

__all__ = ["report"]

Format = Literal["html", "csv", "json"]


def report(
    paths: Sequence[Path],
    start: datetime | None,
    end: datetime | None,
    format: Format,  # noqa: A002
    key: bytes | None = None,
    anchors: Sequence[Anchor] = (),
    smallest: int = 1,
) -> str:
    """The report on the rows from `start` up to, not including, `end` (None: all there is), after a check of them all.

    `paths` are the ledger's folder, or its files in order; counts of redactions below `smallest` are given as
    `smallest`. Raises: `OSError` for what cannot be read.
    """
    summary = summarize(paths, start, end, verify(paths, key, anchors))
    if smallest > 1:
        summary.hide_small(smallest)
    return {"html": html, "csv": _csv, "json": _json}[format](summary)


_COLUMNS = (
    *("kind", *Place._fields, "title", "legal", "reason", "count", "batches", "first", "last"),
    *("identifier", "state", "rules", "test"),
)


def _csv(summary: Summary) -> str:
    """A line for each sort of redaction in each place, for each reason for drops, for each waiver, and for each field
    of the coverage matrix.
    """
    text = io.StringIO()
    table = csv.DictWriter(text, _COLUMNS, restval="", lineterminator="\r\n")
    table.writeheader()
    for entry in _redactions(summary):
        table.writerow({"kind": "redaction", **entry})
    for entry in _drops(summary):
        table.writerow({"kind": "drop", **entry})
    for (pipeline, reason), tally in summary.waivers.items():
        times = {"first": tally.first, "last": tally.last}
        table.writerow({"kind": "waiver", "pipeline": pipeline, "reason": reason, **times})
    for cell in coverage(summary):
        table.writerow({"kind": "coverage", **_covered(cell), "rules": " ".join(cell.rules)})
    return text.getvalue()


def _redactions(summary: Summary) -> list[dict[str, Any]]:
    entries = []
    for place, tally in sorted(summary.places.items()):
        rule = summary.rules.get(place.rule, {})
        texts = {"title": rule.get("title", ""), "legal": rule.get("legal", "")}
        entries.append({**place._asdict(), **texts, **_numbers(tally)})
    return entries


def _drops(summary: Summary) -> list[dict[str, Any]]:
    return [
        {"component": component, "signal": signal, "reason": reason, **_numbers(tally)}
        for (component, signal, reason), tally in sorted(summary.drops.items())
    ]


def _numbers(tally: Tally) -> dict[str, Any]:
    return {"count": tally.count, "batches": tally.batches, "first": tally.first, "last": tally.last}


def _covered(cell: Cell) -> dict[str, Any]:
    identifier, spot = cell.identifier, cell.spot
    return {
        "identifier": identifier.id,
        "title": identifier.title,
        "legal": identifier.legal,
        "signal": spot.signal,
        "place": spot.place,
        "state": cell.state,
        "rules": cell.rules,
        "count": cell.hits.count,
        "last": cell.hits.last,
        "test": cell.test,
    }


def _json(summary: Summary) -> str:
    verdict = summary.verdict
    content = {
        "from": summary.begin,
        "to": summary.end,
        "smallest_count": summary.smallest,
        "check": {
            "problems": [problem._asdict() for problem in verdict.problems],
            "limits": verdict.limits,
            "rows": verdict.rows,
            "end": verdict.end._asdict() if verdict.end else None,
        },
        "redactions": _redactions(summary),
        "trend": [{"begin": begin, "count": count} for begin, count in summary.trend().items()],
        "trend_by_rule": {rule: summary.trend(rule=rule) for (rule,) in summary.by("rule")},
        "trend_of_drops": summary.trend_of_drops(),
        "coverage": [_covered(cell) for cell in coverage(summary)],
        "drops": _drops(summary),
        "waivers": [
            {"pipeline": pipeline, "reason": reason, "first": tally.first, "last": tally.last}
            for (pipeline, reason), tally in summary.waivers.items()
        ],
        "rules": list(summary.rules.values()),
        "rule_changes": [change._asdict() for change in summary.changes],
        "runs": summary.runs,
        "gaps": [gap._asdict() for gap in summary.gaps()],
    }
    return orjson.dumps(content, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE).decode()
