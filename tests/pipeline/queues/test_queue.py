"""The memory queue: bounds, order, merging, giving back."""

import asyncio
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.batch import Batch, Signal
from pipeline.errors import Refused, TooLarge
from pipeline.queues.queue import Merge, Queue, QueueSettings
from tests.payloads import put_released


def batch(name: str, items: int = 1, signal: Signal = Signal.TRACES) -> Batch:
    """A batch to be recognised by its payload; queues look at nothing but the sizes."""
    return Batch(signal, name.encode(), items)


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def queue(clock: Clock | None = None, merge: Merge | None = None, **kind: object) -> Queue:
    merges = {} if merge is None else dict.fromkeys(Signal, merge)
    return Queue("loki", QueueSettings.model_validate(kind), merges, clock=clock or Clock())


async def take(waiting: Queue) -> str:
    """What is taken next, as text."""
    lease = await waiting.take()
    assert lease is not None
    await waiting.done(lease)
    return lease.batch.payload.decode()


async def test_order() -> None:
    """First in, first out, one signal independently of the other."""
    waiting = queue()
    for each in (batch("a"), batch("b"), batch("x", signal=Signal.LOGS), batch("c")):
        await put_released(waiting, each)
    taken = [await take(waiting) for _ in range(4)]
    assert [each for each in taken if each != "x"] == ["a", "b", "c"]
    assert "x" in taken


async def test_taking_is_cancelled_as_something_comes() -> None:
    """A cancellation in the moment in which there is more to look at is not lost."""
    waiting = queue(merge=Merge(size=100, timeout=60.0))
    await put_released(waiting, batch("a"))
    async with asyncio.timeout(10), asyncio.TaskGroup() as group:
        taking = group.create_task(waiting.take())
        await asyncio.sleep(0.01)
        await put_released(waiting, batch("b"))
        await asyncio.sleep(0)
        taking.cancel()
    assert taking.cancelled()


async def test_take_now() -> None:
    """What could be sent, without waiting for more; not what is unreleased, nor what is behind it."""
    waiting = queue(merge=Merge(size=2, timeout=60.0))
    assert await waiting.take_now() is None
    for name in "abc":
        await put_released(waiting, batch(name))
    await waiting.put(batch("d"))
    leases = [await waiting.take_now() for _ in range(3)]
    assert [lease and lease.load.requests for lease in leases] == [2, 1, None]


async def test_full_by_requests() -> None:
    """The sentence says how full it is and when to come back; what is under way counts, what is done does not."""
    waiting = queue(queue_size=2)
    await put_released(waiting, batch("a"))
    await put_released(waiting, batch("b"))
    lease = await waiting.take()
    assert lease is not None
    with pytest.raises(Refused) as refusal, waiting.room(batch("c")):
        pass
    assert str(refusal.value) == "exporter loki has 2 of 2 requests waiting; retry after 1 s"
    assert refusal.value.retry_after_seconds == 1.0
    await waiting.done(lease)
    with waiting.room(batch("c")):
        pass


@pytest.mark.parametrize(
    ("limits", "unit"), [({"sizer": "items", "queue_size": 5}, "items"), ({"max_bytes": 5}, "bytes")]
)
async def test_full_by_size(limits: dict[str, Any], unit: str) -> None:
    """Items and bytes are limits too."""
    waiting = queue(**limits)
    await put_released(waiting, batch("four", 4))
    with pytest.raises(Refused, match=f"has 4 of 5 {unit} waiting"), waiting.room(batch("2b", 2)):
        pass


async def test_never_fits() -> None:
    """What could not fit an empty queue must not be sent again and again."""
    waiting = queue(sizer="items", queue_size=5)
    expected = "exporter loki takes at most 5 items at once; send smaller requests"
    with pytest.raises(TooLarge, match=expected), waiting.room(batch("a", 6)):
        pass


async def test_room_is_held() -> None:
    """While one request is being processed another cannot take its place, and afterwards it can."""
    waiting = queue(queue_size=1)
    with waiting.room(batch("a")), pytest.raises(Refused), waiting.room(batch("b")):
        pass
    with waiting.room(batch("b")):
        pass


async def test_merging_by_size() -> None:
    """As soon as enough items wait they leave as one, and no more than needed."""
    waiting = queue(merge=Merge(size=4, timeout=10.0))
    for name in "abc":
        await put_released(waiting, batch(name, 2))
    assert await take(waiting) == "ab"
    assert waiting.size == 1


async def test_merging_waits() -> None:
    """Fewer items wait for the timeout, and what comes meanwhile goes with them."""
    clock = Clock()
    waiting = queue(clock, Merge(size=100, timeout=10.0))
    await put_released(waiting, batch("a"))
    async with asyncio.TaskGroup() as group:
        taken = group.create_task(take(waiting))
        await asyncio.sleep(0)
        clock.now = 9.0
        await put_released(waiting, batch("b"))
        await asyncio.sleep(0)
        assert not taken.done()
        clock.now = 10.0
        await put_released(waiting, batch("c"))
    assert taken.result() == "abc"


async def test_put_back() -> None:
    """What could not be sent is first in line again, in its order."""
    waiting = queue(merge=Merge(size=2, timeout=10.0))
    for name in "abc":
        await put_released(waiting, batch(name))
    lease = await waiting.take()
    assert lease is not None
    await waiting.put_back(lease)
    waiting.close()
    assert [await take(waiting), await take(waiting)] == ["ab", "c"]


async def test_closing() -> None:
    """A closed queue hands out what is left at once, and then says that it is empty."""
    waiting = queue(merge=Merge(size=100, timeout=1000.0))
    await put_released(waiting, batch("a", 3))
    assert dict(waiting.left()) == {Signal.TRACES: 3}
    waiting.close()
    assert await take(waiting) == "a"
    assert await waiting.take() is None
    assert dict(waiting.left()) == {}


@settings(max_examples=100, deadline=None)
@given(st.lists(st.tuples(st.sampled_from(Signal), st.integers(1, 9)), max_size=30), st.integers(0, 12))
def test_nothing_is_lost(puts: list[tuple[Signal, int]], size: int) -> None:
    """However batches are merged: every one comes out once, in the order of its signal."""

    async def through() -> list[tuple[Signal, str]]:
        waiting = queue(merge=Merge(size=size, timeout=1.0))
        for number, (signal, items) in enumerate(puts):
            await put_released(waiting, batch(f"{number},", items, signal))
        waiting.close()
        out = []
        while (lease := await waiting.take()) is not None:
            out.append((lease.batch.signal, lease.batch.payload.decode()))
            await waiting.done(lease)
        assert waiting.size == 0
        return out

    out = asyncio.run(through())
    for signal in Signal:
        expected = "".join(f"{number}," for number, (each, _) in enumerate(puts) if each is signal)
        assert "".join(text for each, text in out if each is signal) == expected


async def test_tenants_are_not_merged() -> None:
    """In order, and each request is of one tenant."""
    waiting = queue(merge=Merge(size=10))
    for name, tenant in (("a", "north"), ("b", "north"), ("c", "south"), ("d", "north"), ("e", "")):
        await put_released(waiting, replace(batch(name), tenant=tenant))
    waiting.close()
    leases = [lease for _ in range(4) if (lease := await waiting.take()) is not None]
    assert [(lease.batch.payload, lease.batch.tenant) for lease in leases] == [
        (b"ab", "north"),
        (b"c", "south"),
        (b"d", "north"),
        (b"e", ""),
    ]
