"""Takes batches out of an exporter's queue and has them delivered, until it is told to stop."""

import asyncio
import math
import time
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack
from types import TracebackType
from typing import Self

from pipeline.batch import Batch
from pipeline.component import Context, Exporter, ExporterSettings, Request
from pipeline.queues.dead_letters import DeadLetters
from pipeline.queues.queue import Lease, Merge, Queue
from pipeline.sending.delivery import Delivery, Left
from pipeline.sending.egress import Findings, nothing_found
from pipeline.telemetry import Status

__all__ = ["Sender"]

_GRACE_SECONDS = 5.0
"""Whoever stops waits for answers as long as one comes in this time: a healthy destination's come in less than one."""


_CROWDED = 0.9
"""A queue with so much of what it may have is worth a look before it is full."""


class Sender:
    """Runs one exporter: entered, it opens the exporter and starts `num_consumers` workers; left, it drains the queue
    within the deadline of the context, or, where `hand_over` was called, leaves it to another sender.

    `merges` says how large a batch may get. What `check` finds something in is not sent: of a batch the items that it
    is about, of an exporter that encodes once the request. What cannot be delivered goes to `dead_letters`, if there
    are any. A durable queue is drained only as long as the destination takes what it gets: the rest is left in it and
    told; what is left in memory is counted as dropped. One that `waits` takes nothing until `begin` is called: another
    sender still has the queue.
    """

    def __init__(
        self,
        context: Context,
        exporter: Exporter,
        settings: ExporterSettings,
        queue: Queue,
        merge: Callable[[Batch], Merge],
        *,
        dead_letters: DeadLetters | None = None,
        check: Callable[[Request], Findings] = nothing_found,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        grace_seconds: float = _GRACE_SECONDS,
        waits: bool = False,
    ) -> None:
        self._context, self._exporter, self.queue, self._merge = context, exporter, queue, merge
        self._limits, self._letter_limits = settings.sending_queue, settings.dead_letter
        self._dead_letters = dead_letters
        self._clock, self._sleep, self._grace = clock, sleep, grace_seconds
        # Threads of its own: one whose encoding takes long or never ends holds up no other exporter, nor any receiver.
        self._threads = ThreadPoolExecutor(self._limits.num_consumers, thread_name_prefix=f"{context.id} encoding")
        self._delivery = Delivery(
            context=context,
            exporter=exporter,
            encodes_once=settings.encodes_once,
            check=check,
            retry=settings.retry_on_failure,
            patience=settings.retry_on_failure.patience(is_durable=queue.is_durable),
            dead_letters=dead_letters,
            executor=self._threads,
            clock=clock,
            pause=self._pause,
        )
        self._tasks: list[asyncio.Task[None]] = []
        self._taking: set[asyncio.Task[None] | None] = set()
        self._pausing: set[asyncio.Task[None]] = set()
        self._leases: list[Lease] = []
        self._leaves_rest = self._handed_over = False
        self._begun = asyncio.Event()
        if not waits:
            self.begin()

    async def __aenter__(self) -> Self:
        async with AsyncExitStack() as stack:
            stack.callback(self._threads.shutdown, wait=False, cancel_futures=True)
            await stack.enter_async_context(self._exporter)
            self._group = await stack.enter_async_context(asyncio.TaskGroup())
            self._stack = stack.pop_all()
        for number in range(self._limits.num_consumers):
            self._tasks.append(self._group.create_task(self._work(), name=f"{self._context.id} sender {number}"))
        self._context.telemetry.status(self._context.id, self.status)
        self._context.telemetry.waiting(
            self._context.id, lambda: self.queue.load, lambda: len(self._leases), self._oldest_seconds
        )
        return self

    def _oldest_seconds(self) -> float:
        """Whatever is being sent came before what waits behind it."""
        return max((self._clock() - lease.arrived for lease in list(self._leases)), default=0.0)

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.drain()
        for task in self._tasks:
            task.cancel()
        await self._stack.aclose()
        if self._has_queue:
            self._tell_what_is_left()

    @property
    def _has_queue(self) -> bool:
        return self._begun.is_set() and not self._handed_over

    def begin(self) -> None:
        """Take what waits from now on; the limits of the dead letters are this sender's."""
        if self._dead_letters is not None:
            self._dead_letters.settings = self._letter_limits
        self._begun.set()

    async def hand_over(self) -> None:
        """Take nothing more; return when everything under way is delivered or back in the queue, where another sender
        finds it. Before this one is left.
        """
        self._handed_over = self._leaves_rest = True
        for task in self._taking | self._pausing:
            if task is not None:
                task.cancel()
        await self._while_it_delivers()
        for task in self._tasks:
            task.cancel()
        await asyncio.wait(self._tasks)

    def status(self) -> Status:
        """How this exporter is: whether its queue takes what comes, and its destination what it is sent."""
        if problem := self.queue.problem or self.queue.damage or self._crowded():
            return Status("degraded", problem)
        if trouble := self._delivery.trouble:
            seconds = round(self._clock() - self._delivery.since)
            return Status("degraded", f"the destination has taken nothing for {seconds} s: {trouble}")
        return Status("ok")

    def _crowded(self) -> str:
        load = self.queue.load
        for unit, most in self._limits.limits(is_durable=self.queue.is_durable):
            if (waiting := getattr(load, unit)) >= _CROWDED * most:
                return f"the queue has {waiting} of {most} {unit}"
        return ""

    async def _work(self) -> None:
        while (lease := await self._take()) is not None:
            try:
                await self._settle(lease)
            except Left:
                return

    async def _take(self) -> Lease | None:
        me = asyncio.current_task()
        self._taking.add(me)
        try:
            await self._begun.wait()
            return None if self._handed_over else await self.queue.take()
        finally:
            self._taking.discard(me)

    async def _settle(self, lease: Lease) -> None:
        batch = lease.batch
        parts = list(batch.split(max_items=self._merge(batch).max_size, max_bytes=self._exporter.max_request_bytes))
        whole = list(parts)
        self._leases.append(lease)
        try:
            await self._delivery.deliver(parts, lease.arrived + (self._limits.max_age or math.inf))
        except (asyncio.CancelledError, Left):
            # Parts that the destination has are not sent again.
            await self.queue.put_back(lease, None if parts == whole else parts)
            raise
        finally:
            self._leases.remove(lease)
        await self.queue.done(lease)

    async def _pause(self, seconds: float) -> None:
        """Sleep, unless the rest is to be left in the queue. Raises: `Left`."""
        if not self._leaves_rest:
            async with asyncio.TaskGroup() as group:
                sleeping = group.create_task(self._until(seconds), name=f"{self._context.id} pause")
                self._pausing.add(sleeping)
                sleeping.add_done_callback(self._pausing.discard)
        if self._leaves_rest:
            raise Left

    async def _until(self, seconds: float) -> None:
        await self._sleep(seconds)

    async def drain(self) -> None:
        """Deliver what waits, as far as the class says. Leaving does it too; whoever leaves several senders has all of
        them do it at once before.
        """
        if not self._has_queue:
            return
        self.queue.close()
        if self.queue.is_durable:
            self._leaves_rest = True
            for pause in list(self._pausing):
                pause.cancel()
            await self._while_it_delivers()
        else:
            await asyncio.wait(self._tasks, timeout=self._context.deadline.remaining())

    async def _while_it_delivers(self) -> None:
        """Wait for the workers to end, as long as the destination takes something now and then."""
        delivered = -1
        while delivered < self._delivery.delivered and not all(task.done() for task in self._tasks):
            delivered = self._delivery.delivered
            await asyncio.wait(self._tasks, timeout=min(self._grace, self._context.deadline.remaining()))

    def _tell_what_is_left(self) -> None:
        for signal, items in self.queue.left().items():
            if self.queue.is_durable:
                self._context.log.warning(
                    "stopped before everything was sent; the rest stays in the queue's file and is sent after the"
                    " next start",
                    signal=signal.value,
                    items_left=items,
                )
            else:
                self._context.telemetry.dropped(self._context.id, signal, "shutdown", items)
                self._context.log.error("stopped before everything was sent", signal=signal.value, items_left=items)
