"""What becomes of what cannot be delivered: dead letters, and what must not be one."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from pipeline.batch import Batch, Signal
from pipeline.component import Context, Encoded, ExporterSettings, Request
from pipeline.errors import Refused, Rejected, TooLarge
from pipeline.queues.dead_letters import DeadLetters, DeadLetterSettings, Letters, letter_file
from pipeline.queues.queue import Merge, Queue
from pipeline.queues.storage import StorageSettings
from pipeline.sending.egress import Findings
from pipeline.sending.sender import Sender
from tests.payloads import context, decoded_spans, dropped, put_released
from tests.pipeline.sending.test_sender import Scripted, Time, sent, spans


@asynccontextmanager
async def opened(folder: Path, made: Context) -> AsyncIterator[DeadLetters]:
    store = letter_file(made.id, StorageSettings(directory=folder), made.telemetry, made.log)
    async with DeadLetters(made.id, DeadLetterSettings(), store, made.telemetry, made.log, now=lambda: 0.0) as letters:
        yield letters


def kept(made: Context, reason: str) -> float:
    labels = {"component": made.id, "signal": "traces", "reason": reason}
    return made.telemetry.registry.get_sample_value("telescrub_dead_lettered_items_total", labels) or 0


async def deliver(
    folder: Path, exporter: Any, *batches: Batch, check: Any = None, max_age: str = "0s", **kind: object
) -> tuple[Context, list[Letters], list[list[str]]]:
    """Send batches to the end of the queue: the context, the dead letters, and their spans as a replay has them."""
    made, time = context("jaeger"), Time()
    retry = {"randomization_factor": 0, "multiplier": 1, **kind}
    settings = ExporterSettings.model_validate({"retry_on_failure": retry, "sending_queue": {"max_age": max_age}})
    queue = Queue("jaeger", settings.sending_queue, {}, clock=time)
    again = Queue("jaeger", settings.sending_queue, {})
    async with opened(folder, made) as letters:
        checks = {} if check is None else {"check": check}
        sender = Sender(
            made,
            exporter,
            settings,
            queue,
            lambda batch: Merge(),
            dead_letters=letters,
            clock=time,
            sleep=time.sleep,
            **checks,
        )
        async with sender:
            for batch in batches:
                await put_released(queue, batch)
        left = letters.letters()
        await letters.replay(again)
    again.close()
    names = []
    while (lease := await again.take()) is not None:
        names.append([span.name for span in decoded_spans(lease.batch)])
        await again.done(lease)
    return made, left, names


class CannotEncode(Scripted):
    def encode(self, batch: Batch) -> Encoded:
        raise ValueError("patient 536-90-4399")


@pytest.mark.parametrize(
    ("exporter", "reason"),
    [
        (Scripted(Rejected("bad")), "rejected"),
        (Scripted(*[Refused("away")] * 9), "retries_exhausted"),
        (Scripted(ValueError("patient 536-90-4399")), "internal_error"),
        (CannotEncode(), "internal_error"),
    ],
)
async def test_what_is_given_up(tmp_path: Path, exporter: Scripted, reason: str) -> None:
    """It is kept whole, with the reason, and counted as kept, not as dropped."""
    made, left, names = await deliver(tmp_path, exporter, spans(3), max_elapsed_time="12s")
    assert left == [Letters(Signal.TRACES, reason, 1, 3, len(spans(3).payload), 0.0)]
    assert names == [["span 0", "span 1", "span 2"]]
    assert (kept(made, reason), dropped(made, Signal.TRACES, reason), sent(made)) == (3, 0, 0)


async def test_too_large_alone(tmp_path: Path) -> None:
    """Of a batch that is halved only the item that stays too large."""
    exporter = Scripted(TooLarge("413"), TooLarge("413"), None, TooLarge("413"), None)
    made, _, names = await deliver(tmp_path, exporter, spans(4))
    assert names == [["span 1"]]
    assert (kept(made, "too_large"), sent(made)) == (1, 3)


async def test_partial_success(tmp_path: Path) -> None:
    """Which items the destination did not take is not said: they are dropped, and nothing is sent twice."""
    made, left, _ = await deliver(tmp_path, Scripted(2), spans(5))
    assert (left, dropped(made, Signal.TRACES, "partial_success"), sent(made)) == ([], 2, 3)


async def test_more_rejected_than_sent(tmp_path: Path) -> None:
    """A destination that says so has taken nothing."""
    made, _, _ = await deliver(tmp_path, Scripted(9), spans(5))
    assert (dropped(made, Signal.TRACES, "partial_success"), sent(made)) == (5, 0)


async def test_too_old(tmp_path: Path) -> None:
    """What would be older than the queue's `max_age` when it is sent again is dropped, as the operator said."""
    exporter = Scripted(*[Refused("away")] * 9)
    made, left, _ = await deliver(tmp_path, exporter, spans(5), max_age="12s", max_elapsed_time="0s")
    assert (left, dropped(made, Signal.TRACES, "too_old"), len(exporter.sent)) == ([], 5, 3)


