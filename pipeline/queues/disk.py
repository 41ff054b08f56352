"""One queue file over its life: locked, opened, written, read; and what is done when the disk or the file fails.

Everything here blocks and belongs to the thread of one queue.
"""

import fcntl
import os
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from structlog.typing import FilteringBoundLogger

from pipeline.batch import Signal
from pipeline.queues.clock import QueueClock
from pipeline.queues.room import Room
from pipeline.queues.salvage import finish_salvage, salvage
from pipeline.queues.seal import Damaged, Sealer
from pipeline.queues.storage import StorageSettings
from pipeline.queues.store import Entry, Load, Loaded
from pipeline.queues.table import Change, QueueTable, Unreadable, Waiting
from pipeline.queues.wal import is_log_damaged, log_of

__all__ = ["QueueDisk"]

_TIDY_SECONDS = 1.0
_WORTH_PAGES = 4096
"""Under load, less than 16 MB of unused space is kept for what comes next."""

_CALM_SECONDS = 10.0
"""A disk that is full has room again and again, whenever something is sent: one line for all of it."""

Write = tuple[Sequence[int], Entry | None]
"""Entries that go, by number, and one that comes."""


def _untold() -> None:
    return


class QueueDisk:
    """The queue file at `path`; see `QueueFile`. `on_damage` is called for each file that is moved aside.

    `problem` is why nothing can be written now, else empty; `damage` says what this run found damaged.
    """

    def __init__(
        self,
        path: Path,
        storage: StorageSettings,
        log: FilteringBoundLogger,
        *,
        on_damage: Callable[[], None] = _untold,
        clock: Callable[[], float] = time.monotonic,
        wall: Callable[[], float] = time.time,
    ) -> None:
        self._path, self._storage, self._log = path, storage, log.bind(file=str(path))
        self._sealer = Sealer(storage.key(), storage.other_keys())
        self._on_damage, self._clock = on_damage, QueueClock(clock, wall, self._log)
        self._owed: list[Write] = []
        self._refused = range(0)
        self._lost: list[tuple[Signal, Waiting]] = []
        self._table: QueueTable | None = None
        self._is_untidy = self._is_begun = self._is_told = False
        self._next_tidy = self._last_problem = 0.0
        self._first = 0
        self.problem = self.damage = ""

    def open(self) -> tuple[int, Mapping[Signal, Load]]:
        """The number before the first of this run, and what there is from before.

        Raises: `OSError`, with a sentence: the folder or the file cannot be used, or another process has it.
        """
        _prepare(self._storage)
        lock = _locked(self._path)
        try:
            finish_salvage(self._path)
            self._table = self._checked()
            self._refuse_wrong_key(self._table)
            self._first = self._begin(self._table)
            loads = self._loads(self._table)
        except BaseException:
            self._let_go()
            os.close(lock)
            raise
        self._lock = lock
        self._clock.begin_run(self._first)
        return self._first, loads

    def _begin(self, table: QueueTable) -> int:
        """The number before the first of this run. A full disk keeps nobody from sending what is there: that the run
        has begun is then noted before the first entry that it keeps.
        """
        try:
            first = table.begin_run(self._sealer.current)
            self._is_begun = True
        except OSError as error:
            first = table.next_run()
            self._tell(str(error))
        return first

    def _checked(self) -> QueueTable:
        """The file, as it is or salvaged."""
        try:
            if is_log_damaged(log_of(self._path)):
                raise Unreadable
            table = QueueTable(self._path, timeout=self._storage.timeout)
            try:
                table.check()
            except BaseException:
                table.close()
                raise
        except Unreadable:
            self._salvage()
            return QueueTable(self._path, timeout=self._storage.timeout)
        return table

    def _salvage(self) -> None:
        kept, lost, aside = salvage(self._path, self._sealer)
        self._lost += lost
        self._on_damage()
        self.damage = f"a damaged queue file was moved aside to {aside.name}"
        self._log.error(
            "the queue file is damaged; what can be read of it was kept, and the file moved aside",
            moved_to=aside.name,
            entries_kept=kept,
            entries_lost=len(lost),
            items_lost=sum(each.items for _, each in lost),
        )

    def _refuse_wrong_key(self, table: QueueTable) -> None:
        """Names of keys that no run has used are damage instead, and found as such."""
        used = set(table.used_keys())
        wrong = [load for (_, key), load in table.loads().items() if key in used and not self._sealer.knows(key)]
        if wrong:
            entries = sum(load.requests for load in wrong)
            raise OSError(
                f"the queue file {self._path} has {entries} entries that another key encrypted; set encryption_key to "
                "it, or add it to previous_keys; nothing was changed"
            )

    def _loads(self, table: QueueTable) -> Mapping[Signal, Load]:
        """Those that are lost are among them until they would have come: then they are counted as such."""
        loads = {signal: Load() for signal in Signal}
        for (signal, _), load in table.loads().items():
            if signal in loads:
                loads[Signal(signal)].add_load(load)
        for lost, each in self._lost:
            loads[lost].add_load(Load(1, each.items, each.size))
        return loads

    def close(self) -> None:
        if self._owed:
            self.commit([])
        self._let_go()
        os.close(self._lock)

    def _let_go(self) -> None:
        if self._table is not None:
            self._table.close()
            self._table = None

    @property
    def has_chores(self) -> bool:
        """Whether `idle` has anything to do."""
        return self._is_untidy or bool(self._owed) or self._is_told

    def idle(self) -> bool:
        """Give some space back, and try again what failed. Returns whether there is more to give back at once."""
        self._give_back(0)
        if self._owed or self.problem:
            self.commit([])
            return False
        self._tell("")
        return self._is_untidy

    def busy(self) -> None:
        """After a transaction: now and then, give space back although there is no rest, if much of it is unused."""
        if self._clock.monotonic() >= self._next_tidy:
            self._next_tidy = self._clock.monotonic() + _TIDY_SECONDS
            self._give_back(0 if self.problem else _WORTH_PAGES)

    def _give_back(self, least_pages: int) -> None:
        if self._table is None or not self._is_untidy:
            return
        try:
            self._is_untidy = self._table.tidy(least_pages, at_once=bool(self.problem))
        except (OSError, Unreadable):
            self._is_untidy = False
            self._let_go()

    def commit(self, writes: Sequence[Write]) -> str:
        """Write all in one transaction; why what is new cannot be kept now, else nothing. What is to be forgotten then
        is owed.
        """
        self._clock.look()
        size = sum(len(entry.batch.payload) for _, entry in writes if entry is not None)
        lacking = self._lacking(size)
        if lacking:
            writes = [each for each in writes if each[0]]
        failure = self._try([*self._owed, *writes])
        self._owed = [*self._owed, *(each for each in writes if each[0])] if failure else []
        self._refused = self._refused_with(writes) if failure else range(0)
        self._tell(failure or lacking)
        self._is_untidy = True
        return failure or lacking

    def _refused_with(self, writes: Sequence[Write]) -> range:
        """Numbers of entries that were refused although a transaction with them was tried: after an error of the disk
        they may be in the file nevertheless. While they are refused, all that is new is.
        """
        numbers = [entry.number for removed, entry in writes if entry is not None and not removed]
        return range(self._refused.start or min(numbers), max(numbers) + 1) if numbers else self._refused

    def _lacking(self, size: int) -> str:
        """Why `size` more bytes cannot be kept even when SQLite's log has been copied, else nothing."""
        try:
            room = self._room()
            if room.is_log_to_copy(size):
                self._copy_log()
                room = self._room()
        except (OSError, Unreadable):
            return ""  # Writing will say what is wrong.
        return room.lacking(size)

    def _room(self) -> Room:
        disk = os.statvfs(self._path.parent)
        growth, log = (0, 0) if self._table is None else (self._table.growth(), self._table.log_bytes())
        return Room(disk.f_bavail * disk.f_frsize, growth, log, self._storage.reserve)

    def _copy_log(self) -> None:
        try:
            if self._table is not None:
                self._table.checkpoint()
        except (OSError, Unreadable):
            self._let_go()

    def _try(self, writes: Sequence[Write]) -> str:
        try:
            changes = [self._change(*each) for each in writes]
            try:
                self._write(changes)
            except Unreadable:
                self._let_go()
                self._salvage()
                self._write(changes)
        except (OSError, Unreadable) as error:
            # Begun anew next time: an error may have left the connection unusable.
            self._let_go()
            return str(error) or f"the queue file {self._path} is damaged"
        return ""

    def _write(self, changes: Sequence[Change]) -> None:
        table = self._open_table()
        if not self._is_begun:
            self._note(table)
        if self._refused:
            table.forget(self._refused)
        if changes:
            table.commit(changes)
        else:
            table.touch()

    def _open_table(self) -> QueueTable:
        if self._table is not None and not self._table.is_in_place():
            self._let_go()
            self._log.error("the queue file was taken away while it was in use; what was only there is lost")
            self._on_damage()
        if self._table is None:
            table = QueueTable(self._path, timeout=self._storage.timeout)
            if self._is_begun:
                self._note(table)
            self._table = table
        return self._table

    def _note(self, table: QueueTable) -> None:
        table.note(self._first >> QueueTable.run_bits, [self._sealer.current] if self._sealer.current else [])
        self._is_begun = True

    def _tell(self, problem: str) -> None:
        """One line when it begins, and one when it has been over for a while."""
        self.problem = problem
        now = self._clock.monotonic()
        if problem:
            self._last_problem = now
        if problem and not self._is_told:
            self._is_told = True
            self._log.error("the queue can keep nothing more; new data is refused", problem=problem)
        elif self._is_told and now >= self._last_problem + _CALM_SECONDS:
            self._is_told = False
            self._log.info("the queue can be written again")

    def _change(self, removed: Sequence[int], added: Entry | None) -> Change:
        if added is None:
            return Change(removed)
        return Change(removed, self._sealer.seal(added.number, added.batch, self._clock.wall(added), added.arrived))

    def load(self, signal: Signal, after: int, before: float, most_bytes: int) -> Loaded:
        """See `Store`. Raises: `OSError` for what may pass."""
        try:
            try:
                return self._load(signal, after, before, most_bytes)
            except Unreadable:
                self._let_go()
                self._salvage()
                return self._load(signal, after, before, most_bytes)
        except OSError as error:
            self._let_go()
            self._tell(str(error))
            raise

    def _load(self, signal: Signal, after: int, before: float, most_bytes: int) -> Loaded:
        table = self._open_table()
        entries: list[Entry] = []
        damaged: list[Waiting] = []
        start = after
        gone = {number for removed, _ in self._owed for number in removed}
        while not entries and (waiting := table.next(signal, start, before, most_bytes)):
            for each in waiting:
                if each.number in gone or each.number in self._refused:
                    continue
                try:
                    entries.append(self._entry(table, each))
                except Damaged:
                    damaged.append(each)
            start = waiting[-1].number
        if damaged:
            self._set_aside(table, damaged)
        lost = [*damaged, *self._passed(signal, after, entries[-1].number if entries else before)]
        return Loaded(entries, Load(len(lost), sum(each.items for each in lost), sum(each.size for each in lost)))

    def _entry(self, table: QueueTable, waiting: Waiting) -> Entry:
        """Raises: `Damaged`."""
        row = table.row(waiting.number)
        if row is None:
            raise Damaged
        batch = self._sealer.unseal(row)
        return Entry(row.number, self._clock.arrived(row), batch)

    def _set_aside(self, table: QueueTable, damaged: Sequence[Waiting]) -> None:
        table.set_aside([each.number for each in damaged])
        self.damage = "entries of the queue file are damaged and were set aside in it"
        self._log.error(
            "entries of the queue file are damaged; they were set aside",
            entries_lost=len(damaged),
            items_lost=sum(each.items for each in damaged),
        )

    def _passed(self, signal: Signal, after: int, last: float) -> list[Waiting]:
        """What a salvage could not read between two numbers; what the queue has in memory is not lost."""
        passed = [each for lost, each in self._lost if lost is signal and after < each.number < last]
        self._lost = [(lost, each) for lost, each in self._lost if lost is not signal or each.number >= last]
        return passed


def _prepare(storage: StorageSettings) -> None:
    """Raises: `OSError`."""
    folder = storage.folder
    try:
        if storage.create_directory:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        elif not folder.is_dir():
            raise OSError("it is not there, and create_directory is off")
    except OSError as error:
        raise OSError(f"the folder {folder} for queues cannot be used: {error.strerror or error}") from None


def _locked(path: Path) -> int:
    """A lock that ends with the process. It is on a file of its own: one that SQLite has open must not be opened beside
    it, because closing that would take SQLite's own locks away (sqlite.org/howtocorrupt.html, section 2.2).
    """
    try:
        lock = os.open(path.with_name(f"{path.name}.lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise OSError(f"the folder {path.parent} for queues cannot be used: {error.strerror}") from None
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(lock)
        raise OSError(
            f"the queue file {path} is in use by another process; stop that one, or give this one a directory of its "
            "own in file_storage"
        ) from None
    return lock
