"""What rules would do to a sample, as one HTML page that needs nothing else and can be printed."""

from collections.abc import Iterable, Iterator, Sequence
from html import escape

from rehearsal.difference import Change, Difference
from rehearsal.lines import Piece, visible
from rehearsal.rules import Act, Outcome
from rehearsal.view import Row, View, totals, views

__all__ = ["difference_page", "page"]

_STYLE = """
:root { --ink: #1c2430; --soft: #667085; --line: #d9dee7; --hit: #ffd9d6; --hit-ink: #8f1d14;
  --new: #d7f2dd; --new-ink: #14532d; }
* { box-sizing: border-box; }
body { font: 14px/1.45 system-ui, sans-serif; color: var(--ink);
  max-width: 1280px; margin: 2rem auto; padding: 0 1.5rem; }
h1 { font-size: 1.5rem; margin: 0 0 .25rem; }
h2 { font-size: 1rem; margin: 1.6rem 0 .4rem; }
p { margin: .25rem 0; }
.soft { color: var(--soft); }
table { border-collapse: collapse; width: 100%; }
th { text-align: left; font-weight: 600; color: var(--soft); font-size: .8rem; }
th, td { border-bottom: 1px solid var(--line); padding: .3rem .6rem .3rem 0; vertical-align: top; }
.lines { table-layout: fixed; }
.lines th:first-child { width: 22%; }
.lines td { font: 12.5px/1.5 ui-monospace, "DejaVu Sans Mono", monospace;
  white-space: pre-wrap; overflow-wrap: anywhere; }
.lines td:first-child { color: var(--soft); }
.same td { color: var(--soft); }
del, ins { text-decoration: none; border-radius: 3px; padding: 0 .15em; font-weight: 600; }
del { background: var(--hit); color: var(--hit-ink); }
ins { background: var(--new); color: var(--new-ink); }
.gone { color: var(--hit-ink); font-style: italic; }
ul { list-style: none; margin: .4rem 0 0; padding: 0; }
li { margin: .15rem 0; }
code { font: 600 12.5px ui-monospace, "DejaVu Sans Mono", monospace; }
.totals td:last-child, .totals th:last-child { text-align: right; }
@media print {
  body { margin: 0; padding: 0; max-width: none; font-size: 10pt; }
  section, tr { break-inside: avoid; }
  h2 { break-after: avoid; }
  * { -webkit-print-color-adjust: exact; print-color-adjust: exact; }
}
"""


def page(processor: str, outcomes: Sequence[Outcome]) -> str:
    """What the rules of a processor do to each item. The page holds the sample, values and all, and runs no script."""
    return _page(
        "Redaction of a sample", (*_summary(processor, outcomes), *(_section(view) for view in views(outcomes)))
    )


def difference_page(found: Difference) -> str:
    """What another rule set would change."""
    tables = (_changes(name.replace("_", " ").capitalize(), each) for name, each in found._asdict().items())
    return _page("Two rule sets over the same sample", tables)


def _page(title: str, parts: Iterable[str]) -> str:
    return "\n".join(
        (
            '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">',
            "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">",
            '<meta name="viewport" content="width=device-width, initial-scale=1">',
            f"<title>{title}</title>\n<style>{_STYLE}</style>\n</head>\n<body>\n<h1>{title}</h1>",
            '<p class="soft">This page shows values of the sample on purpose. Treat it like the sample.</p>',
            *parts,
            "</body>\n</html>\n",
        )
    )


def _changes(title: str, changes: Sequence[Change]) -> str:
    mark = {"Newly exposed": "del", "Newly redacted": "ins"}.get(title, "")
    rows = "".join(
        f"<tr><td>{escape(each.item)}</td><td>{escape(visible(f'{each.place} {each.key}'.rstrip()))}</td>"
        f"<td>{_piece(each.text, mark)}</td><td>{escape(', '.join(each.rules))}</td></tr>"
        for each in changes
    )
    head = "<tr><th>item</th><th>place</th><th>text</th><th>rules</th></tr>"
    table = f'<table class="lines">{head}{rows}</table>' if rows else ""
    return f"<section><h2>{title}: {len(changes)}</h2>\n{table}</section>"


def _summary(processor: str, outcomes: Sequence[Outcome]) -> Iterator[str]:
    acted = sum(bool(outcome.acts) for outcome in outcomes)
    yield f"<p>The rules of <code>{escape(processor)}</code> acted on {acted} of {len(outcomes)} items.</p>"
    rows = "".join(
        f"<tr><td><code>{escape(total.rule)}</code></td><td>{escape(total.title)}</td><td>{total.action}</td>"
        f"<td>{total.items}</td></tr>"
        for total in totals(outcomes)
    )
    if rows:
        head = "<tr><th>rule</th><th>title</th><th>action</th><th>items</th></tr>"
        yield f'<h2>What the rules did</h2>\n<table class="totals">{head}{rows}</table>'


def _section(view: View) -> str:
    dropped = f'<p class="gone">{escape(view.fate)}</p>' if view.dropped else ""
    acts = "".join(f"<li>{_act(act)}</li>" for act in view.acts) or '<li class="soft">no rule acts on this</li>'
    rows = "".join(_row(row) for row in view.rows)
    head = "<tr><th>place</th><th>original</th><th>result</th></tr>"
    return (
        f'<section><h2>{view.name}</h2>\n<table class="lines">{head}{rows}</table>\n{dropped}<ul>{acts}</ul></section>'
    )


def _act(act: Act) -> str:
    times = f" ×{act.count}" if act.count > 1 else ""
    where = f" · {escape(act.place)}" if act.place else ""
    rest = f"{act.action}{where}{times} · {escape(act.title)}"
    return f'<code>{escape(act.rule)}</code> <span class="soft">{rest}</span>'


def _row(row: Row) -> str:
    style = "" if row.changed else ' class="same"'
    label = escape(visible(f"{row.place} {row.key}".rstrip()))
    return f"<tr{style}><td>{label}</td>{_cell(row.original, 'del', '')}{_cell(row.result, 'ins', '(gone)')}</tr>"


def _cell(pieces: list[Piece] | None, tag: str, missing: str) -> str:
    if pieces is None:
        return f'<td class="gone">{missing}</td>'
    return f"<td>{''.join(_piece(text, tag if differs else '') for text, differs in pieces)}</td>"


def _piece(text: str, tag: str) -> str:
    shown = escape(visible(text))
    return f"<{tag}>{shown}</{tag}>" if tag else shown
