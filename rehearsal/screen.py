"""What rules would do to a sample, for people at a terminal: the original and the result side by side, in colour."""

from collections.abc import Iterator, Sequence

from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from rehearsal.checks import Verdict
from rehearsal.difference import Change, Difference
from rehearsal.lines import Piece, visible
from rehearsal.rules import Outcome
from rehearsal.view import Row, View, totals, views

__all__ = ["show", "show_difference", "show_verdict", "show_verdicts"]

_HIT, _NEW = "bold bright_white on dark_red", "bold bright_white on dark_green"


def show(outcomes: Sequence[Outcome], console: Console) -> None:
    """Print every item, then what each rule did in all."""
    for number, view in enumerate(views(outcomes)):
        _show_item(view, number == 0, console)
    _show_totals(outcomes, console)


def _show_item(view: View, with_header: bool, console: Console) -> None:
    console.rule(Text(view.name, "bold"), align="left", style="dim")
    table = Table(box=None, expand=True, padding=(0, 1, 0, 0), header_style="dim", show_header=with_header)
    table.add_column("place", width=max(26, console.width // 5), overflow="fold")
    table.add_column("original", ratio=1, overflow="fold")
    table.add_column("result", ratio=1, overflow="fold")
    place = ""
    for row in view.rows:
        if row.key and row.place != place:
            table.add_row(Text(row.place, "dim"))
        table.add_row(_label(row, row.place == place), _text(row.original, row, _HIT), _text(row.result, row, _NEW))
        place = row.place
    console.print(table)
    for line in _notes(view):
        console.print(line)
    console.print()


def _notes(view: View) -> Iterator[Text]:
    """What was done, in a line each."""
    if view.dropped:
        yield Text(f"▸ {view.fate}", "bold red")
    elif not view.acts:
        yield Text("▸ no rule acts on this", "dim")
    for act in view.acts:
        times = f" ×{act.count}" if act.count > 1 else ""
        where = f" · {act.place}" if act.place else ""
        yield Text.assemble("▸ ", (act.rule, "bold yellow"), f" · {act.action}{where}{times} · {act.title}")


def _label(row: Row, within: bool) -> Text:
    """`within`: the place stands above already."""
    style = "" if row.changed else "dim"
    if row.key or not within:
        return Text(f"  {visible(row.key)}" if row.key else row.place, style)
    return Text("  (key and value)", style)


def _text(pieces: list[Piece] | None, row: Row, marked: str) -> Text:
    if pieces is None:
        return Text("(gone)" if row.result is None else "", "italic red")
    return Text.assemble(
        *((visible(text), marked if differs else "") for text, differs in pieces), style=("" if row.changed else "dim")
    )


def _show_totals(outcomes: Sequence[Outcome], console: Console) -> None:
    """Print in how many items each rule acted."""
    acted = sum(bool(outcome.acts) for outcome in outcomes)
    console.print(Text(f"Rules acted on {acted} of {len(outcomes)} items.", "bold"))
    if not acted:
        return
    table = Table("rule", "title", "action", "items", box=None, padding=(0, 2, 0, 0), header_style="dim")
    table.columns[3].justify = "right"
    for total in totals(outcomes):
        table.add_row(Text(total.rule, "yellow"), Text(total.title), total.action, str(total.items))
    console.print(table)


def show_difference(found: Difference, console: Console) -> None:
    """Print what another rule set would change."""
    _show_changes("Newly exposed", found.newly_exposed, _HIT, console)
    _show_changes("Newly redacted", found.newly_redacted, _NEW, console)
    _show_changes("Otherwise different", found.otherwise_different, "bold", console)


def _show_changes(title: str, changes: Sequence[Change], style: str, console: Console) -> None:
    console.print(Text(f"{title}: {len(changes)}", "bold"))
    if changes:
        table = Table(box=None, expand=True, padding=(0, 1, 0, 0), header_style="dim")
        for name, ratio in (("item", 2), ("place", 3), ("text", 4), ("rules", 2)):
            table.add_column(name, ratio=ratio, overflow="fold")
        for change in changes:
            place = Text(visible(f"{change.place} {change.key}".rstrip()))
            table.add_row(
                change.item, place, Text(visible(change.text), style), Text(", ".join(change.rules), "yellow")
            )
        console.print(table)
    console.print()


def show_verdict(verdict: Verdict, console: Console) -> None:
    """Print a line for a rule or test, and what is wrong with it."""
    word, style = ("failed", "bold red") if verdict.problems else ("passed", "green")
    if verdict.skipped:
        word, style = "no examples", "yellow"
    line = Text.assemble((f"{word:<12}", style), f"{verdict.suite}  ", (verdict.name, "bold"))
    if verdict.title:
        line.append(f"  {verdict.title}", "dim")
    if verdict.problems and verdict.file:
        line.append(f"  {verdict.file}:{verdict.line}", "dim")
    console.print(line, overflow="ellipsis", no_wrap=True)
    for problem in verdict.problems:
        console.print(Padding(Text(visible(problem)), (0, 0, 0, 12)))


def show_verdicts(verdicts: Sequence[Verdict], console: Console) -> None:
    """Print the sum of it."""
    failed = sum(bool(verdict.problems) for verdict in verdicts)
    skipped = sum(verdict.skipped for verdict in verdicts)
    passed = len(verdicts) - failed - skipped
    style = "bold red" if failed else "bold green"
    console.print(Text(f"{passed} passed, {failed} failed, {skipped} without examples", style))
