"""Twenty thousand identifiers, in every place and disguise, through the running daemon: what may not come out does not.

`make oracle` runs a million. To look at one: `python -m tests.oracle --seed 1 --only NUMBER`.
"""

from collections.abc import Iterator
from fnmatch import fnmatchcase
from itertools import product
from typing import NamedTuple

import pytest

from tests.oracle.placements import Placement
from tests.oracle.run import Result, Run

pytestmark = pytest.mark.end_to_end

_SEED, _PLACEMENTS = 1, 20_000


class Known(NamedTuple):
    """Cells that the engine does not cover yet: every disguise for each identifier, in places of a pattern."""

    why: str
    identifiers: tuple[str, ...]
    place: str
    disguises: tuple[str, ...]


_LINES = ("form", "form in json", "java object", "logfmt", "multipart", "url in a url", "url in json", "url query")

KNOWN_LEAKS: tuple[Known, ...] = (
    Known("rule message_key does not look into lines", ("message_key",), "*", _LINES),
    Known(
        "JSON as an attribute key is not walked",
        ("message_key",),
        "*key",
        ("json", "json four deep", "json in json", "json list"),
    ),
    Known("the same, of FHIR", ("name_by_key",), "*key", ("fhir", "fhir in json")),
    Known("the same, of FHIR", ("member_id", "patient_id", "mrn_prefixed"), "*key", ("fhir",)),
    Known("the same, of FHIR", ("mrn",), "*key", ("fhir in json",)),
    Known("keywords with accents that are decomposed", ("voter", "chart_br"), "*", ("decomposed",)),
    Known("UTF-8 in hexadecimal with other than ASCII in it", ("voter",), "*", ("hex",)),
)
"""It can only shrink: an entry with an identifier or a disguise that has stopped leaking fails the test."""


@pytest.fixture(scope="module")
def result() -> Iterator[Result]:
    with Run(_SEED) as run:
        yield run.go(range(_PLACEMENTS))


def _entries(known: Known) -> Iterator[tuple[str, str, str]]:
    return product(known.identifiers, (known.place,), known.disguises)


def _is_in(cell: tuple[str, str, str], entry: tuple[str, str, str]) -> bool:
    return all(map(fnmatchcase, cell, entry))


def test_nothing_leaks(result: Result) -> None:
    """No cell leaks but those in the table; the number of a leak is one for --only."""
    known = [entry for each in KNOWN_LEAKS for entry in _entries(each)]
    leaks = {
        cell: min(numbers) for cell, numbers in result.leaks.items() if not any(_is_in(cell, entry) for entry in known)
    }
    assert leaks == {}


@pytest.mark.parametrize("known", KNOWN_LEAKS, ids=lambda known: str(known.why))
def test_the_table_only_shrinks(result: Result, known: Known) -> None:
    """Whatever the table lists still leaks; take out what does not."""
    stopped = [entry for entry in _entries(known) if not any(_is_in(cell, entry) for cell in result.leaks)]
    assert stopped == []


def test_everything_arrives(result: Result) -> None:
    """Every item leaves the daemon, so that no leak is missed because an item was dropped on the way."""
    assert [(each.number, each.cell) for each in result.missing] == []


def test_nothing_is_found_by_chance(result: Result) -> None:
    """Canaries that were never sent are not found: what the search finds is there."""
    assert result.by_chance == []


def test_the_search_is_not_blind() -> None:
    """Without redaction every placement is found."""
    with Run(_SEED, redaction=False) as run:
        result = run.go(range(2_000))
    unseen = {Placement(_SEED, number).cell[::2] for number in range(2_000)} - {cell[::2] for cell in result.leaks}
    assert unseen == set()
