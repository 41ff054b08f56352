"""The search: what of a canary can be recognised, looked for in every reading of what came out.

Spellings are not searched one by one: the readings (`readings`) take away what a spelling adds, so that one needle
finds `536-90-4399`, `536 90 4399`, `5.36904399e+08` and `NTM2LTkwLTQzOTk=`. Only digests need needles of their own.
"""

import hashlib
import unicodedata
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from tests.oracle.facts import Fact
from tests.oracle.readings import in_letters

__all__ = ["Leak", "Search", "compact", "needles"]

_GRAM = 8
"""Bytes by which a needle is found before it is compared as a whole."""
_SHORTEST = _GRAM + 1
"""A needle begins at an even or an odd offset: with its grams at 0 and 1, every other offset of a text is enough."""


class Leak(NamedTuple):
    """Which canary came out, and in which form."""

    number: int
    form: str


def compact(text: str) -> str:
    """Letters without accents or capitals, and digits; nothing else."""
    plain = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode()
    return "".join(filter(str.isalnum, plain)).lower()


def needles(fact: Fact) -> dict[bytes, str]:
    """What may be in no reading, with the name of the form."""
    found: dict[bytes, str] = {}
    for secret in fact.hidden:
        plain = compact(secret)
        digits = "".join(filter(str.isdigit, plain))
        found[plain.encode()] = "plain"
        found[plain[::-1].encode()] = "reversed"
        found[digits.encode()] = "digits"
        # As numbers are written: no zeros before, none after the last digit of a mantissa.
        found[digits.strip("0").encode()] = "number"
    for text in {fact.value, *fact.hidden}:
        for spelling in {text, text.lower(), compact(text), "".join(filter(str.isalnum, text))}:
            found |= _digests(spelling.encode())
    return {needle: form for needle, form in found.items() if len(needle) >= _SHORTEST}


def _digests(value: bytes) -> dict[bytes, str]:
    """Half of a digest is enough to test a guess, so half of it is looked for."""
    made = {"md5": hashlib.md5(value, usedforsecurity=False), "sha1": hashlib.sha1(value, usedforsecurity=False)}
    made["sha256"] = hashlib.sha256(value)
    found = {each.digest()[:_SHORTEST]: f"bytes of {name}" for name, each in made.items()}
    return found | {in_letters(each.hexdigest()[: 2 * _GRAM].encode()): name for name, each in made.items()}


class Search:
    """Looks for many canaries at once: at every second offset of a text, eight bytes are looked up in a set."""

    def __init__(self, canaries: Iterable[tuple[int, Fact]]) -> None:
        self._needles: dict[int, list[tuple[bytes, int, int, str]]] = {}
        for number, fact in canaries:
            for needle, form in needles(fact).items():
                for offset in (0, 1):
                    gram = int.from_bytes(needle[offset : offset + _GRAM], "little")
                    self._needles.setdefault(gram, []).append((needle, offset, number, form))
        self._grams = set(self._needles)

    def leaks(self, data: bytes) -> Iterator[Leak]:
        """What is in the data, each leak as often as it is there."""
        for start in range(0, _GRAM, 2):
            grid = memoryview(data)[start : start + (len(data) - start) // _GRAM * _GRAM].cast("Q")
            if hits := self._grams.intersection(grid):
                for place in (place for place, gram in enumerate(grid) if gram in hits):
                    yield from self._at(data, start + place * _GRAM, grid[place])

    def _at(self, data: bytes, at: int, gram: int) -> Iterator[Leak]:
        for needle, offset, number, form in self._needles[gram]:
            begin = at - offset
            if data.startswith(needle, max(begin, 0)) and begin >= 0:
                yield Leak(number, form)
