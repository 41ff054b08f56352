"""What was redacted since the ledger was last written: counts and digests, never values."""

import hashlib
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

from audit.rows import Redactions, Source

__all__ = ["Interval"]


class _Hash(Protocol):
    def update(self, data: bytes, /) -> None: ...

    def hexdigest(self) -> str: ...


@dataclass(slots=True)
class _Sum:
    count: int = 0
    batches: int = 0
    running: _Hash = field(default_factory=hashlib.sha256)


class Interval:
    """Adds up, for any thread. Its size is bounded by rules in use × places, whatever comes in."""

    def __init__(self) -> None:
        self._sums: dict[Source, _Sum] = {}
        self._lock = threading.Lock()

    def add(self, counts: Mapping[Source, int], payload: bytes) -> None:
        """Redactions in one batch, and the bytes that are left of it.

        The running digest is the SHA-256 over the SHA-256 digests of the batches (32 bytes each), in their order.
        """
        digest = hashlib.sha256(payload).digest()
        with self._lock:
            for source, count in counts.items():
                if (found := self._sums.get(source)) is None:
                    found = self._sums[source] = _Sum()
                found.count += count
                found.batches += 1
                found.running.update(digest)

    def take(self) -> dict[Source, Redactions]:
        """What there is; the next interval begins empty."""
        with self._lock:
            sums, self._sums = self._sums, {}
        return {each: Redactions(s.count, s.batches, s.running.hexdigest()) for each, s in sums.items()}
