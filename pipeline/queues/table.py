"""A queue file: a SQLite database with one row for each entry. Everything here blocks and belongs to one thread.

It is in WAL mode with `synchronous=FULL`: what is committed has been fsynced (SQLite's documentation of that pragma).
Space that is not needed any more is given back when there is nothing else to do.
"""

import os
import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import ClassVar, NamedTuple, TypeVar

from config.folders import sync_folder
from pipeline.batch import Signal
from pipeline.queues.seal import Row
from pipeline.queues.store import Load
from pipeline.queues.wal import log_of

__all__ = ["Change", "QueueTable", "Unreadable", "Waiting"]

_APPLICATION = 0x54535155
"""Written into the file, so that no other database is taken for a queue."""
_VERSION = 1
_CHECKPOINT_PAGES = 4000
"""The log is copied into the file when it has 16 MB: fewer, longer pauses; it is 1000 by default."""
_VACUUM_PAGES = 256
"""Given back at once, 1 MB: more would keep a request waiting that comes meanwhile."""

_SCHEMA = """
CREATE TABLE entry (
  number INTEGER PRIMARY KEY, signal TEXT NOT NULL, items INTEGER NOT NULL, bytes INTEGER NOT NULL,
  arrived REAL NOT NULL, clock REAL NOT NULL, key BLOB NOT NULL, seal BLOB NOT NULL, tenant BLOB NOT NULL,
  payload BLOB NOT NULL
);
CREATE INDEX waiting ON entry (signal, number, items, bytes, key);
CREATE TABLE damaged AS SELECT * FROM entry;
CREATE TABLE used_key (name BLOB PRIMARY KEY) WITHOUT ROWID;
CREATE TABLE run (number INTEGER PRIMARY KEY);
"""
_ROWS_AT_ONCE = 256
_LARGEST = 2**63 - 1
_OF_A_NEW_FILE = ("page_size = 4096", "auto_vacuum = INCREMENTAL")
"""These write, which a full disk does not allow."""
_PRAGMAS: tuple[str, ...] = (
    "journal_mode = WAL",
    "synchronous = FULL",
    f"wal_autocheckpoint = {_CHECKPOINT_PAGES}",
    "cell_size_check = ON",
    "trusted_schema = OFF",
    # Some builds overwrite what is deleted with zeros, which writes everything twice.
    "secure_delete = FAST",
)
_BEYOND_REPAIR = {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}


Value = TypeVar("Value")


class Unreadable(Exception):
    """SQLite cannot make sense of the file any more."""


class Change(NamedTuple):
    """Rows that go, by number, and one that comes: both or neither."""

    removed: Sequence[int] = ()
    added: Row | None = None


class Waiting(NamedTuple):
    """What the index says of an entry; `size` is in bytes."""

    number: int
    items: int
    size: int


