"""From a configuration to components that are joined but not yet running; at a reload, to those that are not running
yet.

receivers["otlp"] ──► Router(traces) ──► Pipeline(stages) ──► Destination(queue) ◄── Sender ──► exporters["jaeger"]
                                             ▲
                                  Ticker ────┘  what stages have held back
"""

import asyncio
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, cast

from config.model import Config, signal_of
from pipeline.batch import Batch, Signal
from pipeline.component import (
    ConnectorSettings,
    Context,
    ExporterSettings,
    Extension,
    ExtensionSettings,
    ProcessorSettings,
    Receiver,
    ReceiverSettings,
)
from pipeline.parts import Fingerprint, Key, about, fingerprints, merges_before, name_before, used
from pipeline.queues.dead_letters import DeadLetters, letter_file
from pipeline.queues.drops import Drops
from pipeline.queues.file import QueueFile
from pipeline.queues.queue import Merge, Queue
from pipeline.queues.storage import StorageSettings, storage_of
from pipeline.router import Destination, Edge, Pipeline, Router, Stage
from pipeline.sending.egress import egress_check
from pipeline.sending.sender import Sender

__all__ = ["NOTHING", "Graph", "Part", "Source", "build"]

Source = tuple[str, Signal]
"""A receiver and one of its signals."""


@dataclass(frozen=True, slots=True)
class Part:
    """One part of a daemon: the component, or what the machine has around one, and what makes it what it is."""

    thing: Any
    fingerprint: Fingerprint
    context: Context


@dataclass(frozen=True, slots=True)
class Graph:
    """All parts, and how they are joined."""

    parts: Mapping[Key, Part]
    routers: Mapping[Source, Router]
    leads: Mapping[Source, Sequence[Pipeline]]
    """Where each of the routers is to lead."""
    pipelines: Mapping[str, Pipeline]
    anchors: Destination | None = None
    """Where anchors of the audit ledger are put."""

    def of(self, kind: str) -> dict[str, Any]:
        """The parts of a kind that is not in pipelines, by id."""
        return {key.id: part.thing for key, part in self.parts.items() if key.kind == kind}

    @property
    def extensions(self) -> Mapping[str, Extension]:
        return self.of("extensions")

    @property
    def queues(self) -> Mapping[str, Queue]:
        return self.of("queues")

    @property
    def dead_letters(self) -> Mapping[str, DeadLetters]:
        return self.of("dead_letters")

    @property
    def senders(self) -> Mapping[str, Sender]:
        return self.of("exporters")

    @property
    def receivers(self) -> Mapping[str, Receiver]:
        return self.of("receivers")


NOTHING = Graph({}, {}, {}, {})
"""Before anything runs."""


def build(
    config: Config,
    context: Callable[[str], Context],
    processing: asyncio.Lock | None = None,
    running: Graph = NOTHING,
) -> Graph:
    """Build what the service section names, but for what is `running` and the same. `context` makes the context of a
    component id. Senders whose exporter runs with other settings wait until they are told to `begin`.

    Raises: what a component's `build` raises for files it cannot read and the like.
    """
    return _Builder(config, context, processing or asyncio.Lock(), running).build()


class _Straight:
    """A connector that changes nothing."""

    def route(self, batch: Batch) -> Batch:
        return batch


_STRAIGHT = _Straight()
"""One for all: a reload compares what stands behind a processor by what it is."""


