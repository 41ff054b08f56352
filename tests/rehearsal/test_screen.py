"""What people see, to the letter."""

import io
from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console

from rehearsal.checks import Verdict
from rehearsal.rules import Outcome, items, rule_set
from rehearsal.sample import read
from rehearsal.screen import show, show_verdict, show_verdicts
from tests.rehearsal.configs import MAIL, SSN, config
from tests.rehearsal.samples import LINE, POINT, SPAN

GOLDEN = Path(__file__).parent / "golden"


def outcomes(sample: str) -> list[Outcome]:
    rules = rule_set(config(SSN, MAIL), None)
    return [rules.outcome(item) for item in items(read(sample.encode(), "auto"))]


def screen(width: int, *, colour: bool = False) -> Console:
    system = "truecolor" if colour else None
    return Console(width=width, file=io.StringIO(), color_system=system, force_terminal=colour)  # type: ignore[arg-type]


def seen(console: Console) -> str:
    assert isinstance(console.file, io.StringIO)
    return "\n".join(line.rstrip() for line in console.file.getvalue().split("\n"))


@pytest.mark.parametrize("width", [100, 160])
def test_side_by_side(width: int) -> None:
    """Original and result in columns, the rules that acted below, the sum at the end."""
    console = screen(width)
    show([*outcomes(f"{SPAN}\n{POINT}"), *outcomes(f"{LINE}\nnothing here")], console)
    assert seen(console) == (GOLDEN / f"screen_{width}.txt").read_text()


def test_hits_are_marked() -> None:
    """White on red what goes, white on green what comes."""
    console = screen(100, colour=True)
    show(outcomes(LINE), console)
    assert "\x1b[1;97;48;5;88m536-90-4399\x1b[0m" in seen(console)
    assert "\x1b[1;97;48;5;22m[ssn]\x1b[0m" in seen(console)


def test_a_sample_cannot_steer_the_terminal() -> None:
    """Escapes of the sample are shown, not sent; brackets are no markup."""
    console = screen(100)
    show(outcomes("\x1b]0;title\x07 [red]x[/red]"), console)
    assert "\x1b" not in seen(console)
    assert "\\x1b]0;title\\x07 [red]x[/red]" in seen(console)


def test_verdicts() -> None:
    """A line for each, what is wrong below it, the sum at the end."""
    verdicts = [
        Verdict("redact_phi", "ssn", "Social Security number"),
        Verdict("redact_phi", "mail", "", (), True),
        Verdict("tests", "a line", "", ("'a' must be absent, but this came out:\n  LogRecord.body = a",)),
    ]
    console = screen(100)
    for verdict in verdicts:
        show_verdict(verdict, console)
    show_verdicts(verdicts, console)
    assert seen(console) == (
        "passed      redact_phi  ssn  Social Security number\n"
        "no examples redact_phi  mail\n"
        "failed      tests  a line\n"
        "            'a' must be absent, but this came out:\n"
        "              LogRecord.body = a\n"
        "1 passed, 1 failed, 1 without examples\n"
    )


def test_what_fails_closed() -> None:
    """A dropped item says for which reason."""
    console = screen(100)
    show([replace(outcomes(LINE)[0], after=None, acts=(), reasons=("redaction_failed",))], console)
    assert "▸ the whole item is dropped: redaction failed on it, and what cannot be redacted does not pass" in seen(
        console
    )
