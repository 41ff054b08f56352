"""The queue before each exporter: bounded, in order per signal, merging what waits into larger batches.

`Queue` is the contract; `MemoryQueue` keeps it in memory. A durable queue keeps the same contract on disk.
"""

import asyncio
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass
from typing import Literal, Protocol

from pydantic import Field

from config.settings import ByteSize, Settings
from pipeline.batch import Batch, Signal
from pipeline.errors import Refused, TooLarge

__all__ = ["Lease", "MemoryQueue", "Merge", "Queue", "QueueSettings"]


class QueueSettings(Settings):
    """The Collector's `sending_queue`."""

    num_consumers: int = Field(default=4, ge=1)
    """Requests to the destination at once. Where order matters (remote-write) the exporter sets 1."""
    queue_size: int = Field(default=1000, ge=1)
    """Most that may wait or be under way, counted as `sizer` says."""
    sizer: Literal["requests", "items", "bytes"] = "requests"
    """What `queue_size` counts: received requests, items (spans, points, records) or bytes."""
    max_bytes: ByteSize = Field(default=256 * 2**20, ge=1)
    """Most bytes that may wait, whatever the sizer: 1000 requests of 20 MiB would be more than a machine has."""


@dataclass(frozen=True, slots=True)
class Merge:
    """How waiting batches become one, as the `batch` processor says: sent once `size` items wait or `timeout` has
    passed.

    `max_size` (0 = none) is the most items of one batch; what is merged is cut to it when it is sent.
    """

    size: int = 0
    max_size: int = 0
    timeout: float = 0.0


_MERGED_BYTES = 8 * 2**20
"""Merging stops here: a request much larger is slower for everybody and over most destinations' limits."""


def _fits(batch: Batch, first: Batch, size: int) -> bool:
    """Whether a batch may be merged with others of `size` bytes; those of another tenant never."""
    return batch.tenant == first.tenant and size + len(batch.payload) <= _MERGED_BYTES


@dataclass(frozen=True, slots=True)
class Lease:
    """Batches taken out to be sent; given back to the queue with `done` or `put_back`."""

    batches: tuple[Batch, ...]

    @property
    def batch(self) -> Batch:
        """All of them as one."""
        return Batch.join(self.batches)


class Queue(Protocol):
    """What stands between the fan-out and a destination."""

    def room(self, batch: Batch) -> AbstractContextManager[None]:
        """Hold room for a batch while it is being processed.

        Raises: `Refused` if the queue is full now, `TooLarge` if it could never fit.
        """
        ...

    async def put(self, batch: Batch) -> None:
        """Take a batch that `room` was held for; return when it is as safe as this queue can make it."""
        ...

    async def take(self) -> Lease | None:
        """Wait for the next batches of one signal, merged as configured; None when the queue is closed and empty."""
        ...

    def done(self, lease: Lease) -> None:
        """The batches are delivered, or given up: forget them."""
        ...

    def put_back(self, lease: Lease) -> None:
        """The batches are still to be sent: they are first in line again."""
        ...

    def close(self) -> None:
        """No more is put: hand out what is left without waiting to merge it."""
        ...

    def left(self) -> Mapping[Signal, int]:
        """Items still waiting or under way, by signal."""
        ...


@dataclass(slots=True)
class _Load:
    """How much something is, in each unit that may be limited."""

    requests: int = 0
    items: int = 0
    bytes: int = 0

    def add(self, batch: Batch, sign: int = 1) -> None:
        self.requests += sign
        self.items += sign * batch.items
        self.bytes += sign * len(batch.payload)


