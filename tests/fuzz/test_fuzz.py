"""The short form of `make fuzz`: some inputs for every target that needs no servers; and the machinery around them."""

import json
import logging
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.fuzz.child import read_progress
from tests.fuzz.run import Outcome
from tests.fuzz.sockets import SOCKETS
from tests.fuzz.target import Check
from tests.fuzz.targets import TARGETS, made, shares
from tests.fuzz.watch import Broken, check_texts
from tests.fuzz.words import CANARY


@pytest.fixture(scope="module", autouse=True)
def loggers_stay() -> Iterator[None]:
    """The targets put a handler of their own in place of all others."""
    root = logging.getLogger()
    handlers, level = root.handlers, root.level
    yield
    root.handlers = handlers
    root.setLevel(level)


@cache
def _opened(name: str) -> Check:
    return TARGETS[name].open()


@pytest.mark.parametrize("name", sorted(TARGETS.keys() - SOCKETS.keys()))
@settings(max_examples=25)
@given(st.integers(0, 2**32))
def test_inputs(name: str, number: int) -> None:
    """Whatever comes, it is taken, or turned away as documented. Again: `python -m tests.fuzz --seed 0 --only …`."""
    _opened(name)(made(name, 0, number))


def test_inputs_are_the_same_again() -> None:
    """So that a finding can be repeated by its number."""
    for name in TARGETS.keys() - {"ledger", "state"}:
        assert made(name, 1, 7) == made(name, 1, 7)


def test_every_target_has_its_share() -> None:
    """A million inputs are at least a million, some thousand at least for each."""
    counts = shares(1_000_000, list(TARGETS))
    assert sum(counts.values()) >= 1_000_000
    assert min(counts.values()) > 5_000


def test_a_quoted_input_is_found() -> None:
    """In the text of an exception and of what is shown as its cause."""
    check_texts(ValueError("fine"))
    error = RuntimeError("fine")
    error.__cause__ = KeyError(CANARY)
    with pytest.raises(Broken, match="KeyError quotes the input"):
        check_texts(error)


def test_findings_of_a_kind_are_one() -> None:
    """With the first input."""
    outcome = Outcome()
    for number in (5, 6):
        line = json.dumps({"number": number, "kind": "slow", "sentence": f"{number} s", "trace": ""})
        outcome.add(json.loads(line))
    outcome.add({"tried": 10, "taken": 4, "slowest": 1.5, "rss": 2048})
    assert (outcome.findings, outcome.first) == ({"slow": 2}, {"slow": (5, "5 s", "")})
    assert (outcome.taken, outcome.slowest, outcome.rss_kib) == (4, 1.5, 2048)


def test_progress(tmp_path: Path) -> None:
    """What a child that died was at."""
    file = tmp_path / "progress"
    file.write_bytes((41).to_bytes(8, "little", signed=True))
    assert read_progress(file) == 41
