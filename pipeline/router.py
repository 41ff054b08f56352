"""Carries a received batch through its pipelines and into every destination's queue: all of them, or none."""

import asyncio
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace

from pipeline.batch import Batch
from pipeline.component import Connector, Context, Guard, Processor
from pipeline.errors import Refused, Rejected, TooLarge, Unsupported
from pipeline.logs import where
from pipeline.queues.queue import Entry, Queue
from pipeline.threads import in_thread

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

    It lives as long as its receiver, while a reload may lead it elsewhere; until it is led anywhere, everybody waits.
    `processing` is shared by all routers: pipelines have processors in common, and a processor sees one batch at a
    time.
    """

    def __init__(
        self, pipelines: Sequence[Pipeline] | None, processing: asyncio.Lock, nowhere: str = "no pipeline takes this"
    ) -> None:
        self._processing, self._nowhere = processing, nowhere
        self._way = None if pipelines is None else _Way.through(pipelines)
        self._led = asyncio.Event()
        if pipelines is not None:
            self._led.set()
        self._under_way: set[asyncio.Future[None]] = set()

    def lead(self, pipelines: Sequence[Pipeline]) -> None:
        """From now on through these pipelines, at once; only while `processing` is held, or for the first time."""
        self._way = _Way.through(pipelines)
        self._led.set()

    def turn_away(self) -> None:
        """Whoever waits and whoever comes is refused: it leads nowhere yet and never will, or not any longer."""
        self._way = None
        self._led.set()

    async def settled(self) -> None:
        """Wait until all that has been processed by now is in its queues, or in none."""
        if self._under_way:
            await asyncio.wait(set(self._under_way))

    def admit(self) -> None:
        """`Guard` in pipeline/component.py: what stands first in a pipeline and can say so would refuse any batch."""
        for pipeline in self._way.pipelines if self._way else ():
            for stage in pipeline.stages:
                if not isinstance(stage.processor, Guard):
                    break
                stage.processor.admit()

    async def consume(self, batch: Batch) -> None:
        """Hold room in every queue, process, then put.

        Room comes first: a full queue turns the sender away before any work is done, and before a processor that
        remembers (limits, sums) has counted data that will be sent again.
        Raises: `Unsupported` where no pipeline takes the signal.
        """
        while not await self._consume(batch):
            pass

    async def _consume(self, batch: Batch) -> bool:
        """Whether it is done; it is not if the router was led elsewhere before the batch was processed."""
        await self._led.wait()
        if (way := self._way) is None:
            sentence = "this receiver does not run; retry after 1 s"
            raise Refused(sentence, retry_after_seconds=1.0, reason="starting")
        if not way.pipelines:
            raise Unsupported(self._nowhere)
        if not batch.items:
            return True
        with ExitStack() as rooms:
            for destination in way.destinations:
                hold_room(rooms, destination, batch)
            async with self._processing:
                if way is not self._way:
                    return False
                puts = await way.run(batch)
            settled: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._under_way.add(settled)
            settled.add_done_callback(self._under_way.discard)
            await put_in_all(puts, lambda: settled.set_result(None))
        return True


@dataclass(frozen=True, slots=True, eq=False)
class _Way:
    """Where the batches of a router go."""

    pipelines: Sequence[Pipeline]
    destinations: Sequence[Destination]

    @classmethod
    def through(cls, pipelines: Sequence[Pipeline]) -> "_Way":
        destinations = {id(d.queue): d for pipeline in pipelines for d in pipeline.destinations()}
        return cls(pipelines, list(destinations.values()))

    async def run(self, batch: Batch) -> list[Put]:
        if len(batch.payload) > _LARGE_BYTES:
            return await in_thread(self._run, batch)
        return self._run(batch)

    def _run(self, batch: Batch) -> list[Put]:
        return [put for pipeline in self.pipelines for put in pipeline.run(batch)]


def hold_room(rooms: ExitStack, destination: Destination, batch: Batch) -> None:
    """Hold room for a batch in a queue, until `rooms` is left. Raises: `Refused` or `TooLarge`, counted."""
    try:
        rooms.enter_context(destination.queue.room(batch))
    except (Refused, TooLarge):
        destination.context.telemetry.enqueue_failed(destination.context.id, batch.signal, batch.items)
        raise


def _unheard() -> None:
    return


async def put_in_all(puts: Sequence[Put], settled: Callable[[], None] = _unheard) -> None:
    """Put into every queue, or into none, also when the caller is cancelled: its client, who was told nothing, will
    send the batch again. `settled` is called when it is in them, or in none.

    Raises: `Refused` if one of them cannot keep it now, counted there.
    """
    abandoned = asyncio.Event()
    try:
        await asyncio.shield(_settle_and_tell(puts, abandoned, settled))
    except asyncio.CancelledError:
        abandoned.set()
        raise


async def _settle_and_tell(puts: Sequence[Put], abandoned: asyncio.Event, settled: Callable[[], None]) -> None:
    try:
        await _settle(puts, abandoned)
    finally:
        settled()


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
