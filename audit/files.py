"""The files of a ledger: `ledger-000001.jsonl`, `ledger-000002.jsonl`, …; their names sort in the order of rows."""

import contextlib
import errno
import os
import re
from collections.abc import Iterator
from pathlib import Path

from config.folders import sync_folder

__all__ = ["append", "last_lines", "ledger_files", "lines", "next_file", "note_in_folder", "opened"]

_NAME = re.compile(r"ledger-(\d{6,})\.jsonl")


def ledger_files(folder: Path) -> list[Path]:
    """The files of the ledger in a folder, in order. Raises: `OSError`."""
    return sorted((path for path in folder.iterdir() if _NAME.fullmatch(path.name)), key=_number)


def _number(path: Path) -> int:
    match = _NAME.fullmatch(path.name)
    return int(match[1]) if match else 0


def next_file(folder: Path, last: Path | None) -> Path:
    """The file that comes after another, or the first."""
    return folder / f"ledger-{(_number(last) if last else 0) + 1:06}.jsonl"


def lines(path: Path) -> Iterator[bytes]:
    """The lines of a file with their ends; a last one without its end is one too."""
    with path.open("rb") as file:
        yield from file


def last_lines(path: Path) -> tuple[list[bytes], int]:
    """The last two whole lines of a file, and how many bytes of a torn one stand after them."""
    kept: list[bytes] = []
    for line in lines(path):
        if not line.endswith(b"\n"):
            return kept, len(line)
        kept = [*kept[-1:], line]
    return kept, 0


def opened(path: Path) -> int:
    """A file to append to, made if it is not there; a new one is there after a power cut, too. Raises: `OSError`."""
    file = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o600)
    try:
        if not os.fstat(file).st_size:
            note_in_folder(path)
    except BaseException:
        os.close(file)
        raise
    return file


def note_in_folder(path: Path) -> None:
    """Make sure that a new file is in its folder after a power cut, where that can be done. Raises: `OSError`."""
    try:
        sync_folder(path.parent)
    except OSError as error:
        # Some network file systems have no such thing for folders; PostgreSQL's fsync_fname passes over it as well.
        if error.errno != errno.EINVAL:
            raise


def append(file: int, data: bytes) -> None:
    """Append all of it and wait for the disk, or leave the file as it was. Raises: `OSError`."""
    size = os.fstat(file).st_size
    left = memoryview(data)
    try:
        while left:
            left = left[os.write(file, left) :]
        os.fsync(file)
    except OSError:
        with contextlib.suppress(OSError):
            os.ftruncate(file, size)
        raise