class _Builder:
    def __init__(
        self, config: Config, context: Callable[[str], Context], processing: asyncio.Lock, running: Graph
    ) -> None:
        self._config, self._context_of, self._processing, self._running = config, context, processing, running
        self._service = config.service
        self._fingerprints = fingerprints(config)
        self._parts: dict[Key, Part] = {}
        self._routers: dict[Source, Router] = {}
        self._extensions: dict[str, Extension] = {}
        self._destinations: dict[str, Destination] = {}
        self._pipelines: dict[str, Pipeline] = {}

    def build(self) -> Graph:
        for each in self._service.extensions:
            settings = cast(ExtensionSettings, self._config.extensions[each])
            self._extensions[each] = self._part(Key("extensions", each), settings.build)
        leads = {
            (receiver, signal): [self._pipeline(name) for name in self._fed_by(receiver, signal)]
            for receiver in used(self._config, "receivers")
            for signal in Signal
        }
        for receiver in used(self._config, "receivers"):
            self._receiver(receiver)
        audit = self._service.audit
        anchors = self._destination(audit.anchors.exporter) if audit and audit.anchors else None
        return Graph(self._parts, self._routers, leads, self._pipelines, anchors)

    def _part(self, key: Key, build: Callable[[Context], Any]) -> Any:
        """The part that runs, if it is the same, otherwise what `build` makes of a new context."""
        if key not in self._parts:
            self._parts[key] = self._kept(key) or self._built(key, build)
        return self._parts[key].thing

    def _kept(self, key: Key) -> Part | None:
        part = self._running.parts.get(key)
        return part if part is not None and part.fingerprint == self._fingerprints[key] else None

    def _built(self, key: Key, build: Callable[[Context], Any]) -> Part:
        context = replace(self._context_of(key.id), extensions=self._extensions, pipeline=key.pipeline)
        with about(key):
            return Part(build(context), self._fingerprints[key], context)

    def _receiver(self, receiver_id: str) -> None:
        key = Key("receivers", receiver_id)
        is_kept = self._kept(key) is not None
        routers = {signal: self._router(receiver_id, signal, is_kept=is_kept) for signal in Signal}
        settings = cast(ReceiverSettings, self._config.receivers[receiver_id])
        self._part(key, lambda context: settings.build(context, routers))
        self._routers |= {(receiver_id, signal): router for signal, router in routers.items()}

    def _router(self, receiver_id: str, signal: Signal, *, is_kept: bool) -> Router:
        if is_kept:
            return self._running.routers[receiver_id, signal]
        return Router(None, self._processing, f"no pipeline takes {signal.value} from receiver {receiver_id}")

    def _fed_by(self, source: str, signal: Signal) -> Iterator[str]:
        """The pipelines of a signal that a receiver or connector feeds."""
        for name, pipeline in self._service.pipelines.items():
            if source in pipeline.receivers and signal_of(name) is signal:
                yield name

    def _pipeline(self, name: str) -> Pipeline:
        """Made once for each name, whoever asks: receivers share a pipeline's processors."""
        if name not in self._pipelines:
            outputs = [self._output(name, each) for each in self._service.pipelines[name].exporters]
            self._pipelines[name] = Pipeline(list(self._stages(name)), outputs)
        return self._pipelines[name]

    def _stages(self, name: str) -> Iterator[Stage]:
        for each in self._service.pipelines[name].processors:
            settings = cast(ProcessorSettings, self._config.processors[each])
            if settings.merge() is None:
                yield self._stage(Key("processors", each, name), settings)

    def _stage(self, key: Key, settings: ProcessorSettings) -> Stage:
        stage: Stage = self._part(key, lambda context: Stage(context, settings.build(context)))
        return stage

    def _output(self, name: str, output: str) -> Destination | Edge:
        if output in self._config.exporters:
            return self._before_queue(output, signal_of(name))
        settings = cast(ConnectorSettings, self._config.connectors[output])
        connector = self._part(Key("connectors", output), settings.build)
        fed = self._fed_by(output, signal_of(name))
        return Edge(connector, [self._pipeline(each) for each in fed])

    def _before_queue(self, exporter_id: str, signal: Signal) -> Destination | Edge:
        """The destination, or a way to it through the exporter's own processor, which all its pipelines share."""
        destination = self._destination(exporter_id)
        settings = cast(ExporterSettings, self._config.exporters[exporter_id]).before_queue(signal)
        if settings is None:
            return destination
        name = name_before(signal, exporter_id)
        if name not in self._pipelines:
            stage = self._stage(Key("processors", exporter_id, name), settings)
            self._pipelines[name] = Pipeline([stage], [destination])
        return Edge(_STRAIGHT, [self._pipelines[name]])

    def _destination(self, exporter_id: str) -> Destination:
        if exporter_id not in self._destinations:
            settings = cast(ExporterSettings, self._config.exporters[exporter_id])
            queue = self._queue(exporter_id, settings)
            letters = self._letters(exporter_id, settings)
            key = Key("exporters", exporter_id)
            self._part(key, lambda context: self._sender(context, settings, queue, letters))
            self._destinations[exporter_id] = Destination(self._parts[key].context, queue)
        return self._destinations[exporter_id]

    def _sender(
        self, context: Context, settings: ExporterSettings, queue: Queue, letters: DeadLetters | None
    ) -> Sender:
        before = self._running.parts.get(Key("exporters", context.id))
        return Sender(
            context,
            settings.build(context),
            settings,
            queue,
            _merge_of(merges_before(self._config, context.id)),
            dead_letters=letters,
            check=egress_check(self._config, context.id),
            waits=before is not None,
        )

    def _queue(self, exporter_id: str, settings: ExporterSettings) -> Queue:
        """The queue before an exporter, in a file unless its settings say `storage: none`."""

        def build(context: Context) -> Queue:
            storage = self._storage(settings)
            store = None if storage is None else QueueFile(context.id, storage, context.telemetry, context.log)
            merges = merges_before(self._config, context.id)
            return Queue(context.id, settings.sending_queue, merges, store, drop=Drops(context))

        queue: Queue = self._part(Key("queues", exporter_id), build)
        context = self._parts[Key("queues", exporter_id)].context
        context.telemetry.queue(exporter_id, lambda: queue.size, lambda: queue.capacity)
        return queue

    def _letters(self, exporter_id: str, settings: ExporterSettings) -> DeadLetters | None:
        """Where what an exporter cannot deliver is kept: beside its queue, if that is in a file."""
        storage = self._storage(settings)
        if storage is None or not settings.dead_letter.enabled:
            return None

        def build(context: Context) -> DeadLetters:
            store = letter_file(context.id, storage, context.telemetry, context.log)
            return DeadLetters(context.id, settings.dead_letter, store, context.telemetry, context.log)

        letters: DeadLetters = self._part(Key("dead_letters", exporter_id), build)
        return letters

    def _storage(self, settings: ExporterSettings) -> StorageSettings | None:
        return storage_of(self._config.extensions, settings.sending_queue.storage)


def _merge_of(merges: Mapping[Signal, Merge]) -> Callable[[Batch], Merge]:
    return lambda batch: merges.get(batch.signal, Merge())
