import base64
import gzip
import json
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from demo.planted import Planted, Planter, Search, forms
from wire.signal import Signal

SSN = Planted("ssn", "936-40-4399", Signal.LOGS, "log body")
EMAIL = Planted("email", "maqueibrato.x@example.org", Signal.TRACES, "status message")
NAME = Planted("name", "Sefuepiapo Nedriadri", Signal.TRACES, "exception.message")
SEARCH = Search([SSN, EMAIL, NAME])


@pytest.mark.parametrize(
    ("data", "found"),
    [
        (b"SSN 936-40-4399.", [SSN]),
        (b"ssn=936404399", [SSN]),
        (b'"intValue":"936404399"', [SSN]),
        (b"MAQUEIBRATO.X@EXAMPLE.ORG", [EMAIL]),
        (b"maqueibrato.x%40example.org", [EMAIL]),
        (b"patient [redacted] Nedriadri", [NAME]),
        (b"936-40-4398 and maqueibrato.y@example.org", []),
        (b"", []),
    ],
)
def test_a_value_is_found_in_its_spellings(data: bytes, found: list[Planted]) -> None:
    """As it is, in digits, percent-encoded, in capitals, in part of a name; not where it is not."""
    assert SEARCH.find(data) == found


@given(st.binary(max_size=7), st.binary(max_size=7))
def test_a_value_is_found_inside_base64(before: bytes, after: bytes) -> None:
    """Whatever stands before and after it in the encoded text."""
    assert SEARCH.find(base64.b64encode(before + SSN.value.encode() + after)) == [SSN]
    assert SEARCH.find(base64.urlsafe_b64encode(before + EMAIL.value.encode() + after)) == [EMAIL]


def test_a_value_is_found_in_json_inside_json() -> None:
    """Escapes are part of the spelling, also twice over."""
    quoted = Planted("note", 'he said "é"\n today', Signal.LOGS, "log body")
    text = json.dumps({"body": json.dumps({"note": quoted.value})}).encode()
    assert Search([quoted]).find(text) == [quoted]
    assert quote(quoted.value, safe="") in forms(quoted.value)


@pytest.mark.parametrize(
    "field",
    [
        b'"traceId":"00009364043990000000000000000000"',
        b'"spanId":"0093640439900000"',
        b'"timeUnixNano":"1793640439900000000"',
    ],
)
def test_ids_and_times_are_no_leaks(field: bytes) -> None:
    """Sixteen random digits may hold nine others by chance."""
    assert SEARCH.find(field) == []


def test_short_forms_are_not_searched() -> None:
    """A postal code's eight digits would hit by chance."""
    assert forms("64420-109") == {"64420-109", "NjQ0MjAtMTA5", "Y0NDIwLTEwO", "2NDQyMC0xMD"}


def test_nothing_planted_finds_nothing() -> None:
    """A search for nothing is no error."""
    assert Search([]).find(gzip.compress(b"x")) == []
    assert Search([]).values == 0


def test_a_planter_notes_what_it_plants() -> None:
    """The value comes back and is in the list with its signal and place."""
    planter = Planter(Signal.LOGS)
    assert planter.plant("ssn", "936-40-4399", "log body") == "936-40-4399"
    assert planter.planted == [SSN]
