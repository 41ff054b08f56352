"""Every word by which the code counts what it loses or turns away is explained in docs/operating.md, and no other."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
FOLDERS = ("connectors", "exporters", "extensions", "pipeline", "processors", "receivers", "wire")
FILES = [path for folder in FOLDERS for path in sorted((ROOT / folder).rglob("*.py"))]
WORD = re.compile(r"[a-z]+(_[a-z]+)*")

LOSING = {"_Failure", "_drop", "_forget", "_let_go", "_lost", "drop", "dropped"}
"""What is called with a reason when something is lost."""
REFUSING = {"_refuse", "_turn_away", "refused_request", "turned_away"}
"""What is called with a reason when something is turned away."""
JUDGING = {"_untimely", "_verdict"}
"""What returns a reason."""
COMPOSED = {"filtered_span_events", "filter_failed_span_events"}
"""Made from others."""


def name_of(node: ast.expr) -> str:
    return node.attr if isinstance(node, ast.Attribute) else node.id if isinstance(node, ast.Name) else ""


def words(nodes: list[ast.expr]) -> Iterator[str]:
    """The words among expressions, in either branch of a choice."""
    for node in nodes:
        for each in [node.body, node.orelse] if isinstance(node, ast.IfExp) else [node]:
            if isinstance(each, ast.Constant) and isinstance(each.value, str) and WORD.fullmatch(each.value):
                yield each.value


def lost(node: ast.AST) -> Iterator[str]:
    """Reasons of losses in one node."""
    if isinstance(node, ast.Call):
        if name_of(node.func) in LOSING:
            yield from words(node.args)
        yield from words([each.value for each in node.keywords if each.arg == "dropped"])
    if isinstance(node, ast.Subscript) and name_of(node.value).endswith("dropped"):
        yield from words([node.slice])
    if isinstance(node, ast.ClassDef) and node.name == "Reason":
        yield from words([each.value for each in node.body if isinstance(each, ast.Assign)])
    if isinstance(node, ast.FunctionDef) and node.name in JUDGING:
        yield from words([each.value for each in ast.walk(node) if isinstance(each, ast.Return) and each.value])


def refused(node: ast.AST) -> Iterator[str]:
    """Reasons of refusals in one node."""
    if isinstance(node, ast.Call):
        if {name_of(node.func), *map(name_of, node.args)} & REFUSING:
            yield from words(node.args)
        if name_of(node.func) == "Refused":
            yield from words([each.value for each in node.keywords if each.arg == "reason"])


def explained(heading: str) -> list[str]:
    """The words in the first column of the table below a heading of the page."""
    text = (ROOT / "docs" / "operating.md").read_text().partition(f"### {heading}\n")[2].partition("\n#")[0]
    return re.findall(r"^\| `([a-z_]+)`", text, re.MULTILINE)


NODES = [node for path in FILES for node in ast.walk(ast.parse(path.read_text()))]


@pytest.mark.parametrize(
    ("heading", "found"),
    [
        ("Why items are lost", {word for node in NODES for word in lost(node)} | COMPOSED),
        ("Why requests are turned away", {word for node in NODES for word in refused(node)} | {"unavailable"}),
    ],
    ids=["losses", "refusals"],
)
def test_every_reason_is_explained(heading: str, found: set[str]) -> None:
    """Each once, in the order of the alphabet."""
    assert explained(heading) == sorted(found)
