"""Counting different things within a window."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from processors.cardinality.distinct import STEPS, Budget, Distinct, Estimate


def digest(number: int) -> bytes:
    return number.to_bytes(8, "big")


@given(st.lists(st.tuples(st.integers(0, 20), st.integers(0, 3)), max_size=60), st.integers(1, 12))
def test_exact_up_to_the_limit(seen: list[tuple[int, int]], limit: int) -> None:
    """What was seen within the window counts, what was not is forgotten, and the budget knows how much is held."""
    budget = Budget(10**6)
    counted, step = Distinct(limit, budget), 0
    model: dict[int, int] = {}
    for number, pause in seen:
        step += pause
        counted.expire(step)
        model = {known: last for known, last in model.items() if last >= step - STEPS}
        fits = number in model or len(model) < limit
        assert counted.note(digest(number), step) is fits
        if fits:
            model[number] = step
        assert (len(counted), budget.held) == (len(model), len(model))
    counted.clear()
    assert budget.held == 0


def test_the_journal() -> None:
    """Hashes that are new or that are seen in a new step, until it is read; and whether all before are void."""
    counted = Distinct(5, Budget(9), journal=True)
    for number, step in ((1, 0), (2, 0), (1, 0), (1, 1)):
        counted.note(digest(number), step)
    assert bytes(counted.fresh or b"") == digest(1) + digest(2) + digest(1)
    counted.clear()
    counted.note(digest(3), 1)
    assert (counted.cleared, bytes(counted.fresh or b"")) == (True, digest(3))


def test_a_budget_within_another() -> None:
    """Both must have room; a reserve is a little more."""
    whole = Budget(10)
    part = Budget(5, within=whole)
    part.add(5)
    assert (part.has_room(), part.has_room(reserve=1.1), whole.has_room(), whole.held) == (False, True, True, 5)
    whole.add(10)
    part.add(-4)
    assert (part.has_room(), part.has_room(reserve=1.1)) == (False, False)


@pytest.mark.parametrize("different", [0, 3, 63, 64, 1000, 100_000])
def test_estimates(different: int) -> None:
    """Exact while there are few, near enough beyond; what comes twice counts once; the window before is remembered."""
    source = random.Random(different)
    numbers = [source.getrandbits(64) - 2**63 for _ in range(different)]
    estimate = Estimate()
    for number in numbers * 2 if different <= 1000 else numbers:
        estimate.note(number)
    assert len(estimate) == pytest.approx(different, rel=0 if different < 64 else 0.4)
    estimate.turn()
    assert len(estimate) == pytest.approx(different, rel=0 if different < 64 else 0.4)
    estimate.turn()
    assert len(estimate) == 0
