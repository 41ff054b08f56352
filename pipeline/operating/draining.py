"""Sends what a stopped daemon left in its queues, without receiving anything."""

import asyncio
import time
from collections.abc import Mapping
from contextlib import AsyncExitStack

from structlog.typing import FilteringBoundLogger

from config.model import Config
from pipeline.component import Context
from pipeline.deadline import Deadline
from pipeline.graph import build
from pipeline.queues.queue import Queue
from pipeline.serving.authentication import HeaderSource
from pipeline.telemetry import Telemetry

__all__ = ["drain"]

_LOOK_SECONDS = 0.1


async def drain(config: Config, log: FilteringBoundLogger, patience_seconds: float) -> Mapping[str, int]:
    """Run the senders of a configuration until their queues are empty, or nothing has left them for a while; returns
    the items that are left, by exporter.

    Raises: `OSError` for a file that is in use or cannot be used.
    """
    telemetry, deadline = Telemetry(), Deadline(config.service.shutdown_timeout)

    def context(component: str) -> Context:
        return Context(component, telemetry, log.bind(component=component), _Draining(), deadline)

    graph = await asyncio.to_thread(build, config, context)
    durable = {exporter: queue for exporter, queue in graph.queues.items() if queue.is_durable}
    async with AsyncExitStack() as stack:
        sources = [each for each in graph.extensions.values() if isinstance(each, HeaderSource)]
        for each in (*sources, *durable.values(), *(graph.dead_letters[exporter] for exporter in graph.dead_letters)):
            await stack.enter_async_context(each)
        async with AsyncExitStack() as senders:
            for exporter in durable:
                await senders.enter_async_context(graph.senders[exporter])
            await _until_empty(durable, patience_seconds)
            deadline.start()
        return {exporter: items for exporter, queue in durable.items() if (items := _items(queue))}


async def _until_empty(queues: Mapping[str, Queue], patience_seconds: float) -> None:
    before, since = -1, time.monotonic()
    while left := sum(_items(queue) for queue in queues.values()):
        if left != before:
            before, since = left, time.monotonic()
        elif time.monotonic() - since > patience_seconds:
            return
        await asyncio.sleep(_LOOK_SECONDS)


def _items(queue: Queue) -> int:
    return sum(queue.left().values())


class _Draining:
    """`pipeline.component.Health` of what takes no traffic."""

    def problems(self) -> Mapping[str, str]:
        return {"service": "it is draining"}