class MemoryQueue:
    """A queue in memory; `name` is the exporter's id, for messages.

    Batches of one signal leave in the order they came, signals independently of each other; what is merged is of one
    tenant.
    """

    def __init__(
        self,
        name: str,
        settings: QueueSettings,
        merges: Mapping[Signal, Merge],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._name, self._settings, self._merges, self._clock = name, settings, merges, clock
        self._load = _Load()
        self._lanes: dict[Signal, deque[tuple[float, Batch]]] = {signal: deque() for signal in Signal}
        self._leased: dict[Signal, int] = dict.fromkeys(Signal, 0)
        self._changed = asyncio.Event()
        self._taking = asyncio.Lock()
        self._closed = False

    @property
    def size(self) -> int:
        """What waits or is under way, in the unit of `sizer`."""
        return int(getattr(self._load, self._settings.sizer))

    @contextmanager
    def room(self, batch: Batch) -> Iterator[None]:
        self._check_room(batch)
        self._load.add(batch)
        try:
            yield
        finally:
            self._load.add(batch, -1)

    def _check_room(self, batch: Batch) -> None:
        alone = _Load()
        alone.add(batch)
        for unit, most in ((self._settings.sizer, self._settings.queue_size), ("bytes", self._settings.max_bytes)):
            if getattr(alone, unit) > most:
                raise TooLarge(f"exporter {self._name} takes at most {most} {unit} at once; send smaller requests")
            if getattr(self._load, unit) + getattr(alone, unit) > most:
                waiting = getattr(self._load, unit)
                raise Refused(
                    f"exporter {self._name} has {waiting} of {most} {unit} waiting; retry after 1 s",
                    retry_after_seconds=1.0,
                )

    async def put(self, batch: Batch) -> None:
        self._load.add(batch)
        self._lanes[batch.signal].append((self._clock(), batch))
        self._changed.set()

    async def take(self) -> Lease | None:
        async with self._taking:
            while not (self._closed and not any(self._lanes.values())):
                now = self._clock()
                due, signal = self._next_due(now)
                if signal is not None and due <= now:
                    return self._lease(signal)
                self._changed.clear()
                with suppress(TimeoutError):
                    await asyncio.wait_for(self._changed.wait(), None if signal is None else due - now)
            return None

    def _next_due(self, now: float) -> tuple[float, Signal | None]:
        """When the next batch is to be sent, and of which signal: the one that has waited longest beyond its due
        time.
        """
        due = [(self._due(signal, lane, now), signal) for signal, lane in self._lanes.items() if lane]
        return min(due, default=(0.0, None))

    def _due(self, signal: Signal, lane: deque[tuple[float, Batch]], now: float) -> float:
        merge, arrived = self._merge(signal), lane[0][0]
        if self._closed or merge.timeout <= 0:
            return arrived
        waiting_items = waiting_bytes = 0
        for _, batch in lane:
            waiting_items += batch.items
            waiting_bytes += len(batch.payload)
            if waiting_items >= merge.size or waiting_bytes >= _MERGED_BYTES:
                return min(arrived, now)
        return arrived + merge.timeout

    def _merge(self, signal: Signal) -> Merge:
        return self._merges.get(signal, Merge())

    def _lease(self, signal: Signal) -> Lease:
        """Take the head of a lane and what may be merged with it."""
        lane, merge = self._lanes[signal], self._merge(signal)
        taken = [lane.popleft()[1]]
        items, size = taken[0].items, len(taken[0].payload)
        while lane and items < merge.size and _fits(lane[0][1], taken[0], size):
            taken.append(lane.popleft()[1])
            items += taken[-1].items
            size += len(taken[-1].payload)
        self._leased[signal] += items
        return Lease(tuple(taken))

    def done(self, lease: Lease) -> None:
        self._give_up_lease(lease)
        for batch in lease.batches:
            self._load.add(batch, -1)

    def put_back(self, lease: Lease) -> None:
        self._give_up_lease(lease)
        now = self._clock()
        self._lanes[lease.batches[0].signal].extendleft((now, batch) for batch in reversed(lease.batches))
        self._changed.set()

    def _give_up_lease(self, lease: Lease) -> None:
        self._leased[lease.batches[0].signal] -= sum(batch.items for batch in lease.batches)

    def close(self) -> None:
        self._closed = True
        self._changed.set()

    def left(self) -> Mapping[Signal, int]:
        waiting = {signal: sum(batch.items for _, batch in lane) for signal, lane in self._lanes.items()}
        left = {signal: waiting[signal] + self._leased[signal] for signal in Signal}
        return {signal: items for signal, items in left.items() if items}
