"""The durable queue: what was put is there after a restart, in order; full disks and damaged files are survived."""

import asyncio
import os
import sqlite3
import stat
import threading
from collections.abc import Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from pipeline.batch import Signal
from pipeline.errors import Refused
from pipeline.queues import queue as machine
from pipeline.queues.disk import QueueDisk
from pipeline.queues.queue import Load, Merge
from pipeline.queues.store import Loaded
from pipeline.queues.table import Change, QueueTable
from tests.payloads import put_released
from tests.pipeline.queues.stored import Clock, Kept, batch, drained, kept


def put_in_the_way(folder: Path) -> None:
    folder.rename(folder.with_name(f"{folder.name}-moved"))
    folder.write_text("no folder")


def clear_the_way(folder: Path) -> None:
    folder.unlink()
    folder.with_name(f"{folder.name}-moved").rename(folder)


def take_away(folder: Path) -> None:
    for name in names(folder):
        if not name.endswith(".lock"):
            (folder / name).unlink()


def names(folder: Path) -> list[str]:
    return sorted(each.name for each in folder.iterdir())


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def all_bytes(folder: Path) -> bytes:
    return b"".join(each.read_bytes() for each in folder.iterdir())


def fill_up(disk: QueueDisk) -> None:
    """Let SQLite say of this connection what it says of a full disk."""
    assert disk._table is not None
    disk._table._connection.execute("PRAGMA max_page_count = 1")


KEY, OTHER_KEY = "11" * 32, "22" * 32


async def test_over_a_restart(tmp_path: Path) -> None:
    """What was put is handed out by the next run, signals in their order, with tenants and items."""
    async with kept(tmp_path) as queue:
        for each in (batch("a", 2, tenant="north"), batch("x", signal=Signal.LOGS), batch("b", 3)):
            await put_released(queue, each)
    async with kept(tmp_path) as queue:
        assert (queue.size, dict(queue.left())) == (3, {Signal.TRACES: 5, Signal.LOGS: 1})
        queue.close()
        found = []
        while (lease := await queue.take()) is not None:
            found.append(lease.batch)
            await queue.done(lease)
    assert sorted(found, key=lambda each: each.payload) == [
        batch("a", 2, tenant="north"),
        batch("b", 3),
        batch("x", signal=Signal.LOGS),
    ]
    async with kept(tmp_path) as queue:
        assert (queue.size, dict(queue.left())) == (0, {})


async def test_under_way_comes_first(tmp_path: Path) -> None:
    """What was being sent when the daemon ended is first in line again, before what came later."""
    async with kept(tmp_path) as queue:
        for name in "abc":
            await put_released(queue, batch(name))
        assert await queue.take() is not None
    async with kept(tmp_path) as queue:
        await put_released(queue, batch("d"))
        assert await drained(queue) == ["a", "b", "c", "d"]


async def test_only_the_rest_is_kept(tmp_path: Path) -> None:
    """Of what was sent in part, the next run has the part that was not."""
    async with kept(tmp_path, merge=Merge(size=10)) as queue:
        for name in "abcd":
            await put_released(queue, batch(name))
        lease = await queue.take()
        assert lease is not None
        await queue.put_back(lease, [batch("d"), batch("e")])
        assert queue.size == 1
    async with kept(tmp_path) as queue:
        assert await drained(queue) == ["de"]


async def test_nothing_is_left_of_what_was_sent(tmp_path: Path) -> None:
    """A rest of nothing is the same as done."""
    async with kept(tmp_path) as queue:
        await put_released(queue, batch("a"))
        lease = await queue.take()
        assert lease is not None
        await queue.put_back(lease, [])
        assert queue.size == 0
    async with kept(tmp_path) as queue:
        assert queue.size == 0


async def test_withdrawn(tmp_path: Path) -> None:
    """What another destination could not take is in no later run either."""
    async with kept(tmp_path) as queue:
        entry = await queue.put(batch("a"))
        await queue.withdraw(entry)
    async with kept(tmp_path) as queue:
        assert await drained(queue) == []


