"""What processors hold back: passed on each second, kept while refused, all of it when stopping."""

import asyncio
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import pytest
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from pipeline.batch import Batch
from pipeline.component import Connector, Ending, Record
from pipeline.deadline import Deadline
from pipeline.queues.queue import Queue, QueueSettings
from pipeline.router import Destination, Edge, Pipeline, Stage
from pipeline.ticker import Ticker
from tests.payloads import context, decoded_spans, dropped, put_released, traces


class Holder:
    """Holds every batch until it is asked for the second time, and remembers how many there were."""

    def __init__(self, storage: Path | None = None) -> None:
        self.storage = storage
        self.held: list[Batch] = []
        self.seen = 0
        self.ending: Ending | None = None

    def process(self, batch: Batch) -> Batch | None:
        self.held.append(batch)
        self.seen += 1
        return None

    def tick(self, *, stopping: bool = False) -> Sequence[Batch]:
        held, self.held = self.held, []
        return held

    def restore(self, records: Iterable[Record], ending: Ending) -> None:
        self.ending = ending
        for _, seen in records:
            self.seen = seen

    def changes(self) -> list[Record]:
        return [["seen", self.seen]]

    def everything(self) -> Iterator[Record]:
        return iter([["seen", self.seen]])


class Renamed:
    """A processor after it."""

    def process(self, batch: Batch) -> Batch | None:
        return traces([Span(name=f"{span.name}!") for span in decoded_spans(batch)])


class Through:
    def route(self, batch: Batch) -> Batch | None:
        return batch


def spans(*names: str) -> Batch:
    return traces([Span(name=name) for name in names])


def destination(size: int = 10) -> Destination:
    return Destination(context("jaeger"), Queue("jaeger", QueueSettings(queue_size=size), {}))


async def waiting(place: Destination) -> list[list[str]]:
    place.queue.close()
    out = []
    while (lease := await place.queue.take()) is not None:
        out.append([span.name for span in decoded_spans(lease.batch)])
        await place.queue.done(lease)
    return out


def written(folder: Path) -> Path:
    (found,) = folder.glob("*.state")
    return found


def ticker(*pipelines: Pipeline, deadline: Deadline | None = None) -> Ticker:
    return Ticker(pipelines, asyncio.Lock(), deadline or Deadline(5.0), interval_seconds=3600)


async def test_what_is_due_goes_on() -> None:
    """Through the processors after it, also those of connected pipelines, into every queue."""
    first, second, place = Holder(), Holder(), destination()
    connector: Connector = Through()
    inner = Pipeline([Stage(context("second"), second)], [place])
    outer = Pipeline([Stage(context("first"), first), Stage(context("after"), Renamed())], [Edge(connector, [inner])])
    async with ticker(inner, outer) as running:
        first.process(spans("a"))
        await running.tick()
        assert (len(first.held), second.seen) == (0, 1)
        first.process(spans("b"))
    assert await waiting(place) == [["a!"], ["b!"]]


async def test_what_is_refused_stays() -> None:
    """In order, and nothing else is asked for meanwhile; when stopping, until the deadline."""
    holder, place = Holder(), destination(1)
    made = context("holder")
    await put_released(place.queue, spans("before"))
    deadline = Deadline(0.2)
    async with ticker(Pipeline([Stage(made, holder)], [place]), deadline=deadline) as running:
        holder.process(spans("a"))
        await running.tick()
        holder.process(spans("b"))
        await running.tick()
        assert len(holder.held) == 1
        deadline.start()
    assert await waiting(place) == [["before"]]
    assert dropped(made, spans("a").signal, "shutdown") == 2


async def test_what_is_remembered(tmp_path: Path) -> None:
    """Comes back at the next start, with word of how the last one ended."""
    for ending, before in ((Ending.CLEAN, 0), (Ending.CLEAN, 1)):
        holder = Holder(tmp_path)
        async with ticker(Pipeline([Stage(context("holder"), holder)], [destination()])):
            assert (holder.ending, holder.seen) == (ending, before)
            holder.process(spans("a"))
    killed = Holder(tmp_path)
    running = ticker(Pipeline([Stage(context("holder"), killed)], [destination()]))
    async with running:
        killed.process(spans("a"))
        await running.tick()
        text = await asyncio.to_thread(written(tmp_path).read_bytes)
    await asyncio.to_thread(written(tmp_path).write_bytes, text)
    after = Holder(tmp_path)
    async with ticker(Pipeline([Stage(context("holder"), after)], [destination()])):
        assert (after.ending, after.seen) == (Ending.KILLED, 3)


