"""Twenty thousand identifiers, in every place and disguise, through the running daemon: what may not come out does not.

`make oracle` runs a million. To look at one: `python -m tests.oracle --seed 1 --only NUMBER`.
"""

from collections.abc import Iterator

import pytest

from tests.oracle.placements import Placement
from tests.oracle.run import Result, Run

pytestmark = pytest.mark.end_to_end

_SEED, _PLACEMENTS = 1, 20_000


@pytest.fixture(scope="module")
def result() -> Iterator[Result]:
    with Run(_SEED) as run:
        yield run.go(range(_PLACEMENTS))


def test_nothing_leaks(result: Result) -> None:
    """No cell of the grid leaks; the number of a leak is one for --only."""
    assert {cell: min(numbers) for cell, numbers in result.leaks.items()} == {}


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