async def test_more_than_memory_holds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Only the head of the line is in memory; the rest is read from the file when it is its turn, in order."""
    monkeypatch.setattr(machine, "_WINDOW_BYTES", 10)
    names = [f"{number:04}" for number in range(50)]
    async with kept(tmp_path) as queue:
        for name in names[:40]:
            await put_released(queue, batch(name))
        taken = []
        for _ in range(20):
            lease = await queue.take()
            assert lease is not None
            taken.append(lease.batch.payload.decode())
            await queue.done(lease)
        for name in names[40:]:
            await put_released(queue, batch(name))
        assert taken + await drained(queue) == names
        assert queue.size == 0


async def test_unreleased_holds_up_what_is_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also what is in the file alone is not handed out before it is released, and nothing behind it."""
    monkeypatch.setattr(machine, "_WINDOW_BYTES", 1)
    async with kept(tmp_path) as queue:
        await put_released(queue, batch("a"))
        unreleased = await queue.put(batch("b"))
        await put_released(queue, batch("c"))
        lease = await queue.take()
        assert lease is not None
        assert lease.batch.payload == b"a"
        await queue.done(lease)
        async with asyncio.TaskGroup() as group:
            taking = group.create_task(queue.take())
            await asyncio.sleep(0.02)
            assert not taking.done()
            queue.release(unreleased)
        taken = taking.result()
        assert taken is not None
        assert taken.batch.payload == b"b"


