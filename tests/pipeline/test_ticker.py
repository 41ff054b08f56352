"""What processors hold back: passed on each second, kept while refused, all of it when stopping."""

import asyncio
import shutil
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path

import pytest
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from pipeline.batch import Batch
from pipeline.component import Connector, Ending, Record
from pipeline.deadline import Deadline
from pipeline.errors import Refused
from pipeline.queues.queue import Queue, QueueSettings
from pipeline.router import Destination, Edge, Pipeline, Stage
from pipeline.state import StateFile
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


class Redacting:
    """One that takes PHI out, after it."""

    def process(self, batch: Batch) -> Batch | None:
        return traces([Span(name=span.name.replace("536-90-4399", "[ssn]")) for span in decoded_spans(batch)])


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
    """What was refused behind it goes to the exporter's new queue, without what stands in the new pipeline only."""
    holder, full, place, processing = Holder(), destination(1), destination(), asyncio.Lock()
    stage = Stage(context("holder"), holder)
    await put_released(full.queue, spans("before"))
    async with Ticker([Pipeline([stage], [full])], processing, Deadline(5.0), interval_seconds=3600) as running:
        holder.process(spans("a"))
        await running.tick()
        await swapped(running, processing, Pipeline([stage, Stage(context("after"), Renamed())], [place]))
        await running.tick()
    assert (await waiting(full), await waiting(place)) == ([["before"]], [["a"]])


REDACTING, CONNECTOR = Stage(context("redact"), Redacting()), Through()


def straight(*stages: Stage, place: Destination) -> list[Pipeline]:
    return [Pipeline(stages, [place])]


def connected(first: Stage, second: Stage, *, place: Destination) -> list[Pipeline]:
    """Each in a pipeline of its own."""
    inner = Pipeline([second], [place])
    return [inner, Pipeline([first], [Edge(CONNECTOR, [inner])])]


@pytest.mark.parametrize("joined", [straight, connected])
@pytest.mark.parametrize("stays", [True, False])
async def test_redaction_moves(joined: Callable[..., list[Pipeline]], stays: bool) -> None:
    """What was held before its redaction, also what was refused behind it, never passes it by."""
    holder, place, processing = Holder(), destination(1), asyncio.Lock()
    old = Stage(context("holder"), holder)
    new = old if stays else Stage(context("holder"), Holder())
    await put_released(place.queue, spans("before"))
    async with Ticker(joined(old, REDACTING, place=place), processing, Deadline(5.0), interval_seconds=3600) as running:
        holder.process(spans("refused 536-90-4399"))
        await running.tick()
        holder.process(spans("held 536-90-4399"))
        await swapped(running, processing, *joined(REDACTING, new, place=place))
        place.queue.change(QueueSettings(queue_size=10), {})
    assert await waiting(place) == [["before"], ["refused [ssn]"], ["held [ssn]"]]


@pytest.mark.parametrize("stays", [True, False])
async def test_one_goes_before_another(stays: bool) -> None:
    """What the one that goes gives is held by the other as it was before, and leaves it as it would have."""
    first, second, place, processing = Holder(), Holder(), destination(), asyncio.Lock()
    one, other = Stage(context("first"), first), Stage(context("second"), second)
    new = other if stays else Stage(context("second"), Holder())
    before, after = straight(one, other, REDACTING, place=place), straight(REDACTING, new, place=place)
    async with Ticker(before, processing, Deadline(5.0), interval_seconds=3600) as running:
        first.process(spans("held 536-90-4399"))
        await swapped(running, processing, *after)
    assert await waiting(place) == [["held [ssn]"]]


async def test_nothing_changes_behind_it() -> None:
    """Then it goes on holding what it holds."""
    holder, place, processing = Holder(), destination(), asyncio.Lock()
    stage, behind = Stage(context("holder"), holder), Stage(context("after"), Renamed())
    before, after = straight(stage, behind, place=place), straight(REDACTING, stage, behind, place=place)
    async with Ticker(before, processing, Deadline(5.0), interval_seconds=3600) as running:
        holder.process(spans("a"))
        await swapped(running, processing, *after)
        assert len(holder.held) == 1
    assert await waiting(place) == [["a!"]]


