"""What a queue keeps, and the contract of a store that keeps it over the end of the daemon."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from pipeline.batch import Batch, Signal

__all__ = ["Entry", "Load", "Loaded", "Store"]


@dataclass(slots=True)
class Entry:
    """A batch in a queue. Numbers rise in the order in which batches came; `arrived` is the queue's clock then."""

    number: int
    arrived: float
    batch: Batch
    released: bool = True
    dropped: str = ""
    """Why it is not kept, if that was chosen: the reason to count it with when it is released."""


@dataclass(slots=True)
class Load:
    """How much something is, in each unit that may be limited."""

    requests: int = 0
    items: int = 0
    bytes: int = 0

    @classmethod
    def of(cls, batch: Batch) -> "Load":
        return cls(1, batch.items, len(batch.payload))

    def add(self, batch: Batch, sign: int = 1) -> None:
        self.requests += sign
        self.items += sign * batch.items
        self.bytes += sign * len(batch.payload)

    def add_load(self, other: "Load", sign: int = 1) -> None:
        self.requests += sign * other.requests
        self.items += sign * other.items
        self.bytes += sign * other.bytes


@dataclass(frozen=True, slots=True)
class Loaded:
    """Entries read from a store, in order, and how much there was among them that cannot be read any more."""

    entries: Sequence[Entry]
    lost: Load = field(default_factory=Load)


class Store(Protocol):
    """Where a queue keeps what waits, so that it survives the daemon."""

    @property
    def problem(self) -> str:
        """Why nothing can be written now, a sentence; empty when all is well."""
        ...

    @property
    def damage(self) -> str:
        """What this run found damaged, a sentence; empty when all is well."""
        ...

    async def open(self) -> Mapping[Signal, Load]:
        """What is there from before. Raises: `OSError` for a file that cannot be used."""
        ...

    async def close(self) -> None: ...

    def next_number(self) -> int:
        """A number larger than every one before, also those of earlier runs."""
        ...

    async def add(self, entry: Entry) -> None:
        """Return when the entry would survive a power cut. Raises: `Refused` if it cannot be written now."""
        ...

    async def remove(self, numbers: Sequence[int]) -> None:
        """Forget entries; what cannot be written now is tried again later."""
        ...

    async def replace(self, numbers: Sequence[int], entry: Entry) -> None:
        """Forget entries and keep `entry`, which has the number of one of them, instead: both or neither."""
        ...

    async def load(self, signal: Signal, after: int, before: float, most_bytes: int) -> Loaded:
        """The next entries of a signal with numbers between the two, in order: at least one, if there is one.

        Raises: `Refused` if it cannot be read now.
        """
        ...
