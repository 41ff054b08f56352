"""The life of the daemon: start from the destinations back to the receivers, run, reload, stop the other way round.

reload:   build what is new ──► start it, waiting ──► swap, between two batches ──► what was replaced drains, is left
          └───── anything that fails here is left again, and nothing has changed ─────┘
"""

import asyncio
from collections.abc import Awaitable, Iterable, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from functools import partial
from types import TracebackType
from typing import Self, cast

from structlog.typing import FilteringBoundLogger

from config.model import Config
from pipeline.addresses import check_addresses
from pipeline.component import Context, ExporterSettings, NoLedger
from pipeline.deadline import Deadline
from pipeline.errors import Refused
from pipeline.graph import NOTHING, Graph, Part, build
from pipeline.ledger import AuditLedger
from pipeline.logs import where
from pipeline.operating.admin import Admin, Commands
from pipeline.operating.operations import Operating
from pipeline.parts import Key, about, merges_before
from pipeline.reload.changes import Changes, Unchangeable, changes
from pipeline.router import Router
from pipeline.sending.sender import Sender
from pipeline.service_parts import ADMIN, ANCHORS, METRICS, service_parts
from pipeline.serving.sockets import Sockets
from pipeline.telemetry import Telemetry
from pipeline.ticker import Holder, Ticker

__all__ = ["Service"]

_ORDER = ("extensions", "queues", "dead_letters", "exporters", METRICS, ANCHORS, "receivers", ADMIN)
"""In which parts are started, by key or kind; they are left the other way round."""


def _rank(key: Key) -> int:
    """The place of a part in the order; of those that are not started, such as processors, none."""
    own: str | Key = key if key.kind == "service" else key.kind
    return _ORDER.index(own) if own in _ORDER else -1


@dataclass(frozen=True, slots=True)
class _Replaced:
    """What a reload took out of use: parts, what processors held back, and the routers of receivers."""

    parts: Sequence[tuple[Key, Part]]
    holders: Sequence[Holder]
    routers: Sequence[Router]


