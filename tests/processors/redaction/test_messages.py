"""Exceptions: what they quote goes; frames, types and names of the program stay."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from processors.redaction.messages import exception_values


def after(text: str, *, whole: bool) -> str:
    content = text.encode()
    for start, end in reversed(list(exception_values(content, whole=whole))):
        content = content[:start] + b"#" + content[end:]
    return content.decode()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("KeyError: 'Quxington'", "KeyError: '#'"),
        ("invalid literal for int() with base 10: '536904399'", "invalid literal for int() with base 10: '#'"),
        ('For input string: "Zorbla Quxington"', 'For input string: "#"'),
        ("Key (name)=(Quxington, Zorbla) already exists.", "Key (name)=(#) already exists."),
        ("Duplicate entry 'x@y' for key 'PRIMARY'", "Duplicate entry '#' for key 'PRIMARY'"),
        ("Error: no visit of 'Zorbla O\\'Qux'", "Error: no visit of '#'"),
        ("ERROR: Failing row contains (7, Quxington, null).", "ERROR: Failing row contains (#)."),
    ],
)
@pytest.mark.parametrize("whole", [True, False])
def test_values_go(text: str, expected: str, whole: bool) -> None:
    """Under the keys of exceptions and in any text that says it is one."""
    assert after(text, whole=whole) == expected


@pytest.mark.parametrize(
    "text",
    [
        "AttributeError: 'NoneType' object has no attribute 'state'",
        "ModuleNotFoundError: No module named 'a.b'",
        "NullPointerException: Attempt to invoke virtual method 'int java.lang.String.length()' on a null object",
        'ERROR: relation "visits" does not exist',
        "java.io.IOException: Connection reset by peer\n\tat a.B.c(B.java:12)\n\t... 7 more",
    ],
)
@pytest.mark.parametrize("whole", [True, False])
def test_names_of_the_program_stay(text: str, whole: bool) -> None:
    """Types, modules, columns, frames."""
    assert after(text, whole=whole) == text


def test_frames_stay() -> None:
    """File, line, function, and the line of source code."""
    text = (
        "Traceback (most recent call last):\n"
        "  File \"/app/a.py\", line 3, in load\n    return rows['id']\n"
        "KeyError: '12345'"
    )
    assert after(text, whole=True) == text.replace("12345", "#")


def test_other_texts_stay() -> None:
    """A text that does not say it is an exception may quote, and paths and numbers are not values of people."""
    for text in ("user said 'Zorbla Quxington'", "Error: cannot read '/data/a12345.dat'", "Error: 'ENOENT'"):
        assert after(text, whole=False) == text


@given(st.text("Error: '\"()=\\\n ab1`", max_size=60).map(str.encode), st.booleans())
def test_ranges_are_in_order(text: bytes, whole: bool) -> None:
    """And within the text."""
    at = 0
    for start, end in exception_values(text, whole=whole):
        assert at <= start < end <= len(text)
        at = end
