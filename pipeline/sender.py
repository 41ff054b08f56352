"""Takes batches out of an exporter's queue and sends them until the destination has them or they are given up."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from types import TracebackType
from typing import Self

from pipeline.batch import Batch
from pipeline.component import Context, Exporter, ExporterSettings, Request
from pipeline.errors import Refused, Rejected, TooLarge
from pipeline.logs import where
from pipeline.queue import Lease, Merge, Queue

__all__ = ["Sender"]


class Sender:
    """Runs one exporter: entered, it opens the exporter and starts `num_consumers` workers; left, it drains the queue.

    `merges` says how large a batch may get. Draining ends at the deadline of the context; what is left then is counted
    and logged.
    """

    def __init__(
        self,
        context: Context,
        exporter: Exporter,
        settings: ExporterSettings,
        queue: Queue,
        merge: Callable[[Batch], Merge],
        *,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._context, self._exporter, self._queue, self._merge = context, exporter, queue, merge
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
            self._queue.put_back(lease)
            raise
        self._queue.done(lease)

    async def _deliver(self, batch: Batch) -> None:
        limit = self._merge(batch).max_size
        for part in batch.split(max_items=limit, max_bytes=self._exporter.max_request_bytes):
            await self._deliver_part(part)

    async def _deliver_part(self, batch: Batch) -> None:
        try:
            encoded = await asyncio.to_thread(self._exporter.encode, batch)
        except Rejected as error:
            return self._give_up(batch, batch.items, "rejected", str(error))
        except Exception as error:
            return self._give_up(batch, batch.items, "internal_error", where(error))
        for request in encoded.requests:
            try:
                await self._send(request)
            except TooLarge as error:
                if len(encoded.requests) == 1 and batch.items > 1:
                    return await self._deliver_halves(batch)
                self._give_up(batch, request.items, "too_large", str(error))
        for reason, items in encoded.dropped.items():
            self._context.telemetry.dropped(self._context.id, batch.signal, reason, items)
        return None

    async def _deliver_halves(self, batch: Batch) -> None:
        for half in batch.split(max_items=(batch.items + 1) // 2):
            await self._deliver_part(half)

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
