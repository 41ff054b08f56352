"""Sending: retries, hints, giving up, splitting, stopping, with an exporter that answers by script."""

import asyncio
import threading
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Self

import pytest
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from pipeline.batch import Batch, Signal
from pipeline.component import Context, Encoded, ExporterSettings, Request
from pipeline.deadline import Deadline
from pipeline.errors import Refused, Rejected, TooLarge
from pipeline.queues.file import QueueFile
from pipeline.queues.queue import Merge, Queue
from pipeline.queues.storage import StorageSettings
from pipeline.sending.sender import Sender
from pipeline.telemetry import Status
from tests.payloads import context, decoded_spans, dropped, put_released, traces


class Scripted:
    """An exporter that answers as it is told; None stands for success, a number for so many rejected items."""

    max_request_bytes = 0

    def __init__(self, *answers: Exception | int | None) -> None:
        self.answers = list(answers)
        self.sent: list[Request] = []

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        pass

    def encode(self, batch: Batch) -> Encoded:
        return Encoded([Request(batch.signal, batch.payload, batch.items)])

    async def send(self, request: Request) -> int:
        self.sent.append(request)
        answer = self.answers.pop(0) if self.answers else None
        if isinstance(answer, Exception):
            raise answer
        return answer or 0


class Time:
    """A clock that only sleeping moves."""

    def __init__(self) -> None:
        self.now = 0.0
        self.slept: list[float] = []

    def __call__(self) -> float:
        return self.now

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds


def spans(count: int) -> Batch:
    return traces([Span(name=f"span {number}") for number in range(count)])


def sent(made: Context) -> float:
    return made.telemetry.registry.get_sample_value("otelcol_exporter_sent_spans", {"exporter": made.id}) or 0


async def deliver(
    exporter: Scripted, *batches: Batch, merge: Merge | None = None, **kind: object
) -> tuple[Context, Time]:
    """Send batches to the end of the queue, one after the other, so that the answers are for whom they are meant."""
    made, time = context("jaeger"), Time()
    settings = ExporterSettings.model_validate(
        {"retry_on_failure": {"randomization_factor": 0, **kind}, "sending_queue": {"num_consumers": 1}}
    )
    queue = Queue("jaeger", settings.sending_queue, {})
    async with Sender(made, exporter, settings, queue, lambda batch: merge or Merge(), clock=time, sleep=time.sleep):
        for batch in batches:
            await put_released(queue, batch)
    return made, time


async def test_success() -> None:
    """One batch is one request, counted as sent."""
    exporter = Scripted()
    made, _ = await deliver(exporter, spans(3))
    assert [request.items for request in exporter.sent] == [3]
    assert sent(made) == 3


async def test_retry() -> None:
    """The same bytes again, after growing waits, and never sooner than the destination asked for."""
    exporter = Scripted(Refused("away"), Refused("busy", retry_after_seconds=60), None)
    made, time = await deliver(exporter, spans(2))
    assert time.slept == [5.0, 60.0]
    assert len({request.body for request in exporter.sent}) == 1
    assert sent(made) == 2


async def test_giving_up() -> None:
    """After the longest time allowed the batch is dropped and counted, and the next one is tried."""
    exporter = Scripted(*[Refused("away")] * 3, None)
    made, time = await deliver(exporter, spans(2), spans(1), max_elapsed_time="12s", multiplier=1)
    assert time.slept == [5.0, 5.0]
    assert dropped(made, Signal.TRACES, "retries_exhausted") == 2
    assert sent(made) == 1


async def test_no_retry() -> None:
    """Switched off, what fails once is dropped."""
    made, time = await deliver(Scripted(Refused("away")), spans(2), enabled=False)
    assert (time.slept, dropped(made, Signal.TRACES, "retries_exhausted")) == ([], 2)


async def test_rejected() -> None:
    """What can never be taken is dropped at once."""
    made, time = await deliver(Scripted(Rejected("bad")), spans(2))
    assert (time.slept, dropped(made, Signal.TRACES, "rejected")) == ([], 2)


async def test_partial_success() -> None:
    """Items the destination did not keep are counted apart and not sent again."""
    exporter = Scripted(2)
    made, _ = await deliver(exporter, spans(5))
    assert (sent(made), dropped(made, Signal.TRACES, "partial_success"), len(exporter.sent)) == (3, 2, 1)


