"""The durable queue: a `Store` in one file for each exporter, written by a thread of its own.

    add, remove, replace ──► what waits ──► thread: all of it in one transaction ──► fsync ──► all are answered

While one transaction waits for the disk, the next ones gather: the busier the queue, the more share an fsync.
"""

import asyncio
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from queue import Empty, SimpleQueue
from typing import Any

from structlog.typing import FilteringBoundLogger

from pipeline.batch import Signal
from pipeline.errors import Refused
from pipeline.queues.disk import QueueDisk
from pipeline.queues.storage import StorageSettings
from pipeline.queues.store import Entry, Load, Loaded
from pipeline.telemetry import Telemetry

__all__ = ["QueueFile"]

_GROUP_BYTES = 64 * 2**20
"""A transaction is not begun with more than this: those who came first would wait for the last."""
_IDLE_SECONDS = 1.0
"""After this long without work, space is given back, and what failed is tried again."""
_STEP_SECONDS = 0.01
"""Between two steps of giving space back, of some milliseconds each."""
_RETRY_AFTER_SECONDS = 5.0


def _future() -> "asyncio.Future[Any]":
    return asyncio.get_running_loop().create_future()


@dataclass(slots=True)
class _Write:
    """Entries that go, by number, and one that comes."""

    removed: Sequence[int]
    added: Entry | None
    future: "asyncio.Future[None]" = field(default_factory=_future)

    @property
    def size(self) -> int:
        return 0 if self.added is None else len(self.added.batch.payload)

    @property
    def is_new(self) -> bool:
        return not self.removed


@dataclass(slots=True)
class _Call:
    """Something to do between two transactions."""

    function: Callable[[], Any]
    future: "asyncio.Future[Any]" = field(default_factory=_future)
    is_last: bool = False
    size = 0


class QueueFile:
    """The file of the exporter `exporter_id` in the folder of `storage`: `pipeline.queues.store.Store`.

    `problem` is why nothing can be kept now, a sentence; empty when all is well.
    """

    def __init__(
        self,
        exporter_id: str,
        storage: StorageSettings,
        telemetry: Telemetry,
        log: FilteringBoundLogger,
        *,
        ending: str = "queue",
        clock: Callable[[], float] = time.monotonic,
        wall: Callable[[], float] = time.time,
    ) -> None:
        self._name, self._telemetry = exporter_id, telemetry
        self._disk = QueueDisk(
            storage.file(exporter_id, ending),
            storage,
            log,
            on_damage=lambda: telemetry.queue_file_damaged(exporter_id),
            clock=clock,
            wall=wall,
        )
        self._works: SimpleQueue[_Write | _Call] = SimpleQueue()
        self._thread = threading.Thread(target=self._run, name=f"queue {exporter_id}", daemon=True)
        self._number = 0
        self._is_closed = False

    @property
    def problem(self) -> str:
        return self._disk.problem

    @property
    def damage(self) -> str:
        return self._disk.damage

    async def open(self) -> Mapping[Signal, Load]:
        """See `Store`. Raises: `OSError` with a sentence."""
        self._number, loads = await asyncio.to_thread(self._disk.open)
        self._thread.start()
        return loads

    async def close(self) -> None:
        """Write what is left to write, and let go of the file. What is asked of it from now on is refused."""
        self._is_closed = True
        await self._done(_Call(self._disk.close, is_last=True))
        await asyncio.to_thread(self._thread.join)

    def next_number(self) -> int:
        self._number += 1
        return self._number

    async def add(self, entry: Entry) -> None:
        await self._write((), entry)

    async def remove(self, numbers: Sequence[int]) -> None:
        await self._write(numbers, None)

    async def replace(self, numbers: Sequence[int], entry: Entry) -> None:
        await self._write(numbers, entry)

    async def load(self, signal: Signal, after: int, before: float, most_bytes: int) -> Loaded:
        try:
            loaded: Loaded = await self._call(lambda: self._disk.load(signal, after, before, most_bytes))
        except OSError as error:
            raise Refused(f"exporter {self._name} cannot read what waits: {error}") from None
        return loaded

    async def _write(self, removed: Sequence[int], added: Entry | None) -> None:
        self._check_open()
        await self._done(_Write(removed, added))

    async def _call(self, function: Callable[[], Any]) -> Any:
        self._check_open()
        return await self._done(_Call(function))

    def _check_open(self) -> None:
        """An operator's command may still be at it when a reload has taken the exporter away."""
        if self._is_closed:
            raise Refused(f"the queue of exporter {self._name} is closed")

    async def _done(self, work: "_Write | _Call") -> Any:
        self._works.put(work)
        return await work.future

    def _run(self) -> None:
        is_last, rest = False, _IDLE_SECONDS
        while not is_last:
            writes: list[_Write] = []
            works = self._gather(rest)
            for work in works:
                if isinstance(work, _Write):
                    writes.append(work)
                    continue
                self._commit(writes)
                writes = []
                self._answer(work)
                is_last = work.is_last
            self._commit(writes)
            rest = _IDLE_SECONDS
            if works:
                self._disk.busy()
            elif self._disk.idle():
                rest = _STEP_SECONDS

    def _gather(self, rest: float) -> list[_Write | _Call]:
        """All that waits, as soon as there is anything; nothing when a while has passed."""
        works: list[_Write | _Call] = []
        size = 0
        with suppress(Empty):
            works.append(self._works.get(timeout=rest if self._disk.has_chores else None))
            while (size := size + works[-1].size) < _GROUP_BYTES:
                works.append(self._works.get_nowait())
        return works

    def _commit(self, writes: Sequence[_Write]) -> None:
        if not writes:
            return
        started = time.perf_counter()
        try:
            refusal = self._disk.commit([(each.removed, each.added) for each in writes])
        except Exception as error:
            _resolve([(each.future, None, error) for each in writes])
            return
        self._telemetry.queue_committed(self._name, time.perf_counter() - started)
        # What cannot be forgotten now is forgotten later; only what is new is turned away.
        _resolve([(each.future, None, self._refused(refusal) if each.is_new else None) for each in writes])

    def _refused(self, sentence: str) -> Refused | None:
        if not sentence:
            return None
        message = f"exporter {self._name} can keep nothing more: {sentence}; retry after {_RETRY_AFTER_SECONDS:g} s"
        return Refused(message, retry_after_seconds=_RETRY_AFTER_SECONDS, reason="not_stored")

    def _answer(self, call: _Call) -> None:
        try:
            _resolve([(call.future, call.function(), None)])
        except Exception as error:
            _resolve([(call.future, None, error)])


_Answers = Sequence[tuple["asyncio.Future[Any]", Any, Exception | None]]


def _resolve(answers: _Answers) -> None:
    """Answer from the thread. A loop that has ended meanwhile asks no more."""
    with suppress(RuntimeError):
        answers[0][0].get_loop().call_soon_threadsafe(_set, answers)


def _set(answers: _Answers) -> None:
    for future, result, error in answers:
        if future.cancelled():
            continue
        if error is None:
            future.set_result(result)
        else:
            future.set_exception(error)
