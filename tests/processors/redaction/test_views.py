"""Views: every escape undone, look-alikes folded, and the way back to the very bytes."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from processors.redaction.budget import OverBudget
from processors.redaction.views import View


def plain(text: str) -> str | None:
    view = View(text.encode()).decoded()
    return None if view is None else view.text.decode("utf-8", "replace")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a%40b%2Ec", "a@b.c"),
        ("a%2540b", "a%40b"),
        ("a%u0040b", "a@b"),
        ("a&#64;b&#x40;c&#064;d&commat;e&#64f", "a@b@c@d@e@f"),
        (r"a\u0040b\x40c\u{40}d\ud83d\ude00", "a@b@c@d😀"),
        ("５３６－９０＠ｘ", "536-90@x"),
        ("٥٣٦ ५३६ 𝟓𝟑𝟔", "536 536 536"),
        ("5\u200b3\u00ad6\u2060\ufeff\ufe0f7", "5367"),
        ("a\u00a0b\u202fc\u3000d", "a b c d"),
        ("5\u20116\u20137\u22128", "5-6-7-8"),
    ],
)
def test_decoded(text: str, expected: str) -> None:
    """One round."""
    assert plain(text) == expected


@pytest.mark.parametrize("text", ["plain", "100% & more", "a&b=c&unknown;", "é 1ª nº … ’", "\\user", "a\nb"])
def test_nothing_to_decode(text: str) -> None:
    """There is no other view of it."""
    assert plain(text) is None


PARTS = [
    ("%40", "@"),
    ("%C3%A9", "é"),
    ("&eacute;", "é"),
    ("&#65;", "A"),
    ("\\u0041", "A"),
    ("５", "5"),
    ("\u200b", ""),
]


@given(st.lists(st.sampled_from(PARTS) | st.sampled_from("abcé ").map(lambda one: (one, one)), max_size=12), st.data())
def test_way_back(parts: list[tuple[str, str]], data: st.DataObject) -> None:
    """The range of any characters of a view is the range of the escapes they came from."""
    text, expected = "".join(part for part, _ in parts), "".join(stands for _, stands in parts)
    view = View(text.encode()).decoded()
    if view is None:
        assert text == expected
        return
    assert view.text.decode() == expected
    shown = [index for index, (_, stands) in enumerate(parts) if stands]
    first, last = sorted(data.draw(st.lists(st.sampled_from(shown), min_size=2, max_size=2))) if shown else (0, -1)
    if first > last:
        return
    start = len("".join(stands for _, stands in parts[:first]).encode())
    end = len("".join(stands for _, stands in parts[: last + 1]).encode())
    origin = len("".join(part for part, _ in parts[:first]).encode())
    assert view.origin(start, end) == (origin, len("".join(part for part, _ in parts[: last + 1]).encode()))


def test_plus_in_forms() -> None:
    """Only in values, and nothing moves."""
    assert View(b"1+1 q=a+b+c&d=e").without_plus() == b"1+1 q=a b c&d=e"
    assert View(b"1+1").without_plus() is None


def test_too_many_escapes() -> None:
    """Are over the budget."""
    with pytest.raises(OverBudget):
        View(b"&#65; " * 100_001).decoded()


@given(st.binary(max_size=100))
def test_never_fails(text: bytes) -> None:
    """Whatever the bytes."""
    view: View | None = View(text)
    while view is not None:
        view = view.decoded()
