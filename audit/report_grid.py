"""The coverage matrix as HTML: a grid for each signal, identifiers by places, and below it what proves each row."""

from collections.abc import Sequence
from html import escape

from audit.coverage import Cell, coverage
from audit.summary import Summary

__all__ = ["grid"]

_SIGNS = {"hit": "●", "covered": "○", "keys only": "◐", "observed": "?", "gap": "–", "no pipeline": ""}
_LEGEND = (
    ("hit", "a rule acted there in this time"),
    ("covered", "rules in force, nothing came"),
    ("keys only", "found there only under a key (JSON, key=value)"),
    ("observed", "rules that only count"),
    ("gap", "no rule in force: a gap"),
)


def grid(summary: Summary) -> str:
    """Everything about coverage."""
    cells = list(coverage(summary))
    signals = list(dict.fromkeys(cell.spot.signal for cell in cells))
    legend = "".join(
        f'<span class="key"><b class="{_style(state)}">{_SIGNS[state]}</b> {text}</span>' for state, text in _LEGEND
    )
    parts = [f'<p class="quiet">{legend}</p>', _gaps(cells)]
    for signal in signals:
        parts.append(_of_signal(signal, [cell for cell in cells if cell.spot.signal == signal]))
    parts.append(_proofs(cells))
    return "\n".join(parts)


def _style(state: str) -> str:
    return state.replace(" ", "-")


def _gaps(cells: Sequence[Cell]) -> str:
    """In a sentence, so that nobody has to look for a sign among a thousand."""
    gaps: dict[str, list[str]] = {}
    for cell in cells:
        if cell.state in ("gap", "observed"):
            gaps.setdefault(f"{cell.identifier.id} ({cell.identifier.title})", []).append(cell.spot.signal)
    if not gaps:
        return (
            '<div class="good">Every identifier has a rule in force in every place of every signal that redacts.</div>'
        )
    said = "; ".join(f"{escape(name)} in {', '.join(dict.fromkeys(signals))}" for name, signals in gaps.items())
    return f'<div class="bad"><b>No rule hides:</b> {said}.</div>'


def _of_signal(signal: str, cells: Sequence[Cell]) -> str:
    if all(cell.state == "no pipeline" for cell in cells):
        return f"<h3>{escape(signal)}</h3>\n<p class=quiet>No pipeline of this signal redacts.</p>"
    places = list(dict.fromkeys(cell.spot.place for cell in cells))
    head = "".join(f"<th class=place><span>{escape(place)}</span></th>" for place in places)
    rows = []
    for start in range(0, len(cells), len(places)):
        row = cells[start : start + len(places)]
        identifier = row[0].identifier
        name = f"<th><b>{escape(identifier.id)}</b> {escape(identifier.title)}</th>"
        rows.append(f"<tr>{name}{''.join(map(_cell, row))}</tr>")
    return (
        f"<h3>{escape(signal)}</h3>\n<table class=grid><thead><tr><th></th>{head}</tr></thead>"
        f"<tbody>{''.join(rows)}</tbody></table>"
    )


def _cell(cell: Cell) -> str:
    hits = f"\n{cell.hits.count:,} values, last {cell.hits.last[:19].replace('T', ' ')}" if cell.hits.last else ""
    title = f"{cell.spot.place}: {', '.join(cell.rules) or 'no rule'}{hits}\n{cell.test}"
    return f'<td class="{_style(cell.state)}" title="{escape(title)}">{_SIGNS[cell.state]}</td>'


def _proofs(cells: Sequence[Cell]) -> str:
    """For each identifier its rules, its last hit in any place, and its tests."""
    lines = []
    for identifier in dict.fromkeys(cell.identifier for cell in cells):
        own = [cell for cell in cells if cell.identifier == identifier]
        rules = ", ".join(
            f"<code>{escape(rule)}</code>" for rule in dict.fromkeys(r for each in own for r in each.rules)
        )
        last = max(cell.hits.last for cell in own)
        tests = ", ".join(f"<code>{escape(case)}</code>" for case in identifier.cases)
        lines.append(
            f"<tr><td><b>{escape(identifier.id)}</b> {escape(identifier.title)}<br><span class=quiet>"
            f"{escape(identifier.legal)}</span></td><td>{rules or '<b class=gap>none</b>'}</td>"
            f'<td class="time">{escape(last[:19].replace("T", " ")) or "never"}</td><td>{tests}</td></tr>'
        )
    return (
        "<h3>Rules and tests by identifier</h3>\n<table><thead><tr><th>identifier</th><th>rules in force</th>"
        "<th>last hit</th><th>planted by <code>tests/oracle</code>, in every place above, in every disguise</th></tr>"
        f"</thead><tbody>{''.join(lines)}</tbody></table>"
    )
