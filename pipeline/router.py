"""Carries a received batch through its pipelines and into every destination's queue: all of them, or none."""

import asyncio
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace

from pipeline.batch import Batch
from pipeline.component import Connector, Context, Processor
from pipeline.errors import Refused, Rejected, TooLarge
from pipeline.logs import where
from pipeline.queue import Entry, Queue

__all__ = ["Destination", "Edge", "Pipeline", "Put", "Router", "Stage", "hold_room", "put_in_all"]

_LARGE_BYTES = 256 * 1024
"""A payload above this is processed in a thread, so that the loop goes on answering meanwhile."""


@dataclass(frozen=True, slots=True)
class Stage:
    """One processor of one pipeline."""

    context: Context
    processor: Processor


@dataclass(frozen=True, slots=True)
class Destination:
    """The queue before one exporter."""

    context: Context
    queue: Queue


Put = tuple[Destination, Batch]
"""What is to be put where."""


@dataclass(frozen=True, slots=True)
class Edge:
    """A connector and the pipelines it begins for one signal."""

    connector: Connector
    pipelines: "Sequence[Pipeline]"


@dataclass(frozen=True, slots=True)
class Pipeline:
    """Processors in order, and where the result goes."""

    stages: Sequence[Stage]
    outputs: Sequence[Destination | Edge]

    def destinations(self) -> Iterator[Destination]:
        """Every queue a batch of this pipeline can end in."""
        for output in self.outputs:
            if isinstance(output, Edge):
                for pipeline in output.pipelines:
                    yield from pipeline.destinations()
            else:
                yield output

    def run(self, batch: Batch, first: int = 0) -> Iterator[Put]:
        """What is to be put where, when a batch goes through the stages from `first` on."""
        for stage in self.stages[first:]:
            result = _process(stage, batch)
            if result is None:
                return
            batch = result
        for output in self.outputs:
            if isinstance(output, Destination):
                yield output, batch
            elif (routed := output.connector.route(batch)) is not None:
                for pipeline in output.pipelines:
                    yield from pipeline.run(replace(routed, tenant=batch.tenant))


def _process(stage: Stage, batch: Batch) -> Batch | None:
    """Run one processor; nothing passes one that failed."""
    context = stage.context
    try:
        result = stage.processor.process(batch)
    except Refused:
        raise
    except Exception as error:
        context.telemetry.dropped(context.id, batch.signal, "processor_error", batch.items)
        context.log.error("the processor failed; the batch is dropped", items=batch.items, cause=where(error))
        raise Rejected(f"processor {context.id} failed on this data, which was dropped") from None
    context.telemetry.processed(context.id, batch.signal, batch.items, 0 if result is None else result.items)
    # A processor that decodes makes a new batch; whose it is cannot change.
    return result if result is None or result.tenant == batch.tenant else replace(result, tenant=batch.tenant)


class Router:
    """Where a receiver hands over its batches of one signal: `Consumer` in pipeline/component.py.

    `processing` is shared by all routers: pipelines have processors in common, and a processor sees one batch at a
    time.
    """

    def __init__(self, pipelines: Sequence[Pipeline], processing: asyncio.Lock) -> None:
        self._pipelines, self._processing = pipelines, processing
        self._destinations = {id(d.queue): d for pipeline in pipelines for d in pipeline.destinations()}.values()

    async def consume(self, batch: Batch) -> None:
        """Hold room in every queue, process, then put.

        Room comes first: a full queue turns the sender away before any work is done, and before a processor that
        remembers (limits, sums) has counted data that will be sent again.
        """
        if not batch.items:
            return
        with ExitStack() as rooms:
            for destination in self._destinations:
                hold_room(rooms, destination, batch)
            await put_in_all(await self._run(batch))

    async def _run(self, batch: Batch) -> list[Put]:
        async with self._processing:
            if len(batch.payload) > _LARGE_BYTES:
                return await asyncio.to_thread(self._run_all, batch)
            return self._run_all(batch)

    def _run_all(self, batch: Batch) -> list[Put]:
        return [put for pipeline in self._pipelines for put in pipeline.run(batch)]


def hold_room(rooms: ExitStack, destination: Destination, batch: Batch) -> None:
    """Hold room for a batch in a queue, until `rooms` is left. Raises: `Refused` or `TooLarge`, counted."""
    try:
        rooms.enter_context(destination.queue.room(batch))
    except (Refused, TooLarge):
        destination.context.telemetry.enqueue_failed(destination.context.id, batch.signal, batch.items)
        raise


async def put_in_all(puts: Sequence[Put]) -> None:
    """Put into every queue, or into none, also when the caller is cancelled: its client, who was told nothing, will
    send the batch again.

    Raises: `Refused` if one of them cannot keep it now, counted there.
    """
    abandoned = asyncio.Event()
    try:
        await asyncio.shield(_settle(puts, abandoned))
    except asyncio.CancelledError:
        abandoned.set()
        raise


async def _settle(puts: Sequence[Put], abandoned: asyncio.Event) -> None:
    # All at once: each queue waits for a disk of its own.
    results = await asyncio.gather(*(_put(*each) for each in puts), return_exceptions=True)
    failures = [result for result in results if isinstance(result, BaseException)]
    for (destination, _), entry in zip(puts, results, strict=True):
        if isinstance(entry, BaseException):
            continue
        if failures or abandoned.is_set():
            await destination.queue.withdraw(entry)
        else:
            destination.queue.release(entry)
    if failures:
        raise failures[0]


async def _put(destination: Destination, batch: Batch) -> Entry:
    try:
        return await destination.queue.put(batch)
    except Refused:
        destination.context.telemetry.enqueue_failed(destination.context.id, batch.signal, batch.items)
        raise
