"""Dead letters: kept in a file, listed, sent once more, let go."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from config.settings import Secret
from pipeline.batch import Batch, Signal
from pipeline.component import Context
from pipeline.errors import Refused
from pipeline.queues.dead_letters import DeadLetters, DeadLetterSettings, Letters, Replayed, letter_file
from pipeline.queues.queue import Queue, QueueSettings
from pipeline.queues.storage import StorageSettings
from tests.payloads import context, dropped, put_released

PHI = b"patient 536-90-4399"


class Day:
    """A time of day that only tests move."""

    now = 1_000_000.0

    def __call__(self) -> float:
        return self.now


@asynccontextmanager
async def opened(
    folder: Path, made: Context | None = None, day: Day | None = None, key: str = "", **kind: Any
) -> AsyncIterator[DeadLetters]:
    made = made or context("loki/north")
    storage = StorageSettings(directory=folder, encryption_key=Secret(key) if key else None)
    store = letter_file(made.id, storage, made.telemetry, made.log)
    settings = DeadLetterSettings.model_validate(kind)
    async with DeadLetters(made.id, settings, store, made.telemetry, made.log, now=day or Day()) as letters:
        yield letters


def batch(text: bytes = b"a", items: int = 1, signal: Signal = Signal.LOGS, tenant: str = "") -> Batch:
    return Batch(signal, text, items, tenant)


async def taken(queue: Queue) -> list[Batch]:
    queue.close()
    batches = []
    while (lease := await queue.take()) is not None:
        batches.append(lease.batch)
        await queue.done(lease)
    return batches


def memory_queue(**kind: Any) -> Queue:
    return Queue("loki/north", QueueSettings.model_validate({"storage": "none", **kind}), {})


def modes(folder: Path) -> dict[str, str]:
    return {path.name: oct(path.stat().st_mode & 0o777) for path in folder.glob("*.dead")}


def everything(folder: Path) -> bytes:
    return b"".join(path.read_bytes() for path in folder.iterdir())


async def test_kept_over_a_restart(tmp_path: Path) -> None:
    """With their reason, age and tenant, in a file of the exporter's own that is for this user alone."""
    day = Day()
    async with opened(tmp_path, day=day) as letters:
        await letters.add(batch(b"one\ntwo", 3, tenant="north"), "rejected", "the destination answered 400")
        day.now += 60
        await letters.add(batch(b"three", 2, Signal.TRACES), "too_large", "the destination answered 413")
    queue = memory_queue()
    async with opened(tmp_path, day=day) as letters:
        assert letters.letters() == [
            Letters(Signal.LOGS, "rejected", 1, 3, 7, 60.0),
            Letters(Signal.TRACES, "too_large", 1, 2, 5, 0.0),
        ]
        assert await letters.replay(queue) == Replayed(2, 5)
        assert letters.letters() == []
    assert sorted(await taken(queue), key=lambda each: each.signal) == [
        batch(b"one\ntwo", 3, tenant="north"),
        batch(b"three", 2, Signal.TRACES),
    ]
    assert modes(tmp_path) == {"loki%2Fnorth.dead": "0o600"}
    async with opened(tmp_path) as letters:
        assert letters.letters() == []


async def test_encrypted_as_the_queue_is(tmp_path: Path) -> None:
    """Neither what was redacted nor whose it is can be read in the file without the key."""
    async with opened(tmp_path, key="ab" * 32) as letters:
        await letters.add(batch(PHI, tenant="north-clinic"), "rejected", "the destination answered 400")
        written = await asyncio.to_thread(everything, tmp_path)
    assert PHI not in written
    assert b"north-clinic" not in written
    async with opened(tmp_path, key="ab" * 32) as letters:
        [kept] = letters.letters()
        assert kept.items == 1


async def test_one_reason(tmp_path: Path) -> None:
    """Only the letters of a reason go back into the queue, or go for good."""
    made, queue = context("loki/north"), memory_queue()
    async with opened(tmp_path, made) as letters:
        for number, reason in enumerate(("rejected", "too_large", "rejected", "internal_error")):
            await letters.add(batch(b"%d," % number), reason, "a sentence")
        assert await letters.replay(queue, "rejected") == Replayed(2, 2)
        assert [each.reason for each in letters.letters()] == ["too_large", "internal_error"]
        assert await letters.purge("too_large") == 1
        assert [each.reason for each in letters.letters()] == ["internal_error"]
    assert [each.payload for each in await taken(queue)] == [b"0,", b"2,"]
    assert dropped(made, Signal.LOGS, "purged") == 1