async def test_released_while_it_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is released while the file is read without it is handed out next, not taken for damaged."""
    monkeypatch.setattr(machine, "_WINDOW_BYTES", 1)
    made, reading, go_on = kept(tmp_path), threading.Event(), threading.Event()
    async with made as queue:
        await put_released(queue, batch("a"))
        unreleased = await queue.put(batch("b"))
        lease = await queue.take()
        assert lease is not None
        await queue.done(lease)
        load = made.file._disk.load

        def slow(*arguments: Any) -> Loaded:
            reading.set()
            go_on.wait(10)
            return load(*arguments)

        monkeypatch.setattr(made.file._disk, "load", slow)
        async with asyncio.timeout(10), asyncio.TaskGroup() as group:
            taking = group.create_task(queue.take())
            await asyncio.to_thread(reading.wait, 10)
            queue.release(unreleased)
            go_on.set()
        taken = taking.result()
        assert taken is not None
        assert (taken.batch.payload, made.dropped) == (b"b", [])


@pytest.mark.parametrize("is_written", [False, True], ids=["not written", "written, and then an error"])
async def test_what_was_refused_never_comes_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, is_written: bool
) -> None:
    """Entries that are withdrawn or refused while the disk fails are not sent, whatever the disk has made of them."""
    monkeypatch.setattr(machine, "_WINDOW_BYTES", 5)
    made = kept(tmp_path)
    async with made as queue:
        await put_released(queue, batch("larger than the window"))
        await put_released(queue, batch("a"))
        withdrawn = await queue.put(batch("withdrawn", 3))
        commit = QueueTable.commit

        def failing(table: QueueTable, changes: Sequence[Change]) -> None:
            if is_written:
                commit(table, [each for each in changes if each.added is not None])
            raise OSError("disk I/O error")

        with monkeypatch.context() as patch:
            patch.setattr(QueueTable, "commit", failing)
            await queue.withdraw(withdrawn)
            for name in ("refused", "refused too"):
                with pytest.raises(Refused):
                    await queue.put(batch(name, 5))
            taken = []
            while lease := await queue.take_now():
                taken.append(lease.batch.payload)
                await queue.done(lease)
            assert taken == [b"larger than the window", b"a"]
        await put_released(queue, batch("b"))
        assert await drained(queue) == ["b"]
        assert (made.dropped, queue.load) == ([], Load())
    async with kept(tmp_path) as queue:
        assert await drained(queue) == []


async def test_a_queue_that_is_closed(tmp_path: Path) -> None:
    """It answers whoever still asks something of it."""
    async with kept(tmp_path) as queue:
        await put_released(queue, batch("a"))
    async with asyncio.timeout(10):
        with pytest.raises(Refused, match="the queue of exporter loki is closed"):
            await queue.put(batch("b"))


async def test_many_share_a_commit(tmp_path: Path) -> None:
    """Requests that come together are written together."""
    made = kept(tmp_path)
    async with made as queue:
        await asyncio.gather(*(put_released(queue, batch(str(number))) for number in range(200)))
        commits = made.metric("telescrub_queue_commit_seconds_count")
        assert commits is not None
        assert commits < 20
        assert len(await drained(queue)) == 200


async def test_files_are_private(tmp_path: Path) -> None:
    """Folder 0700 and files 0600, whatever the umask is."""
    made = kept(tmp_path / "queue")
    before = os.umask(0)
    try:
        async with made as queue:
            await put_released(queue, batch("a"))
            modes = {name: mode(tmp_path / "queue" / name) for name in names(tmp_path / "queue")}
    finally:
        os.umask(before)
    assert set(modes.values()) == {0o600}
    assert set(modes) == {"loki.queue", "loki.queue-shm", "loki.queue-wal", "loki.queue.lock"}
    assert mode(tmp_path / "queue") == 0o700


async def test_one_daemon_at_a_time(tmp_path: Path) -> None:
    """A second one is told which file it is, and what to do; the first goes on."""
    async with kept(tmp_path) as queue:
        with pytest.raises(OSError, match="is in use by another process; stop that one, or give") as caught:
            async with kept(tmp_path):
                pass
        assert str(tmp_path / "loki.queue") in str(caught.value)
        await put_released(queue, batch("a"))
        assert await drained(queue) == ["a"]


async def test_a_folder_that_cannot_be_used(tmp_path: Path) -> None:
    """Said in a sentence, when the daemon starts."""
    (tmp_path / "file").write_text("")
    with pytest.raises(OSError, match=r"the folder .*/file/queue for queues cannot be used: Not a directory"):
        async with kept(tmp_path / "file" / "queue"):
            pass
    with pytest.raises(OSError, match="cannot be used: it is not there, and create_directory is off"):
        async with kept(tmp_path / "missing", storage={"create_directory": False}):
            pass


async def test_a_newer_file(tmp_path: Path) -> None:
    """A file of a later version is not touched."""
    async with kept(tmp_path) as queue:
        await put_released(queue, batch("a"))
    with closing(sqlite3.connect(tmp_path / "loki.queue")) as connection:
        connection.execute("PRAGMA user_version = 99")
    with pytest.raises(OSError, match="was written by a newer version of Telescrub; run that one"):
        async with kept(tmp_path):
            pass


async def test_space_is_given_back(tmp_path: Path) -> None:
    """When everything is sent, the file is as small as it was, and so is its log, without a restart."""
    made = kept(tmp_path)
    async with made as queue:
        await put_released(queue, batch("a"))
        assert await drained(queue) == ["a"]
        await tidied(made)
        before = made.path.stat().st_size
        await asyncio.gather(*(put_released(queue, batch("x" * 50_000)) for _ in range(100)))
        assert made.path.stat().st_size + _log(made).stat().st_size > 5_000_000
        await drained(queue)
        await tidied(made)
        assert (made.path.stat().st_size, _log(made).stat().st_size) == (before, 0)


async def tidied(made: Kept) -> None:
    """Let the time go by in which there is nothing else to do."""
    while made.file._disk.has_chores:
        await made.file._call(made.file._disk.idle)


def _log(made: Kept) -> Path:
    return made.path.with_name("loki.queue-wal")


async def test_the_disk_keeps_a_reserve(tmp_path: Path) -> None:
    """Before the disk is full, what is new is refused with a hint, and what waits can still be sent and forgotten."""
    async with kept(tmp_path) as queue:
        await put_released(queue, batch("a"))
    made = kept(tmp_path, storage={"reserve": 2**60})
    async with made as queue:
        with pytest.raises(Refused) as refusal:
            await queue.put(batch("b"))
        assert str(refusal.value).startswith("exporter loki can keep nothing more: its disk has ")
        assert str(refusal.value).endswith(" MiB are kept for sending; retry after 5 s")
        assert refusal.value.retry_after_seconds == 5.0
        assert "its disk has" in queue.problem
        assert await drained(queue) == ["a"]
    async with kept(tmp_path) as queue:
        assert queue.size == 0


async def test_the_disk_is_full(tmp_path: Path) -> None:
    """What cannot be written is refused; what is sent meanwhile is forgotten; when there is space all goes on."""
    made = kept(tmp_path)
    async with made as queue:
        await put_released(queue, batch("a" * 10_000))
        await made.file._call(lambda: fill_up(made.file._disk))
        with pytest.raises(Refused, match="cannot be used: database or disk is full; retry after 5 s"):
            await queue.put(batch("b" * 100_000))
        assert "database or disk is full" in queue.problem
        assert (queue.size, dict(queue.left())) == (1, {Signal.TRACES: 1})
        # The connection is made anew, and with it the limit is gone.
        await put_released(queue, batch("c"))
        assert queue.problem == ""
        assert await drained(queue) == ["a" * 10_000, "c"]


async def test_a_read_only_folder_while_it_runs(tmp_path: Path) -> None:
    """What is sent while nothing can be written is forgotten later, as soon as it can be."""
    made = kept(tmp_path)
    async with made as queue:
        await put_released(queue, batch("a"))
        await put_released(queue, batch("b"))
        disk = made.file._disk
        await made.file._call(disk._let_go)
        put_in_the_way(tmp_path)
        lease = await queue.take()
        assert lease is not None
        await queue.done(lease)
        with pytest.raises(Refused, match="exporter loki can keep nothing more: the queue file"):
            await queue.put(batch("c"))
        assert "cannot be used" in queue.problem
        clear_the_way(tmp_path)
        await made.file._call(disk.idle)
        assert queue.problem == ""
    async with kept(tmp_path) as queue:
        assert await drained(queue) == ["b"]


async def test_the_file_is_taken_away(tmp_path: Path) -> None:
    """A file that somebody removes is made anew: what comes later is safe, and what was only there is counted."""
    made = kept(tmp_path)
    async with kept(tmp_path) as queue:
        await put_released(queue, batch("before", 7))
    async with made as queue:
        take_away(tmp_path)
        await put_released(queue, batch("after"))
        assert await drained(queue) == ["after"]
        assert made.dropped == [("traces", "corrupt", 7)]
        assert queue.size == 0
    assert made.metric("telescrub_queue_damaged_files_total") == 1


async def test_encrypted(tmp_path: Path) -> None:
    """Nothing of payload or tenant can be read in the file, and with the key all comes out."""
    async with kept(tmp_path, storage={"encryption_key": KEY}) as queue:
        await put_released(queue, batch("synthetic payload", tenant="clinic north"))
        content = all_bytes(tmp_path)
        assert b"synthetic" not in content
        assert b"clinic" not in content
        assert bytes.fromhex(KEY) not in content
    async with kept(tmp_path, storage={"encryption_key": KEY}) as queue:
        lease = await queue.take()
        assert lease is not None
        assert lease.batch == batch("synthetic payload", tenant="clinic north")


async def test_a_wrong_key(tmp_path: Path) -> None:
    """The daemon does not start, says what is wrong, and nothing is lost."""
    async with kept(tmp_path, storage={"encryption_key": KEY}) as queue:
        await put_released(queue, batch("a"))
    for keys in ({"encryption_key": OTHER_KEY}, {}):
        with pytest.raises(OSError, match="has 1 entries that another key encrypted; set encryption_key to it, or add"):
            async with kept(tmp_path, storage=keys):
                pass
    async with kept(tmp_path, storage={"encryption_key": KEY}) as queue:
        assert await drained(queue) == ["a"]


async def test_changing_the_key(tmp_path: Path) -> None:
    """Entries from before there was a key, and of the previous key, come out in order with those of the new one."""
    for keys, name in (
        ({}, "a"),
        ({"encryption_key": KEY}, "b"),
        ({"encryption_key": OTHER_KEY, "previous_keys": [KEY]}, "c"),
    ):
        async with kept(tmp_path, storage=keys) as queue:
            await put_released(queue, batch(name))
    async with kept(tmp_path, storage={"encryption_key": OTHER_KEY, "previous_keys": [KEY]}) as queue:
        assert await drained(queue) == ["a", "b", "c"]
    async with kept(tmp_path, storage={"encryption_key": OTHER_KEY}) as queue:
        assert queue.size == 0


async def test_ages(tmp_path: Path) -> None:
    """Over a restart the wall clock tells how old an entry is; in a run its jumps change nothing."""
    clock, wall = Clock(100.0), Clock(1e9)
    async with kept(tmp_path, clock=clock, wall=wall) as queue:
        await put_released(queue, batch("a"))
        clock.now, wall.now = 110.0, 1e9 + 86_410.0
        await put_released(queue, batch("b"))
    clock, wall = Clock(5.0), Clock(1e9 + 86_440.0)
    made = kept(tmp_path, clock=clock, wall=wall)
    async with made as queue:
        wall.now -= 86_400.0
        leases = [await queue.take(), await queue.take()]
        assert [lease and lease.arrived for lease in leases] == [5.0 - 86_440.0, 5.0 - 30.0]


async def test_the_clock_went_back(tmp_path: Path) -> None:
    """An entry from the future is new, not older or younger than can be."""
    async with kept(tmp_path, wall=Clock(1e9)) as queue:
        await put_released(queue, batch("a"))
    made = kept(tmp_path, clock=Clock(7.0), wall=Clock(1e9 - 86_400.0), max_age="1h")
    async with made as queue:
        lease = await queue.take()
        assert lease is not None
        assert lease.arrived == 7.0
    assert made.dropped == []


async def test_too_old(tmp_path: Path) -> None:
    """What has waited longer than `max_age` is dropped, counted and forgotten."""
    clock = Clock(0.0)
    made = kept(tmp_path, clock=clock, max_age="1h")
    async with made as queue:
        await put_released(queue, batch("a", 3))
        clock.now = 1800.0
        await put_released(queue, batch("b"))
        clock.now = 3601.0
        assert await drained(queue) == ["b"]
    assert made.dropped == [("traces", "too_old", 3)]
    async with kept(tmp_path) as queue:
        assert queue.size == 0


async def test_drop_oldest(tmp_path: Path) -> None:
    """When it is full, what has waited longest goes, counted; what is being sent stays."""
    made = kept(tmp_path, max_items=4, when_full="drop_oldest")
    async with made as queue:
        for name in "abc":
            await put_released(queue, batch(name))
        lease = await queue.take()
        assert lease is not None
        with queue.room(batch("de", 2)):
            await put_released(queue, batch("de", 2))
        assert made.dropped == [("traces", "queue_full", 1)]
        assert queue.size == 3
        with pytest.raises(Refused, match="has 1 of 4 items waiting"), queue.room(batch("f", 4)):
            pass
    async with kept(tmp_path) as queue:
        assert await drained(queue) == ["a", "c", "de"]


async def test_drop_oldest_beyond_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where the oldest are in the file alone."""
    monkeypatch.setattr(machine, "_WINDOW_BYTES", 3)
    made = kept(tmp_path, queue_size=5, when_full="drop_oldest")
    async with made as queue:
        for number in range(20):
            with queue.room(batch(f"{number:02}")):
                await put_released(queue, batch(f"{number:02}"))
        assert queue.size == 5
        assert await drained(queue) == ["15", "16", "17", "18", "19"]
    assert made.dropped == [("traces", "queue_full", 1)] * 15