class QueueTable:
    """The open file at `path`, which is made if it is not there. Raises, here as in every method: `OSError` with a
    sentence for what may pass, `Unreadable` for a file that is damaged.
    """

    page_bytes: ClassVar[int] = 4096
    run_bits: ClassVar[int] = 40
    """A number is the run in its upper bits and a count in the lower ones: 2⁴⁰ entries a run, 2²³ runs."""

    def __init__(self, path: Path, *, timeout: float = 1.0) -> None:
        self.path = path
        with _told(path):
            if not path.exists():
                _make(path)
            self._connection = sqlite3.connect(path, timeout=timeout, isolation_level=None, check_same_thread=False)
        try:
            with _told(path):
                self._prepare()
                self._inode = path.stat().st_ino
        except BaseException:
            self._connection.close()
            raise

    def _prepare(self) -> None:
        self._connection.text_factory = lambda text: text.decode(errors="replace")
        for pragma in _PRAGMAS if self.path.stat().st_size else (*_OF_A_NEW_FILE, *_PRAGMAS):
            self._connection.execute(f"PRAGMA {pragma}")
        [(application,)] = self._connection.execute("PRAGMA application_id")
        [(version,)] = self._connection.execute("PRAGMA user_version")
        if (application, version) == (0, 0) and not self._connection.execute("SELECT 1 FROM sqlite_master").fetchall():
            self._connection.executescript(
                f"BEGIN;{_SCHEMA}PRAGMA application_id={_APPLICATION};PRAGMA user_version={_VERSION};COMMIT;"
            )
        elif application != _APPLICATION:
            raise Unreadable
        elif version > _VERSION:
            raise OSError(f"the queue file {self.path} was written by a newer version of Telescrub; run that one")

    def is_in_place(self) -> bool:
        """Whether the open file is still the one at its path."""
        try:
            return self.path.stat().st_ino == self._inode
        except FileNotFoundError:
            return False

    def check(self) -> None:
        """Look at the whole file. Raises: `Unreadable`."""
        with _told(self.path):
            [(answer,), *_] = self._connection.execute("PRAGMA integrity_check(1)")
        if answer != "ok":
            raise Unreadable

    def note(self, run: int, keys: Iterable[bytes]) -> None:
        """Take over from another file which runs and keys there have been."""
        with _told(self.path), self._transaction():
            self._connection.execute("INSERT OR IGNORE INTO run VALUES (?)", [run])
            self._connection.executemany("INSERT OR IGNORE INTO used_key VALUES (?)", [(key,) for key in keys])

    def begin_run(self, key: bytes) -> int:
        """Note that a run begins that uses a key; the number before its first."""
        with _told(self.path), self._transaction():
            first = self.next_run()
            self._connection.execute("DELETE FROM run")
            self._connection.execute("INSERT INTO run VALUES (?)", [first >> self.run_bits])
            if key:
                self._connection.execute("INSERT OR IGNORE INTO used_key VALUES (?)", [key])
        return first

    def next_run(self) -> int:
        """The number before the first of a run that would begin now."""
        with _told(self.path):
            [(last,)] = self._connection.execute("SELECT max(number) FROM run")
            [(highest,)] = self._connection.execute("SELECT max(number) FROM entry")
        return (max(last or 0, (highest or 0) >> self.run_bits) + 1) << self.run_bits

    def loads(self) -> Mapping[tuple[str, bytes], Load]:
        """How much there is of each signal and key."""
        with _told(self.path):
            rows = self._connection.execute(
                "SELECT signal, key, count(*), total(items), total(bytes) FROM entry GROUP BY signal, key"
            )
            return {(signal, key): Load(int(count), int(items), int(size)) for signal, key, count, items, size in rows}

    def used_keys(self) -> Sequence[bytes]:
        """Names of the keys that runs have used."""
        with _told(self.path):
            return [name for (name,) in self._connection.execute("SELECT name FROM used_key")]

    def commit(self, changes: Iterable[Change]) -> None:
        """All of them in order, safe when this returns, or none."""
        removed: dict[int, None] = {}
        added: dict[int, Row] = {}
        for change in changes:
            for number in change.removed:
                removed[number] = None
                added.pop(number, None)
            if change.added is not None:
                added[change.added.number] = change.added
        with _told(self.path), self._transaction():
            for some in _powers_of_two(list(removed)):
                self._connection.execute(f"DELETE FROM entry WHERE number IN ({_marks(len(some))})", some)
            for rows in _powers_of_two(list(added.values())):
                places = ",".join([f"({_marks(len(Row._fields))})"] * len(rows))
                self._connection.execute(f"INSERT INTO entry VALUES {places}", [each for row in rows for each in row])

    def forget(self, numbers: range) -> None:
        """Delete all rows of a range that are there."""
        with _told(self.path), self._transaction():
            self._connection.execute("DELETE FROM entry WHERE number BETWEEN ? AND ?", [numbers[0], numbers[-1]])

    def touch(self) -> None:
        """Write something that changes nothing, to see whether that can be done."""
        with _told(self.path), self._transaction():
            self._connection.execute("UPDATE run SET number = number")

    def set_aside(self, numbers: Sequence[int]) -> None:
        """Move rows to where nothing reads them but people."""
        with _told(self.path), self._transaction():
            for number in numbers:
                self._connection.execute("INSERT INTO damaged SELECT * FROM entry WHERE number = ?", [number])
                self._connection.execute("DELETE FROM entry WHERE number = ?", [number])

    def next(self, signal: Signal, after: int, before: float, most_bytes: int) -> Sequence[Waiting]:
        """The next entries of a signal with numbers between the two, in order: at least one, if there is one."""
        found: list[Waiting] = []
        size = 0
        with _told(self.path):
            rows = self._connection.execute(
                "SELECT number, items, bytes FROM entry WHERE signal = ? AND number > ? AND number < ? ORDER BY number",
                [signal.value, after, int(min(before, _LARGEST))],
            )
            for row in rows:
                found.append(Waiting(*row))
                size += found[-1].size
                if size >= most_bytes:
                    break
            rows.close()
        return found

    def row(self, number: int) -> Row | None:
        """One row; None if it is not there."""
        with _told(self.path):
            row = self._connection.execute("SELECT * FROM entry WHERE number = ?", [number]).fetchone()
        return None if row is None else Row(*row)

    def tidy(self, least_pages: int = 0, *, at_once: bool = False) -> bool:
        """Give back some space, if at least so many pages are unused; whether there is more to do. The file gets
        shorter when there is no more, or `at_once`.
        """
        with _told(self.path):
            [(free,)] = self._connection.execute("PRAGMA freelist_count")
            if free < least_pages:
                return True
            # As a script: `execute` stops at its first row without columns, when one page is given back.
            self._connection.executescript(f"PRAGMA incremental_vacuum({_VACUUM_PAGES})")
            [(free,)] = self._connection.execute("PRAGMA freelist_count")
            if at_once or not free:
                self.checkpoint()
        return bool(free)

    def growth(self) -> int:
        """Bytes by which the file gets longer when SQLite's log is copied into it."""
        with _told(self.path):
            [(pages,)] = self._connection.execute("PRAGMA page_count")
            return max(int(pages) * self.page_bytes - self.path.stat().st_size, 0)

    def log_bytes(self) -> int:
        """The length of SQLite's log, which is given back when it is copied."""
        with _told(self.path), suppress(FileNotFoundError):
            return log_of(self.path).stat().st_size
        return 0

    def checkpoint(self) -> None:
        """Copy SQLite's log into the file, which must have room to grow, and empty it."""
        with _told(self.path):
            self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()

    def close(self) -> None:
        with suppress(sqlite3.Error):
            self._connection.close()

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        self._connection.execute("BEGIN IMMEDIATE")
        try:
            yield
            self._connection.execute("COMMIT")
        except BaseException:
            # Some errors, such as a full disk, have rolled it back already.
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")
            raise


def _marks(count: int) -> str:
    return ",".join("?" * count)


def _powers_of_two(values: Sequence[Value]) -> Iterator[Sequence[Value]]:
    """In few statements, and few different ones: around each, the thread gives up Python's lock, and has to wait for it
    where the loop is busy.
    """
    start = 0
    while left := len(values) - start:
        size = min(_ROWS_AT_ONCE, 1 << (left.bit_length() - 1))
        yield values[start : start + size]
        start += size


def _make(path: Path) -> None:
    """An empty file for this user alone, in a folder that knows of it after a power cut."""
    os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
    sync_folder(path.parent)


@contextmanager
def _told(path: Path) -> Iterator[None]:
    """SQLite's errors as ours. Its texts are fixed sentences without data."""
    try:
        yield
    except sqlite3.Error as error:
        code = getattr(error, "sqlite_errorcode", 0) & 0xFF
        if code in _BEYOND_REPAIR:
            raise Unreadable from None
        raise OSError(f"the queue file {path} cannot be used: {error}") from None
    except OSError as error:
        if error.strerror is None:
            raise
        raise OSError(f"the queue file {path} cannot be used: {error.strerror}") from None
