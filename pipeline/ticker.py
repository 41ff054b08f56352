"""Asks processors that hold something back for what is due, passes it on, and keeps what they remember in files."""

import asyncio
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, suppress
from dataclasses import dataclass, field
from functools import partial
from types import TracebackType
from typing import Self

from pipeline.batch import Batch
from pipeline.component import Context, Ending, Holding, Record
from pipeline.deadline import Deadline
from pipeline.errors import Refused, Rejected
from pipeline.logs import where
from pipeline.parts import Key, about
from pipeline.router import Edge, Pipeline, hold_room, put_in_all
from pipeline.state import StateFile
from pipeline.threads import in_thread

__all__ = ["Holder", "Ticker"]

_MOST_ITEMS = 8192
"""Items passed on at once: a million series that are due together are many requests, as if they had come one by one."""


_RETRY_SECONDS = 0.1
"""Between two tries to pass on what is left, while stopping."""


@dataclass(slots=True, eq=False)
class Holder:
    """A processor that holds something back, where what it gives goes on, and what was refused there.

    `before` is the one whose place it takes at a reload, with all that it remembers.
    """

    context: Context
    processor: Holding
    pipeline: Pipeline
    position: int
    state: StateFile | None
    kept: deque[Batch] = field(default_factory=deque)
    before: "Holder | None" = None

    @property
    def place(self) -> tuple[str, str]:
        """What it is in the configuration."""
        return self.context.pipeline, self.context.id