async def test_drop_new(tmp_path: Path) -> None:
    """When it is full, this destination's copy of what is new goes: counted when the others have theirs."""
    made = kept(tmp_path, queue_size=1, when_full="drop_new")
    async with made as queue:
        await put_released(queue, batch("a"))
        with queue.room(batch("b", 2)):
            entry = await queue.put(batch("b", 2))
            assert made.dropped == []
            queue.release(entry)
        await queue.withdraw(await queue.put(batch("c", 4)))
        assert made.dropped == [("traces", "queue_full", 2)]
        assert await drained(queue) == ["a"]


async def test_drop_new_on_a_full_disk(tmp_path: Path) -> None:
    """A destination whose copies may be lost does not hold up the others when its disk is full."""
    made = kept(tmp_path, storage={"reserve": 2**60}, when_full="drop_new")
    async with made as queue:
        await put_released(queue, batch("a", 2))
        assert made.dropped == [("traces", "not_stored", 2)]
        assert queue.size == 0


async def test_numbers_rise(tmp_path: Path) -> None:
    """No number comes twice, also when all that had higher ones is gone."""
    numbers = []
    for _ in range(3):
        async with kept(tmp_path) as queue:
            entry = await queue.put(batch("a"))
            numbers.append(entry.number)
            await queue.withdraw(entry)
    assert numbers == sorted(set(numbers))


