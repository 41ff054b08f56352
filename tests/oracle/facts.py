"""A made-up identifier and the pieces it is made of."""

import string
from collections.abc import Callable
from dataclasses import dataclass
from random import Random

__all__ = ["Fact", "Maker", "digits", "full_name", "letters", "mixed", "sentence", "swapped_last"]


@dataclass(frozen=True, slots=True)
class Fact:
    """One made-up identifier, with at least nine random characters.

    `key` is a key that says what it is, `text` a text that by itself says enough, `secrets` what may not come out, and
    `path` a path with it in it. `text` or `path` is empty where only the key tells.
    """

    key: str
    value: str
    text: str = ""
    secrets: tuple[str, ...] = ()
    path: str = ""
    field: str = ""
    """Where it stands in documents of health care, by the names of `documents`; empty if nowhere."""

    @property
    def hidden(self) -> tuple[str, ...]:
        """What may not come out."""
        return self.secrets or (self.value,)


Maker = Callable[[Random], Fact]


def digits(random: Random, count: int, first: str = "123456789") -> str:
    return random.choice(first) + "".join(random.choices(string.digits, k=count - 1))


def letters(random: Random, count: int) -> str:
    """Lower case; no vowels but y, so that no word comes of it."""
    return "".join(random.choices("bcdfghjklmnpqrstvwxyz", k=count))


def mixed(random: Random, count: int) -> str:
    return "".join(random.choices(string.ascii_letters + string.digits, k=count))


def full_name(random: Random) -> tuple[str, str]:
    return letters(random, 9).capitalize(), letters(random, 9).capitalize()


def swapped_last(random: Random, digit: str) -> str:
    """Another digit."""
    return str((int(digit) + random.randrange(1, 10)) % 10)


_SENTENCES = (
    "lookup of {} failed",
    "cannot find {} in cache",
    "{} not found",
    "retry 3: {}",
    "WARN [pool-3] sync {}; skipped",
    "({})",
    "done: {}.",
)


def sentence(random: Random, what: str) -> str:
    """A line in which the identifier stands."""
    return random.choice(_SENTENCES).format(what)
