"""The log beside a queue file (SQLite's WAL, sqlite.org/fileformat2.html, section 4), as far as damage is concerned.

SQLite takes a log as ended at its first bad frame. That is right for what was being written when the power went, and
would lose without a word all that was acknowledged after a byte that went bad.
"""

import struct
from array import array
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

__all__ = ["apply_log", "is_log_damaged", "log_of"]

_HEADER, _FRAME = struct.Struct(">8I"), struct.Struct(">6I")
_MAGIC = 0x377F0682
"""Its last bit says whether checksums are computed big-endian."""
_WORD = 0xFFFFFFFF


class _Frame(NamedTuple):
    """A page as one transaction left it; `pages` is the size of the file where it ends a transaction, else 0.

    `is_new`: written since the log was last begun anew; those from before have other salts.
    """

    is_new: bool
    is_good: bool
    number: int
    pages: int
    page: bytes


def log_of(path: Path) -> Path:
    """Where SQLite keeps the log of a file."""
    return path.with_name(f"{path.name}-wal")


def is_log_damaged(log: Path) -> bool:
    """Whether an acknowledged transaction has a bad frame. A transaction begins when the one before has been fsynced:
    where more than one ends at a bad frame or behind it, the first of them was acknowledged.
    """
    is_bad, ends = False, 0
    for frame in _frames(log):
        is_bad = is_bad or not frame.is_good
        ends += is_bad and frame.is_new and frame.pages > 0
    return ends > 1


def apply_log(log: Path, database: Path) -> None:
    """Copy every good frame up to the last end of a transaction into the database, where SQLite could have read them
    or not.
    """
    frames = list(_frames(log))
    while frames and not (frames[-1].is_good and frames[-1].pages):
        frames.pop()
    if not frames:
        return
    with database.open("r+b") as file:
        for frame in frames:
            if frame.is_good:
                file.seek((frame.number - 1) * len(frame.page))
                file.write(frame.page)
        file.truncate(frames[-1].pages * len(frames[-1].page))


def _frames(log: Path) -> Iterator[_Frame]:
    """All frames. Each checksum goes on from the one stored before it."""
    try:
        file = log.open("rb")
    except FileNotFoundError:
        return
    with file:
        head = file.read(_HEADER.size)
        if len(head) < _HEADER.size:
            return
        magic, _, page_size, _, *salts, first, second = _HEADER.unpack(head)
        if magic & ~1 != _MAGIC or not 512 <= page_size <= 65536:
            return
        is_big = bool(magic & 1)
        while len(frame := file.read(_FRAME.size + page_size)) == _FRAME.size + page_size:
            number, pages, *frame_salts, stored_first, stored_second = _FRAME.unpack_from(frame)
            page = frame[_FRAME.size :]
            is_new = frame_salts == salts
            is_good = (
                is_new
                and number > 0
                and _checksum(frame[:8] + page, first, second, is_big) == (stored_first, stored_second)
            )
            yield _Frame(is_new, is_good, number, pages, page)
            first, second = stored_first, stored_second


def _checksum(content: bytes, first: int, second: int, is_big: bool) -> tuple[int, int]:
    words = array("I", content)
    if is_big != (struct.pack("=H", 1) == struct.pack(">H", 1)):
        words.byteswap()
    for index in range(0, len(words), 2):
        first = (first + words[index] + second) & _WORD
        second = (second + words[index + 1] + first) & _WORD
    return first, second
