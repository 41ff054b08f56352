"""What an exporter could not deliver and will not try again by itself, kept until an operator has it sent once more or
lets it go.

A letter is a batch as it came out of the queue, so after redaction, with the reason and a sentence of ours; nothing
that a destination said. Letters are in a store as queues are, one file an exporter; the oldest make room for new ones.
"""

import asyncio
import time
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass, replace
from types import TracebackType
from typing import Any, Self

import orjson
from pydantic import Field
from structlog.typing import FilteringBoundLogger

from config.settings import ByteSize, Seconds, Settings
from pipeline.batch import Batch, Signal
from pipeline.errors import Refused, Rejected
from pipeline.queues.file import QueueFile
from pipeline.queues.queue import Queue
from pipeline.queues.storage import StorageSettings
from pipeline.queues.store import Entry, Loaded, Store
from pipeline.telemetry import Telemetry

__all__ = ["DeadLetterSettings", "DeadLetters", "Letters", "Replayed", "letter_file"]

_MOST_LETTERS = 100_000
"""Of each letter some 200 bytes are in memory."""

_READ_BYTES = 8 * 2**20
_PRUNE_SECONDS = 60.0


class DeadLetterSettings(Settings):
    """What is kept of what could not be delivered. It is in the folder of the queue, where that is on disk."""

    enabled: bool = True
    """Off: what cannot be delivered is dropped and counted."""
    max_bytes: ByteSize = Field(default=256 * 2**20, ge=1)
    """Most bytes that are kept; the oldest go first, counted as `dead_letter_full`. A quarter of a queue: what a
    destination rejects for good is little, or everything, and then the first of it shows why."""
    max_age: Seconds = Field(default=7 * 24 * 3600.0, ge=0)
    """What is older goes, counted as `dead_letter_old`; 0 = age does not matter. A week: people have weekends."""


@dataclass(frozen=True, slots=True)
class _Letter:
    """What is known of a letter without reading it; `at` is the time of day in seconds."""

    number: int
    signal: Signal
    reason: str
    items: int
    bytes: int
    at: float


@dataclass(frozen=True, slots=True)
class Letters:
    """The letters of one signal and reason."""

    signal: Signal
    reason: str
    letters: int
    items: int
    bytes: int
    oldest_seconds: float


@dataclass(frozen=True, slots=True)
class Replayed:
    """What went back into the queue; `stopped` says why it was not all."""

    letters: int
    items: int
    stopped: str = ""


