"""Where expressions match: as the Collector's RE2, in linear time."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from processors.collector.expressions import Expression, Matches


@pytest.mark.parametrize(
    ("pattern", "text", "found"),
    [
        (r"\d{4}", "12345678", ["1234", "5678"]),
        (r"\d{4}", "123456", ["1234"]),
        (r"\d{4,5}", "12345678901234", ["12345", "67890", "1234"]),
        ("4[0-9]{12}(?:[0-9]{3})?", "4111111111111111 4111111111111", ["4111111111111111", "4111111111111"]),
        ("a.b", "aéb", ["aéb"]),
        ("[^a]b", "éb", ["éb"]),
        (r"\pL+", "né é", ["né", "é"]),
        (".+", "ab\ncd", ["ab", "cd"]),
        ("(?i)key=(?P<value>\\w+)", "KEY=abc", ["KEY=abc"]),
        (r"\Aab|yz\z", "ab ab yz", ["ab", "yz"]),
        (r"\bab\b", "ab cab ab", ["ab", "ab"]),
        ("[[:digit:]]+", "a12b3", ["12", "3"]),
        ("x", "", []),
    ],
)
def test_ranges(pattern: str, text: str, found: list[str]) -> None:
    """The leftmost matches, the longest of each, not overlapping, in characters of UTF-8."""
    ranges = Expression(pattern).ranges(text.encode())
    assert [text.encode()[start:end].decode() for start, end in ranges] == found


PATTERNS = [
    "ab",
    "a+",
    "[ab]{2,3}",
    "a.c",
    "ab?c?",
    "(?:ab)+",
    r"\bc",
    "a$",
    "^b",
    "[abc]{3}",
    r"a\b",
    "[a-c]{2,4}",
    "b[ac]*c",
]


@given(st.sampled_from(PATTERNS), st.text("abc\u00e9 ", max_size=30))
def test_ranges_are_those_of_a_backtracking_engine(pattern: str, text: str) -> None:
    """For expressions whose leftmost match is the longest."""
    expected = [(match.start(), match.end()) for match in re.finditer(pattern, text, re.ASCII)]
    ranges = Expression(pattern).ranges(text.encode())
    in_characters = [tuple(len(text.encode()[:at].decode()) for at in both) for both in ranges]
    assert in_characters == expected


def test_a_text_full_of_overlaps_is_scanned_a_few_times() -> None:
    """Where many scans would be needed, the union of all matches is taken: nothing that matches is left."""
    text = b"ab1" * 20_000
    ranges = Expression("ab1a|b1").ranges(text)
    covered = bytearray(text)
    for start, end in ranges:
        covered[start:end] = b"*" * (end - start)
    assert re.search(rb"ab1a|b1", bytes(covered)) is None


def test_the_first_condition() -> None:
    """Of several that match, the first; those that can match nothing are taken, too."""
    matches = Matches(["x", "b.*", "a"])
    assert [matches.first(text) for text in (b"ab", b"a", b"c", b"")] == [1, 2, None, None]
    assert Matches([".*"]).first(b"") == 0
    assert Matches([]).first(b"a") is None
