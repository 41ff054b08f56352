"""Keyed hashes of values and of series: 64 bits that tell nobody without the key what was hashed."""

from collections.abc import Sequence
from hashlib import blake2b
from secrets import token_bytes

__all__ = ["Identity", "Key", "new_key"]

_BYTES = 8
"""Of a hash: among a million series, two share one with a probability of 3 in 100 million."""


def new_key() -> bytes:
    """A key, made once and kept with the counts: hashes of another key mean nothing."""
    return token_bytes(16)


class Key:
    """Hashes under one key."""

    def __init__(self, secret: bytes) -> None:
        self.secret = secret
        self._begun = blake2b(digest_size=_BYTES, key=secret)

    def digest(self, data: bytes) -> bytes:
        begun = self._begun.copy()
        begun.update(data)
        return begun.digest()

    def identity(self, *parts: bytes) -> "Identity":
        """What all series of a resource and scope share."""
        begun = self._begun.copy()
        for part in parts:
            begun.update(len(part).to_bytes(4, "little"))
            begun.update(part)
        return Identity(begun)


class Identity:
    """A hash of resource and scope, to be gone on with for each series."""

    __slots__ = ("begun", "number")

    def __init__(self, begun: blake2b) -> None:
        self.begun = begun
        self.number = int.from_bytes(begun.digest(), "big")

    def series(self, attributes: Sequence[bytes]) -> bytes:
        """The hash of a series, from its attributes in order of their bytes."""
        begun = self.begun.copy()
        begun.update(b"".join(attributes))
        return begun.digest()