async def test_what_is_refused_on_its_way() -> None:
    """Then the reload is not done; nothing is lost, and nothing processed twice."""

    class Away:
        is_away = True

        def __init__(self) -> None:
            self.seen: list[str] = []

        def process(self, batch: Batch) -> Batch | None:
            if self.is_away and self.seen:
                raise Refused("the ledger cannot be written", reason="ledger")
            self.seen.extend(span.name for span in decoded_spans(batch))
            return batch

    holder, away, processing, place = Holder(), Away(), asyncio.Lock(), destination()
    stage = Stage(context("holder"), holder)
    before = straight(stage, Stage(context("away"), away), place=place)
    async with Ticker(before, processing, Deadline(5.0), interval_seconds=3600) as running:
        holder.process(spans("a"))
        holder.process(spans("b"))
        with pytest.raises(Refused):
            await swapped(running, processing, *straight(stage, place=place))
        away.is_away = False
        await swapped(running, processing, *straight(stage, place=place))
    assert away.seen == ["a", "b"]
    assert sorted(await waiting(place)) == [["a"], ["b"]]


async def test_no_room_before_an_exporter_that_goes() -> None:
    """What is held is dropped then, and counted."""
    holder, made, processing = Holder(), context("holder"), asyncio.Lock()
    stage, full, place = Stage(made, holder), destination(1), destination()
    gone = Destination(context("gone"), full.queue)
    await put_released(full.queue, spans("before"))
    async with Ticker(straight(stage, place=gone), processing, Deadline(5.0), interval_seconds=3600) as running:
        holder.process(spans("c"))
        await swapped(running, processing, *straight(stage, place=place))
        assert dropped(made, spans("a").signal, "queue_full") == 1
    assert await waiting(place) == []


async def test_one_that_does_not_give() -> None:
    """A reload that would have it stay with others behind it is not done; one that takes it away is."""

    class Failing(Holder):
        fails = True

        def tick(self, *, stopping: bool = False) -> Sequence[Batch]:
            if self.fails:
                raise ValueError("patient 536-90-4399")
            return super().tick(stopping=stopping)

    holder, place, processing = Failing(), destination(), asyncio.Lock()
    stage = Stage(context("holder"), holder)
    before, after = straight(stage, REDACTING, place=place), straight(REDACTING, stage, place=place)
    async with Ticker(before, processing, Deadline(5.0), interval_seconds=3600) as running:
        holder.process(spans("536-90-4399"))
        with pytest.raises(ValueError, match="patient"):
            await swapped(running, processing, *after)
        holder.fails = False
        await running.tick()
        holder.fails = True
        await swapped(running, processing, *straight(REDACTING, place=place))
    assert await waiting(place) == [["[ssn]"]]


async def test_pipelines_of_before() -> None:
    """They can still be used if what is held in them is asked for, and goes on as it would have."""
    place, processing = destination(), asyncio.Lock()
    gone, stays, moves, changes = (Stage(context(name), Holder()) for name in ("gone", "stays", "moves", "changes"))
    one, two, three, four = (straight(each, REDACTING, place=place)[0] for each in (gone, stays, moves, changes))
    other = Stage(context("changes"), Holder())
    after = [straight(*stages, place=place)[0] for stages in ((REDACTING, moves), (other, REDACTING))]
    async with Ticker([one, two, three, four], processing, Deadline(5.0), interval_seconds=3600) as running:
        prepared = await running.prepare([two, *after])
        async with running.ticking, processing:
            went = await running.swap(prepared)
        assert [running.serves(each, went) for each in (one, two, three, four)] == [True, True, False, False]
        assert all(running.serves(each, went) for each in after)


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


async def test_a_disk_that_is_full_at_a_reload(tmp_path: Path) -> None:
    """What is remembered is in the file as soon as that can be; until then, the file says that something is missing."""
    old, new, place, processing = Holder(tmp_path), Holder(tmp_path), destination(), asyncio.Lock()
    async with Ticker(
        [Pipeline([Stage(context("holder"), old)], [place])], processing, Deadline(5.0), interval_seconds=3600
    ) as running:
        file = await asyncio.to_thread(written, tmp_path)
        old.process(spans("a"))
        prepared = await running.prepare([Pipeline([Stage(context("holder"), new)], [place])])
        # What stands where it would be written anew, as there is no full disk to be had.
        await asyncio.to_thread(file.with_suffix(".new").mkdir)
        async with running.ticking, processing:
            await running.swap(prepared)
        new.process(spans("b"))
        await running.tick()
        assert await asyncio.to_thread(left, file, tmp_path / "first") == (1, Ending.CRASHED)
        await asyncio.to_thread(file.with_suffix(".new").rmdir)
        await running.tick()
        assert await asyncio.to_thread(left, file, tmp_path / "second") == (2, Ending.KILLED)
    assert await waiting(place) == [["a"], ["b"]]


def left(file: Path, folder: Path) -> tuple[int, Ending | None]:
    """What a daemon that starts now would find, from a copy of the file in a new folder."""
    folder.mkdir()
    shutil.copy(file, folder)
    found = Holder(folder)
    found.restore(*StateFile.of(context("holder"), folder).read())
    return found.seen, found.ending


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
