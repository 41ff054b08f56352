"""From a receiver into every queue: all or none, processors in order, failures closed."""

import asyncio
import threading
from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import replace
from typing import Any

import pytest
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from pipeline.batch import Batch, Signal
from pipeline.component import Context
from pipeline.errors import Refused, Rejected, Unsupported
from pipeline.queues.queue import Entry, Load, Queue, QueueSettings
from pipeline.queues.store import Loaded
from pipeline.router import Destination, Edge, Pipeline, Router, Stage
from tests.payloads import context, dropped, put_released, traces


class Step:
    """A processor made of a function."""

    def __init__(self, function: Callable[[Batch], Batch | None]) -> None:
        self.process = function


class Through:
    """A connector that changes nothing."""

    def route(self, batch: Batch) -> Batch | None:
        return batch


def stage(function: Callable[[Batch], Batch | None], name: str = "step") -> Stage:
    return Stage(context(name), Step(function))


def renamed(name: str) -> Callable[[Batch], Batch]:
    """A processor that adds a span, to see the order of processors by."""

    def process(batch: Batch) -> Batch:
        return Batch.join([batch, spans(name)])

    return process


def spans(*names: str) -> Batch:
    return traces([Span(name=name) for name in names])


def names(batch: Batch) -> list[str]:
    message = batch.decode()
    return [s.name for r in message.resource_spans for c in r.scope_spans for s in c.spans]  # type: ignore[attr-defined]


def destination(name: str, size: int = 10) -> Destination:
    return Destination(context(name), Queue(name, QueueSettings(queue_size=size), {}))


async def waiting(place: Destination) -> list[list[str]]:
    place.queue.close()
    out = []
    while (lease := await place.queue.take()) is not None:
        out.append(names(lease.batch))
        await place.queue.done(lease)
    return out


def router(*pipelines: Pipeline) -> Router:
    return Router(pipelines, asyncio.Lock())


async def test_fan_out() -> None:
    """Every exporter of every pipeline gets the batch, processed by its own pipeline in order."""
    jaeger, file, loki = destination("jaeger"), destination("file"), destination("loki")
    first = Pipeline([stage(renamed("one")), stage(renamed("two"))], [jaeger, file])
    await router(first, Pipeline([], [loki])).consume(spans("a"))
    assert await waiting(jaeger) == [["a", "one", "two"]]
    assert await waiting(file) == [["a", "one", "two"]]
    assert await waiting(loki) == [["a"]]


async def test_all_or_none() -> None:
    """One full queue refuses the batch for all: the sender's next try duplicates nothing. No processor has run."""
    ran: list[Batch] = []

    def remember(batch: Batch) -> Batch:
        ran.append(batch)
        return batch

    full, free = destination("full", 1), destination("free")
    await put_released(full.queue, spans("before"))
    pipeline = Pipeline([stage(remember)], [free, full])
    with pytest.raises(Refused, match="exporter full has 1 of 1 requests waiting"):
        await router(pipeline).consume(spans("a"))
    assert ran == []
    assert await waiting(free) == []
    assert (
        full.context.telemetry.registry.get_sample_value("otelcol_exporter_enqueue_failed_spans", {"exporter": "full"})
        == 1
    )


async def test_room_is_given_back() -> None:
    """A refusal by one destination leaves no room held in another."""
    full, free = destination("full", 1), destination("free", 1)
    await put_released(full.queue, spans("before"))
    pipeline = Pipeline([], [free, full])
    for _ in range(3):
        with pytest.raises(Refused, match="exporter full"):
            await router(pipeline).consume(spans("a"))
    with free.queue.room(spans("a")):
        pass


async def test_nothing_left() -> None:
    """A processor that returns None ends the way of the batch, and that is a success."""
    place = destination("jaeger")
    await router(Pipeline([stage(lambda batch: None), stage(renamed("never"))], [place])).consume(spans("a"))
    assert await waiting(place) == []


async def test_empty_request() -> None:
    """A request without items is taken and goes nowhere."""
    place = destination("jaeger")
    await router(Pipeline([], [place])).consume(Batch(Signal.TRACES, b"", 0))
    assert await waiting(place) == []


def failing(batch: Batch) -> Batch:
    raise ValueError("patient 536-90-4399")


