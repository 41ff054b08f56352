"""The oracle's own search: a form that it does not know would be a leak that nobody sees."""

import base64
import gzip
import hashlib
import json
import unicodedata
import zlib
from random import Random
from urllib.parse import quote

import pytest
import snappy

from tests.oracle.__main__ import upper_bound
from tests.oracle.disguises import DISGUISES
from tests.oracle.disguises import needs as fits
from tests.oracle.facts import Fact
from tests.oracle.identifiers import IDENTIFIERS
from tests.oracle.leaks import Search, needles
from tests.oracle.partial import is_partly_in
from tests.oracle.placements import Placement, never_planted
from tests.oracle.places import PLACES
from tests.oracle.readings import readings

_SSN = "536-90-4399"
_FACT = Fact("ssn", _SSN)


def found(thing: str | bytes, fact: Fact = _FACT) -> set[str]:
    """The forms in which an identifier is found in a text, in any reading of it."""
    search = Search([(7, fact)])
    return {form for data in readings([thing]) for _, form in search.leaks(data)}


def snappy_block(data: bytes) -> bytes:
    packed: bytes = snappy.compress(data)
    return packed


_JSON = json.dumps({"ssn": _SSN, "pad": "-" * 90}).encode()


@pytest.mark.parametrize(
    "leaked",
    [
        "x536-90-4399x", "536904399", "536 90 4399", "536.90.4399", "5.36904399e+08", "536904399.0", "536%2D90%2D4399",
        "536%252D90%252D4399", "9934096-35", "no 536/90/4399", "user_536_90_4399",
        "\\u0035\\u0033\\u0036-90-4399", '"\\\\u0035\\\\u0033\\\\u0036-90-4399"', "&#53;36-90-4399",
        "&#x35;36-90-4399", "５３６-９０-４３９９", "536\u200b-90-4399", "536–90–4399", "536\u00a090\u00a04399",
        "٥٣٦-٩٠-٤٣٩٩", _SSN.encode().hex(), _SSN.encode().hex().upper(), _SSN.encode().hex(":"),
        f"a{b'536904399'.hex()}b",
        _SSN.encode("utf-16-le").decode(), _SSN.encode("utf-16-le"), _SSN.encode("utf-16-le").hex(),
        hashlib.md5(_SSN.encode()).hexdigest(), hashlib.sha1(b"536904399").hexdigest(),
        hashlib.sha256(_SSN.encode()).hexdigest(), hashlib.sha256(_SSN.encode()).hexdigest()[:16].upper(),
        hashlib.sha256(b"536904399").digest(), base64.b64encode(hashlib.sha1(_SSN.encode()).digest()).decode(),
        quote(quote("&#53;36-90-4399", safe=""), safe=""),
        *(base64.b64encode(b"?" * shift + _SSN.encode() + b"??").decode() for shift in range(3)),
        *(base64.urlsafe_b64encode(b"?" * shift + b"536904399??").decode() for shift in range(3)),
        *(pad + base64.b64encode(_SSN.encode()).decode() + "zz" for pad in ("a", "ab", "abc")),
        base64.b64encode(base64.b64encode(_JSON)).decode(), quote(base64.b64encode(b"??>" + _JSON).decode()),
        f"eyJhbGciOiJIUzI1NiJ9.{base64.urlsafe_b64encode(_JSON).decode()}.c2ln",
        gzip.compress(_JSON), zlib.compress(_JSON), snappy_block(_JSON), zlib.compress(_JSON).hex(),
        base64.b64encode(snappy_block(_JSON)), base64.b64encode(gzip.compress(_JSON)).decode(),
    ],
)  # fmt: skip
def test_every_form_is_found(leaked: str | bytes) -> None:
    """The forms by which the project's notes define a leak."""
    assert found(leaked)


@pytest.mark.parametrize(
    "clean", ["[ssn]", "536-91-4399", "1763710000000000000", "", "ssn", "36904399", hashlib.sha256(b"x").hexdigest()]
)
def test_nothing_else_is_found(clean: str) -> None:
    """Another number is no leak."""
    assert not found(clean)


def test_digits_in_a_digest() -> None:
    """Nine digits within 32 of a digest are chance; with other characters around them they are not."""
    assert not found("e4c5f1a2b3" + "536904399" + "c0ffee00deadbeef")
    assert found("e4c5 536904399 c0ffee00deadbeef0123456789abcdef")


@pytest.mark.parametrize("number", range(40))
def test_a_needle_at_every_offset(number: int) -> None:
    """The search looks up only every second offset, and misses none."""
    assert list(Search([(7, _FACT)]).leaks(b"-" * number + b"536904399" + b"-" * (number % 9)))


def test_accents() -> None:
    """A name is found with its accents, without them, and decomposed."""
    fact = Fact("nome", "Bcdfghjkão da Çlmnpqrst", secrets=("Bcdfghjkão", "Çlmnpqrst"))
    for text in ("BCDFGHJKÃO", "bcdfghjkao", unicodedata.normalize("NFD", "Çlmnpqrst"), "Bcdfghjk\u00e3o"):
        assert found(text, fact), text


def test_parts() -> None:
    """The last four digits and the initials are looked for where they stand by themselves."""
    name = Fact("nome", "Bcdf Ghjk", secrets=("Bcdf", "Ghjk"), field="name")
    assert is_partly_in(_FACT, ["[ssn]-4399"])
    assert not is_partly_in(_FACT, ["4399123", "a4399", "15 4398"])
    assert is_partly_in(name, ["patient G. B. came"])
    assert not is_partly_in(name, ["patient [person_name]", "GBX"])


def test_the_upper_bound() -> None:
    """Three in a million where nothing leaked of a million; Wilson's bound otherwise."""
    assert upper_bound(0, 10**6) == pytest.approx(3e-6)
    assert upper_bound(10, 10**6) == pytest.approx(16.8e-6, rel=0.01)


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
        fact = make(Random(number))
        assert found(f"{fact.value} {fact.text} {fact.path}", fact)
        assert all(sum(map(str.isalnum, secret)) >= 9 for secret in fact.hidden)


@pytest.mark.parametrize("disguise", DISGUISES)
def test_every_disguise_is_seen_through(disguise: str) -> None:
    """Whatever a canary is disguised as, the search finds it there."""
    for name, make in IDENTIFIERS.items():
        fact = make(Random(3))
        if fits(disguise, fact) and disguise != "image":
            assert found(DISGUISES[disguise](fact), fact), name


def test_the_control_is_of_the_same_classes() -> None:
    """As many canaries of each class as are planted, none of them planted."""
    facts = {never_planted(1, number).value for number in range(1_000)}
    assert facts.isdisjoint(Placement(1, number).fact.value for number in range(1_000))
    assert needles(never_planted(1, 0)).keys().isdisjoint(needles(never_planted(2, 0)))
