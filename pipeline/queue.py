"""The queue before each exporter: bounded, in order per signal, merging what waits into larger batches.

    with queue.room(batch):                  refused here, before any work is done
        entry = await queue.put(result)      safe, but not handed out yet
    queue.release(entry)                     when every destination has it; `withdraw` otherwise
    lease = await queue.take()
    await queue.done(lease)                  forgotten; or `put_back`

What waits is in a `Store` if it is to survive the daemon, and in memory as far as it is next in line.
"""

import asyncio
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from types import TracebackType
from typing import Literal, Protocol, Self

from pydantic import Field

from config.settings import ByteSize, Settings
from pipeline.batch import Batch, Signal
from pipeline.errors import Refused, TooLarge

__all__ = ["Entry", "Lease", "Load", "Merge", "Queue", "QueueSettings", "Store"]


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

_WINDOW_BYTES = 8 * 2**20
"""Of each signal this much is in memory too, where a store has it: what is next in line need not be read again."""


@dataclass(slots=True)
class Entry:
    """A batch in a queue. Numbers rise in the order in which batches came; `arrived` is the queue's clock then."""

    number: int
    arrived: float
    batch: Batch
    released: bool = True


@dataclass(frozen=True, slots=True)
class Lease:
    """Entries of one signal and tenant, taken out to be sent; given back to the queue with `done` or `put_back`."""

    entries: tuple[Entry, ...]

    @property
    def batch(self) -> Batch:
        """All of them as one."""
        return Batch.join([entry.batch for entry in self.entries])

    @property
    def arrived(self) -> float:
        """When the oldest of them came, by the queue's clock."""
        return min(entry.arrived for entry in self.entries)


@dataclass(slots=True)
class Load:
    """How much something is, in each unit that may be limited."""

    requests: int = 0
    items: int = 0
    bytes: int = 0

    def add(self, batch: Batch, sign: int = 1) -> None:
        self.requests += sign
        self.items += sign * batch.items
        self.bytes += sign * len(batch.payload)


class Store(Protocol):
    """Where a queue keeps what waits, so that it survives the daemon."""

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

    async def load(self, signal: Signal, after: int, before: float, most_bytes: int) -> Sequence[Entry]:
        """The next entries of a signal with numbers between the two, in order: at least one, if there is one."""
        ...


@dataclass(slots=True)
class _Lane:
    """What waits of one signal: the head of the line in memory, the rest in the store alone."""

    window: deque[Entry] = field(default_factory=deque)
    window_bytes: int = 0
    last: int = 0
    """The largest number that was ever in the window."""
    beyond: Load = field(default_factory=Load)
    """What is in the store alone."""
    unreleased: dict[int, Entry] = field(default_factory=dict)
    """Of those beyond, the ones that must not be handed out yet."""
    leased_items: int = 0

    def append(self, entry: Entry) -> None:
        self.window.append(entry)
        self.window_bytes += len(entry.batch.payload)
        self.last = max(self.last, entry.number)

    def appendleft(self, entry: Entry) -> None:
        self.window.appendleft(entry)
        self.window_bytes += len(entry.batch.payload)

    def popleft(self) -> Entry:
        entry = self.window.popleft()
        self.window_bytes -= len(entry.batch.payload)
        return entry

    def remove(self, entry: Entry) -> None:
        self.window.remove(entry)
        self.window_bytes -= len(entry.batch.payload)

    def has_ready(self) -> bool:
        return bool(self.window) and self.window[0].released


