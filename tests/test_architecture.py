"""The order of imports: data flows down the tree, and only the command line sees everything."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent

MAY_IMPORT = {
    "wire": {"wire"},
    "config": {"config", "wire"},
    "audit": {"audit", "config", "wire"},
    "pipeline": {"audit", "config", "pipeline", "wire"},
    "receivers": {"config", "pipeline", "receivers", "wire"},
    "processors": {"config", "pipeline", "processors", "wire"},
    "exporters": {"config", "exporters", "pipeline", "processors", "wire"},
    "connectors": {"config", "connectors", "pipeline", "wire"},
    "extensions": {"config", "extensions", "pipeline", "wire"},
    "rehearsal": {"config", "pipeline", "processors", "rehearsal", "wire"},
    "demo": {"demo", "pipeline", "wire"},
}
FILES = [path for folder in MAY_IMPORT for path in sorted((ROOT / folder).rglob("*.py"))]


def imported(path: Path) -> Iterator[str]:
    """The top-level packages a file imports."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module is not None:
            yield node.module.partition(".")[0]


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_imports_go_one_way(path: Path) -> None:
    """A package imports only from those before it; pipeline/__main__.py alone may import all."""
    package = path.relative_to(ROOT).parts[0]
    if path != ROOT / "pipeline" / "__main__.py":
        assert {each for each in imported(path) if each in MAY_IMPORT} <= MAY_IMPORT[package]