async def test_too_large() -> None:
    """A batch that is too large is halved until it passes; a single item that is too large is dropped."""
    exporter = Scripted(TooLarge("413"), TooLarge("413"), None, TooLarge("413"), None)
    made, _ = await deliver(exporter, spans(4))
    assert [request.items for request in exporter.sent] == [4, 2, 1, 1, 2]
    assert (sent(made), dropped(made, Signal.TRACES, "too_large")) == (3, 1)


async def test_bug_in_an_exporter() -> None:
    """An unexpected exception drops the batch, counted; the log names class and place, not the message."""
    made, _ = await deliver(Scripted(ValueError("536-90-4399"), None), spans(2), spans(1))
    assert dropped(made, Signal.TRACES, "internal_error") == 2
    assert sent(made) == 1


async def test_max_size() -> None:
    """What was merged is cut to `send_batch_max_size`."""
    exporter = Scripted()
    await deliver(exporter, spans(5), merge=Merge(max_size=2))
    assert [request.items for request in exporter.sent] == [2, 2, 1]


async def test_stopping_before_everything_is_sent(capsys: pytest.CaptureFixture[str]) -> None:
    """At the deadline what is left is counted and said."""
    made = context("jaeger")
    settings = ExporterSettings()
    queue = Queue("jaeger", settings.sending_queue, {})
    async with Sender(made, Scripted(*[Refused("away")] * 9), settings, queue, lambda batch: Merge()):
        await put_released(queue, spans(4))
        made.deadline._timeout_seconds = 0.0
    assert dropped(made, Signal.TRACES, "shutdown") == 4
    assert "stopped before everything was sent" in capsys.readouterr().out


class Silent(Scripted):
    """An exporter that sends everything but never gets an answer to what it sends after the first `answers`."""

    def __init__(self, answers: int = 0) -> None:
        super().__init__()
        self.left = answers
        self.asked = asyncio.Event()

    async def send(self, request: Request) -> int:
        self.sent.append(request)
        if not self.left:
            self.asked.set()
            await asyncio.Event().wait()
        self.left -= 1
        return 0


def names(*batches: Batch) -> list[list[str]]:
    return [[span.name for span in decoded_spans(each)] for each in batches]


def requested(exporter: Scripted) -> list[list[str]]:
    return names(*(Batch(each.signal, each.body, each.items) for each in exporter.sent))


@asynccontextmanager
async def file_queue(folder: Path, made: Context, settings: ExporterSettings | None = None) -> AsyncIterator[Queue]:
    store = QueueFile(made.id, StorageSettings(directory=folder), made.telemetry, made.log)
    async with Queue(made.id, (settings or ExporterSettings()).sending_queue, {}, store) as queue:
        yield queue


async def left_in(folder: Path) -> list[list[str]]:
    """What a daemon finds in the file after its start, in order."""
    async with file_queue(folder, context("jaeger")) as queue:
        queue.close()
        leases = []
        while (lease := await queue.take()) is not None:
            leases.append(lease)
    return names(*(lease.batch for lease in leases))


def numbered(first: int, last: int) -> list[str]:
    return [f"span {number}" for number in range(first, last)]


ONE_WORKER = ExporterSettings.model_validate({"sending_queue": {"num_consumers": 1}})


