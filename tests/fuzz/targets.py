"""Everything that is fuzzed, by name."""

from random import Random

from tests.fuzz.codecs import CODECS
from tests.fuzz.exporting import EXPORTING
from tests.fuzz.files import FILES
from tests.fuzz.processing import PROCESSING
from tests.fuzz.sockets import SOCKETS
from tests.fuzz.target import Target

__all__ = ["TARGETS", "made", "shares"]

TARGETS: dict[str, Target] = {**CODECS, **PROCESSING, **EXPORTING, **FILES, **SOCKETS}


def made(name: str, seed: int, number: int) -> bytes:
    """The input of a target that a number stands for; the same whenever it is asked."""
    return TARGETS[name].make(Random(f"{seed} {name} {number}"))


def shares(inputs: int, names: list[str]) -> dict[str, int]:
    """How many of all inputs each target gets, at least one."""
    whole = sum(TARGETS[name].share for name in names)
    return {name: -(-inputs * TARGETS[name].share // whole) for name in names}
