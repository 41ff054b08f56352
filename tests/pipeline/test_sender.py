"""Sending: retries, hints, giving up, splitting, stopping, with an exporter that answers by script."""

from types import TracebackType
from typing import Self

import pytest
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from pipeline.batch import Batch, Signal
from pipeline.component import Context, Encoded, ExporterSettings, Request
from pipeline.errors import Refused, Rejected, TooLarge
from pipeline.queue import Merge, Queue
from pipeline.sender import Sender
from tests.payloads import context, dropped, put_released, traces


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
    """Send batches to the end of the queue."""
    made, time = context("jaeger"), Time()
    settings = ExporterSettings.model_validate({"retry_on_failure": {"randomization_factor": 0, **kind}})
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
