"""A disk with little room: SQLite's log is copied while that is possible, and what is refused has no room."""

import os
import random
from pathlib import Path
from types import SimpleNamespace

import pytest
from structlog.testing import capture_logs

from pipeline.errors import Refused
from pipeline.queues.room import Room
from tests.payloads import put_released
from tests.pipeline.queues.stored import Clock, Kept, batch, kept

MIB = 2**20
SIZE = MIB // 4
MARGIN = MIB // 2


@pytest.fixture
def disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of a queue that believes to be on a disk of 8 MiB."""

    def free(folder: Path) -> SimpleNamespace:
        return SimpleNamespace(f_frsize=1, f_bavail=8 * MIB - sum(each.stat().st_size for each in folder.iterdir()))

    monkeypatch.setattr(os, "statvfs", free)
    return tmp_path


async def filled(made: Kept) -> int:
    """How many of `SIZE` are taken before one is refused."""
    taken = 0
    with pytest.raises(Refused, match="its disk has"):  # noqa: PT012
        while True:
            await put_released(made.queue, batch(random.Random(taken).randbytes(SIZE // 2).hex()))
            taken += 1
    return taken


@pytest.mark.parametrize(("free", "lacking"), [(1000 + 300 + 2 * 50 + MARGIN, False), (999 + 400 + MARGIN, True)])
def test_what_is_needed(free: int, lacking: bool) -> None:
    """The reserve, what the log takes when it is copied, and what comes twice."""
    assert bool(Room(free=free, growth=300, log=0, reserve=1000).lacking(50)) is lacking


@pytest.mark.parametrize(
    ("free", "growth", "log", "copied"),
    [
        (10 * MIB, MIB, MIB, False),  # there is room
        (2 * MIB, MIB, 2 * MIB, True),  # copying makes room
        (2 * MIB, MIB, MIB // 2, False),  # copying would not make enough
        (MIB, MIB, MIB // 2, True),  # nor here, and it is the last chance to copy
        (0, 0, 0, False),  # there is nothing to copy
    ],
)
def test_when_the_log_is_copied(free: int, growth: int, log: int, copied: bool) -> None:
    assert Room(free, growth, log, reserve=0).is_log_to_copy(MIB) is copied


async def test_a_refusal_is_final(disk: Path) -> None:
    """What is refused is refused again until something goes, also when the queue has rested meanwhile."""
    made = kept(disk, clock=(clock := Clock()))
    async with made as queue:
        assert await filled(made) > 8
        for _ in range(3):
            clock.now += 1.0
            await made.file._call(made.file._disk.idle)
            with pytest.raises(Refused, match="its disk has"):
                await queue.put(batch("x" * SIZE))


async def test_one_line_while_it_is_full(disk: Path) -> None:
    """Room that is made and filled again and again is one line of the log, and another when there is room for long."""
    made = kept(disk, clock=(clock := Clock()))
    with capture_logs() as lines:
        async with made as queue:
            await filled(made)
            for _ in range(5):
                lease = await queue.take()
                assert lease is not None
                await queue.done(lease)
                clock.now += 1.0
                await made.file._call(made.file._disk.idle)
                assert await filled(made) > 0
            assert [each["event"] for each in lines] == ["the queue can keep nothing more; new data is refused"]
            lease = await queue.take()
            assert lease is not None
            await queue.done(lease)
            clock.now += 10.0
            await made.file._call(made.file._disk.idle)
            await made.file._call(made.file._disk.idle)
            assert [each["event"] for each in lines[1:]] == ["the queue can be written again"]
            assert not queue.problem
