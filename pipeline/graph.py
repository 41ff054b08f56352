"""From a configuration to components that are joined but not yet running.

receivers["otlp"] ──► Router(traces) ──► Pipeline(stages) ──► Destination(queue) ◄── Sender ──► exporters["jaeger"]
                                             ▲
                                  Ticker ────┘  what stages have held back
"""

import asyncio
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import cast

from config.model import Config, signal_of
from pipeline.batch import Batch, Signal
from pipeline.component import (
    Connector,
    ConnectorSettings,
    Consumer,
    Context,
    ExporterSettings,
    Extension,
    ExtensionSettings,
    ProcessorSettings,
    Receiver,
    ReceiverSettings,
)
from pipeline.egress import egress_check
from pipeline.queue import Merge, Queue
from pipeline.router import Destination, Edge, Pipeline, Router, Stage
from pipeline.sender import Sender
from pipeline.ticker import Ticker

__all__ = ["Graph", "build"]


@dataclass(frozen=True, slots=True)
class Graph:
    """Everything that has to be entered, by component id."""

    extensions: Mapping[str, Extension]
    senders: Mapping[str, Sender]
    tickers: Mapping[str, Ticker]
    receivers: Mapping[str, Receiver]
    anchors: Destination | None = None
    """Where anchors of the audit ledger are put."""


def build(config: Config, context: Callable[[str], Context]) -> Graph:
    """Build what the service section names; `context` makes the context of a component id.

    Raises: what a component's `build` raises for files it cannot read and the like.
    """
    return _Builder(config, context).build()


class _Straight:
    """A connector that changes nothing."""

    def route(self, batch: Batch) -> Batch:
        return batch


class _Builder:
    def __init__(self, config: Config, context: Callable[[str], Context]) -> None:
        self._config, self._context_of = config, context
        self._extensions: dict[str, Extension] = {}
        self._service = config.service
        self._destinations: dict[str, Destination] = {}
        self._senders: dict[str, Sender] = {}
        self._connectors: dict[str, Connector] = {}
        self._pipelines: dict[str, Pipeline] = {}

    def build(self) -> Graph:
        for each in self._service.extensions:
            settings = cast(ExtensionSettings, self._config.extensions[each])
            self._extensions[each] = settings.build(self._context(each))
        processing = asyncio.Lock()
        receivers = {each: self._receiver(each, processing) for each in self._used_receivers()}
        ticker = Ticker(list(self._pipelines.values()), processing, self._context("ticker").deadline)
        audit = self._service.audit
        anchors = self._destination(audit.anchors.exporter) if audit and audit.anchors else None
        return Graph(self._extensions, self._senders, {"ticker": ticker}, receivers, anchors)

    def _context(self, component_id: str) -> Context:
        return replace(self._context_of(component_id), extensions=self._extensions)

    def _used_receivers(self) -> list[str]:
        used = (each for pipeline in self._service.pipelines.values() for each in pipeline.receivers)
        return list(dict.fromkeys(each for each in used if each in self._config.receivers))

    def _receiver(self, receiver_id: str, processing: asyncio.Lock) -> Receiver:
        consumers: dict[Signal, Consumer] = {}
        for signal in Signal:
            if pipelines := [self._pipeline(name) for name in self._fed_by(receiver_id, signal)]:
                consumers[signal] = Router(pipelines, processing)
        settings = cast(ReceiverSettings, self._config.receivers[receiver_id])
        return settings.build(self._context(receiver_id), consumers)

    def _fed_by(self, source: str, signal: Signal) -> Iterator[str]:
        """The pipelines of a signal that a receiver or connector feeds."""
        for name, pipeline in self._service.pipelines.items():
            if source in pipeline.receivers and signal_of(name) is signal:
                yield name

    def _pipeline(self, name: str) -> Pipeline:
        """Built once for each name, whoever asks: receivers share a pipeline's processors."""
        if name not in self._pipelines:
            outputs = [self._output(name, each) for each in self._service.pipelines[name].exporters]
            self._pipelines[name] = Pipeline(list(self._stages(name)), outputs)
        return self._pipelines[name]

    def _stages(self, name: str) -> Iterator[Stage]:
        for each in self._service.pipelines[name].processors:
            settings = cast(ProcessorSettings, self._config.processors[each])
            if settings.merge() is None:
                context = replace(self._context(each), pipeline=name)
                yield Stage(context, settings.build(context))

    def _output(self, name: str, output: str) -> Destination | Edge:
        if output in self._config.exporters:
            return self._before_queue(output, signal_of(name))
        if output not in self._connectors:
            settings = cast(ConnectorSettings, self._config.connectors[output])
            self._connectors[output] = settings.build(self._context(output))
        fed = self._fed_by(output, signal_of(name))
        return Edge(self._connectors[output], [self._pipeline(each) for each in fed])

    def _before_queue(self, exporter_id: str, signal: Signal) -> Destination | Edge:
        """The destination, or a way to it through the exporter's own processor, which all its pipelines share."""
        destination = self._destination(exporter_id)
        settings = cast(ExporterSettings, self._config.exporters[exporter_id]).before_queue(signal)
        if settings is None:
            return destination
        name = f"{signal.value} before {exporter_id}"
        if name not in self._pipelines:
            context = replace(self._context(exporter_id), pipeline=name)
            self._pipelines[name] = Pipeline([Stage(context, settings.build(context))], [destination])
        return Edge(_Straight(), [self._pipelines[name]])

    def _destination(self, exporter_id: str) -> Destination:
        if exporter_id not in self._destinations:
            context = self._context(exporter_id)
            settings = cast(ExporterSettings, self._config.exporters[exporter_id])
            merges = self._merges(exporter_id)
            queue = Queue(exporter_id, settings.sending_queue, merges)
            context.telemetry.queue(exporter_id, lambda: queue.size, settings.sending_queue.queue_size)
            self._destinations[exporter_id] = Destination(context, queue)
            exporter = settings.build(context)
            check = egress_check(self._config, exporter_id)
            self._senders[exporter_id] = Sender(context, exporter, settings, queue, _merge_of(merges), check=check)
        return self._destinations[exporter_id]

    def _merges(self, exporter_id: str) -> dict[Signal, Merge]:
        """What the `batch` processors before an exporter say, by signal."""
        merges: dict[Signal, Merge] = {}
        for name, pipeline in self._service.pipelines.items():
            last = pipeline.processors[-1:]
            merge = cast(ProcessorSettings, self._config.processors[last[0]]).merge() if last else None
            if exporter_id in pipeline.exporters and merge is not None:
                merges[signal_of(name)] = merge
        return merges


def _merge_of(merges: Mapping[Signal, Merge]) -> Callable[[Batch], Merge]:
    return lambda batch: merges.get(batch.signal, Merge())