async def test_a_damaged_entry(tmp_path: Path) -> None:
    """It is set aside and counted when its turn comes; those around it are sent."""
    async with kept(tmp_path) as queue:
        for name in ("a" * 99, "b" * 99, "c" * 99):
            await put_released(queue, replace(batch(name), items=5))
    path = tmp_path / "loki.queue"
    content = path.read_bytes()
    assert content.count(b"b" * 99) == 1
    path.write_bytes(content.replace(b"b" * 99, b"b" * 98 + b"x"))
    made = kept(tmp_path)
    async with made as queue:
        assert await drained(queue) == ["a" * 99, "c" * 99]
        assert queue.size == 0
        assert queue.damage == "entries of the queue file are damaged and were set aside in it"
    assert made.dropped == [("traces", "corrupt", 5)]


async def test_a_damaged_file(tmp_path: Path) -> None:
    """What SQLite cannot make sense of is moved aside, what is readable of it comes out, and the queue goes on."""
    async with kept(tmp_path) as queue:
        for number in range(100):
            await put_released(queue, batch(f"{number:02}" * 1000))
    path = tmp_path / "loki.queue"
    content = bytearray(path.read_bytes())
    content[:100] = bytes(100)
    path.write_bytes(content)
    made = kept(tmp_path)
    async with made as queue:
        assert "a damaged queue file was moved aside to loki.queue.damaged-" in queue.damage
        await put_released(queue, batch("new"))
        assert await drained(queue) == [f"{number:02}" * 1000 for number in range(100)] + ["new"]
    assert made.metric("telescrub_queue_damaged_files_total") == 1
    assert [each.partition(".damaged-")[0] for each in names(tmp_path) if ".damaged-" in each] == ["loki.queue"]


async def test_damage_while_it_runs(tmp_path: Path) -> None:
    """A file that is damaged in the middle of a run is salvaged then, and nothing crashes."""
    async with kept(tmp_path) as queue:
        for number in range(50):
            await put_released(queue, batch(f"{number:02}" * 3000))
    made = kept(tmp_path)
    async with made as queue:
        with made.path.open("r+b") as file:
            file.seek(4096)
            file.write(b"\xff" * 4096 * 12)
        await made.file._call(made.file._disk._let_go)
        await put_released(queue, batch("new"))
        out = await drained(queue)
        assert out[-1] == "new"
        assert out[:-1] == sorted(out[:-1])
        assert sum(items for _, _, items in made.dropped) == 51 - len(out)
        assert queue.size == 0
