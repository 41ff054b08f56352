"""The queue before each exporter: bounded, in order per signal, merging what waits into larger batches.

    with queue.room(batch):                  refused here, before any work is done
        entry = await queue.put(result)      safe, but not handed out yet
    queue.release(entry)                     when every destination has it; `withdraw` otherwise
    lease = await queue.take()
    await queue.done(lease)                  forgotten; or `put_back`

What waits is in a `Store` if it is to survive the daemon, and in memory as far as it is next in line.
"""

import asyncio
import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from types import TracebackType
from typing import Self

from pipeline.batch import Batch, Signal
from pipeline.errors import Refused, TooLarge
from pipeline.queues.lane import Lane
from pipeline.queues.settings import QueueSettings
from pipeline.queues.store import Entry, Load, Store

__all__ = ["Drop", "Entry", "Lease", "Load", "Merge", "Queue", "QueueSettings", "Store"]


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


_READ_AGAIN_SECONDS = 1.0
"""Between two tries to read from a disk that fails."""


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

    @property
    def load(self) -> Load:
        """How much it is."""
        load = Load()
        for entry in self.entries:
            load.add(entry.batch)
        return load


Drop = Callable[[Signal, str, int], None]
"""Told of items that the queue drops: signal, reason, how many."""


def _untold(signal: Signal, reason: str, items: int) -> None:
    return


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
        drop: Drop = _untold,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._name, self._settings, self._merges, self._store = name, settings, merges, store
        self._drop, self._clock = drop, clock
        self._load, self._held, self._leased = Load(), Load(), Load()
        self._lanes: dict[Signal, Lane] = {signal: Lane() for signal in Signal}
        self._numbers = self._puts = 0
        self._changed = asyncio.Event()
        self._taking, self._filling = asyncio.Lock(), asyncio.Lock()
        self._closed = False

    async def __aenter__(self) -> Self:
        if self._store is not None:
            for signal, load in (await self._store.open()).items():
                self._lanes[signal].beyond = load
                self._load.add_load(load)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._store is not None:
            await self._store.close()

    def change(self, settings: QueueSettings, merges: Mapping[Signal, Merge]) -> None:
        """Other limits, and another way of merging, from now on."""
        self._settings, self._merges = settings, merges
        self._changed.set()

    @property
    def is_durable(self) -> bool:
        """Whether what is left when the daemon stops will be sent after it has started again."""
        return self._store is not None

    @property
    def size(self) -> int:
        """What waits or is under way, in the unit of `sizer`."""
        return int(getattr(self._load, self._settings.sizer))

    @property
    def capacity(self) -> float:
        """Most that may wait or be under way, in the unit of `sizer`; infinite if that has no limit."""
        return self._settings.most(self._settings.sizer, is_durable=self.is_durable)

    @property
    def load(self) -> Load:
        """What waits or is under way."""
        return replace(self._load)

    @property
    def problem(self) -> str:
        """Why nothing can be kept now, a sentence; empty when all is well."""
        return "" if self._store is None else self._store.problem

    @property
    def damage(self) -> str:
        """What this run found damaged on disk, a sentence; empty when all is well."""
        return "" if self._store is None else self._store.damage

    @contextmanager
    def room(self, batch: Batch) -> Iterator[None]:
        """Hold room for a batch while it is being processed.

        Raises: `Refused` if the queue is full now, `TooLarge` if it could never fit; unless it drops instead.
        """
        if self._settings.when_full != "drop_new":
            self._check_room(batch)
        self._held.add(batch)
        try:
            yield
        finally:
            self._held.add(batch, -1)

    def _check_room(self, batch: Batch) -> None:
        alone = Load.of(batch)
        # What waits would make room.
        waiting = self._leased if self._settings.when_full == "drop_oldest" else self._load
        for unit, most in self._settings.limits(is_durable=self.is_durable):
            if getattr(alone, unit) > most:
                raise TooLarge(f"exporter {self._name} takes at most {most} {unit} at once; send smaller requests")
            taken = getattr(waiting, unit) + getattr(self._held, unit)
            if taken + getattr(alone, unit) > most:
                raise Refused(
                    f"exporter {self._name} has {taken} of {most} {unit} waiting; retry after 1 s",
                    retry_after_seconds=1.0,
                    reason="queue_full",
                )

    def _is_over(self, more: Load | None = None) -> bool:
        """Whether there is too much, with `more` or as it is."""
        more = more or Load()
        limits = self._settings.limits(is_durable=self.is_durable)
        return any(getattr(self._load, unit) + getattr(more, unit) > most for unit, most in limits)

    def would_drop(self, batch: Batch) -> bool:
        """Whether something would be dropped if this were put, itself or what waits."""
        return self._settings.when_full != "refuse" and self._is_over(Load.of(batch))

    async def put(self, batch: Batch) -> Entry:
        """Take a batch that `room` was held for; return when it is as safe as this queue can make it. It is handed out
        when it is released, and nothing that came later before it.

        Raises: `Refused` if it cannot be kept now.
        """
        if self._settings.when_full == "drop_new" and self._is_over(Load.of(batch)):
            return Entry(0, self._clock(), batch, dropped="queue_full")
        entry = Entry(self._next_number(), self._clock(), batch, released=False)
        self._enter(entry)
        if self._store is not None:
            try:
                await self._store.add(entry)
            except Refused:
                self._leave(entry)
                if self._settings.when_full == "drop_new":
                    return replace(entry, dropped="not_stored")
                raise
            except BaseException:
                await self.withdraw(entry)
                raise
        if self._settings.when_full == "drop_oldest":
            await self._make_room()
        return entry

    def _enter(self, entry: Entry) -> None:
        lane = self._lanes[entry.batch.signal]
        self._puts += 1
        self._load.add(entry.batch)
        if self._store is None or (not lane.beyond.requests and lane.window_bytes < _WINDOW_BYTES):
            lane.append(entry)
        else:
            lane.beyond.add(entry.batch)
            lane.unreleased[entry.number] = entry

    async def _make_room(self) -> None:
        """Drop what has waited longest, until there is no more than there may be."""
        dropped: list[Entry] = []
        while self._is_over():
            with suppress(Refused):
                await self._fill()
            ready = [lane for lane in self._lanes.values() if lane.has_ready()]
            if not (ready and self._is_over()):
                break
            dropped.append(min(ready, key=lambda lane: lane.window[0].arrived).popleft())
            self._load.add(dropped[-1].batch, -1)
        await self._forget(dropped, "queue_full")

    async def _forget(self, dropped: Sequence[Entry], reason: str) -> None:
        for entry in dropped:
            self._drop(entry.batch.signal, reason, entry.batch.items)
        if dropped and self._store is not None:
            await self._store.remove([entry.number for entry in dropped])

    def _next_number(self) -> int:
        if self._store is not None:
            return self._store.next_number()
        self._numbers += 1
        return self._numbers

    def release(self, entry: Entry) -> None:
        """Every other destination has it too: hand it out."""
        if entry.dropped:
            self._drop(entry.batch.signal, entry.dropped, entry.batch.items)
            return
        entry.released = True
        self._lanes[entry.batch.signal].unreleased.pop(entry.number, None)
        self._changed.set()

    async def withdraw(self, entry: Entry) -> None:
        """Another destination could not take it: forget it."""
        if entry.dropped:
            return
        self._leave(entry)
        if self._store is not None:
            await self._store.remove([entry.number])

    def _leave(self, entry: Entry) -> None:
        lane = self._lanes[entry.batch.signal]
        if lane.unreleased.pop(entry.number, None) is None:
            lane.remove(entry)
        else:
            lane.beyond.add(entry.batch, -1)
        self._load.add(entry.batch, -1)
        self._changed.set()

    async def take(self) -> Lease | None:
        """Wait for the next batches of one signal, merged as configured; None when the queue is closed and empty."""
        async with self._taking:
            while not (self._closed and self._is_empty()):
                self._changed.clear()
                try:
                    await self._fill()
                except Refused:
                    # The store says why, and until when.
                    await asyncio.sleep(_READ_AGAIN_SECONDS)
                    continue
                now = self._clock()
                if await self._drop_old(now) or (self._closed and self._is_empty()):
                    continue
                due, signal = self._next_due(now)
                if signal is not None and due <= now:
                    return self._lease(signal)
                with suppress(TimeoutError):
                    # Not `wait_for`, which before Python 3.12 can lose a cancellation.
                    async with asyncio.timeout(None if signal is None else due - now):
                        await self._changed.wait()
            return None

    def _is_empty(self) -> bool:
        return not any(lane.window or lane.beyond.requests for lane in self._lanes.values())

    async def _fill(self) -> None:
        """Read what is next in line where nothing is left in memory."""
        async with self._filling:
            for signal, lane in self._lanes.items():
                if self._store is not None and not lane.window and lane.beyond.requests:
                    await self._fill_lane(self._store, signal, lane)

    async def _fill_lane(self, store: Store, signal: Signal, lane: Lane) -> None:
        before, puts = min(lane.unreleased, default=math.inf), self._puts
        loaded = await store.load(signal, lane.last, before, _WINDOW_BYTES)
        for entry in loaded.entries:
            lane.beyond.add(entry.batch, -1)
            lane.append(entry)
        lost = loaded.lost
        if not loaded.entries and before == math.inf and puts == self._puts:
            # All that should be there would have been read.
            lost = replace(lane.beyond)
        if lost.requests:
            lane.beyond.add_load(lost, -1)
            self._load.add_load(lost, -1)
            self._drop(signal, "corrupt", lost.items)

    async def take_now(self) -> Lease | None:
        """What may be sent, without waiting for more; None if there is nothing. Raises: `Refused` if it cannot be read
        now.
        """
        await self._fill()
        ready = [signal for signal, lane in self._lanes.items() if lane.has_ready()]
        return self._lease(ready[0]) if ready else None

    async def _drop_old(self, now: float) -> bool:
        """Drop what has waited too long; whether there was any."""
        dropped: list[Entry] = []
        oldest = now - (self._settings.max_age or math.inf)
        for lane in self._lanes.values():
            while lane.has_ready() and lane.window[0].arrived < oldest:
                dropped.append(lane.popleft())
                self._load.add(dropped[-1].batch, -1)
        await self._forget(dropped, "too_old")
        return bool(dropped)

    def _next_due(self, now: float) -> tuple[float, Signal | None]:
        """When the next batch is to be sent, and of which signal: the one that has waited longest beyond its due
        time.
        """
        due = [(self._due(signal, lane, now), signal) for signal, lane in self._lanes.items() if lane.has_ready()]
        return min(due, default=(0.0, None))

    def _due(self, signal: Signal, lane: Lane, now: float) -> float:
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
        lease = Lease(tuple(taken))
        self._leased.add_load(lease.load)
        return lease

    async def done(self, lease: Lease) -> None:
        """The batches are delivered, or given up: forget them, for good when this returns."""
        self._give_up_lease(lease)
        self._load.add_load(lease.load, -1)
        if self._store is not None:
            await self._store.remove([entry.number for entry in lease.entries])

    async def put_back(self, lease: Lease, rest: Sequence[Batch] | None = None) -> None:
        """The batches, or the `rest` of them, are still to be sent: they are first in line again."""
        if rest is not None and not rest:
            await self.done(lease)
            return
        self._give_up_lease(lease)
        lane = self._lanes[lease.entries[0].batch.signal]
        if rest is None:
            for entry in reversed(lease.entries):
                lane.appendleft(entry)
        else:
            kept = Entry(lease.entries[0].number, lease.arrived, Batch.join(rest))
            self._load.add_load(lease.load, -1)
            self._load.add(kept.batch)
            lane.appendleft(kept)
            if self._store is not None:
                await self._store.replace([entry.number for entry in lease.entries], kept)
        self._changed.set()

    def _give_up_lease(self, lease: Lease) -> None:
        self._lanes[lease.entries[0].batch.signal].leased_items -= lease.load.items
        self._leased.add_load(lease.load, -1)

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
