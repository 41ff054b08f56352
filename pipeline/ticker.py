"""Asks processors that hold something back for what is due, passes it on, and keeps what they remember in files."""

import asyncio
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
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
from pipeline.router import Edge, Pipeline, Put, hold_room, put_in_all
from pipeline.state import StateFile
from pipeline.threads import in_thread

__all__ = ["Holder", "Ticker"]

_MOST_ITEMS = 8192
"""Items passed on at once: a million series that are due together are many requests, as if they had come one by one."""


_RETRY_SECONDS = 0.1
"""Between two tries to pass on what is left, while stopping."""


Due = Batch | list[Put]
"""What a processor gave; or, of what went on before a reload, what is still to be put into queues."""


@dataclass(slots=True, eq=False)
class Holder:
    """A processor that holds something back, where what it gives goes on, and what was refused there.

    `before` is the one whose place it takes at a reload, with all that it remembers; its processor may be the same.
    """

    context: Context
    processor: Holding
    pipeline: Pipeline
    position: int
    state: StateFile | None
    kept: deque[Due] = field(default_factory=deque)
    before: "Holder | None" = None

    @property
    def place(self) -> tuple[str, str]:
        """What it is in the configuration."""
        return self.context.pipeline, self.context.id

    @property
    def stays(self) -> bool:
        """Whether the processor is the one that was there before the reload."""
        return self.before is not None and self.before.processor is self.processor

    def way(self) -> list[object]:
        """What stands behind it, down to the exporters; the same things make equal ways."""
        return _way(self.pipeline, self.position + 1)


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
        holder.before = next((known for known in self._holders if known.place == holder.place), None)
        if holder.before is None:
            await _begin(holder)
        elif holder.stays:
            holder.state = holder.before.state
        elif holder.state is not None:
            with _about(holder):
                await asyncio.to_thread(holder.state.check)

    async def discard(self, prepared: Sequence[Holder]) -> None:
        """Nothing comes of the reload: what `prepare` opened is closed again."""
        for holder in prepared:
            if holder.before is None:
                await self._write_down(holder)

    async def swap(self, prepared: Sequence[Holder]) -> list[Holder]:
        """From now on these. What others hold has gone its way when this returns; what they remember is handed over to
        those that take their places. Gives those that have gone without, for `finish`.

        Raises: what a processor raises that stays and does not give what it holds; `Refused` by one behind it that
        takes nothing now. Nothing has changed then.
        """
        after = {id(each.before): each for each in prepared}
        try:
            for holder in self._holders:
                new = after.get(id(holder))
                if new is None or not new.stays or new.way() != holder.way():
                    await self._flush(holder, stays=new is not None and new.stays)
        except BaseException:
            await self.discard(prepared)
            raise
        for new in prepared:
            if (old := new.before) is not None:
                new.kept = deque(_redirected(old.kept, new))
                if not new.stays:
                    await self._hand_over(old, new)
                new.before = None
        gone = [each for each in self._holders if id(each) not in after]
        self._holders = list(prepared)
        return gone

    async def _flush(self, holder: Holder, *, stays: bool) -> None:
        """What it holds goes through what stands behind it now: other processors may stand there, or none that redact,
        once the reload is done. What finds no room in a queue is kept, and is not processed again.
        """
        try:
            changes = await self._give(holder, stopping=True)
        except Exception as failure:
            if stays:
                # It would give the rest when others stand behind it.
                raise
            _say_not_given(holder, failure)
        else:
            await self._append(holder, changes)
        await in_thread(_process_kept, holder)
        await self._empty(holder)

    async def _hand_over(self, old: Holder, new: Holder) -> None:
        try:
            await asyncio.to_thread(new.processor.restore, old.processor.everything(), Ending.CLEAN)
        except Exception as failure:
            new.context.log.error("handing over what was remembered failed; sums begin anew", cause=where(failure))
        try:
            await asyncio.to_thread(_continue, old.state, new)
        except Exception as failure:
            _say_not_written(new, failure)

    def serves(self, pipeline: Pipeline, gone: Sequence[Holder]) -> bool:
        """Whether a pipeline, maybe of before the reload, can still be used: what is held back in it will be asked for,
        here or as one of those that have `gone`, and goes on as in it.
        """
        ways = {id(each.processor): each.way() for each in (*gone, *self._holders)}
        return all(ways.get(id(each.processor)) == each.way() for each in _holders([pipeline]))

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
            _say_not_given(holder, failure)
            return
        await self._append(holder, changes)
        if holder.state is not None and holder.state.is_long:
            await self._rewrite(holder, holder.state)

    async def _give(self, holder: Holder, *, stopping: bool) -> list[Record]:
        """What it gives is kept until it is passed on; returns what it wants to have written down before."""
        due = await in_thread(partial(holder.processor.tick, stopping=stopping))
        changes = holder.processor.changes() if holder.state is not None else []
        for batch in due:
            holder.context.telemetry.processed(holder.context.id, batch.signal, 0, batch.items)
            holder.kept += batch.split(max_items=_MOST_ITEMS)
        return changes

    async def _append(self, holder: Holder, changes: list[Record]) -> None:
        if holder.state is not None:
            try:
                await in_thread(holder.state.append, changes)
            except OSError as failure:
                _say_not_written(holder, failure)

    async def _rewrite(self, holder: Holder, state: StateFile) -> None:
        try:
            async with self._processing:
                everything = await in_thread(holder.processor.everything)
            await in_thread(state.rewrite, everything)
        except OSError as failure:
            _say_not_written(holder, failure)

    async def _empty(self, holder: Holder) -> None:
        with suppress(Refused):
            while holder.kept:
                with suppress(Rejected):  # Who rejects it has counted it.
                    await self._pass_on(holder, holder.kept[0])
                holder.kept.popleft()

    async def _pass_on(self, holder: Holder, due: Due) -> None:
        """Into every queue behind the processor, or none."""
        with ExitStack() as rooms:
            if isinstance(due, Batch):
                for destination in {id(each.queue): each for each in holder.pipeline.destinations()}.values():
                    hold_room(rooms, destination, due)
                async with self._processing:
                    puts = await in_thread(lambda: list(holder.pipeline.run(due, holder.position + 1)))
            else:
                puts = due
                for put in puts:
                    hold_room(rooms, *put)
            await put_in_all(puts)

    async def _finish(self, holder: Holder, deadline: Deadline) -> None:
        await self._ask(holder, stopping=True)
        await self._empty(holder)
        while holder.kept and deadline.remaining() > 0:
            await asyncio.sleep(min(_RETRY_SECONDS, deadline.remaining()))
            await self._empty(holder)
        for due in holder.kept:
            for batch in [due] if isinstance(due, Batch) else [batch for _, batch in due]:
                _drop(holder, batch, "shutdown")
        await self._write_down(holder)

    async def _write_down(self, holder: Holder) -> None:
        if holder.state is not None:
            try:
                await asyncio.to_thread(_end, holder.processor, holder.state)
            except OSError as failure:
                holder.context.log.error("cannot write down what is remembered", cause=failure.strerror)


