"""OTLP JSON lines in files: the embedded default destination, and the easiest one to look at.

One line is one batch, an `Export…ServiceRequest` object as in the OTLP file format; the Collector's `otlpjsonfile`
receiver reads them. Files grow until they are rotated, and the oldest are removed. Redacted data may still be
confidential: files are made for their owner alone.
"""

import asyncio
import contextlib
import errno
import os
import re
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import TracebackType
from typing import Literal, Self

from pydantic import Field

from config.settings import Seconds, Settings
from pipeline.batch import Batch, Signal
from pipeline.component import Context, Encoded, ExporterSettings, Request
from pipeline.errors import Refused
from pipeline.queues.queue import QueueSettings
from wire import otlp_json

__all__ = ["File", "FileSettings", "RotationSettings"]


class RotationSettings(Settings):
    """The Collector's `rotation`, on by default: an embedded destination must not fill the disk."""

    max_megabytes: int = Field(default=100, ge=1)
    """A file that would grow past this many MiB is renamed to `name-<UTC time>` and a new one begun."""
    max_days: int = Field(default=0, ge=0)
    """Renamed files older than this many days are removed; 0 = age does not matter."""
    max_backups: int = Field(default=100, ge=0)
    """Renamed files kept for each file, 100 × 100 MiB by default; 0 = all."""


class FileQueue(QueueSettings):
    """The queue before the files."""

    num_consumers: int = Field(default=1, ge=1)
    """Batches written at once: one, so that lines stand in the order in which batches came."""


class FileSettings(ExporterSettings):
    """Settings of the `file` exporter."""

    path: str = Field(default="./telescrub-data/{signal}.jsonl", min_length=1)
    """Where to write; `{signal}` becomes traces, metrics or logs. The folder is made if it is not there."""
    format: Literal["json"] = "json"
    """OTLP JSON, one request a line."""
    rotation: RotationSettings = RotationSettings()
    """When a new file is begun and old ones are removed."""
    flush_interval: Seconds = Field(default=1.0, ge=0)
    """Taken so that a Collector's file works; every line is handed to the operating system at once."""

    sending_queue: FileQueue = FileQueue()
    """The queue before the files."""

    def content(self, request: Request) -> Batch:
        return Batch(request.signal, otlp_json.decode(request.signal, request.body), request.items)

    def build(self, context: Context) -> "File":
        return File(self)


def _utc_now() -> datetime:
    return datetime.now(UTC)


class File:
    """Writes batches to files, one after the other, in a thread of its own so that a slow disk holds up nobody else."""

    max_request_bytes = 0

    def __init__(self, settings: FileSettings, now: Callable[[], datetime] = _utc_now) -> None:
        self._files = {
            signal: _RotatedFile(Path(settings.path.replace("{signal}", signal.value)), settings.rotation, now)
            for signal in Signal
        }
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="file-exporter")

    async def __aenter__(self) -> Self:
        """Raises: `OSError`, with the path, if it cannot be written to."""
        try:
            for file in self._files.values():
                await self._run(file.open_and_prune)
        except BaseException:
            self._thread.shutdown(wait=False)
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await asyncio.to_thread(self._thread.shutdown)

    def encode(self, batch: Batch) -> Encoded:
        return Encoded([Request(batch.signal, otlp_json.encode(batch.signal, batch.payload) + b"\n", batch.items)])

    async def send(self, request: Request) -> int:
        file = self._files[request.signal]
        try:
            await self._run(lambda: file.append(request.body))
        except OSError as error:
            raise Refused(_sentence(file.path, error)) from None
        return 0

    async def _run(self, work: Callable[[], None]) -> None:
        await asyncio.get_running_loop().run_in_executor(self._thread, work)


_NO_SPACE = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})


def _sentence(path: Path, error: OSError) -> str:
    name = errno.errorcode.get(error.errno or 0, "an unknown error")
    remedy = (
        "free space there, or lower rotation.max_megabytes and max_backups"
        if error.errno in _NO_SPACE
        else "check that the folder is there and that the daemon may write to it"
    )
    return f"{path} cannot be written to ({name}); {remedy}"


_STAMP = "%Y-%m-%dT%H-%M-%S.%f"
_STAMPED = r"\d{4}-\d\d-\d\dT\d\d-\d\d-\d\d\.\d{6}"


class _RotatedFile:
    """A file that lines are appended to; opened for each, so that nothing breaks if someone moves or removes it."""

    def __init__(self, path: Path, rotation: RotationSettings, now: Callable[[], datetime]) -> None:
        self.path = path
        self._rotation = rotation
        self._now = now

    def open_and_prune(self) -> None:
        """Raises: `OSError`, with the path."""
        os.close(self._open())
        self._prune()

    def append(self, line: bytes) -> None:
        """Write a whole line or nothing. Raises: `OSError`."""
        if self._is_full(len(line)):
            self._rotate()
        file = self._open()
        try:
            _write_whole(file, line)
        finally:
            os.close(file)

    def _open(self) -> int:
        self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        return os.open(self.path, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o600)

    def _is_full(self, more_bytes: int) -> bool:
        try:
            size = self.path.stat().st_size
        except FileNotFoundError:
            return False
        return size > 0 and size + more_bytes > self._rotation.max_megabytes * 2**20

    def _rotate(self) -> None:
        now = self._now()
        while (backup := self._backup(now)).exists():
            now += timedelta(microseconds=1)
        self.path.rename(backup)
        self._prune()

    def _backup(self, moment: datetime) -> Path:
        return self.path.with_name(f"{self.path.stem}-{moment.strftime(_STAMP)}{self.path.suffix}")

    def _prune(self) -> None:
        """Remove the backups that are too many or too old; their names sort by time."""
        ours = re.compile(f"{re.escape(self.path.stem)}-{_STAMPED}{re.escape(self.path.suffix)}")
        backups = sorted(path for path in self.path.parent.iterdir() if ours.fullmatch(path.name))
        days, kept = self._rotation.max_days, self._rotation.max_backups
        surplus = len(backups) - kept if kept else 0
        expiry = self._backup(self._now() - timedelta(days=days))
        for place, backup in enumerate(backups):
            if place < surplus or (days and backup < expiry):
                backup.unlink(missing_ok=True)


def _write_whole(file: int, line: bytes) -> None:
    """Append all of `line`, or leave the file as it was; begin a new line if a crash left half of one behind."""
    size = os.fstat(file).st_size
    torn = size > 0 and os.pread(file, 1, size - 1) != b"\n"
    left = memoryview(b"\n" + line if torn else line)
    try:
        while left:
            left = left[os.write(file, left) :]
    except OSError:
        with contextlib.suppress(OSError):
            os.ftruncate(file, size)
        raise