def only(bad: str) -> Any:
    def findings(request: Request) -> Findings:
        names = [span.name for span in decoded_spans(Batch(request.signal, request.body, request.items))]
        return {"badge": names.count(bad)} if bad in names else {}

    return findings


async def test_what_the_egress_check_stopped_is_not_kept(tmp_path: Path) -> None:
    """Of a batch whose other items are rejected only those are: the one that was found may hold PHI."""
    exporter = Scripted(*[Rejected("bad")] * 9)
    made, _, names = await deliver(tmp_path, exporter, spans(4), check=only("span 2"))
    assert sorted(name for each in names for name in each) == ["span 0", "span 1", "span 3"]
    assert (kept(made, "rejected"), dropped(made, Signal.TRACES, "egress_check")) == (3, 1)


class InTwo(Scripted):
    """Makes a request of each span."""

    def encode(self, batch: Batch) -> Encoded:
        return Encoded([Request(each.signal, each.payload, 1) for each in batch.split(max_items=1)])


async def test_what_is_only_partly_clean_is_not_kept(tmp_path: Path) -> None:
    """Nor a batch whose requests cannot be told apart in it: one was stopped, another rejected."""

    class OnceSettings(ExporterSettings):
        encodes_once = True

    made, time = context("jaeger"), Time()
    settings = OnceSettings()
    queue = Queue("jaeger", settings.sending_queue, {})
    async with opened(tmp_path, made) as letters:
        exporter = InTwo(None, Rejected("bad"))
        async with Sender(
            made,
            exporter,
            settings,
            queue,
            lambda batch: Merge(),
            dead_letters=letters,
            check=only("span 0"),
            clock=time,
            sleep=time.sleep,
        ):
            await put_released(queue, spans(3))
        assert letters.letters() == []
    assert (dropped(made, Signal.TRACES, "egress_check"), dropped(made, Signal.TRACES, "rejected")) == (1, 1)


async def test_what_cannot_be_looked_at_is_not_kept(tmp_path: Path) -> None:
    """Nobody knows what is in it."""

    def check(request: Request) -> Findings:
        raise ValueError("patient 536-90-4399")

    made, left, _ = await deliver(tmp_path, Scripted(), spans(4), check=check)
    assert (left, dropped(made, Signal.TRACES, "internal_error")) == ([], 4)


async def test_no_room_for_the_dead(tmp_path: Path) -> None:
    """What cannot be kept as a dead letter either is dropped, and counted so."""
    made = context("jaeger")
    settings = ExporterSettings.model_validate({"dead_letter": {"max_bytes": 5}})
    queue = Queue("jaeger", settings.sending_queue, {})
    async with opened(tmp_path, made) as letters:
        exporter = Scripted(Rejected("bad"))
        async with Sender(made, exporter, settings, queue, lambda batch: Merge(), dead_letters=letters):
            await put_released(queue, spans(3))
    assert (kept(made, "rejected"), dropped(made, Signal.TRACES, "rejected")) == (0, 3)
