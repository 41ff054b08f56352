"""Entries as rows of a queue file, each sealed by itself: with a checksum, or encrypted.

A checksum is BLAKE2b over everything in the row. An encrypted row is AES-256-GCM over tenant and payload, bound to the
row's other columns, so that rows cannot be exchanged. Each has a key and a nonce of its own, both from 24 random bytes:
under a single key, random nonces wear out after 2³² entries (NIST SP 800-38D, section 8.3).
"""

import os
from collections.abc import Sequence
from hashlib import blake2b
from typing import Any, NamedTuple

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from pipeline.batch import Batch, Signal

__all__ = ["Damaged", "Row", "Sealer"]

_RANDOM_BYTES = 24
_SEAL_BYTES = 16


class Damaged(Exception):
    """A row is not as it was written."""


class Row(NamedTuple):
    """A row of a queue file; columns as there. From a damaged file, anything may stand in any of them."""

    number: int
    signal: str
    items: int
    size: int
    """Bytes of the payload before it was encrypted."""
    arrived: float
    """When it came, in seconds of the wall clock since 1970."""
    clock: float
    """The same by the queue's clock, which has a meaning only within one run."""
    key: bytes
    """Which key encrypted it; empty if it is not encrypted."""
    seal: bytes
    """The checksum, or the random bytes that an encrypted row begins with."""
    tenant: bytes
    payload: Any

    def header(self) -> bytes:
        """What is bound to an encrypted payload."""
        return repr(tuple(self[:6])).encode()


class Sealer:
    """Makes rows of batches with a `key` of 32 bytes (None: a checksum), and batches of rows with any of its keys."""

    def __init__(self, key: bytes | None = None, previous: Sequence[bytes] = ()) -> None:
        self._keys = {_name(each): each for each in (*previous, *([] if key is None else [key]))}
        self.current = b"" if key is None else _name(key)

    def knows(self, key: bytes) -> bool:
        """Whether rows of this key can be read; all can that are not encrypted."""
        return not key or key in self._keys

    def seal(self, number: int, batch: Batch, arrived: float, clock: float) -> Row:
        tenant = batch.tenant.encode()
        size = len(batch.payload)
        row = Row(number, batch.signal.value, batch.items, size, arrived, clock, b"", b"", tenant, batch.payload)
        if not self.current:
            return row._replace(seal=_checksum(row))
        random = os.urandom(_RANDOM_BYTES)
        text = len(tenant).to_bytes(4, "big") + tenant + batch.payload
        payload = self._cipher(self.current, random).encrypt(random[12:], text, row.header())
        return row._replace(key=self.current, seal=random, tenant=b"", payload=payload)

    def unseal(self, row: Row) -> Batch:
        """The batch of a row. Raises: `Damaged`."""
        try:
            tenant, payload = self._decrypted(row) if row.key else self._checked(row)
            return Batch(Signal(row.signal), payload, row.items, tenant.decode())
        except (TypeError, ValueError, KeyError, OverflowError, InvalidTag):
            raise Damaged from None

    def _checked(self, row: Row) -> tuple[bytes, bytes]:
        if _checksum(row) != row.seal:
            raise Damaged
        return row.tenant, row.payload

    def _decrypted(self, row: Row) -> tuple[bytes, bytes]:
        cipher = self._cipher(row.key, row.seal)
        text = cipher.decrypt(row.seal[12:], row.payload, row.header())
        size = 4 + int.from_bytes(text[:4], "big")
        return text[4:size], text[size:]

    def _cipher(self, key: bytes, random: bytes) -> AESGCM:
        return AESGCM(blake2b(random[:12], key=self._keys[key], person=b"telescrub entry", digest_size=32).digest())


def _name(key: bytes) -> bytes:
    """What a key is called in a file; tells nothing about it."""
    return blake2b(key=key, person=b"telescrub name", digest_size=8).digest()


def _checksum(row: Row) -> bytes:
    """Of all columns; a length stands before each that has one."""
    digest = blake2b(row.header(), digest_size=_SEAL_BYTES)
    digest.update(len(row.tenant).to_bytes(4, "big") + row.tenant)
    digest.update(row.payload)
    return digest.digest()
