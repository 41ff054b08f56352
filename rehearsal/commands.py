"""What `telescrub test` and `telescrub redact` do once the configuration is loaded."""

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Literal

from rich.console import Console

from config.model import Config
from rehearsal.checks import verdicts_on_rules, verdicts_on_tests
from rehearsal.difference import Difference, difference
from rehearsal.junit import junit
from rehearsal.machine import difference_as_json, outcomes_as_json
from rehearsal.page import difference_page, page
from rehearsal.rules import Outcome, Unclear, items, rule_set
from rehearsal.sample import Form, Unreadable, read
from rehearsal.screen import show, show_difference, show_verdict, show_verdicts

__all__ = ["Format", "Redact", "Wrong", "redact", "test"]

Format = Literal["text", "json", "html"]


class Wrong(ValueError):
    """The command cannot be done; the sentence says why."""


def test(config: Config, junit_file: Path | None, console: Console) -> int:
    """Run every rule's examples and the configuration's tests; 0 if all hold, otherwise 1.

    Raises: `Wrong`.
    """
    found = []
    for verdict in chain(verdicts_on_rules(config), verdicts_on_tests(config)):
        found.append(verdict)
        show_verdict(verdict, console)
    show_verdicts(found, console)
    if junit_file is not None:
        try:
            junit_file.write_bytes(junit(found))
        except OSError as error:
            raise Wrong(f"{junit_file}: the file cannot be written: {error.strerror}") from None
    return int(any(verdict.problems for verdict in found))


@dataclass(frozen=True, slots=True)
class Redact:
    """What `telescrub redact` is to do. `file` is - for standard input."""

    file: Path
    form: Form
    format: Format
    processor: str | None = None


def redact(wanted: Redact, config: Config, other: Config | None, console: Console) -> int:
    """Show what the rules do to a sample, or what those of `other` would change; 1 if they expose anything, else 0.

    Raises: `Wrong`.
    """
    try:
        rules = rule_set(config, wanted.processor)
        others = None if other is None else rule_set(other, wanted.processor)
        sample = items(read(_bytes(wanted.file), wanted.form))
    except Unreadable as problem:
        raise Wrong(f"{'standard input' if str(wanted.file) == '-' else wanted.file}: {problem}") from None
    except Unclear as problem:
        raise Wrong(str(problem)) from None
    outcomes = [rules.outcome(item) for item in sample]
    if others is None:
        _show(wanted.format, rules.name, outcomes, console)
        return 0
    found = difference(rules, others, zip(outcomes, map(others.outcome, sample), strict=True))
    _show_difference(wanted.format, found, console)
    return int(bool(found.newly_exposed))


def _bytes(file: Path) -> bytes:
    try:
        return sys.stdin.buffer.read() if str(file) == "-" else file.read_bytes()
    except OSError as error:
        raise Wrong(f"{file}: the file cannot be read: {error.strerror}") from None


def _show(form: Format, processor: str, outcomes: Sequence[Outcome], console: Console) -> None:
    match form:
        case "text":
            show(outcomes, console)
        case "json":
            _write(outcomes_as_json(processor, outcomes), console)
        case "html":
            _write(page(processor, outcomes).encode(), console)


def _show_difference(form: Format, found: Difference, console: Console) -> None:
    match form:
        case "text":
            show_difference(found, console)
        case "json":
            _write(difference_as_json(found), console)
        case "html":
            _write(difference_page(found).encode(), console)


def _write(document: bytes, console: Console) -> None:
    console.file.write(document.decode())
