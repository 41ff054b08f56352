"""What a component is: the contracts between the machine and everything in receivers/, processors/, exporters/,
connectors/, extensions/.

Start reading here. A running pipeline:

    receiver ── consume(batch) ─► router ─► processor ─► processor ─► … ─┬─► queue ─► sender ─► exporter ─► destination
                                    │                                    └─► queue ─► sender ─► exporter ─► destination
                                    └── OK goes back when every queue has the batch; `Refused` or `Rejected` otherwise

A component is a settings model (`build` makes the component) and a class. Receivers, exporters and extensions are
async context managers: entered before data flows, left when it has stopped. Processors and connectors are plain
objects without tasks.
"""

from collections.abc import Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from typing import Any, ClassVar, NamedTuple, Protocol

from structlog.typing import FilteringBoundLogger

from config.settings import Settings
from pipeline.batch import Batch, Signal
from pipeline.deadline import Deadline
from pipeline.queue import Merge, QueueSettings
from pipeline.retry import RetrySettings
from pipeline.telemetry import Telemetry

__all__ = [
    "Connector",
    "ConnectorSettings",
    "Consumer",
    "Context",
    "Encoded",
    "Exporter",
    "ExporterSettings",
    "Extension",
    "ExtensionSettings",
    "Health",
    "Ledger",
    "NoLedger",
    "Processor",
    "ProcessorSettings",
    "Receiver",
    "ReceiverSettings",
    "Redacted",
    "Request",
]


class Health(Protocol):
    """Whether the daemon may be sent traffic."""

    def problems(self) -> Mapping[str, str]:
        """What keeps it from being ready: component id → a sentence; empty when every component runs."""
        ...


class Redacted(NamedTuple):
    """One sort of redaction: a rule's id, its action, the place as `Span.attributes`.

    `epoch` is that of the key of a pseudonym; empty for other actions.
    """

    rule: str
    action: str
    place: str
    epoch: str = ""


class Ledger(Protocol):
    """Where redactions are put on record."""

    def redacted(
        self, pipeline: str, component: str, signal: Signal, payload: bytes, counts: Mapping[Redacted, int]
    ) -> None:
        """What a processor did to one batch, and the bytes that are left of it; also if it did nothing.

        Raises: `Refused` if the ledger cannot be written: the batch must not be passed on.
        """
        ...


class NoLedger:
    """The ledger where none is configured."""

    def redacted(
        self, pipeline: str, component: str, signal: Signal, payload: bytes, counts: Mapping[Redacted, int]
    ) -> None:
        return


@dataclass(frozen=True, slots=True)
class Context:
    """What a component gets from the machine: who it is, where it counts, where it logs.

    `log` is bound to the component's id; nothing of a payload may be given to it. `deadline` says how long stopping
    may take. `pipeline` is the processor's, and empty for other components, which several pipelines may share.
    """

    id: str
    telemetry: Telemetry
    log: FilteringBoundLogger
    health: Health
    deadline: Deadline
    ledger: Ledger = field(default_factory=NoLedger)
    pipeline: str = ""


class Consumer(Protocol):
    """Where a receiver hands its batches over."""

    async def consume(self, batch: Batch) -> None:
        """Return when the batch is safe in every destination's queue.

        Raises: `Refused` (nothing was taken, try later), `Rejected` (never).
        """
        ...


class Receiver(AbstractAsyncContextManager[Any], Protocol):
    """Takes telemetry in. Entered: listens. Left: takes nothing more and has answered what it took."""


class Processor(Protocol):
    """Changes batches, one at a time and in order, without waiting for anything."""

    def process(self, batch: Batch) -> Batch | None:
        """The batch to pass on, a new one if changed; None when nothing is left.

        Whatever is dropped is counted here, by reason. Raises: `Refused` to turn the sender away; any other exception
        drops the whole batch, counted: nothing is passed on by a processor that failed.
        """
        ...


class Connector(Protocol):
    """Ends one pipeline and begins others, as an exporter of the one and a receiver of the others."""

    def route(self, batch: Batch) -> Batch | None:
        """The batch the connected pipelines get."""
        ...


class Extension(AbstractAsyncContextManager[Any], Protocol):
    """Serves the operator, not the data: health, authentication."""


@dataclass(frozen=True, slots=True, repr=False)
class Request:
    """One request to a destination, encoded and ready to be sent as often as it takes.

    `items` is what it carries, in the unit of the destination's own limits (spans, samples, log lines), for counting
    only.
    """

    signal: Signal
    body: bytes
    items: int

    def __repr__(self) -> str:
        return f"Request({self.signal.value}, {self.items} items, {len(self.body)} bytes)"


@dataclass(frozen=True, slots=True)
class Encoded:
    """A batch as requests, in the order in which they must be sent, and how many items are in none of them, by reason.

    Reasons are words of the code, never data.
    """

    requests: Sequence[Request]
    dropped: Mapping[str, int] = field(default_factory=dict)


class Exporter(AbstractAsyncContextManager[Any], Protocol):
    """Turns batches into requests and judges the answers. Queueing, retries and counting are done around it, once.

    `max_request_bytes` (0 = no limit) is the largest OTLP payload `encode` should be given at a time.
    """

    max_request_bytes: int

    def encode(self, batch: Batch) -> Encoded:
        """The requests that carry a batch. Pure computation, without waiting; runs in a worker thread.

        Called once for a batch, and again for its halves only where `send` raised `TooLarge`. Raises: `Rejected` for
        all of it.
        """
        ...

    async def send(self, request: Request) -> int:
        """Send one request, once, within the exporter's own `timeout`; return how many of its items the destination
        rejected.

        Raises: `Refused` (with the destination's hint, if any) where sending again may help, `TooLarge` or `Rejected`
        where not.
        """
        ...


class ReceiverSettings(Settings):
    """Settings of a receiver. `signals` are those it can take in."""

    def signals(self) -> frozenset[Signal]:
        return frozenset(Signal)

    def build(self, context: Context, consumers: Mapping[Signal, Consumer]) -> Receiver:
        """The receiver; `consumers` has an entry for each signal some pipeline takes from it."""
        raise NotImplementedError


class ProcessorSettings(Settings):
    """Settings of a processor. `signals` are those it can stand in a pipeline for.

    `redacts`: it takes PHI out, so that a pipeline with it may lead to an exporter.
    """

    redacts: ClassVar[bool] = False

    def effective_rules(self) -> Sequence[Settings]:
        """The rules of a processor that redacts, for the ledger: each with `id`, `version`, `title`, `legal`, `action`.

        Raises: `ValueError` for files that cannot be read.
        """
        return ()

    def signals(self) -> frozenset[Signal]:
        return frozenset(Signal)

    def merge(self) -> Merge | None:
        """Only of `batch`: how each exporter downstream merges what waits. Such a processor stands last and is not
        built.
        """
        return None

    def build(self, context: Context) -> Processor:
        raise NotImplementedError


class ExporterSettings(Settings):
    """Settings that every exporter has beside its own."""

    sending_queue: QueueSettings = QueueSettings()
    """The queue before the destination: how much may wait, how many requests run at once."""
    retry_on_failure: RetrySettings = RetrySettings()
    """When and how long a request that failed for now is sent again."""

    def signals(self) -> frozenset[Signal]:
        return frozenset(Signal)

    def build(self, context: Context) -> Exporter:
        raise NotImplementedError


class ConnectorSettings(Settings):
    """Settings of a connector."""

    def build(self, context: Context) -> Connector:
        raise NotImplementedError


class ExtensionSettings(Settings):
    """Settings of an extension."""

    def build(self, context: Context) -> Extension:
        raise NotImplementedError
