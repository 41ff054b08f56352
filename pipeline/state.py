"""What a processor remembers over a restart: records in one file, appended as they change, written anew when too long.

    telescrub-state 1 <boot id>
    <checksum> [records …]
    <checksum> [records …]
    <checksum> [["end"]]                  if the daemon stopped in order

Lines are appended without fsync: what was written survives the process, if not the machine. A machine that has started
anew since has another boot id, so that this can be told. The file is written anew (temporary file, fsync, rename) at
start, at stop, when what was appended outgrows it, and as soon as it can be after an append failed: until then it has
the boot id of no machine, because records are missing.
"""

import os
from collections.abc import Iterable, Iterator
from contextlib import suppress
from hashlib import blake2b
from itertools import islice
from pathlib import Path
from urllib.parse import quote

import orjson
from structlog.typing import FilteringBoundLogger

from config.folders import sync_folder
from pipeline.component import Context, Ending, Record

__all__ = ["StateFile"]

_VERSION = b"telescrub-state 1 "
_END: list[Record] = [["end"]]
_RECORDS_IN_A_LINE = 500
"""So that no single call into the JSON library holds up the event loop's thread for long."""
_LEAST_GROWTH = 16 * 2**20
"""Bytes that may be appended, however small the file is, before it is written anew."""
_NOBODY = b"-"
"""In place of the first letter of a boot id: no machine has such a one."""
_GROWTH = 3
"""How many times its size may be appended: each byte is written some 1.3 times then."""


class StateFile:
    """The file of one processor. Everything here blocks, and belongs into a thread."""

    def __init__(self, folder: Path, name: str, log: FilteringBoundLogger) -> None:
        self.path, self._log = folder / f"{quote(name, safe='')}.state", log
        self._file = -1
        self._size = self._appended = 0
        self._is_whole = False

    @classmethod
    def of(cls, context: Context, folder: Path) -> "StateFile":
        """The file of a component: there is one for each pipeline that it stands in."""
        return cls(folder, f"{context.pipeline or 'all'} {context.id}", context.log)

    def check(self) -> None:
        """Raises: `OSError` if the folder cannot be used."""
        self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        # Not the name that `rewrite` uses: the file that is there may be written anew at the same time.
        temporary = self.path.with_suffix(".try")
        temporary.touch(mode=0o600)
        temporary.unlink(missing_ok=True)

    def read(self) -> tuple[Iterator[Record], Ending]:
        """The records that were left behind, and how complete they are. A damaged file is moved aside.

        Raises: `OSError` if the folder cannot be used.
        """
        self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        if not self.path.exists():
            return iter(()), Ending.CLEAN
        lines, boot, is_whole, is_ended = self._survey()
        if not is_whole:
            damaged = self.path.with_suffix(".damaged")
            self.path.replace(damaged)
            self._log.error(
                "what was remembered is damaged; it was moved aside, and sums begin anew", file=damaged.name
            )
            return iter(()), Ending.CRASHED
        ending = Ending.CLEAN if is_ended else Ending.KILLED if boot == _boot() else Ending.CRASHED
        return self._records(lines), ending

    def _survey(self) -> tuple[int, bytes, bool, bool]:
        """How many lines are good, the boot id, whether all are but perhaps the last, and whether that is the end."""
        with self.path.open("rb") as file:
            head = file.readline()
            if not head.startswith(_VERSION):
                return 0, b"", False, False
            good, last = 0, b""
            for line in file:
                if _content(line) is None:
                    # The last line of a killed daemon may be cut off; nothing that depends on it was passed on.
                    return good, head[len(_VERSION) : -1], not file.readline(), False
                good, last = good + 1, line
        return good, head[len(_VERSION) : -1], True, _content(last) == orjson.dumps(_END)

    def _records(self, lines: int) -> Iterator[Record]:
        with self.path.open("rb") as file:
            file.readline()
            for line in islice(file, lines):
                records = orjson.loads(_content(line) or b"[]")
                yield from records if records != _END else ()

    def append(self, records: Iterable[Record]) -> None:
        """Write records so that they survive the process; nothing where all is to be written anew (see `is_long`).

        Raises: `OSError`; then there is half a line at the end or nothing, and all is to be written anew.
        """
        text = b"".join(_lines(records)) if self._is_whole else b""
        try:
            view = memoryview(text)
            while view:
                view = view[os.write(self._file, view) :]
        except OSError:
            self.give_up()
            raise
        self._appended += len(text)

    def give_up(self) -> None:
        """Records are missing: whoever reads what is there is told that some may be, until all is written anew."""
        self._is_whole = False
        if self._file >= 0:
            with suppress(OSError):
                os.pwrite(self._file, _NOBODY, len(_VERSION))

    @property
    def is_long(self) -> bool:
        """Whether it is time to write it anew: it is too long, or records are missing."""
        return not self._is_whole or self._appended > max(_LEAST_GROWTH, _GROWTH * self._size)

    def rewrite(self, records: Iterable[Record], *, ended: bool = False) -> None:
        """Write all records in place of what there was, safe from a crash of the machine. Raises: `OSError`."""
        temporary = self.path.with_suffix(".new")
        temporary.unlink(missing_ok=True)
        file = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            with os.fdopen(os.dup(file), "wb") as out:
                out.write(_VERSION + _boot() + b"\n")
                out.writelines(_lines(records))
                out.writelines(_lines(_END if ended else ()))
            os.fsync(file)
            temporary.replace(self.path)
        except BaseException:
            os.close(file)
            raise
        self.close()
        self._file, self._is_whole = file, True
        self._size, self._appended = os.fstat(file).st_size, 0
        sync_folder(self.path.parent)

    def close(self) -> None:
        """Write no more."""
        if self._file >= 0:
            os.close(self._file)
            self._file = -1


def _lines(records: Iterable[Record]) -> Iterator[bytes]:
    source = iter(records)
    while some := list(islice(source, _RECORDS_IN_A_LINE)):
        content = orjson.dumps(some)
        yield _checksum(content) + b" " + content + b"\n"


def _content(line: bytes) -> bytes | None:
    """The JSON of a line; None if it is not as it was written."""
    checksum, _, content = line.partition(b" ")
    return content[:-1] if line.endswith(b"\n") and checksum == _checksum(content[:-1]) else None


def _checksum(content: bytes) -> bytes:
    return blake2b(content, digest_size=8).hexdigest().encode()


def _boot() -> bytes:
    """What tells this run of the machine from its others; the same for all where the system has no such thing."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_bytes().strip()
    except OSError:
        return b"unknown"