class Ticker:
    """Entered: processors have what they remembered, and are asked each second. Left: all that they held is passed on,
    and written down.

    `processing` is the routers' lock: a processor does one thing at a time.
    At a reload: `prepare`, `swap` while both that lock and `ticking` are held, and `finish` for those that went.
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
        self.ticking = asyncio.Lock()

    async def __aenter__(self) -> Self:
        for holder in self._holders:
            await _begin(holder)
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
        await self.finish(self._holders, self._deadline)

    async def prepare(self, pipelines: Sequence[Pipeline]) -> list[Holder]:
        """Those of other pipelines: the same as now where their processors are, the others with what they remembered.

        Raises: `OSError` for a folder that cannot be used; nothing has changed then.
        """
        prepared: list[Holder] = []
        try:
            for holder in _holders(pipelines):
                await self._prepare(holder)
                prepared.append(holder)
        except BaseException:
            await self.discard(prepared)
            raise
        return prepared

    async def _prepare(self, holder: Holder) -> None:
        for known in self._holders:
            if known.processor is holder.processor:
                holder.state, holder.kept = known.state, known.kept
                return
            if known.place == holder.place:
                holder.before = known
        if holder.before is None:
            await _begin(holder)
        elif holder.state is not None:
            with _about(holder):
                await asyncio.to_thread(holder.state.check)

    async def discard(self, prepared: Sequence[Holder]) -> None:
        """Nothing comes of the reload: what `prepare` opened is closed again."""
        running = [id(each.processor) for each in self._holders]
        for holder in prepared:
            if holder.before is None and id(holder.processor) not in running:
                await self._write_down(holder)

    async def swap(self, prepared: Sequence[Holder]) -> list[Holder]:
        """From now on these. What others remember whose places they take is handed over; gives those that have gone
        without, for `finish`.
        """
        staying = {id(each.processor) for each in prepared} | {
            id(each.before.processor) for each in prepared if each.before
        }
        gone = [each for each in self._holders if id(each.processor) not in staying]
        for holder in prepared:
            if holder.before is not None:
                await self._hand_over(holder.before, holder)
                holder.before = None
        self._holders = list(prepared)
        return gone

    async def _hand_over(self, old: Holder, new: Holder) -> None:
        try:
            await self._give(old, stopping=True)
            new.kept = old.kept
            await asyncio.to_thread(new.processor.restore, old.processor.everything(), Ending.CLEAN)
            await asyncio.to_thread(_continue, old.state, new)
        except OSError as failure:
            new.context.log.error("cannot write down what is remembered; go on without", cause=failure.strerror)
        except Exception as failure:
            new.context.log.error("handing over what was remembered failed; sums begin anew", cause=where(failure))

    async def finish(self, holders: Sequence[Holder], deadline: Deadline) -> None:
        """Pass on all that is held, as far as the deadline allows, and write down all that is remembered."""
        for holder in holders:
            await self._finish(holder, deadline)

    async def _run(self) -> None:
        while not self._stopping.is_set():
            with suppress(TimeoutError):
                async with asyncio.timeout(self._interval):
                    await self._stopping.wait()
                return
            await self.tick()

    async def tick(self) -> None:
        """One round. What is refused further on stays for the next; what is new waits in its processor meanwhile."""
        async with self.ticking:
            for holder in self._holders:
                if not holder.kept:
                    await self._ask(holder)
                await self._empty(holder)

    async def _ask(self, holder: Holder, *, stopping: bool = False) -> None:
        """Take what a processor gives; what it remembers of that is written first."""
        try:
            async with self._processing:
                changes = await self._give(holder, stopping=stopping)
        except Exception as failure:
            holder.context.log.error("asking for what is due failed", cause=where(failure))
            return
        if holder.state is not None:
            await self._remember(holder, holder.state, changes)

    async def _give(self, holder: Holder, *, stopping: bool) -> list[Record]:
        """What it gives is kept until it is passed on; returns what it wants to have written down before."""
        due = await in_thread(partial(holder.processor.tick, stopping=stopping))
        changes = holder.processor.changes() if holder.state is not None else []
        for batch in due:
            holder.context.telemetry.processed(holder.context.id, batch.signal, 0, batch.items)
            holder.kept += batch.split(max_items=_MOST_ITEMS)
        return changes

    async def _remember(self, holder: Holder, state: StateFile, changes: list[Record]) -> None:
        try:
            await in_thread(state.append, changes)
            if state.is_long:
                async with self._processing:
                    everything = await in_thread(holder.processor.everything)
                await in_thread(state.rewrite, everything)
        except OSError as failure:
            holder.context.log.error("cannot write down what is remembered; go on without", cause=failure.strerror)

    async def _empty(self, holder: Holder) -> None:
        with suppress(Refused):
            while holder.kept:
                with suppress(Rejected):  # Who rejects it has counted it.
                    await self._pass_on(holder, holder.kept[0])
                holder.kept.popleft()

    async def _pass_on(self, holder: Holder, batch: Batch) -> None:
        """Into every queue behind the processor, or none."""
        with ExitStack() as rooms:
            for destination in {id(each.queue): each for each in holder.pipeline.destinations()}.values():
                hold_room(rooms, destination, batch)
            async with self._processing:
                results = await in_thread(lambda: list(holder.pipeline.run(batch, holder.position + 1)))
            await put_in_all(results)

    async def _finish(self, holder: Holder, deadline: Deadline) -> None:
        await self._ask(holder, stopping=True)
        await self._empty(holder)
        while holder.kept and deadline.remaining() > 0:
            await asyncio.sleep(min(_RETRY_SECONDS, deadline.remaining()))
            await self._empty(holder)
        for batch in holder.kept:
            holder.context.telemetry.dropped(holder.context.id, batch.signal, "shutdown", batch.items)
        await self._write_down(holder)

    async def _write_down(self, holder: Holder) -> None:
        if holder.state is not None:
            try:
                await asyncio.to_thread(_end, holder.processor, holder.state)
            except OSError as failure:
                holder.context.log.error("cannot write down what is remembered", cause=failure.strerror)


async def _begin(holder: Holder) -> None:
    if holder.state is not None:
        with _about(holder):
            await asyncio.to_thread(_restore, holder.processor, holder.state)


def _about(holder: Holder) -> AbstractContextManager[None]:
    return about(Key("processors", holder.context.id))


def _restore(processor: Holding, state: StateFile) -> None:
    records, ending = state.read()
    processor.restore(records, ending)
    state.rewrite(processor.everything())


def _continue(old: StateFile | None, new: Holder) -> None:
    """Write down what was handed over, in place of the old file."""
    if new.state is not None:
        new.state.rewrite(new.processor.everything())
    if old is not None:
        old.close()
        if new.state is None or old.path != new.state.path:
            # Whoever reads it some day must not go on from there.
            old.path.unlink(missing_ok=True)


def _end(processor: Holding, state: StateFile) -> None:
    state.rewrite(processor.everything(), ended=True)
    state.close()


def _holders(pipelines: Sequence[Pipeline]) -> Iterator[Holder]:
    """Those that hold something back, each before those that get what it gives."""
    for pipeline in _in_order(pipelines):
        for position, stage in enumerate(pipeline.stages):
            processor = stage.processor
            if isinstance(processor, Holding):
                state = None if processor.storage is None else StateFile.of(stage.context, processor.storage)
                yield Holder(stage.context, processor, pipeline, position, state)


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
