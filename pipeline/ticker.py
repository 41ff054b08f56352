"""Asks processors that hold something back for what is due, passes it on, and keeps what they remember in files."""

import asyncio
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self

from pipeline.batch import Batch
from pipeline.component import Context, Holding, Record
from pipeline.deadline import Deadline
from pipeline.errors import Refused, Rejected
from pipeline.logs import where
from pipeline.router import Edge, Pipeline, hold_room, put_in_all
from pipeline.state import StateFile

__all__ = ["Ticker"]

_MOST_ITEMS = 8192
"""Items passed on at once: a million series that are due together are many requests, as if they had come one by one."""


_RETRY_SECONDS = 0.1
"""Between two tries to pass on what is left, while stopping."""


@dataclass(slots=True)
class _Holder:
    """A processor that holds something back, where what it gives goes on, and what was refused there."""

    context: Context
    processor: Holding
    pipeline: Pipeline
    position: int
    state: StateFile | None
    kept: deque[Batch] = field(default_factory=deque)


class Ticker:
    """Entered: processors have what they remembered, and are asked each second. Left: all that they held is passed on,
    and written down.

    `processing` is the routers' lock: a processor does one thing at a time.
    Raises on entering: `OSError` for a folder that cannot be used.
    """

    def __init__(
        self,
        pipelines: Sequence[Pipeline],
        processing: asyncio.Lock,
        deadline: Deadline,
        *,
        interval_seconds: float = 1.0,
    ) -> None:
        self._holders = list(_holders(pipelines))
        self._processing, self._deadline, self._interval = processing, deadline, interval_seconds
        self._stopping = asyncio.Event()

    async def __aenter__(self) -> Self:
        for holder in self._holders:
            if holder.state is not None:
                await asyncio.to_thread(_restore, holder.processor, holder.state)
        self._group = asyncio.TaskGroup()
        await self._group.__aenter__()
        self._task = self._group.create_task(self._run(), name="ticker")
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stopping.set()
        await asyncio.wait([self._task], timeout=self._deadline.remaining())
        self._task.cancel()
        await self._group.__aexit__(None, None, None)
        for holder in self._holders:
            await self._finish(holder)

    async def _run(self) -> None:
        while not self._stopping.is_set():
            with suppress(TimeoutError):
                await asyncio.wait_for(self._stopping.wait(), self._interval)
                return
            await self.tick()

    async def tick(self) -> None:
        """One round. What is refused further on stays for the next; what is new waits in its processor meanwhile."""
        for holder in self._holders:
            if not holder.kept:
                await self._ask(holder)
            await self._empty(holder)

    async def _ask(self, holder: _Holder, *, stopping: bool = False) -> None:
        """Take what a processor gives; what it remembers of that is written first."""
        try:
            async with self._processing:
                due = await asyncio.to_thread(holder.processor.tick, stopping=stopping)
                changes = holder.processor.changes() if holder.state is not None else []
        except Exception as failure:
            holder.context.log.error("asking for what is due failed", cause=where(failure))
            return
        for batch in due:
            holder.context.telemetry.processed(holder.context.id, batch.signal, 0, batch.items)
            holder.kept += batch.split(max_items=_MOST_ITEMS)
        if holder.state is not None:
            await self._remember(holder, holder.state, changes)

    async def _remember(self, holder: _Holder, state: StateFile, changes: list[Record]) -> None:
        try:
            await asyncio.to_thread(state.append, changes)
            if state.is_long:
                async with self._processing:
                    everything = await asyncio.to_thread(holder.processor.everything)
                await asyncio.to_thread(state.rewrite, everything)
        except OSError as failure:
            holder.context.log.error("cannot write down what is remembered; go on without", cause=failure.strerror)

    async def _empty(self, holder: _Holder) -> None:
        with suppress(Refused):
            while holder.kept:
                with suppress(Rejected):  # Who rejects it has counted it.
                    await self._pass_on(holder, holder.kept[0])
                holder.kept.popleft()

    async def _pass_on(self, holder: _Holder, batch: Batch) -> None:
        """Into every queue behind the processor, or none."""
        with ExitStack() as rooms:
            for destination in {id(each.queue): each for each in holder.pipeline.destinations()}.values():
                hold_room(rooms, destination, batch)
            async with self._processing:
                results = await asyncio.to_thread(lambda: list(holder.pipeline.run(batch, holder.position + 1)))
            await put_in_all(results)

    async def _finish(self, holder: _Holder) -> None:
        """Pass on all that is held, as far as the deadline allows, and write down all that is remembered."""
        await self._ask(holder, stopping=True)
        await self._empty(holder)
        while holder.kept and self._deadline.remaining() > 0:
            await asyncio.sleep(min(_RETRY_SECONDS, self._deadline.remaining()))
            await self._empty(holder)
        for batch in holder.kept:
            holder.context.telemetry.dropped(holder.context.id, batch.signal, "shutdown", batch.items)
        if holder.state is not None:
            try:
                await asyncio.to_thread(_end, holder.processor, holder.state)
            except OSError as failure:
                holder.context.log.error("cannot write down what is remembered", cause=failure.strerror)


def _restore(processor: Holding, state: StateFile) -> None:
    records, ending = state.read()
    processor.restore(records, ending)
    state.rewrite(processor.everything())


def _end(processor: Holding, state: StateFile) -> None:
    state.rewrite(processor.everything(), ended=True)
    state.close()


def _holders(pipelines: Sequence[Pipeline]) -> Iterator[_Holder]:
    """Those that hold something back, each before those that get what it gives."""
    for pipeline in _in_order(pipelines):
        for position, stage in enumerate(pipeline.stages):
            processor = stage.processor
            if isinstance(processor, Holding):
                state = None if processor.storage is None else StateFile.of(stage.context, processor.storage)
                yield _Holder(stage.context, processor, pipeline, position, state)


def _in_order(pipelines: Sequence[Pipeline]) -> list[Pipeline]:
    """All pipelines, through connectors too, each once, those that feed others first."""
    done: dict[int, Pipeline] = {}

    def visit(pipeline: Pipeline) -> None:
        if id(pipeline) not in done:
            for output in pipeline.outputs:
                for inner in output.pipelines if isinstance(output, Edge) else ():
                    visit(inner)
            done[id(pipeline)] = pipeline

    for pipeline in pipelines:
        visit(pipeline)
    return list(done.values())[::-1]