async def test_a_failure_ends_nothing() -> None:
    """It is logged; the next round asks again."""

    class Failing(Holder):
        def tick(self, *, stopping: bool = False) -> Sequence[Batch]:
            raise ValueError("patient 536-90-4399")

    async with ticker(Pipeline([Stage(context("failing"), Failing())], [destination()])) as running:
        await running.tick()


async def swapped(running: Ticker, processing: asyncio.Lock, *pipelines: Pipeline) -> None:
    """A reload."""
    prepared = await running.prepare(pipelines)
    async with running.ticking, processing:
        gone = await running.swap(prepared)
    await running.finish(gone, Deadline(5.0))


async def test_a_processor_stays_at_a_reload() -> None:
    """What was refused behind it goes on in its new pipeline."""
    holder, full, place, processing = Holder(), destination(1), destination(), asyncio.Lock()
    stage = Stage(context("holder"), holder)
    await put_released(full.queue, spans("before"))
    async with Ticker([Pipeline([stage], [full])], processing, Deadline(5.0), interval_seconds=3600) as running:
        holder.process(spans("a"))
        await running.tick()
        await swapped(running, processing, Pipeline([stage, Stage(context("after"), Renamed())], [place]))
        await running.tick()
    assert (await waiting(full), await waiting(place)) == ([["before"]], [["a!"]])


async def test_another_takes_its_place(tmp_path: Path) -> None:
    """With all that it remembers and holds, and also where it is kept in another folder."""
    old, new, place, processing = Holder(tmp_path / "old"), Holder(tmp_path / "new"), destination(), asyncio.Lock()
    before = Pipeline([Stage(context("holder"), old)], [place])
    async with Ticker([before], processing, Deadline(5.0), interval_seconds=3600) as running:
        old.process(spans("a"))
        await swapped(running, processing, Pipeline([Stage(context("holder"), new)], [place]))
        assert (new.seen, new.ending) == (1, Ending.CLEAN)
        await running.tick()
        new.process(spans("b"))
    assert await waiting(place) == [["a"], ["b"]]
    assert list((tmp_path / "old").iterdir()) == []
    after = Holder(tmp_path / "new")
    async with ticker(Pipeline([Stage(context("holder"), after)], [destination()])):
        assert (after.seen, after.ending) == (2, Ending.CLEAN)


async def test_one_goes_and_one_comes(tmp_path: Path) -> None:
    """What the one holds is passed on where it stood, and written down; the other takes up what it once remembered."""
    first, second, place, processing = Holder(tmp_path), Holder(tmp_path), destination(), asyncio.Lock()
    one, other = (Pipeline([Stage(context(name), each)], [place]) for name, each in (("a", first), ("b", second)))
    async with Ticker([one], processing, Deadline(5.0), interval_seconds=3600) as running:
        first.process(spans("a"))
        await swapped(running, processing, other)
        second.process(spans("b"))
        again = Holder(tmp_path)
        await swapped(running, processing, Pipeline([Stage(context("a"), again)], [place]))
        assert (again.seen, again.ending) == (1, Ending.CLEAN)
    assert await waiting(place) == [["a"], ["b"]]


async def test_a_reload_that_fails(tmp_path: Path) -> None:
    """A folder that cannot be used is told before anything changes, and what was opened is closed as it was."""
    file = tmp_path / "file"
    file.touch()
    holder, fresh, processing = Holder(tmp_path / "state"), Holder(tmp_path / "state"), asyncio.Lock()
    stage = Stage(context("holder"), holder)
    good, bad = Stage(context("fresh"), fresh), Stage(context("holder"), Holder(file / "state"))
    async with Ticker(
        [Pipeline([stage], [destination()])], processing, Deadline(5.0), interval_seconds=3600
    ) as running:
        holder.process(spans("a"))
        with pytest.raises(NotADirectoryError) as caught:
            await running.prepare([Pipeline([good, bad], [destination()])])
        assert caught.value.__notes__ == ["processors::holder"]
        await running.tick()
        await running.tick()
    assert holder.held == []
    names = sorted(path.name for path in (tmp_path / "state").iterdir())
    assert names == ["all%20fresh.state", "all%20holder.state"]
