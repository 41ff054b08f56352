"""What `${…}` and `$$` become."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from config.references import Expanded, expand

ENVIRONMENT = {"HOST": "example.org", "PORT": "4317", "EMPTY": "", "DOLLAR": "${PORT}"}


def expanded(text: str) -> str:
    result = expand(text, ENVIRONMENT, Path())
    assert result.problems == ()
    return result.text


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("plain", "plain"),
        ("${env:HOST}", "example.org"),
        ("${HOST}", "example.org"),
        ("https://${env:HOST}:${PORT}/x", "https://example.org:4317/x"),
        ("${env:NONE:-other}", "other"),
        ("${env:NONE:-}", ""),
        ("${NONE:-other}", "other"),
        ("${env:EMPTY:-other}", ""),
        ("${env:NONE:-${env:HOST}:1}", "example.org:1"),
        ("$$", "$"),
        ("$${env:HOST}", "${env:HOST}"),
        ("pa$word $1 {x}", "pa$word $1 {x}"),
        ("${env:DOLLAR}", "${PORT}"),
    ],
)
def test_expansion(text: str, expected: str) -> None:
    """References give their value once, everything else stays."""
    assert expanded(text) == expected


def test_whole_or_part() -> None:
    """A text that is one reference is told from one that contains some."""
    results = [expand(text, ENVIRONMENT, Path()) for text in ("${PORT}", "${NONE:-${PORT}}", "a${PORT}", "$$", "a")]
    assert [(each.referenced, each.whole) for each in results] == [
        (True, True),
        (True, True),
        (True, False),
        (False, False),
        (False, False),
    ]


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (
            "${env:NONE}",
            "the environment variable NONE is not set; set it or give a default, ${env:NONE:-default}",
        ),
        (
            "${http://example.org}",
            "references with http: are not supported; "
            "write ${env:NAME}, ${env:NAME:-default} or ${file:PATH}, and $$ for a dollar sign",
        ),
        (
            "pass${word}!${1}",
            "the environment variable word is not set; set it or give a default, ${env:word:-default}",
        ),
        ("${env:HOST:-x", "a reference is not closed; a } is missing"),
        ("${file:nowhere}", "the file nowhere cannot be read: No such file or directory"),
    ],
)
def test_what_cannot_be_found(text: str, sentence: str) -> None:
    """A reference to nothing is a sentence with the remedy."""
    assert expand(text, ENVIRONMENT, Path("/nonexistent")).problems[0] == sentence


def test_strange_references_are_not_quoted() -> None:
    """A password with `${` in it does not appear in the error about it."""
    (sentence,) = expand("${s3cr-et}", ENVIRONMENT, Path()).problems
    assert sentence == (
        "this is not a reference; write ${env:NAME}, ${env:NAME:-default} or ${file:PATH}, and $$ for a dollar sign"
    )


def test_file(tmp_path: Path) -> None:
    """A file's text comes without its last line end; its path starts from the folder and may hold references."""
    (tmp_path / "key").write_text("top secret\n")
    for text in ("${file:key}", f"${{file:{tmp_path}/key}}", "${file:${env:NONE:-key}}"):
        assert expand(text, ENVIRONMENT, tmp_path) == Expanded("top secret", True, True, ())


def test_binary_file(tmp_path: Path) -> None:
    """A file that is no text is a problem that shows nothing of it."""
    (tmp_path / "key").write_bytes(b"\xff\xfe")
    assert expand("${file:key}", {}, tmp_path).problems == ("the file key cannot be read: it is not UTF-8 text",)


def test_repr_hides_the_text() -> None:
    """What an expansion brought in is not in its repr."""
    assert "example.org" not in repr(expand("${HOST}", ENVIRONMENT, Path()))


@given(st.text())
def test_escaping_gives_any_text(text: str) -> None:
    """A text with every dollar sign doubled expands to itself."""
    assert expand(text.replace("$", "$$"), {}, Path()) == Expanded(text, False, False, ())


@given(st.text(alphabet="${}:-envfile AB1", max_size=30), st.text(alphabet="xyz", min_size=5, max_size=9))
def test_problems_never_tell_values(text: str, value: str) -> None:
    """Whatever stands in the text, no sentence holds a variable's value."""
    for sentence in expand(text, {"A": value, "B": value}, Path("/nonexistent")).problems:
        assert value not in sentence