class Service:
    """One daemon. Entered: everything runs. Left: receivers stop, queues drain, exporters close, within one deadline.

    Raises on entering: `OSError` for an address or a file that cannot be used.
    """

    def __init__(self, config: Config, log: FilteringBoundLogger) -> None:
        self.config, self._log = config, log
        self.telemetry = Telemetry()
        audit = config.service.audit
        self.ledger = None if audit is None else AuditLedger(audit, config, self.telemetry, log)
        self._sockets, self._processing = Sockets(), asyncio.Lock()
        self._deadline = Deadline(config.service.shutdown_timeout)
        self._problems: dict[str, str] = {"service": "it is starting"}
        self._stack = AsyncExitStack()
        self._running: dict[int, tuple[Key, Part]] = {}
        self._replaced = _Replaced([], [], [])
        self._is_stopping = False
        self.graph = NOTHING
        self.self_metrics_port = 0
        self.commands = Commands()
        Operating(lambda: self.graph.queues, lambda: self.graph.dead_letters, self.telemetry).register(self.commands)

    def problems(self) -> Mapping[str, str]:
        """`pipeline.component.Health`."""
        return {**self._problems, **self.ledger.problems()} if self.ledger else self._problems

    @property
    def admin_port(self) -> int:
        """Where the admin endpoint really listens; 0 if there is none."""
        part = self.graph.parts.get(ADMIN)
        return 0 if part is None else cast(Admin, part.thing).port

    async def __aenter__(self) -> Self:
        async with AsyncExitStack() as stack:
            if self.ledger is not None:
                await stack.enter_async_context(self.ledger)
            stack.push_async_callback(self._leave_all)
            graph = await self._started(self.config)
            try:
                self._ticker = Ticker(list(graph.pipelines.values()), self._processing, self._deadline)
                await self._ticker.__aenter__()
            except BaseException:
                await self._give_up(graph)
                raise
            self.graph = graph
            self._lead(NOTHING)
            self._stack = stack.pop_all()
        self.telemetry.unredacted(self.config.service.without_redaction())
        self._problems = {}
        self._log.info("ready", receivers=list(self.graph.receivers), exporters=list(self.graph.senders))
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.begin_to_stop()
        self._log.info("stopping", deadline_seconds=self.config.service.shutdown_timeout)
        await self._stack.aclose()
        self._log.info("stopped")

    def begin_to_stop(self) -> None:
        """From now on the deadline runs, also for what is being replaced."""
        self._is_stopping = True
        self._problems = {"service": "it is draining before it stops"}
        for deadline in (self._deadline, *(part.context.deadline for _, part in self._running.values())):
            deadline.start(self.config.service.shutdown_timeout)

    @property
    def _patience(self) -> float:
        """Seconds that what is left from now on has to finish its work."""
        return self._deadline.remaining() if self._is_stopping else self.config.service.shutdown_timeout

    # --- starting

    def _context(self, config: Config, component_id: str) -> Context:
        log, deadline = self._log.bind(component=component_id), Deadline(self.config.service.shutdown_timeout)
        ledger = NoLedger() if self.ledger is None else self.ledger.of(config, component_id)
        return Context(component_id, self.telemetry, log, self, deadline, ledger, sockets=self._sockets)

    async def _started(self, config: Config) -> Graph:
        """All parts of a configuration; what is new is entered, and takes part in nothing yet."""
        await asyncio.to_thread(check_addresses, config)
        context = partial(self._context, config)
        # In a thread: rules are read and compiled, which takes seconds.
        graph = await asyncio.to_thread(build, config, context, self._processing, self.graph)
        own = service_parts(config, graph, self.graph, context, self.commands, self.ledger)
        graph = replace(graph, parts={**graph.parts, **own})
        new = [(key, part) for key, part in graph.parts.items() if id(part.thing) not in self._running]
        try:
            for key, part in sorted(new, key=lambda each: _rank(each[0])):
                self._go_on()
                if _rank(key) >= 0:
                    await self._enter(key, part)
            self._go_on()
        except BaseException:
            await self._give_up(graph)
            raise
        return graph

    def _go_on(self) -> None:
        """Raises: `Unchangeable` once the daemon stops: no deadline runs for a part that is not entered yet."""
        if self._is_stopping:
            raise Unchangeable(["the daemon is stopping"])

    async def _enter(self, key: Key, part: Part) -> None:
        with about(key):
            entered = await part.thing.__aenter__()
        self._running[id(part.thing)] = key, part
        if key == METRICS:
            self.self_metrics_port = entered

    def _lead(self, before: Graph, gone: Sequence[Holder] = ()) -> None:
        """Have the routers lead where the graph says, those of receivers that are replaced by it too; `gone` are the
        processors that hold something back and went with `before`.
        """
        graph = self.graph
        for source, pipelines in graph.leads.items():
            graph.routers[source].lead(pipelines)
        for source, router in before.routers.items():
            if router is graph.routers.get(source):
                continue
            if source in graph.leads:
                router.lead(graph.leads[source])
            else:
                # What still comes to a receiver that is gone goes where it would have gone.
                names = {id(pipeline): name for name, pipeline in before.pipelines.items()}
                ways = [graph.pipelines.get(names[id(each)], each) for each in before.leads[source]]
                if all(self._ticker.serves(way, gone) for way in ways):
                    router.lead(ways)
                else:
                    router.turn_away()

    # --- reloading

    async def reload(self, config: Config) -> Changes:
        """Run another configuration from now on; what it replaces is left by `settle`, before the next reload at the
        latest.

        Raises: `Unchangeable`; and whatever building, starting and letting go raise. Then nothing has changed.
        """
        changed = changes(self.config, config)
        if changed.impossible:
            raise Unchangeable(changed.impossible)
        await self.settle()
        readers = self.telemetry.readers()
        try:
            graph = await self._started(config)
            try:
                holders = await self._ticker.prepare(list(graph.pipelines.values()))
                async with self._ticker.ticking, self._processing:
                    try:
                        gone = await self._ticker.swap(holders)
                    except Refused as refusal:
                        sentence = f"what processors hold back cannot go on before they are replaced: {refusal}"
                        raise Unchangeable([sentence]) from None
                    await self._swap(config, graph, gone, changed)
            except BaseException:
                await self._give_up(graph)
                raise
        except BaseException:
            self.telemetry.restore(readers)
            raise
        return changed

    async def _swap(self, config: Config, graph: Graph, gone: Sequence[Holder], changed: Changes) -> None:
        before, self.graph, self.config = self.graph, graph, config
        if self.ledger is not None:
            await asyncio.to_thread(self.ledger.reloaded, config, changed.summary())
        self._lead(before, gone)
        for exporter, queue in graph.queues.items():
            settings = cast(ExporterSettings, config.exporters[exporter])
            queue.change(settings.sending_queue, merges_before(config, exporter))
            if exporter in graph.dead_letters:
                graph.dead_letters[exporter].change(settings.dead_letter)
        self.telemetry.unredacted(config.service.without_redaction())
        if METRICS not in graph.parts:
            self.self_metrics_port = 0
        staying = {id(part.thing) for part in graph.parts.values()}
        parts = [(key, part) for key, part in before.parts.items() if id(part.thing) not in staying]
        self._replaced = _Replaced(parts, gone, [*before.routers.values(), *graph.routers.values()])

    async def settle(self) -> None:
        """Return when what the last reload replaced has finished its work, or had the time for it, and is left."""
        replaced, self._replaced = self._replaced, _Replaced([], [], [])
        if not replaced.parts:
            return
        deadline = Deadline(self._patience)
        for each in (deadline, *(part.context.deadline for _, part in replaced.parts)):
            each.start(self._patience)
        senders = {key.id: part for key, part in replaced.parts if key.kind == "exporters"}
        async with asyncio.TaskGroup() as group:
            for exporter, part in senders.items():
                group.create_task(self._hand_over(exporter, part), name=f"{exporter} hands over")
            receivers = [each for each in replaced.parts if _rank(each[0]) >= _ORDER.index("receivers")]
            await self._leave(receivers)
        for router in replaced.routers:
            await router.settled()
            if router not in self.graph.routers.values():
                # Whatever still knows it keeps no pipeline alive.
                router.turn_away()
        await self._ticker.finish(replaced.holders, deadline)
        await self._leave(replaced.parts)
        for key, _ in replaced.parts:
            self._forget(key)
        # What has another queue now comes after what was in the old one.
        for sender in self.graph.senders.values():
            sender.begin()

    async def _hand_over(self, exporter: str, sender: Part) -> None:
        """Once a sender has let go of its queue, the one that has it now begins."""
        after = self.graph.senders.get(exporter)
        if after is not None and after.queue is sender.thing.queue:
            await _told(sender, sender.thing.hand_over())
            after.begin()

    def _forget(self, key: Key) -> None:
        if key in self.graph.parts:
            return
        if key.kind == "exporters":
            self.telemetry.forget_exporter(key.id)
        elif key.kind == "dead_letters":
            self.telemetry.forget(key.id, sorts=["dead_letters"])
        elif key.pipeline or key.id not in (each.id for each in self.graph.parts):
            self.telemetry.forget(key.id, key.pipeline)

    # --- leaving

    async def _give_up(self, graph: Graph) -> None:
        """Nothing comes of a graph: its new parts are left again. What they were sent goes where it would have gone."""
        routers = {source: each for source, each in graph.routers.items() if each not in self.graph.routers.values()}
        for source, router in routers.items():
            if source in self.graph.leads:
                router.lead(self.graph.leads[source])
            else:
                router.turn_away()
        staying = {id(part.thing) for part in self.graph.parts.values()}
        new = [(key, part) for key, part in graph.parts.items() if id(part.thing) not in staying]
        for key, part in new:
            part.context.deadline.start(self._patience)
            if key.kind == "exporters" and id(part.thing) in self._running:
                await _told(part, cast(Sender, part.thing).hand_over())
        await self._leave(new)
        for router in routers.values():
            await router.settled()
            router.turn_away()

    async def _leave_all(self) -> None:
        try:
            await self.settle()
        finally:
            try:
                receivers = [each for each in self._running.values() if _rank(each[0]) >= _ORDER.index("receivers")]
                await self._leave(receivers)
                if self.graph is not NOTHING:
                    await self._ticker.__aexit__(None, None, None)
            finally:
                await self._leave(list(self._running.values()))

    async def _leave(self, parts: Iterable[tuple[Key, Part]]) -> None:
        """Leave those of the parts that are entered, in order, whatever happens to one of them."""
        entered = [each for each in parts if self._running.pop(id(each[1].thing), None) is not None]
        async with AsyncExitStack() as stack:
            for rank in range(len(_ORDER)):
                these = [part for key, part in entered if _rank(key) == rank]
                for part in these:
                    stack.push_async_callback(_left, part)
                if _ORDER[rank] == "exporters":
                    stack.push_async_callback(_drain, these)


async def _left(part: Part) -> None:
    await _told(part, part.thing.__aexit__(None, None, None))


async def _drain(senders: Sequence[Part]) -> None:
    """All at once: a destination that is away takes no time from the others."""
    async with asyncio.TaskGroup() as group:
        for sender in senders:
            group.create_task(_told(sender, sender.thing.drain()), name="draining")


async def _told(part: Part, leaving: Awaitable[object]) -> None:
    """A part that fails as it is left is told of, and holds up no other."""
    try:
        await leaving
    except Exception as error:
        part.context.log.error("stopping a part failed; the others go on", cause=where(error))
