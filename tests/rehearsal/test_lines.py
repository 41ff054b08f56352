"""Items as lines, lines side by side, and what differs in them."""

from hypothesis import given
from hypothesis import strategies as st

from rehearsal.lines import Line, Pair, lines, marked, pairs, visible
from rehearsal.sample import read
from tests.rehearsal.samples import MAIL, SPAN, SSN


def test_lines_of_a_span() -> None:
    """Texts and attributes of any type; no ids, no times."""
    assert lines(read(SPAN.encode(), "otlp")[0]) == [
        Line("Resource.attributes", "service.name", "portal"),
        Line("Span.name", "", f"visit of {SSN}"),
        Line("Span.attributes", "mail", MAIL),
        Line("Span.attributes", MAIL, "true"),
        Line("Span.attributes", "n[0]", "7"),
    ]


def test_pairs_of_what_is_gone_new_and_renamed() -> None:
    """By place and key; where keys changed, by order."""
    a, b, c = (Line("Span.attributes", key, "x") for key in "abc")
    assert pairs([a, b], [b]) == [Pair(a, None), Pair(b, b)]
    assert pairs([a, b], [c, b]) == [Pair(a, c), Pair(b, b)]
    assert pairs([b], [a, b]) == [Pair(None, a), Pair(b, b)]


def test_marks_what_differs() -> None:
    """A placeholder is one word."""
    assert marked(f"ssn {SSN}!", "ssn [ssn]!") == (
        [("ssn ", False), (SSN, True), ("!", False)],
        [("ssn ", False), ("[ssn]", True), ("!", False)],
    )


@given(st.text(), st.text())
def test_pieces_make_the_texts(before: str, after: str) -> None:
    """Nothing is lost, and equal texts have no mark."""
    left, right = marked(before, after)
    assert ("".join(text for text, _ in left), "".join(text for text, _ in right)) == (before, after)
    assert any(differs for _, differs in left + right) == (before != after)


def test_long_texts_are_marked_as_a_whole() -> None:
    """Comparing word by word would take too long."""
    before, after = "a " * 3000, "b " * 3000
    assert marked(before, after) == ([(before, True)], [(after, True)])


def test_nothing_steers_the_terminal() -> None:
    """Escapes, zero-width and bidirectional characters are made visible; line breaks stay."""
    assert visible("a\x1b[2J\n\u200bé\u202e\t") == "a\\x1b[2J\n\\u200bé\\u202e\\t"