async def test_stopping_leaves_the_rest_in_the_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A destination that is away costs no time: what it did not take stays, without the parts it took, is told and not
    counted as dropped.
    """
    made, exporter = context("jaeger"), Scripted(None, None, Refused("away"), *[Refused("away")] * 9)
    pausing = asyncio.Event()

    async def sleep(seconds: float) -> None:
        pausing.set()
        await asyncio.Event().wait()

    async with (
        file_queue(tmp_path, made) as queue,
        Sender(made, exporter, ONE_WORKER, queue, lambda batch: Merge(max_size=2), sleep=sleep),
    ):
        await put_released(queue, spans(7))
        await put_released(queue, spans(3))
        await pausing.wait()
    assert requested(exporter) == [numbered(0, 2), numbered(2, 4), numbered(4, 6)]
    assert await left_in(tmp_path) == [numbered(4, 7), numbered(0, 3)]
    assert dropped(made, Signal.TRACES, "shutdown") == 0
    told = capsys.readouterr().out
    assert "the rest stays in the queue's file and is sent after the next start" in told
    assert "items_left=6" in told


async def test_stopping_during_an_outage(tmp_path: Path) -> None:
    """What comes to a destination that begins to refuse while it is drained stays in the file too."""
    made, exporter = context("jaeger"), Scripted(None, Refused("away"))
    async with file_queue(tmp_path, made) as queue:
        for _ in range(3):
            await put_released(queue, spans(1))
        async with Sender(made, exporter, ONE_WORKER, queue, lambda batch: Merge()):
            pass
    assert (len(exporter.sent), sent(made)) == (2, 1)
    assert await left_in(tmp_path) == [numbered(0, 1)] * 2


async def test_stopping_before_a_silent_destination(tmp_path: Path) -> None:
    """What is under way without an answer is put back after a while, not only at the deadline."""
    made, exporter = context("jaeger"), Silent(1)
    made = replace(made, deadline=Deadline(1e9))
    async with (
        file_queue(tmp_path, made) as queue,
        Sender(made, exporter, ONE_WORKER, queue, lambda batch: Merge(max_size=1), grace_seconds=0.01),
    ):
        await put_released(queue, spans(2))
        await exporter.asked.wait()
    assert requested(exporter) == [numbered(0, 1), numbered(1, 2)]
    assert await left_in(tmp_path) == [numbered(1, 2)]


async def test_draining_a_file(tmp_path: Path) -> None:
    """While the destination takes what it gets, all of it is sent."""
    made, exporter = context("jaeger"), Scripted()
    async with file_queue(tmp_path, made) as queue:
        for _ in range(20):
            await put_released(queue, spans(1))
        async with Sender(made, exporter, ExporterSettings(), queue, lambda batch: Merge()):
            pass
    assert (sent(made), await left_in(tmp_path)) == (20, [])


async def test_handing_over(tmp_path: Path) -> None:
    """Another sender goes on in order where this one is told to stop; parts that were delivered are not sent again."""
    made, first, second = context("jaeger"), Silent(2), Scripted()
    one_each = lambda batch: Merge(max_size=1)  # noqa: E731
    async with file_queue(tmp_path, made) as queue:
        async with Sender(made, first, ONE_WORKER, queue, one_each, grace_seconds=0.01) as old:
            await put_released(queue, spans(4))
            await put_released(queue, spans(2))
            await first.asked.wait()
            await old.hand_over()
            assert dict(queue.left()) == {Signal.TRACES: 4}
        async with Sender(made, second, ONE_WORKER, queue, one_each):
            pass
    assert requested(first) == [[f"span {number}"] for number in (0, 1, 2)]
    assert requested(second) == [[f"span {number}"] for number in (2, 3, 0, 1)]
    assert dropped(made, Signal.TRACES, "shutdown") == 0


async def test_handing_over_an_idle_queue() -> None:
    """A sender that waits for something to send stops waiting; what comes afterwards is for the next."""
    made, first, second = context("jaeger"), Scripted(), Scripted()
    queue = Queue("jaeger", ExporterSettings().sending_queue, {})
    async with Sender(made, first, ExporterSettings(), queue, lambda batch: Merge()) as old:
        await asyncio.sleep(0)
        await old.hand_over()
        await put_released(queue, spans(1))
    async with Sender(made, second, ExporterSettings(), queue, lambda batch: Merge()):
        pass
    assert (len(first.sent), len(second.sent)) == (0, 1)


async def test_waiting_for_another_to_hand_over() -> None:
    """Until it is told to begin it takes nothing; left before, it leaves the queue as it is."""
    made, exporter = context("jaeger"), Scripted()
    queue = Queue("jaeger", ExporterSettings().sending_queue, {})
    await put_released(queue, spans(2))
    async with Sender(made, exporter, ExporterSettings(), queue, lambda batch: Merge(), waits=True):
        await asyncio.sleep(0)
    assert (exporter.sent, dict(queue.left())) == ([], {Signal.TRACES: 2})
    async with Sender(made, exporter, ExporterSettings(), queue, lambda batch: Merge(), waits=True) as sender:
        sender.begin()
    assert (len(exporter.sent), dropped(made, Signal.TRACES, "shutdown")) == (1, 0)


class Stuck(Scripted):
    """An exporter whose encoding does not end before it is told to."""

    def __init__(self) -> None:
        super().__init__()
        self.encoding = threading.Semaphore(0)
        self.told = threading.Event()

    def wait_for(self, threads: int) -> None:
        for _ in range(threads):
            self.encoding.acquire()

    def encode(self, batch: Batch) -> Encoded:
        self.encoding.release()
        self.told.wait(60)
        return super().encode(batch)


async def test_slow_encoding_holds_up_nobody_else() -> None:
    """However many exporters are stuck in their encoding: others go on, and so does whatever else needs a thread."""
    stuck, free = [Stuck() for _ in range(12)], Scripted()
    made = context("jaeger")
    async with AsyncExitStack() as stack:
        for exporter in stuck:
            queue = Queue("stuck", ExporterSettings().sending_queue, {})
            sender = Sender(context("stuck"), exporter, ExporterSettings(), queue, lambda batch: Merge())
            await stack.enter_async_context(sender)
            stack.callback(exporter.told.set)
            for _ in range(4):
                await put_released(queue, spans(1))
            await asyncio.to_thread(exporter.wait_for, 4)
        queue = Queue("jaeger", ExporterSettings().sending_queue, {})
        async with Sender(made, free, ExporterSettings(), queue, lambda batch: Merge()):
            await put_released(queue, spans(1))
        assert (sent(made), await asyncio.to_thread(lambda: "done")) == (1, "done")


async def test_tenants_are_not_mixed() -> None:
    """Neither by merging nor by splitting."""
    merge = Merge(size=100, max_size=2)
    made, exporter, batches = context("jaeger"), Tenants(), []
    queue = Queue("jaeger", ExporterSettings().sending_queue, dict.fromkeys(Signal, merge))
    for tenant in ("north", "north", "south", "north"):
        batches.append(replace(spans(3), tenant=tenant))
        await put_released(queue, batches[-1])
    async with Sender(made, exporter, ONE_WORKER, queue, lambda batch: merge):
        pass
    assert exporter.encoded == [("north", 2)] * 3 + [("south", 2), ("south", 1), ("north", 2), ("north", 1)]


class Tenants(Scripted):
    """Notes whose batches it is given."""

    def __init__(self) -> None:
        super().__init__()
        self.encoded: list[tuple[str, int]] = []

    def encode(self, batch: Batch) -> Encoded:
        self.encoded.append((batch.tenant, batch.items))
        return super().encode(batch)


class Answering(Scripted):
    """Says when it is sent more than it has answers for."""

    def __init__(self, *answers: Exception | int | None) -> None:
        super().__init__(*answers)
        self.emptied = asyncio.Event()

    async def send(self, request: Request) -> int:
        if not self.answers:
            self.emptied.set()
        return await super().send(request)


async def test_status() -> None:
    """It is well, or its destination takes nothing and since when, or its queue is nearly full."""
    made, time, exporter = context("jaeger"), Time(), Answering(Refused("the destination answered 503"), None)
    settings = ExporterSettings.model_validate(
        {"sending_queue": {"storage": "none", "queue_size": 5, "num_consumers": 1}}
    )
    queue = Queue("jaeger", settings.sending_queue, {})
    seen: list[Status] = []

    async def sleep(seconds: float) -> None:
        time.now += 90
        seen.append(sender.status())

    sender = Sender(made, exporter, settings, queue, lambda batch: Merge(), clock=time, sleep=sleep)
    async with sender:
        assert sender.status() == Status("ok")
        await put_released(queue, spans(1))
        await put_released(queue, spans(1))
        await exporter.emptied.wait()
        assert sender.status() == Status("ok")
    away = "the destination has taken nothing for 90 s: the destination answered 503"
    assert seen == [Status("degraded", away)]
    for _ in range(5):
        await put_released(queue, spans(1))
    assert sender.status() == Status("degraded", "the queue has 5 of 5 requests")


async def test_what_waits_is_shown() -> None:
    """In every unit, what is being sent, and since when the oldest of it waits."""
    made, exporter = context("jaeger"), Silent()
    queue = Queue("jaeger", ExporterSettings().sending_queue, {}, clock=lambda: 100.0)
    sender = Sender(made, exporter, ONE_WORKER, queue, lambda batch: Merge(), clock=lambda: 160.0, grace_seconds=0.01)

    def value(name: str) -> float | None:
        return made.telemetry.registry.get_sample_value(f"telescrub_queue_{name}", {"exporter": "jaeger"})

    made.deadline._timeout_seconds = 0.0
    async with sender:
        assert (value("oldest_seconds"), value("sending_batches")) == (0, 0)
        await put_released(queue, spans(3))
        await put_released(queue, spans(2))
        await exporter.asked.wait()
        assert (value("oldest_seconds"), value("sending_batches")) == (60, 1)
        size = len(spans(3).payload) + len(spans(2).payload)
        assert (value("requests"), value("items"), value("bytes")) == (2, 5, size)