class Queue:
    """The queue before the exporter `name`; without a `store` it is in memory alone. Entered: it has what its store
    kept. Left: its store is closed.

    Batches of one signal leave in the order they came, signals independently of each other; what is merged is of one
    tenant.
    """

    def __init__(
        self,
        name: str,
        settings: QueueSettings,
        merges: Mapping[Signal, Merge],
        store: Store | None = None,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._name, self._settings, self._merges, self._store = name, settings, merges, store
        self._clock = clock
        self._load = Load()
        self._lanes: dict[Signal, _Lane] = {signal: _Lane() for signal in Signal}
        self._numbers = 0
        self._changed = asyncio.Event()
        self._taking = asyncio.Lock()
        self._closed = False

    async def __aenter__(self) -> Self:
        if self._store is not None:
            for signal, load in (await self._store.open()).items():
                self._lanes[signal].beyond = load
                self._load.requests += load.requests
                self._load.items += load.items
                self._load.bytes += load.bytes
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._store is not None:
            await self._store.close()

    @property
    def is_durable(self) -> bool:
        """Whether what is left when the daemon stops will be sent after it has started again."""
        return self._store is not None

    @property
    def size(self) -> int:
        """What waits or is under way, in the unit of `sizer`."""
        return int(getattr(self._load, self._settings.sizer))

    @contextmanager
    def room(self, batch: Batch) -> Iterator[None]:
        """Hold room for a batch while it is being processed.

        Raises: `Refused` if the queue is full now, `TooLarge` if it could never fit.
        """
        self._check_room(batch)
        self._load.add(batch)
        try:
            yield
        finally:
            self._load.add(batch, -1)

    def _check_room(self, batch: Batch) -> None:
        alone = Load()
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

    async def put(self, batch: Batch) -> Entry:
        """Take a batch that `room` was held for; return when it is as safe as this queue can make it. It is handed out
        when it is released, and nothing that came later before it.

        Raises: `Refused` if it cannot be kept now.
        """
        lane = self._lanes[batch.signal]
        entry = Entry(self._next_number(), self._clock(), batch, released=False)
        self._load.add(batch)
        if self._store is None or (not lane.beyond.requests and lane.window_bytes < _WINDOW_BYTES):
            lane.append(entry)
        else:
            lane.beyond.add(batch)
            lane.unreleased[entry.number] = entry
        if self._store is not None:
            try:
                await self._store.add(entry)
            except BaseException:
                await self.withdraw(entry)
                raise
        return entry

    def _next_number(self) -> int:
        if self._store is not None:
            return self._store.next_number()
        self._numbers += 1
        return self._numbers

    def release(self, entry: Entry) -> None:
        """Every other destination has it too: hand it out."""
        entry.released = True
        self._lanes[entry.batch.signal].unreleased.pop(entry.number, None)
        self._changed.set()

    async def withdraw(self, entry: Entry) -> None:
        """Another destination could not take it: forget it."""
        lane = self._lanes[entry.batch.signal]
        if lane.unreleased.pop(entry.number, None) is None:
            lane.remove(entry)
        else:
            lane.beyond.add(entry.batch, -1)
        self._load.add(entry.batch, -1)
        self._changed.set()
        if self._store is not None:
            await self._store.remove([entry.number])

    async def take(self) -> Lease | None:
        """Wait for the next batches of one signal, merged as configured; None when the queue is closed and empty."""
        async with self._taking:
            while not (self._closed and self._is_empty()):
                self._changed.clear()
                await self._fill()
                now = self._clock()
                due, signal = self._next_due(now)
                if signal is not None and due <= now:
                    return self._lease(signal)
                with suppress(TimeoutError):
                    await asyncio.wait_for(self._changed.wait(), None if signal is None else due - now)
            return None

    def _is_empty(self) -> bool:
        return not any(lane.window or lane.beyond.requests for lane in self._lanes.values())

    async def _fill(self) -> None:
        """Read what is next in line where nothing is left in memory."""
        for signal, lane in self._lanes.items():
            if self._store is not None and not lane.window and lane.beyond.requests:
                before = min(lane.unreleased, default=float("inf"))
                for entry in await self._store.load(signal, lane.last, before, _WINDOW_BYTES):
                    lane.beyond.add(entry.batch, -1)
                    lane.append(entry)

    def _next_due(self, now: float) -> tuple[float, Signal | None]:
        """When the next batch is to be sent, and of which signal: the one that has waited longest beyond its due
        time.
        """
        due = [(self._due(signal, lane, now), signal) for signal, lane in self._lanes.items() if lane.has_ready()]
        return min(due, default=(0.0, None))

    def _due(self, signal: Signal, lane: _Lane, now: float) -> float:
        merge, arrived = self._merge(signal), lane.window[0].arrived
        if self._closed or merge.timeout <= 0 or lane.beyond.requests:
            return min(arrived, now)
        waiting_items = waiting_bytes = 0
        for entry in lane.window:
            waiting_items += entry.batch.items
            waiting_bytes += len(entry.batch.payload)
            if waiting_items >= merge.size or waiting_bytes >= _MERGED_BYTES:
                return min(arrived, now)
        return arrived + merge.timeout

    def _merge(self, signal: Signal) -> Merge:
        return self._merges.get(signal, Merge())

    def _lease(self, signal: Signal) -> Lease:
        """Take the head of a lane and what may be merged with it."""
        lane, merge = self._lanes[signal], self._merge(signal)
        taken = [lane.popleft()]
        items, size = taken[0].batch.items, len(taken[0].batch.payload)
        while items < merge.size and lane.has_ready() and _fits(lane.window[0].batch, taken[0].batch, size):
            taken.append(lane.popleft())
            items += taken[-1].batch.items
            size += len(taken[-1].batch.payload)
        lane.leased_items += items
        return Lease(tuple(taken))

    async def done(self, lease: Lease) -> None:
        """The batches are delivered, or given up: forget them, for good when this returns."""
        self._give_up_lease(lease)
        for entry in lease.entries:
            self._load.add(entry.batch, -1)
        if self._store is not None:
            await self._store.remove([entry.number for entry in lease.entries])

    async def put_back(self, lease: Lease, rest: Sequence[Batch] | None = None) -> None:
        """The batches, or the `rest` of them, are still to be sent: they are first in line again."""
        self._give_up_lease(lease)
        lane = self._lanes[lease.entries[0].batch.signal]
        if rest is None:
            for entry in reversed(lease.entries):
                lane.appendleft(entry)
        else:
            kept = Entry(lease.entries[0].number, lease.arrived, Batch.join(rest))
            for entry in lease.entries:
                self._load.add(entry.batch, -1)
            self._load.add(kept.batch)
            lane.appendleft(kept)
            if self._store is not None:
                await self._store.replace([entry.number for entry in lease.entries], kept)
        self._changed.set()

    def _give_up_lease(self, lease: Lease) -> None:
        self._lanes[lease.entries[0].batch.signal].leased_items -= sum(entry.batch.items for entry in lease.entries)

    def close(self) -> None:
        """No more is put: hand out what is left without waiting to merge it."""
        self._closed = True
        self._changed.set()

    def left(self) -> Mapping[Signal, int]:
        """Items still waiting or under way, by signal."""
        left = {
            signal: sum(entry.batch.items for entry in lane.window) + lane.beyond.items + lane.leased_items
            for signal, lane in self._lanes.items()
        }
        return {signal: items for signal, items in left.items() if items}


def _fits(batch: Batch, first: Batch, size: int) -> bool:
    """Whether a batch may be merged with others of `size` bytes; those of another tenant never."""
    return batch.tenant == first.tenant and size + len(batch.payload) <= _MERGED_BYTES
