"""Takes batches out of an exporter's queue and sends them until the destination has them or they are given up."""

import asyncio
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self

from pipeline.batch import Batch, Signal
from pipeline.component import Context, Encoded, Exporter, ExporterSettings, Redacted, Request
from pipeline.egress import Findings, nothing_found
from pipeline.errors import Refused, Rejected, TooLarge
from pipeline.logs import where
from pipeline.queue import Lease, Merge, Queue

__all__ = ["Sender"]


@dataclass(slots=True)
class _Stopped:
    """What the egress check stopped of one batch: items, and how much of them by rule."""

    items: int = 0
    rules: Counter[str] = field(default_factory=Counter)


class Sender:
    """Runs one exporter: entered, it opens the exporter and starts `num_consumers` workers; left, it drains the queue.

    `merges` says how large a batch may get. What `check` finds something in is not sent: of a batch the items that it
    is about, of an exporter that encodes once the request. Draining ends at the deadline of the context; what is left
    then is counted and logged.
    """

    def __init__(
        self,
        context: Context,
        exporter: Exporter,
        settings: ExporterSettings,
        queue: Queue,
        merge: Callable[[Batch], Merge],
        *,
        check: Callable[[Request], Findings] = nothing_found,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._context, self._exporter, self._queue, self._merge = context, exporter, queue, merge
        self._check, self._encodes_once = check, settings.encodes_once
        self._retry, self._workers = settings.retry_on_failure, settings.sending_queue.num_consumers
        self._clock, self._sleep = clock, sleep
        self._tasks: list[asyncio.Task[None]] = []

    async def __aenter__(self) -> Self:
        async with AsyncExitStack() as stack:
            await stack.enter_async_context(self._exporter)
            self._group = await stack.enter_async_context(asyncio.TaskGroup())
            self._stack = stack.pop_all()
        for number in range(self._workers):
            self._tasks.append(self._group.create_task(self._work(), name=f"{self._context.id} sender {number}"))
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._queue.close()
        await asyncio.wait(self._tasks, timeout=self._context.deadline.remaining())
        for task in self._tasks:
            task.cancel()
        await self._stack.aclose()
        for signal, items in self._queue.left().items():
            self._context.telemetry.dropped(self._context.id, signal, "shutdown", items)
            self._context.log.error("stopped before everything was sent", signal=signal.value, items_left=items)

    async def _work(self) -> None:
        while (lease := await self._queue.take()) is not None:
            await self._settle(lease)

    async def _settle(self, lease: Lease) -> None:
        try:
            await self._deliver(lease.batch)
        except asyncio.CancelledError:
            await self._queue.put_back(lease)
            raise
        await self._queue.done(lease)

    async def _deliver(self, batch: Batch) -> None:
        limit = self._merge(batch).max_size
        stopped = _Stopped()
        try:
            for part in batch.split(max_items=limit, max_bytes=self._exporter.max_request_bytes):
                await self._deliver_part(part, stopped)
        finally:
            self._tell(stopped, batch.signal)

    async def _deliver_part(self, batch: Batch, stopped: _Stopped) -> None:
        try:
            encoded, findings = await asyncio.to_thread(self._checked, batch)
        except Rejected as error:
            return self._give_up(batch, batch.items, "rejected", str(error))
        except Exception as error:
            return self._give_up(batch, batch.items, "internal_error", where(error))
        if any(findings) and batch.items > 1 and not self._encodes_once:
            return await self._deliver_halves(batch, stopped)
        lanes: dict[int, list[Request]] = {}
        for request, found in zip(encoded.requests, findings, strict=True):
            if found:
                self._stop(request, found, stopped)
            else:
                lanes.setdefault(request.lane, []).append(request)
        try:
            await self._send_lanes(lanes, len(encoded.requests) == 1 and batch.items > 1)
        except TooLarge:
            return await self._deliver_halves(batch, stopped)
        for reason, items in encoded.dropped.items():
            self._context.telemetry.dropped(self._context.id, batch.signal, reason, items)
        return None

    async def _send_lanes(self, lanes: Mapping[int, Sequence[Request]], can_be_halved: bool) -> None:
        """All lanes at once, each in order. Raises: `TooLarge` for the only request of a batch that can be halved."""
        if can_be_halved or len(lanes) == 1:
            for requests in lanes.values():
                await self._send_lane(requests, can_be_halved)
            return
        async with asyncio.TaskGroup() as group:
            for lane, requests in lanes.items():
                group.create_task(self._send_lane(requests, False), name=f"{self._context.id} lane {lane}")

    async def _send_lane(self, requests: Sequence[Request], can_be_halved: bool) -> None:
        for request in requests:
            try:
                await self._send(request)
            except TooLarge as error:
                if can_be_halved:
                    raise
                self._give_up(request, request.items, "too_large", str(error))

    async def _deliver_halves(self, batch: Batch, stopped: _Stopped) -> None:
        for half in batch.split(max_items=(batch.items + 1) // 2):
            await self._deliver_part(half, stopped)

    def _checked(self, batch: Batch) -> tuple[Encoded, list[Findings]]:
        """The requests of a batch, and what each says that should not leave."""
        encoded = self._exporter.encode(batch)
        return encoded, [self._check(request) for request in encoded.requests]

    def _stop(self, request: Request, found: Findings, stopped: _Stopped) -> None:
        """Put on record that a request is not sent."""
        me, telemetry, signal = self._context.id, self._context.telemetry, request.signal
        telemetry.send_failed(me, signal, request.items)
        telemetry.dropped(me, signal, "egress_check", request.items)
        for rule, count in found.items():
            telemetry.redacted(rule, signal, "stop", count)
        with suppress(Refused):  # Nothing is passed on here; the drop is in the ledger as soon as it can be written.
            counts = {Redacted(rule, "stop", "request"): count for rule, count in found.items()}
            self._context.ledger.redacted("", me, signal, b"", counts)
        stopped.items += request.items
        stopped.rules.update(found)

    def _tell(self, stopped: _Stopped, signal: Signal) -> None:
        """One line for all of a batch: where redaction does not work, every item may be stopped."""
        if stopped.rules:
            rules = ", ".join(sorted(stopped.rules))
            self._context.log.error(
                "the egress check stopped what redaction should have taken out; see which pipeline lets it through",
                signal=signal.value,
                items=stopped.items,
                rules=rules,
            )

    async def _send(self, request: Request) -> None:
        """Send one request as often as it takes. Raises: `TooLarge`."""
        started, attempt = self._clock(), 0
        while True:
            try:
                rejected = await self._exporter.send(request)
            except Refused as refusal:
                delay = self._retry.delay(attempt, refusal.retry_after_seconds)
                if self._is_spent(self._clock() - started + delay):
                    return self._give_up(request, request.items, "retries_exhausted", str(refusal))
                self._context.log.warning("sending again", reason=str(refusal), delay_seconds=round(delay, 3))
                await self._sleep(delay)
                attempt += 1
            except TooLarge:
                raise
            except Rejected as error:
                return self._give_up(request, request.items, "rejected", str(error))
            except Exception as error:
                return self._give_up(request, request.items, "internal_error", where(error))
            else:
                return self._sent(request, rejected)

    def _is_spent(self, elapsed: float) -> bool:
        return not self._retry.enabled or (0 < self._retry.max_elapsed_time < elapsed)

    def _sent(self, request: Request, rejected: int) -> None:
        self._context.telemetry.sent(self._context.id, request.signal, request.items - rejected)
        if rejected:
            self._give_up(request, rejected, "partial_success", "the destination took the rest")

    def _give_up(self, what: Batch | Request, items: int, reason: str, sentence: str) -> None:
        self._context.telemetry.send_failed(self._context.id, what.signal, items)
        self._context.telemetry.dropped(self._context.id, what.signal, reason, items)
        self._context.log.error("dropped", signal=what.signal.value, items=items, reason=reason, cause=sentence)
