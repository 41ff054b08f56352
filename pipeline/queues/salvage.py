"""What can still be read of a damaged queue file goes into a new one, in order; the damaged one is moved aside.

It is never written to. A process that dies meanwhile leaves either the damaged file, to be salvaged again, or the new
one complete.
"""

import shutil
import sqlite3
from collections.abc import Callable, Container, Iterator, Sequence
from contextlib import closing, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

from config.folders import sync_folder
from pipeline.batch import Signal
from pipeline.queues.seal import Damaged, Row, Sealer
from pipeline.queues.table import Change, QueueTable, Waiting
from pipeline.queues.wal import apply_log, log_of

__all__ = ["Salvaged", "finish_salvage", "salvage"]

_ROWS = 200
"""Written in one transaction."""
_TYPES = (int, str, int, int, float, float, bytes, bytes, bytes, bytes)
"""Of the columns of a row."""
_RUNS = 2**22
"""No file has seen more."""
_SCANS = (
    "SELECT number, signal, items, bytes FROM entry INDEXED BY waiting ORDER BY signal, number",
    "SELECT number, signal, items, bytes FROM entry INDEXED BY waiting ORDER BY signal DESC, number DESC",
    "SELECT number, signal, items, bytes FROM entry NOT INDEXED ORDER BY number",
    "SELECT number, signal, items, bytes FROM entry NOT INDEXED ORDER BY number DESC",
)
"""Each way to a row is gone as far as it goes, from both ends."""


class Salvaged(NamedTuple):
    """`kept` entries are in the new file; of `lost` ones it is known what they were. `aside` is the damaged file."""

    kept: int
    lost: Sequence[tuple[Signal, Waiting]]
    aside: Path


def finish_salvage(path: Path) -> None:
    """Take up a salvage that was interrupted: the new file counts only when the damaged one has been moved aside."""
    new = _beside(path, "new")
    if new.exists() and not path.exists():
        new.replace(path)
        sync_folder(path.parent)
    for left in (new, _beside(path, "copy")):
        _remove(left)


def salvage(path: Path, sealer: Sealer, now: Callable[[], datetime] = lambda: datetime.now(UTC)) -> Salvaged:
    """Make a new file at `path`, which nobody may have open. Raises: `OSError`."""
    copy, new = _beside(path, "copy"), _beside(path, "new")
    _remove(copy)
    _remove(new)
    shutil.copyfile(path, copy)
    copy.chmod(0o600)
    try:
        apply_log(log_of(path), copy)
        _mend_first_page(copy)
        with closing(QueueTable(new)) as table:
            known, kept = _copy_rows(copy, table, sealer)
        if log_of(new).exists():
            raise OSError(f"the queue file {path} is damaged, and a new one could not be written whole")
    finally:
        _remove(copy)
    aside = _free(path, now())
    with suppress(FileNotFoundError):
        log_of(path).replace(log_of(aside))
    path.replace(aside)
    _remove(path)
    new.replace(path)
    sync_folder(path.parent)
    return Salvaged(len(kept), [known[number] for number in sorted(known.keys() - kept)], aside)


Known = dict[int, tuple[Signal, Waiting]]


def _copy_rows(copy: Path, table: QueueTable, sealer: Sealer) -> tuple[Known, set[int]]:
    """Copy what is as it was written; all that is known of, and the numbers of what was kept."""
    known: Known = {}
    kept: set[int] = set()
    with closing(sqlite3.connect(copy, isolation_level=None)) as source:
        source.text_factory = lambda text: text.decode(errors="replace")
        for scan in _SCANS:
            for number, signal, items, size in _as_far_as_it_goes(source, scan):
                with suppress(ValueError, TypeError):
                    known.setdefault(int(number), (Signal(signal), Waiting(int(number), int(items), int(size))))
        runs = [number for (number,) in _as_far_as_it_goes(source, "SELECT number FROM run")]
        names = [name for (name,) in _as_far_as_it_goes(source, "SELECT name FROM used_key")]
        table.note(max([0, *(each for each in runs if each in range(_RUNS))]), filter(None, names))
        foreign = {name for name in names if isinstance(name, bytes) and not sealer.knows(name)}
        numbers = sorted(known)
        for start in range(0, len(numbers), _ROWS):
            found = (_row(source, each, sealer, foreign) for each in numbers[start : start + _ROWS])
            rows = [row for row in found if row is not None]
            table.commit(Change(added=row) for row in rows)
            kept.update(row.number for row in rows)
    return known, kept


def _as_far_as_it_goes(source: sqlite3.Connection, query: str) -> Iterator[tuple[Any, ...]]:
    with suppress(sqlite3.Error, OverflowError):
        yield from source.execute(query)


def _row(source: sqlite3.Connection, number: int, sealer: Sealer, foreign: Container[bytes]) -> Row | None:
    """A row that is as it was written; of `foreign` keys, as far as can be told."""
    for found in _as_far_as_it_goes(source, f"SELECT * FROM entry WHERE number = {number}"):
        row = Row(*found)
        if row.key in foreign and all(isinstance(each, kind) for each, kind in zip(row, _TYPES, strict=True)):
            return row
        with suppress(Damaged):
            sealer.unseal(row)
            # What its seal does not cover is empty in a sound row.
            return row._replace(tenant=b"") if row.key else row._replace(key=b"")
    return None


def _mend_first_page(copy: Path) -> None:
    """Put a new file's first page in place of a bad one: what stands there is the same in every queue file, but for a
    few counts (sqlite.org/fileformat2.html, section 1.3).
    """
    if _is_readable(copy):
        return
    template = copy.with_name(f"{copy.name}-first")
    _remove(template)
    try:
        with closing(QueueTable(template)):
            pass
        page = bytearray(template.read_bytes()[: QueueTable.page_bytes])
    finally:
        _remove(template)
    pages = copy.stat().st_size // len(page)
    page[28:40] = pages.to_bytes(4, "big") + bytes(8)  # the size, and no list of free pages
    page[92:96] = page[24:28]  # the size is valid
    with copy.open("r+b") as file:
        file.write(page)


def _is_readable(copy: Path) -> bool:
    with closing(sqlite3.connect(copy, isolation_level=None)) as source:
        try:
            source.execute("SELECT number FROM entry LIMIT 1").fetchall()
            source.execute("SELECT number FROM entry INDEXED BY waiting LIMIT 1").fetchall()
        except sqlite3.Error:
            return False
    return True


def _beside(path: Path, what: str) -> Path:
    return path.with_name(f"{path.name}.{what}")


def _free(path: Path, moment: datetime) -> Path:
    """A name for the damaged file that is not taken."""
    first = f"damaged-{moment:%Y%m%dT%H%M%SZ}"
    names = (first, *(f"{first}-{number}" for number in range(2, 1000)))
    return next(free for name in names if not (free := _beside(path, name)).exists())


def _remove(path: Path) -> None:
    """A file of SQLite's and what stands beside it, but not the queue file itself while it is there."""
    for suffix in ("", "-wal", "-shm", "-journal"):
        path.with_name(path.name + suffix).unlink(missing_ok=True)