async def test_a_processor_fails(capsys: pytest.CaptureFixture[str]) -> None:
    """Nothing passes a processor that failed, nothing is put anywhere, and its message is never shown."""
    jaeger, file = destination("jaeger"), destination("file")
    broken = stage(failing, "broken")
    with pytest.raises(Rejected) as caught:
        await router(Pipeline([], [jaeger]), Pipeline([broken], [file])).consume(spans("a", "b"))
    assert str(caught.value) == "processor broken failed on this data, which was dropped"
    assert (await waiting(jaeger), await waiting(file)) == ([], [])
    assert dropped(broken.context, Signal.TRACES, "processor_error") == 2
    assert "536-90-4399" not in capsys.readouterr().out


async def test_a_processor_refuses() -> None:
    """A processor may turn the sender away."""

    def short_of_memory(batch: Batch) -> Batch:
        raise Refused("memory is short")

    with pytest.raises(Refused, match="memory is short"):
        await router(Pipeline([stage(short_of_memory)], [destination("jaeger")])).consume(spans("a"))


async def test_connector() -> None:
    """A connector carries a batch on into other pipelines, whose queues count for room too."""
    archive = destination("archive", 1)
    inner = Pipeline([stage(renamed("inner"))], [archive])
    outer = router(Pipeline([stage(renamed("outer"))], [Edge(Through(), [inner])]))
    await outer.consume(spans("a"))
    with pytest.raises(Refused, match="exporter archive"):
        await outer.consume(spans("b"))
    assert await waiting(archive) == [["a", "outer", "inner"]]


async def test_large_batches() -> None:
    """A large payload is processed beside the loop, with the same result."""
    place = destination("jaeger")
    large = spans(*["x" * 1000] * 400)
    await router(Pipeline([stage(renamed("one"))], [place])).consume(large)
    assert (await waiting(place))[0][-1] == "one"


def counted(made: Context, way: str) -> float | None:
    labels = {"processor": made.id, "otel_signal": "traces"}
    return made.telemetry.registry.get_sample_value(f"otelcol_processor_{way}_items", labels)


async def test_processors_are_counted() -> None:
    """Items into and out of each processor."""
    step = stage(renamed("one"))
    await router(Pipeline([step], [destination("jaeger")])).consume(spans("a", "b"))
    assert (counted(step.context, "incoming"), counted(step.context, "outgoing")) == (2, 3)


async def test_a_batch_stays_its_tenants() -> None:
    """Also where a processor or a connector makes a new one."""
    place = destination("loki")

    class Decoding:
        def route(self, batch: Batch) -> Batch | None:
            return Batch.encode(batch.signal, batch.decode())

    inner = Pipeline([], [place])
    outer = Pipeline([stage(lambda batch: Batch.encode(batch.signal, batch.decode()))], [Edge(Decoding(), [inner])])
    await router(outer).consume(replace(spans("a"), tenant="north"))
    lease = await place.queue.take()
    assert lease is not None
    assert lease.batch.tenant == "north"
    assert "north" not in repr(lease.batch)


class FullDisk:
    """A store that cannot keep anything now, as soon as it is told to say so."""

    problem = damage = ""

    def __init__(self) -> None:
        self.asked = asyncio.Event()
        self.answer = asyncio.Event()

    async def open(self) -> Mapping[Signal, Load]:
        return {}

    async def close(self) -> None:
        return

    def next_number(self) -> int:
        return 1

    async def add(self, entry: Entry) -> None:
        self.asked.set()
        await self.answer.wait()
        raise Refused("the disk is full; retry after 1 s", retry_after_seconds=1.0)

    async def remove(self, numbers: Sequence[int]) -> None:
        return

    async def replace(self, numbers: Sequence[int], entry: Entry) -> None:
        return

    async def load(self, signal: Signal, after: int, before: float, most_bytes: int) -> Loaded:
        return Loaded([])


async def test_disk_full_behind_one_destination() -> None:
    """What one destination cannot keep no other one has either: the sender's next try is no duplicate."""
    store = FullDisk()
    store.answer.set()
    jaeger, file = destination("jaeger"), Destination(context("file"), Queue("file", QueueSettings(), {}, store))
    with pytest.raises(Refused, match="the disk is full"):
        await router(Pipeline([], [jaeger, file])).consume(spans("a"))
    assert (dict(jaeger.queue.left()), dict(file.queue.left()), jaeger.queue.size) == ({}, {}, 0)
    labels = {"exporter": "file"}
    assert file.context.telemetry.registry.get_sample_value("otelcol_exporter_enqueue_failed_spans", labels) == 1


