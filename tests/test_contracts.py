"""What holds for every component of the tables, whoever wrote it."""

from pathlib import Path

import pytest

from config.catalogue import KINDS
from config.reference import reference, rows, summary
from config.settings import Settings
from pipeline.__main__ import catalogue

ROOT = Path(__file__).parent.parent
CATALOGUE = catalogue()
FILES = {("processors", "redaction"): "collector_redaction"}
"""Where the file cannot be called like the key: `processors/redaction/` is the engine behind `redact_phi`."""
MODELS = [(kind, name, model) for kind in KINDS for name, model in CATALOGUE.table(kind).items()]


def test_the_reference_is_current() -> None:
    """docs/reference.md is what `telescrub components --markdown` prints."""
    assert (ROOT / "docs" / "reference.md").read_text() == reference(CATALOGUE), "run `make docs`"


@pytest.mark.parametrize(("kind", "name", "model"), MODELS, ids=lambda value: value if isinstance(value, str) else "")
def test_every_setting_is_documented(kind: str, name: str, model: type[Settings]) -> None:
    """Each key says what it is, and each component what it does."""
    assert summary(model)
    assert [row.path for row in rows(model) if not row.meaning] == []


@pytest.mark.parametrize(("kind", "name", "model"), MODELS, ids=lambda value: value if isinstance(value, str) else "")
def test_files_are_named_like_their_keys(kind: str, name: str, model: type[Settings]) -> None:
    """The component of a key is found in the file of that name."""
    assert model.__module__ == f"{kind}.{FILES.get((kind, name), name)}"


@pytest.mark.parametrize("kind", KINDS)
def test_other_spellings_lead_to_a_component(kind: str) -> None:
    """An alias names a type that exists and is not one itself."""
    for alias, target in CATALOGUE.aliases(kind).items():  # type: ignore[arg-type]
        assert target in CATALOGUE.table(kind)  # type: ignore[arg-type]
        assert alias not in CATALOGUE.table(kind)  # type: ignore[arg-type]
