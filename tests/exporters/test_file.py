"""The file exporter on a real disk: lines, modes, rotation, failures."""

import errno
import json
import os
import resource
import signal
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from exporters import EXPORTERS
from exporters.file import File, FileSettings
from pipeline.batch import Batch, Signal
from pipeline.component import Request
from pipeline.errors import Refused
from tests.wire.test_loki import logs, record

MIB = 2**20


class Clock:
    """A clock that stands still until it is set."""

    def __init__(self) -> None:
        self.time = datetime(2026, 1, 2, 3, 4, 5, 678, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.time


def exporter(path: Path, clock: Clock | None = None, **rotation: Any) -> File:
    settings = FileSettings.model_validate({"path": str(path), "rotation": rotation})
    return File(settings, clock or Clock())


def line(text: bytes, size: int = 0) -> Request:
    return Request(Signal.LOGS, text.ljust(size - 1, b".") + b"\n", 1)


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


async def test_one_json_line_for_each_batch(tmp_path: Path) -> None:
    """Each signal has its file, each batch is one line of OTLP JSON, in order, after what was there before."""
    payload = logs({"service.name": "portal"}, record("first\nline", 5)).SerializeToString()
    for _ in range(2):
        async with exporter(tmp_path / "data" / "{signal}.jsonl") as file:
            for request in file.encode(Batch(Signal.LOGS, payload, 1)).requests:
                assert await file.send(request) == 0
    assert names(tmp_path / "data") == ["logs.jsonl", "metrics.jsonl", "traces.jsonl"]
    lines = (tmp_path / "data" / "logs.jsonl").read_bytes().splitlines()
    assert [json.loads(text) for text in lines] == 2 * [
        {
            "resourceLogs": [
                {
                    "resource": {"attributes": [{"key": "service.name", "value": {"stringValue": "portal"}}]},
                    "scopeLogs": [
                        {"scope": {}, "logRecords": [{"timeUnixNano": "5", "body": {"stringValue": "first\nline"}}]}
                    ],
                }
            ]
        }
    ]


async def test_files_are_for_their_owner(tmp_path: Path) -> None:
    """Folder 0700, file 0600."""
    async with exporter(tmp_path / "data" / "{signal}.jsonl"):
        pass
    assert stat.S_IMODE((tmp_path / "data").stat().st_mode) == 0o700
    assert stat.S_IMODE((tmp_path / "data" / "traces.jsonl").stat().st_mode) == 0o600


async def test_signals_may_share_a_file(tmp_path: Path) -> None:
    """Without `{signal}` everything goes to one file."""
    async with exporter(tmp_path / "all.jsonl") as file:
        for one in Signal:
            await file.send(Request(one, one.value.encode() + b"\n", 1))
    assert (tmp_path / "all.jsonl").read_text().split() == ["traces", "metrics", "logs"]


async def test_rotation_by_size(tmp_path: Path) -> None:
    """A file that would grow past the limit is renamed with the time; a single longer line still gets a file."""
    async with exporter(tmp_path / "logs.jsonl", max_megabytes=1) as file:
        await file.send(line(b"a", MIB))
        await file.send(line(b"b", 2 * MIB))
        await file.send(line(b"c"))
        await file.send(line(b"d"))
    assert names(tmp_path) == [
        "logs-2026-01-02T03-04-05.000678.jsonl",
        "logs-2026-01-02T03-04-05.000679.jsonl",
        "logs.jsonl",
    ]
    assert [(tmp_path / name).read_bytes()[:1] for name in names(tmp_path)] == [b"a", b"b", b"c"]
    assert (tmp_path / "logs.jsonl").read_bytes() == b"c\nd\n"


async def test_backups_are_pruned(tmp_path: Path) -> None:
    """Only the newest are kept, only the young ones, and no file that is not a backup is touched."""
    others = ["logs-2020.jsonl", "logs-2020-01-01T00-00-00.000000.txt", "metrics-2020-01-01T00-00-00.000000.jsonl"]
    old = [f"logs-202{year}-01-01T00-00-00.000000.jsonl" for year in range(4)]
    for name in [*others, *old]:
        (tmp_path / name).touch()
    async with exporter(tmp_path / "logs.jsonl", max_backups=2):
        assert names(tmp_path) == sorted([*others, *old[2:], "logs.jsonl"])
    clock = Clock()
    clock.time = datetime(2023, 1, 9, tzinfo=UTC)
    async with exporter(tmp_path / "logs.jsonl", clock, max_days=8, max_backups=0, max_megabytes=1) as file:
        assert names(tmp_path) == sorted([*others, old[3], "logs.jsonl"])
        await file.send(line(b"a", MIB))
        clock.time = datetime(2023, 1, 10, tzinfo=UTC)
        await file.send(line(b"b"))
    assert names(tmp_path) == sorted([*others, "logs-2023-01-10T00-00-00.000000.jsonl", "logs.jsonl"])


async def test_file_that_disappears(tmp_path: Path) -> None:
    """Whoever removes the file, or its folder, finds the next line in a new one."""
    async with exporter(tmp_path / "data" / "logs.jsonl") as file:
        await file.send(line(b"a"))
        (tmp_path / "data" / "logs.jsonl").unlink()
        (tmp_path / "data").rmdir()
        await file.send(line(b"b"))
    assert (tmp_path / "data" / "logs.jsonl").read_bytes() == b"b\n"


async def test_half_a_line_left_by_a_crash(tmp_path: Path) -> None:
    """It spoils itself alone: the next batch begins a line of its own."""
    (tmp_path / "logs.jsonl").write_bytes(b'{"half')
    async with exporter(tmp_path / "logs.jsonl") as file:
        await file.send(line(b"a"))
        await file.send(line(b"b"))
    assert (tmp_path / "logs.jsonl").read_bytes() == b'{"half\na\nb\n'


@contextmanager
def no_file_over(size: int) -> Iterator[None]:
    """A disk that fills up, as near as an ordinary user can make one: writing past `size` bytes fails."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    ignored = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, ignored)


async def test_disk_that_is_full(tmp_path: Path) -> None:
    """The batch is refused with a remedy, nothing of it stays in the file, and it gets in once there is room."""
    path = tmp_path / "logs.jsonl"
    async with exporter(path) as file:
        await file.send(line(b"a"))
        with no_file_over(100), pytest.raises(Refused) as caught:
            await file.send(line(b"b", 1000))
        assert path.read_bytes() == b"a\n"
        assert str(caught.value) == (
            f"{path} cannot be written to (EFBIG); free space there, or lower rotation.max_megabytes and max_backups"
        )
        await file.send(line(b"c"))
    assert path.read_bytes() == b"a\nc\n"


async def test_path_that_cannot_be_written_to(tmp_path: Path) -> None:
    """At the start it is an error with the path; later a refusal, as it may be mended."""
    path = tmp_path / "logs.jsonl"
    path.mkdir()
    with pytest.raises(IsADirectoryError) as wrong:
        await exporter(path).__aenter__()
    assert (wrong.value.errno, wrong.value.filename) == (errno.EISDIR, str(path))
    path.rmdir()
    async with exporter(path) as file:
        path.unlink()
        path.mkdir()
        with pytest.raises(Refused) as caught:
            await file.send(line(b"a"))
        assert str(caught.value) == (
            f"{path} cannot be written to (EISDIR); check that the folder is there and that the daemon may write to it"
        )


async def test_settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The Collector's keys are taken, the defaults build, and what is built need not be started."""
    monkeypatch.chdir(tmp_path)
    settings = FileSettings.model_validate(
        {
            "path": "a",
            "format": "json",
            "flush_interval": "5s",
            "rotation": {"max_megabytes": 1, "max_days": 2, "max_backups": 3},
        }
    )
    assert settings.rotation.max_backups == 3
    assert settings.sending_queue.num_consumers == 1
    assert EXPORTERS["file"] is FileSettings
    file = File(FileSettings())
    assert os.listdir() == []  # noqa: PTH208
    async with file:
        assert names(Path("telescrub-data")) == ["logs.jsonl", "metrics.jsonl", "traces.jsonl"]