def _say_not_given(holder: Holder, failure: Exception) -> None:
    holder.context.log.error("asking for what is due failed", cause=where(failure))


def _say_not_written(holder: Holder, failure: Exception) -> None:
    cause = failure.strerror if isinstance(failure, OSError) else where(failure)
    holder.context.log.error("cannot write down what is remembered; go on without", cause=cause)


def _drop(holder: Holder, batch: Batch, reason: str) -> None:
    holder.context.telemetry.dropped(holder.context.id, batch.signal, reason, batch.items)


def _process_kept(holder: Holder) -> None:
    """Have what is kept go through what stands behind the processor; what has is not processed again.

    Raises: `Refused` by a processor that takes nothing now.
    """
    for number, due in enumerate(holder.kept):
        if isinstance(due, Batch):
            puts: list[Put] = []
            with suppress(Rejected):  # Who rejects it has counted it.
                puts = list(holder.pipeline.run(due, holder.position + 1))
            holder.kept[number] = puts


def _redirected(kept: Iterable[Due], new: Holder) -> Iterator[Due]:
    """What is kept, for the queues that exporters have now; what is for one that is gone is dropped."""
    now = {each.context.id: each for each in new.pipeline.destinations()}
    for due in kept:
        if isinstance(due, Batch):
            yield due
            continue
        yield [(now[each.context.id], batch) for each, batch in due if each.context.id in now]
        for each, batch in due:
            if each.context.id not in now:
                _drop(new, batch, "queue_full")


def _way(pipeline: Pipeline, first: int = 0) -> list[object]:
    stages: list[object] = [id(stage.processor) for stage in pipeline.stages[first:]]
    for output in pipeline.outputs:
        if isinstance(output, Edge):
            stages.append((id(output.connector), [_way(each) for each in output.pipelines]))
        else:
            stages.append(output.context.id)
    return stages


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
    try:
        if new.state is not None:
            new.state.rewrite(new.processor.everything())
    except Exception:
        if old is not None:
            old.give_up()
        raise
    finally:
        if old is not None:
            old.close()
            if new.state is None or old.path != new.state.path:
                # Whoever reads it some day must not go on from there.
                old.path.unlink(missing_ok=True)


def _end(processor: Holding, state: StateFile) -> None:
    try:
        state.rewrite(processor.everything(), ended=True)
    finally:
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