async def test_a_full_queue(tmp_path: Path) -> None:
    """As many go back as there is room for; the others stay, and it is said why."""
    queue = memory_queue(queue_size=2)
    async with opened(tmp_path) as letters:
        for number in range(3):
            await letters.add(batch(b"%d" % number), "rejected", "a sentence")
        stopped = "exporter loki/north has 2 of 2 requests waiting; retry after 1 s"
        assert await letters.replay(queue) == Replayed(2, 2, stopped)
        [left] = letters.letters()
        assert left.letters == 1


async def test_a_queue_that_drops_what_is_new(tmp_path: Path) -> None:
    """A letter is not given to a queue that would drop it."""
    queue = memory_queue(queue_size=1, when_full="drop_new")
    await put_released(queue, batch())
    async with opened(tmp_path) as letters:
        await letters.add(batch(), "rejected", "a sentence")
        assert await letters.replay(queue) == Replayed(0, 0, "the queue has no room now, and would drop something")
        assert len(letters.letters()) == 1


async def test_a_queue_that_drops_the_oldest(tmp_path: Path) -> None:
    """Letters push out neither what waits nor each other."""
    queue = memory_queue(queue_size=2, when_full="drop_oldest")
    await put_released(queue, batch(b"waits"))
    async with opened(tmp_path) as letters:
        for _ in range(3):
            await letters.add(batch(b"letter"), "rejected", "a sentence")
        assert await letters.replay(queue) == Replayed(1, 1, "the queue has no room now, and would drop something")
        assert [each.letters for each in letters.letters()] == [2]
    assert [each.payload for each in await taken(queue)] == [b"waits", b"letter"]


async def test_the_oldest_make_room(tmp_path: Path) -> None:
    """What had to go is counted; what would never fit is not taken."""
    made = context("loki/north")
    async with opened(tmp_path, made, max_bytes=10) as letters:
        for number in range(4):
            await letters.add(batch(b"%d234" % number, 5), "rejected", "a sentence")
        [kept] = letters.letters()
        assert (kept.letters, kept.bytes, dropped(made, Signal.LOGS, "dead_letter_full")) == (2, 8, 10)
        with pytest.raises(Refused, match=r"^the dead letters of loki/north take at most 10 bytes$"):
            await letters.add(batch(b"12345678901"), "rejected", "a sentence")
        queue = memory_queue()
        await letters.replay(queue)
        assert [each.payload for each in await taken(queue)] == [b"2234", b"3234"]


async def test_what_is_old_goes(tmp_path: Path) -> None:
    """After `max_age`, also over a restart, and counted."""
    made, day = context("loki/north"), Day()
    async with opened(tmp_path, day=day, max_age="1h") as letters:
        await letters.add(batch(items=4), "rejected", "a sentence")
        day.now += 1800
        await letters.add(batch(items=2), "rejected", "a sentence")
    day.now += 1801
    async with opened(tmp_path, made, day=day, max_age="1h") as letters:
        [kept] = letters.letters()
        assert (kept.items, dropped(made, Signal.LOGS, "dead_letter_old")) == (2, 4)


async def test_seen_from_outside(tmp_path: Path) -> None:
    """A gauge by exporter, signal and reason, which follows what is there."""
    made, queue = context("loki/north"), memory_queue()
    labels = {"exporter": "loki/north", "signal": "logs", "reason": "rejected"}

    def seen() -> float | None:
        return made.telemetry.registry.get_sample_value("telescrub_dead_letter_items", labels)

    async with opened(tmp_path, made) as letters:
        await letters.add(batch(items=7), "rejected", "a sentence")
        assert seen() == 7
        await letters.replay(queue)
        assert seen() is None
        labels = {"component": "loki/north", "signal": "logs", "reason": "rejected"}
        assert made.telemetry.registry.get_sample_value("telescrub_replayed_items_total", labels) == 7
