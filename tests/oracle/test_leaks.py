"""The oracle's own search: a form that it does not know would be a leak that nobody sees."""

import base64
import hashlib
from random import Random
from urllib.parse import quote

import pytest

from tests.oracle.disguises import DISGUISES
from tests.oracle.identifiers import IDENTIFIERS, Fact
from tests.oracle.leaks import Search, folded
from tests.oracle.placements import Placement
from tests.oracle.places import PLACES

_SSN = "536-90-4399"


def found(text: str) -> bool:
    """Whether the number is found in a text, as it is or as a reader would understand it."""
    search = Search([(7, [_SSN])])
    return any(list(search.leaks(each.encode())) for each in (text, folded(text)))


@pytest.mark.parametrize(
    "leaked",
    [
        "x536-90-4399x", "536904399", "536 90 4399", "536.90.4399", "5.36904399e+08", "536904399.0", "536%2D90%2D4399",
        "536%252D90%252D4399",
        "\\u0035\\u0033\\u0036-90-4399", '"\\\\u0035\\\\u0033\\\\u0036-90-4399"', "&#53;36-90-4399",
        "&#x35;36-90-4399", "５３６-９０-４３９９", "536\u200b-90-4399", "536–90–4399", "536\u00a090\u00a04399",
        "٥٣٦-٩٠-٤٣٩٩", _SSN.encode().hex(), _SSN.encode().hex().upper(), "536-90-4399".encode("utf-16-le").decode(),
        hashlib.md5(_SSN.encode()).hexdigest(), hashlib.sha1(b"536904399").hexdigest(),
        hashlib.sha256(_SSN.encode()).hexdigest(), quote(quote("&#53;36-90-4399", safe=""), safe=""),
        *(base64.b64encode(b"?" * shift + _SSN.encode() + b"??").decode() for shift in range(3)),
        *(base64.urlsafe_b64encode(b"?" * shift + b"536904399??").decode() for shift in range(3)),
    ],
)  # fmt: skip
def test_every_form_is_found(leaked: str) -> None:
    """The forms by which the project's notes define a leak."""
    assert found(leaked)


@pytest.mark.parametrize("clean", ["[ssn]", "536-91-4399", "1763710000000000000", "", "ssn"])
def test_nothing_else_is_found(clean: str) -> None:
    """Another number is no leak."""
    assert not found(clean)


def test_placements_can_be_made_again() -> None:
    """The same seed and number give the same canary, another seed another one."""
    assert Placement(3, 14).message(1) == Placement(3, 14).message(1)
    assert Placement(3, 14).fact != Placement(4, 14).fact


def test_every_axis_is_reached() -> None:
    """Some thousands of placements use every identifier, place and disguise."""
    cells = [Placement(1, number).cell for number in range(6_000)]
    assert {identifier for identifier, _, _ in cells} == set(IDENTIFIERS)
    assert {place for _, place, _ in cells} >= set(PLACES)
    assert {disguise for _, _, disguise in cells} >= set(DISGUISES)


@pytest.mark.parametrize("number", range(20))
def test_what_is_planted_can_be_found(number: int) -> None:
    """Undisguised, every identifier would be seen if it came out."""
    for make in IDENTIFIERS.values():
        fact: Fact = make(Random(number))
        search = Search([(1, fact.hidden)])
        assert list(search.leaks(f"{fact.value} {fact.text} {fact.path}".encode()))
        assert all(sum(map(str.isalnum, secret)) >= 9 for secret in fact.hidden)
