"""What is in the queue files of a folder, looked at beside a daemon that may have them open; never at what is in an
entry.
"""

import sqlite3
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote, unquote

from pipeline.batch import Signal

__all__ = ["Content", "Listed", "listed"]


_BESIDE = ("-wal", "-shm", "-journal")
"""What SQLite keeps beside a file."""


@dataclass(frozen=True, slots=True)
class Content:
    """What there is of one signal."""

    entries: int
    items: int
    bytes: int
    oldest_seconds: float


@dataclass(frozen=True, slots=True)
class Listed:
    """A file: of queue or dead letters (`kind`) of an exporter. `is_damaged`: moved aside, or not to be read now."""

    file: str
    exporter: str
    kind: str
    size: int
    by_signal: Mapping[Signal, Content]
    is_damaged: bool = False

    @property
    def total(self) -> Content:
        """All signals together."""
        every = list(self.by_signal.values())
        return Content(
            sum(each.entries for each in every),
            sum(each.items for each in every),
            sum(each.bytes for each in every),
            max((each.oldest_seconds for each in every), default=0.0),
        )


def listed(folder: Path, now: Callable[[], float] = time.time) -> Iterator[Listed]:
    """Every queue file there, by name."""
    for path in sorted(folder.glob("*")):
        name, _, ending = path.name.rpartition(".")
        if ending in ("queue", "dead"):
            yield _listed(path, unquote(name), ending, now())
        elif ending.startswith("damaged-") and not path.name.endswith(_BESIDE):
            exporter = unquote(name.rpartition(".")[0])
            yield Listed(path.name, exporter, "damaged", path.stat().st_size, {}, is_damaged=True)


def _listed(path: Path, exporter: str, kind: str, now: float) -> Listed:
    try:
        with closing(sqlite3.connect(f"file:{quote(str(path))}?mode=ro", uri=True)) as connection:
            rows = connection.execute(
                "SELECT signal, count(*), total(items), total(bytes), min(arrived) FROM entry GROUP BY signal"
            ).fetchall()
        contents = {
            Signal(signal): Content(count, int(items), int(size), max(now - arrived, 0.0))
            for signal, count, items, size, arrived in rows
        }
    except (sqlite3.Error, ValueError, TypeError):
        return Listed(path.name, exporter, kind, path.stat().st_size, {}, is_damaged=True)
    return Listed(path.name, exporter, kind, path.stat().st_size, contents)
