"""Writes a ledger: rows in order, each chained to the one before, on disk when `append` returns.

Not for several threads at once, and not for the event loop: it waits for the disk.
"""

import os
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal, NamedTuple

from audit import rows
from audit.chain import GENESIS, Anchor, Chain, Line, parse, written
from audit.files import append, last_lines, ledger_files, next_file, opened
from audit.head import Head, read_head
from audit.rows import Row

__all__ = ["Found", "Writer", "utc_now"]


State = Literal["new", "whole", "head missing", "head changed", "end missing", "end changed"]


_NO_ROW = Anchor(0, GENESIS)
"""What the head of a ledger names that has no row yet."""


class Found(NamedTuple):
    """How the ledger was when it was opened. All but `new` and `whole` mean that somebody else was at it.

    `head missing` and `head changed` are about `ledger.head`; `end missing`: it names a row that is not there;
    `end changed`: another row stands in that one's place. `cut_bytes` of a row that was not written whole were cut off.
    """

    state: State
    cut_bytes: int


def utc_now() -> datetime:
    return datetime.now(UTC)


class Writer:
    """An open ledger in a folder of its own, which is made if it is not there.

    `max_bytes`: a file that has reached this size is followed by a new one. Raises: `OSError`, with a sentence, if the
    folder cannot be written to, another process writes there, or its last row was made with another key.
    """

    def __init__(self, folder: Path, key: bytes | None, max_bytes: int, now: Callable[[], datetime] = utc_now) -> None:
        self._folder, self._max_bytes, self._now = folder, max_bytes, now
        self.chain = Chain(key)
        self.end = _NO_ROW
        self.head_failure: OSError | None = None
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        known = read_head(folder, self.chain)
        self._head = Head(folder)
        try:
            cut_bytes = self._take_up(ledger_files(folder))
            self.found = Found(self._state(known), cut_bytes)
            if self.found.state == "new":
                # A row that a power cut leaves finds its head.
                self._head.set(self.chain, self.end)
            self._file = opened(self._path)
        except BaseException:
            self._head.close()
            raise

    def _take_up(self, files: Sequence[Path]) -> int:
        """Find the end of the chain and the last file; the bytes of a torn row that were cut off."""
        self._path = files[-1] if files else next_file(self._folder, None)
        torn = 0
        for path in reversed(files):
            kept, torn_here = last_lines(path)
            if torn_here:
                os.truncate(path, path.stat().st_size - torn_here)
                torn += torn_here
            if kept:
                self.end = self._checked(path, kept)
                break
        return torn

    def _checked(self, path: Path, kept: Sequence[bytes]) -> Anchor:
        *before, last = map(parse, kept)
        if last is not None:
            previous = before[0].mac if before and before[0] else str(last.row.get("previous", GENESIS))
            if len(previous) == len(GENESIS) and self.chain.mac(previous, last.covered) == last.mac:
                return Anchor(last.sequence, last.mac)
        raise OSError(
            f"the last row of {path} was changed, or made with another service.audit.key; a ledger keeps its key: "
            "move the folder away and keep it, or give another service.audit.path"
        )

    def _state(self, known: Anchor | str) -> State:
        if known in ("missing", _NO_ROW) and not self.end.sequence:
            return "new"
        if known == "missing":
            return "head missing"
        if not isinstance(known, Anchor):
            return "head changed"
        if known.sequence > self.end.sequence:
            return "end missing"
        return "end changed" if known.sequence == self.end.sequence and known != self.end else "whole"

    def append(self, new: Sequence[Row]) -> None:
        """Write rows, all or none; time and sequence are added here. Raises: `OSError`.

        A head that cannot be written is no reason to write the rows again: it is set with the next ones, and
        `head_failure` says until then what is wrong.
        """
        if not self._is_in_place():
            raise OSError(f"{self._path} was moved or removed while it was written; put it back, or restart")
        size = os.fstat(self._file).st_size
        if size >= self._max_bytes:
            self._begin_file()
            size = 0
        further = [] if size or not self.end.sequence else [rows.anchor()]
        lines = list(self._chained([*further, *new]))
        append(self._file, b"".join(map(written, lines)))
        self.end = Anchor(lines[-1].sequence, lines[-1].mac)
        self._set_head()

    def _set_head(self) -> None:
        try:
            self._head.set(self.chain, self.end)
        except OSError as failure:
            self.head_failure = failure
        else:
            self.head_failure = None

    def _is_in_place(self) -> bool:
        try:
            return self._path.stat().st_ino == os.fstat(self._file).st_ino
        except FileNotFoundError:
            return False

    def _begin_file(self) -> None:
        path = next_file(self._folder, self._path)
        full, self._file, self._path = self._file, opened(path), path
        os.close(full)

    def _chained(self, new: Sequence[Row]) -> Iterator[Line]:
        time = self._now().isoformat(timespec="microseconds").replace("+00:00", "Z")
        sequence, mac = self.end
        for row in new:
            sequence += 1
            previous = {"previous": mac} if row["kind"] == "anchor" else {}
            line = self.chain.line(mac, {"time": time, "sequence": sequence, **row, **previous})
            mac = line.mac
            yield line

    def close(self) -> None:
        """Let go of the files."""
        os.close(self._file)
        self._head.close()
