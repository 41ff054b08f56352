"""The threat model names tests: each of them is there."""

import ast
import re
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
TEXT = (ROOT / "docs" / "security.md").read_text()
NAMED = sorted(set(re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", TEXT)))


@cache
def _defined_in(file: str) -> frozenset[str]:
    """The tests that a file defines."""
    tree = ast.parse((ROOT / file).read_text())
    return frozenset(node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef))


@pytest.mark.parametrize(("file", "name"), NAMED)
def test_every_test_is_there(file: str, name: str) -> None:
    """A row without its test would be a promise."""
    assert name.startswith("test_")
    assert name in _defined_in(file)


def test_every_row_names_one() -> None:
    """Of every table, and every attacker says what is not stopped."""
    rows = [line for line in TEXT.splitlines() if line.startswith("| ") and not line.startswith("| what ")]
    assert len(rows) > 40
    assert [row for row in rows if "`tests/" not in row] == []
    chapters = TEXT.split("\n## ")[1:]
    assert [chapter.splitlines()[0] for chapter in chapters if "**Limits.**" not in chapter] == []
