"""Every configuration that comes with the program loads, without a warning, and agrees with the schema."""

import re
from pathlib import Path

import pytest
import yaml

import config
from config.load import Source, load
from config.schema import schema
from pipeline.__main__ import catalogue
from tests.config.json_schema import errors, undescribed

FOLDER = Path(config.__file__).parent
FILES = [FOLDER / "default.yaml", *sorted((FOLDER / "examples").glob("*.yaml"))]
FILE = re.compile(r"\$\{file:[^}]*\}")
VARIABLE = re.compile(r"\$\{(?:env:)?([A-Z_][A-Z0-9_]*)\}")


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(FOLDER)))
def test_it_loads(path: Path, tmp_path: Path) -> None:
    """With something in every variable and file it asks for, it is valid and has nothing in it that is not used."""
    (tmp_path / "secret").write_text("synthetic\n")
    text = FILE.sub("${file:secret}", path.read_text("utf-8"))
    environment = dict.fromkeys(VARIABLE.findall(text), "http://localhost:1")
    assert load([Source(path.name, text, tmp_path)], catalogue(), environment).warnings == ()


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(FOLDER)))
def test_it_agrees_with_the_schema(path: Path) -> None:
    """An editor with the schema marks nothing in it."""
    assert errors(schema(catalogue()), yaml.safe_load(path.read_text("utf-8"))) == []


def test_every_setting_is_described() -> None:
    """Whatever an operator can write has an explanation in the schema."""
    assert undescribed(schema(catalogue())) == []