class DeadLetters:
    """The dead letters of the exporter `name`. Entered: it has what its store kept. Left: its store is closed. Their
    `settings` may change meanwhile.

    Raises on entering: `OSError` for a file that cannot be used.
    """

    def __init__(
        self,
        name: str,
        settings: DeadLetterSettings,
        store: Store,
        telemetry: Telemetry,
        log: FilteringBoundLogger,
        *,
        now: Callable[[], float] = time.time,
    ) -> None:
        self.settings = settings
        self._name, self._store = name, store
        self._telemetry, self._log, self._now = telemetry, log, now
        self._index: dict[int, _Letter] = {}
        self._changing = asyncio.Lock()

    async def __aenter__(self) -> Self:
        async with AsyncExitStack() as stack:
            loads = await self._store.open()
            stack.push_async_callback(self._store.close)
            for signal, load in loads.items():
                if load.requests:
                    await self._read_index(signal)
            self._index = dict(sorted(self._index.items()))
            await self._prune()
            group = await stack.enter_async_context(asyncio.TaskGroup())
            pruning = group.create_task(self._keep_pruning(), name=f"{self._name} dead letters")
            stack.callback(pruning.cancel)
            self._stack = stack.pop_all()
        self._telemetry.report("dead_letters", self._name, "", self.letters)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._stack.aclose()

    def change(self, settings: DeadLetterSettings) -> None:
        """Other limits, from now on."""
        self.settings = settings

    async def _read_index(self, signal: Signal) -> None:
        after = 0
        while True:
            try:
                loaded = await self._store.load(signal, after, float("inf"), _READ_BYTES)
            except Refused as error:
                raise OSError(str(error)) from None
            self._count_lost(signal, loaded)
            for entry in loaded.entries:
                after = entry.number
                head, payload = _opened(entry.batch)
                self._index[after] = _Letter(
                    after, signal, head["reason"], entry.batch.items, len(payload), float(head["at"])
                )
            if not loaded.entries:
                return

    def _count_lost(self, signal: Signal, loaded: Loaded) -> None:
        if loaded.lost.items:
            self._telemetry.dropped(self._name, signal, "corrupt", loaded.lost.items)

    async def _keep_pruning(self) -> None:
        while True:
            await asyncio.sleep(_PRUNE_SECONDS)
            with suppress(Refused):
                await self._prune()

    async def add(self, batch: Batch, reason: str, sentence: str) -> None:
        """Keep a batch; return when it would survive a power cut. Raises: `Refused` if it cannot be kept."""
        if len(batch.payload) > self.settings.max_bytes:
            raise Refused(f"the dead letters of {self._name} take at most {self.settings.max_bytes} bytes")
        async with self._changing:
            await self._make_room(len(batch.payload))
            number, at = self._store.next_number(), self._now()
            head = orjson.dumps({"reason": reason, "sentence": sentence, "at": at})
            await self._store.add(Entry(number, at, replace(batch, payload=head + b"\n" + batch.payload)))
            self._index[number] = _Letter(number, batch.signal, reason, batch.items, len(batch.payload), at)

    async def _make_room(self, more_bytes: int) -> None:
        over = sum(letter.bytes for letter in self._index.values()) + more_bytes - self.settings.max_bytes
        count = len(self._index) + 1 - _MOST_LETTERS
        gone = []
        for letter in self._index.values():
            if over <= 0 and count <= 0:
                break
            gone.append(letter)
            over -= letter.bytes
            count -= 1
        await self._let_go(gone, "dead_letter_full")

    async def _prune(self) -> None:
        async with self._changing:
            if self.settings.max_age:
                oldest = self._now() - self.settings.max_age
                await self._let_go([each for each in self._index.values() if each.at < oldest], "dead_letter_old")

    async def _let_go(self, letters: Sequence[_Letter], reason: str) -> None:
        if letters:
            await self._store.remove([letter.number for letter in letters])
        for letter in letters:
            del self._index[letter.number]
            self._telemetry.dropped(self._name, letter.signal, reason, letter.items)

    def letters(self) -> list[Letters]:
        """What there is, by signal and reason."""
        now, sorts = self._now(), dict[tuple[Signal, str], list[_Letter]]()
        for letter in list(self._index.values()):
            sorts.setdefault((letter.signal, letter.reason), []).append(letter)
        return [
            Letters(
                signal,
                reason,
                len(letters),
                sum(each.items for each in letters),
                sum(each.bytes for each in letters),
                max(now - min(each.at for each in letters), 0.0),
            )
            for (signal, reason), letters in sorts.items()
        ]

    def _chosen(self, reason: str | None) -> list[_Letter]:
        return [letter for letter in self._index.values() if reason in (None, letter.reason)]

    async def replay(self, queue: Queue, reason: str | None = None) -> Replayed:
        """Put the letters that are there now, or those of one reason, back into the exporter's queue, oldest first,
        until it is full. One that fails again becomes a new letter.
        """
        done: list[_Letter] = []
        for letter in self._chosen(reason):
            async with self._changing:
                try:
                    if letter.number in self._index and await self._put(letter, queue):
                        done.append(letter)
                except (Refused, Rejected) as error:
                    return self._replayed(done, str(error))
        return self._replayed(done, "")

    async def _put(self, letter: _Letter, queue: Queue) -> bool:
        loaded = await self._store.load(letter.signal, letter.number - 1, letter.number + 1, 1)
        self._count_lost(letter.signal, loaded)
        for entry in loaded.entries:
            batch = replace(entry.batch, payload=_opened(entry.batch)[1])
            if queue.would_drop(batch):
                raise Refused("the queue has no room now, and would drop something")
            with queue.room(batch):
                waiting = await queue.put(batch)
            if waiting.dropped:
                raise Refused("the queue could not keep it now, and would drop it")
            queue.release(waiting)
        # Once it is safe there; whoever is killed between the two sends it twice.
        await self._store.remove([letter.number])
        del self._index[letter.number]
        return bool(loaded.entries)

    def _replayed(self, letters: Sequence[_Letter], stopped: str) -> Replayed:
        for letter in letters:
            self._telemetry.replayed(self._name, letter.signal, letter.reason, letter.items)
        items = sum(letter.items for letter in letters)
        self._log.info("dead letters are in the queue again", letters=len(letters), items=items, stopped=stopped)
        return Replayed(len(letters), items, stopped)

    async def purge(self, reason: str | None = None) -> int:
        """Let the letters, or those of one reason, go for good; returns how many items they were."""
        async with self._changing:
            letters = self._chosen(reason)
            await self._let_go(letters, "purged")
        items = sum(letter.items for letter in letters)
        self._log.warning("an operator let dead letters go", letters=len(letters), items=items)
        return items


def letter_file(
    exporter_id: str, storage: StorageSettings, telemetry: Telemetry, log: FilteringBoundLogger
) -> QueueFile:
    """The file of an exporter's dead letters, beside that of its queue and as it is: encrypted or not, 0600, locked."""
    return QueueFile(exporter_id, storage, telemetry, log, ending="dead")


def _opened(batch: Batch) -> tuple[dict[str, Any], bytes]:
    """The head of a letter, and the batch's own payload."""
    head, _, payload = batch.payload.partition(b"\n")
    return orjson.loads(head), payload