async def test_client_goes_away_meanwhile() -> None:
    """A client that gives up before it is answered will send again: nothing is kept for it."""
    store = FullDisk()
    jaeger, file = destination("jaeger"), Destination(context("file"), Queue("file", QueueSettings(), {}, store))
    async with asyncio.TaskGroup() as group:
        consuming = group.create_task(router(Pipeline([], [jaeger, file])).consume(spans("a")))
        await store.asked.wait()
        consuming.cancel()
    assert consuming.cancelled()
    store.answer.set()
    await asyncio.sleep(0.01)
    assert (dict(jaeger.queue.left()), dict(file.queue.left())) == ({}, {})


async def test_client_goes_away_while_a_thread_works() -> None:
    """A processor sees one batch at a time also then: a thread goes on without its client."""
    begun, go_on = threading.Event(), threading.Event()
    seen: list[str] = []

    def slow(batch: Batch) -> Batch:
        seen.append("begins")
        begun.set()
        go_on.wait(10)
        seen.append("ends")
        return batch

    made, large = router(Pipeline([stage(slow)], [destination("jaeger")])), spans("a" * 300_000)
    async with asyncio.timeout(10), asyncio.TaskGroup() as group:
        gone = group.create_task(made.consume(large))
        await asyncio.to_thread(begun.wait, 10)
        for _ in range(2):
            gone.cancel()
            await asyncio.sleep(0)
        group.create_task(made.consume(large))
        await asyncio.sleep(0.01)
        go_on.set()
    assert (gone.cancelled(), seen) == (True, ["begins", "ends"] * 2)


async def test_led_elsewhere_before_it_was_processed() -> None:
    """A batch that waits for its turn goes where the router leads then, and holds no room in the old queue."""
    old, new = destination("old", 1), destination("new")
    processing = asyncio.Lock()
    made = Router([Pipeline([], [old])], processing)
    async with asyncio.TaskGroup() as group, processing:
        consuming = group.create_task(made.consume(spans("a")))
        await asyncio.sleep(0)
        assert not consuming.done()
        made.lead([Pipeline([stage(renamed("one"))], [new])])
    with old.queue.room(spans("b")):
        pass
    assert (await waiting(old), await waiting(new)) == ([], [["a", "one"]])


async def test_before_it_leads_anywhere() -> None:
    """Everybody waits, also whoever looks whether they may come; then it leads somewhere, or turns them away."""
    place = destination("jaeger")
    ready, never = Router(None, asyncio.Lock()), Router(None, asyncio.Lock())
    ready.admit()
    async with asyncio.TaskGroup() as group:
        consuming = group.create_task(ready.consume(spans("a")))
        refused = group.create_task(raised(never.consume(spans("b"))))
        await asyncio.sleep(0)
        ready.lead([Pipeline([], [place])])
        never.turn_away()
    assert consuming.result() is None
    assert str(refused.result()) == "this receiver does not run; retry after 1 s"
    assert await waiting(place) == [["a"]]


async def raised(doing: Coroutine[Any, Any, None]) -> Exception | None:
    try:
        await doing
    except Refused as error:
        return error
    return None


async def test_no_pipeline_takes_it() -> None:
    """For good, unlike what is refused."""
    with pytest.raises(Unsupported, match="no pipeline takes traces from receiver otlp"):
        await Router([], asyncio.Lock(), "no pipeline takes traces from receiver otlp").consume(spans("a"))


async def test_what_is_under_way_can_be_waited_for() -> None:
    """Until a batch is in every queue or in none, also when its client has gone."""
    store = FullDisk()
    made = router(Pipeline([], [Destination(context("file"), Queue("file", QueueSettings(), {}, store))]))
    async with asyncio.TaskGroup() as group:
        consuming = group.create_task(made.consume(spans("a")))
        await store.asked.wait()
        settling = group.create_task(made.settled())
        consuming.cancel()
        await asyncio.sleep(0)
        assert not settling.done()
        store.answer.set()
    await made.settled()
