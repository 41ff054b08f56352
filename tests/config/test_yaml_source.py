"""From YAML text to values with places."""

from pathlib import Path
from typing import Any

import pytest

from config.errors import Problem
from config.nodes import Map, Node, Place, Scalar, plain
from config.yaml_source import Source, read, typed


def tree(text: str, **environment: str) -> Node:
    problems: list[Problem] = []
    node = read(Source("a.yaml", text), environment, problems)
    assert problems == []
    assert node is not None
    return node


def values(text: str, **environment: str) -> Any:
    return plain(tree(text, **environment), {})


def problems(text: str) -> list[str]:
    found: list[Problem] = []
    read(Source("a.yaml", text), {}, found)
    return [str(each) for each in found]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("", None),
        ("~", None),
        ("null", None),
        ("true", True),
        ("False", False),
        ("yes", "yes"),
        ("on", "on"),
        ("0", 0),
        ("-12", -12),
        ("1_000", 1000),
        ("0x1f", 31),
        ("0o17", 15),
        ("012", "012"),
        ("12:30", "12:30"),
        ("1.10", 1.1),
        ("1e3", 1000.0),
        (".5", 0.5),
        ("-.inf", float("-inf")),
        ("2024-01-31", "2024-01-31"),
        ("9" * 30, "9" * 30),
    ],
)
def test_typing(text: str, value: object) -> None:
    """Plain scalars follow YAML 1.2; what looks like a code or a time stays text."""
    assert typed(text) == value
    assert type(typed(text)) is type(value)


def test_places() -> None:
    """Every value knows where it and its key begin."""
    root = tree("a:\n  bc: [x, 7]\n")
    assert isinstance(root, Map)
    assert root.entries["a"].key == Place("a.yaml", 1, 1)
    inner = root.entries["a"]
    assert isinstance(inner, Map)
    assert (inner.entries["bc"].key, inner.entries["bc"].place) == (Place("a.yaml", 2, 3), Place("a.yaml", 2, 7))
    places = Place("a.yaml", 2, 11), Place("a.yaml", 2, 11)
    assert inner.entries["bc"].items[1] == Scalar(*places, 7, "7", "7")  # type: ignore[union-attr]


def test_references_are_typed_unless_quoted() -> None:
    """A whole reference is read as YAML reads it; in quotes or inside a text it is text."""
    text = "a: ${P}\nb: '${P}'\nc: x${P}\nd: ${T}\ne: ${Q:-1.5}\nf: |-\n  ${P}\ng: ${E}\n"
    assert values(text, P="4317", T="true", E="") == {
        "a": 4317,
        "b": "4317",
        "c": "x4317",
        "d": True,
        "e": 1.5,
        "f": "4317",
        "g": "",
    }


def test_anchors_and_merge_keys() -> None:
    """Aliases repeat a value; `<<` brings in keys that are not there, of several maps the first counts."""
    text = "a: &a {x: 1, y: 2}\nb: {<<: *a, y: 3}\nc: {<<: [{z: 1}, {z: 2, w: 3}]}\nd: *a\n"
    assert values(text) == {"a": {"x": 1, "y": 2}, "b": {"x": 1, "y": 3}, "c": {"z": 1, "w": 3}, "d": {"x": 1, "y": 2}}


def test_standard_tags() -> None:
    """Tags of plain values are understood."""
    assert values("a: !!str 12\nb: !!int '12'\n") == {"a": "12", "b": 12}


@pytest.mark.parametrize("text", ["", "# nothing\n", "---\n", "null"])
def test_nothing(text: str) -> None:
    """A text without content is an empty map, so that it changes nothing when merged."""
    assert values(text) == {}


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("a: 1\nb: {c: 1, c: 2}", "a.yaml:2:11: b::c: this key stands here twice, first in line 2"),
        (
            "a: !!python/name:os.system x",
            "a.yaml:1:4: a: this tag is not supported; remove the word that begins with !",
        ),
        ("a: !mine {}", "a.yaml:1:4: a: this tag is not supported; remove the word that begins with !"),
        ("a: &x [*x]", "a.yaml:1:4: a::0: this anchor contains itself"),
        ("? [a]\n: 1", "a.yaml:1:3: a key must be a single word, not a map or a list"),
        ("a: {<<: 1}", "a.yaml:1:9: a: << takes a map, or a list of maps"),
        (
            "a: x${NONE}",
            "a.yaml:1:4: a: the environment variable NONE is not set; set it or give a default, ${env:NONE:-default}",
        ),
    ],
)
def test_problems(text: str, problem: str) -> None:
    """What YAML allows and a configuration does not has its place and path."""
    assert problems(text) == [problem]


def test_deep_nesting() -> None:
    """A text that nests without end is a problem, not a crash."""
    assert problems("[" * 100_000) == ["a.yaml:1:1: this is nested too deeply to be read"]


def test_files(tmp_path: Path) -> None:
    """A file is read as UTF-8, a byte order mark is passed over, references to files start from its folder."""
    (tmp_path / "key").write_text("k1\n")
    (tmp_path / "a.yaml").write_bytes(b"\xef\xbb\xbfa: ${file:key}\n")
    found: list[Problem] = []
    node = read(tmp_path / "a.yaml", {}, found)
    assert node is not None
    assert (plain(node, {}), found) == ({"a": "k1"}, [])


def test_unreadable_files(tmp_path: Path) -> None:
    """A file that is missing or not text says so."""
    (tmp_path / "bad.yaml").write_bytes(b"a: 1\nb: \xff\n")
    found: list[Problem] = []
    assert read(tmp_path / "none.yaml", {}, found) is None
    assert read(tmp_path / "bad.yaml", {}, found) is None
    assert [str(each) for each in found] == [
        f"{tmp_path}/none.yaml:1:1: the file cannot be read: No such file or directory",
        f"{tmp_path}/bad.yaml:2:4: the file is not UTF-8 text",
    ]


def test_repr_hides_values() -> None:
    """Neither a source nor a value that came from the environment shows its text in a repr."""
    assert "hunter2" not in repr(tree("a: ${P}", P="hunter2")) + repr(Source("a.yaml", "a: hunter2"))
