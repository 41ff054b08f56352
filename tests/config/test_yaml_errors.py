"""Syntax errors in an operator's words."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from config.errors import Problem
from config.yaml_source import Source, read


def problems(text: str) -> list[str]:
    found: list[Problem] = []
    read(Source("a.yaml", text), {}, found)
    return [str(each) for each in found]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("a: b: c", "1:5: a : may not stand here; look at the indentation, or put the text in quotes"),
        ("a: 1\n b: 2", "2:3: a : may not stand here; look at the indentation, or put the text in quotes"),
        ("a: 'x", "1:4: this quote is not closed"),
        ("a: [1\n", "2:1: a comma or the closing bracket is missing before this"),
        ("a: *secret", "1:4: this alias has no anchor; if a text begins with *, put it in quotes"),
        ("a: &x 1\nb: &x 2", "2:4: this anchor stands here twice; if a text begins with &, put it in quotes"),
        ("a: @x", "1:4: no text begins with this character; put the text in quotes"),
        ("a:\n\t- x", "2:1: a tab stands here; YAML is indented with spaces"),
        ("a:\n  b: 1\nc\nd: 1", "3:1: the : after this key is missing"),
        ("a: - x", "1:4: a list may not begin here; look at the indentation"),
        ("a: 1\n---\nb: 1", "2:1: a second document begins here; remove the ---, or put it into a file of its own"),
        ('a: "\\q"', "1:6: this \\ begins no known escape; write \\\\ or use single quotes"),
        ("a: 1\nb: x\x01", "2:5: this character is not allowed in YAML; in double quotes write it as an escape"),
        ("a: [${env:X}]", "1:6: inside brackets or braces a reference must stand in quotes"),
        ("- a\nb: 1", "2:1: this is not indented like what it belongs to"),
        ("%x", "1:3: this cannot be read as YAML; look at the quotes, brackets and indentation"),
    ],
)
def test_syntax(text: str, problem: str) -> None:
    """The place is where to look, the sentence says what to do."""
    assert problems(text) == [f"a.yaml:{problem}"]


@given(st.text(alphabet="qwz!&*@%:-[]{}'\"\\ \n\t|>?,#", max_size=40))
def test_nothing_is_quoted(text: str) -> None:
    """Any text is read or refused in words of our own; what it holds is not repeated."""
    for problem in problems(f"k: zqzqzq{text}"):
        assert "zqzqzq" not in problem
