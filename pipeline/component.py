"""What a component is: the contracts between the machine and everything in receivers/, processors/, exporters/,
connectors/, extensions/.

Start reading here. A running pipeline:

    receiver ── consume(batch) ─► router ─► processor ─► processor ─► … ─┬─► queue ─► sender ─► exporter ─► destination
                                    │                                    └─► queue ─► sender ─► exporter ─► destination
                                    └── OK goes back when every queue has the batch; `Refused` or `Rejected` otherwise

A component is a settings model (`build` makes the component) and a class. Receivers, exporters and extensions are
async context managers: entered before data flows, left when it has stopped. Processors and connectors are plain
objects without tasks; one that holds something back (`Holding`) is asked for it by the machine.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any, ClassVar, NamedTuple, Protocol, runtime_checkable

from structlog.typing import FilteringBoundLogger

from config.settings import Settings
from pipeline.batch import Batch, Signal
from pipeline.deadline import Deadline
from pipeline.queues.dead_letters import DeadLetterSettings
from pipeline.queues.queue import Merge, QueueSettings
from pipeline.sending.retry import RetrySettings
from pipeline.serving.sockets import Sockets
from pipeline.telemetry import Telemetry

__all__ = [
    "Connector",
    "ConnectorSettings",
    "Consumer",
    "Context",
    "Encoded",
    "Ending",
    "Exporter",
    "ExporterSettings",
    "Extension",
    "ExtensionSettings",
    "Guard",
    "Health",
    "Holding",
    "Inspector",
    "Ledger",
    "NoLedger",
    "Processor",
    "ProcessorSettings",
    "Receiver",
    "ReceiverSettings",
    "Record",
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
    `extensions` are those that run, by id; all are built before any other component. `sockets` are what servers listen
    on, kept over a reload.
    """

    id: str
    telemetry: Telemetry
    log: FilteringBoundLogger
    health: Health
    deadline: Deadline
    ledger: Ledger = field(default_factory=NoLedger)
    pipeline: str = ""
    extensions: Mapping[str, "Extension"] = field(default_factory=dict)
    sockets: Sockets = field(default_factory=Sockets)

    def extension(self, extension_id: str) -> "Extension":
        """A running extension that the component's settings name; the configuration has been checked for it."""
        return self.extensions[extension_id]


@runtime_checkable
class Guard(Protocol):
    """What can turn a request away before anything of it is read: a consumer or processor that may also have this
    method, and extensions that receivers name under `middlewares`.
    """

    def admit(self) -> None:
        """Return at once if a request may come now. Raises: `Refused`."""
        ...


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


Record = list[Any]
"""One thing that a processor remembers, as JSON: a word that says what it is, and the rest."""


class Ending(StrEnum):
    """How the daemon ended that left records behind."""

    CLEAN = "clean"
    """It stopped in order; every record is there."""
    KILLED = "killed"
    """The process died; every record is there that was written before its batch was passed on."""
    CRASHED = "crashed"
    """The machine died, or a file is damaged: the last records may be missing."""


@runtime_checkable
class Holding(Processor, Protocol):
    """A processor that holds something back for a while, or remembers something over a restart.

    The machine calls it as it calls `process`: one call at a time, maybe in a thread. `storage` is the folder for what
    it remembers; None: nothing is written, and only `tick` is called.
    """

    storage: Path | None

    def tick(self, *, stopping: bool = False) -> Sequence[Batch]:
        """What is due now, to be passed on; asked each second. When `stopping`: all that is held; said at the
        end, and when a reload puts others behind it.

        A cumulative source repeats what is held; nothing else that was acknowledged may wait here.
        """
        ...

    def restore(self, records: Iterable[Record], ending: Ending) -> None:
        """Take up what was recorded before; called once, before any batch comes."""
        ...

    def changes(self) -> list[Record]:
        """Records of what became different since the last call; the later record of a thing replaces the earlier.

        They are written before what `tick` gave is passed on, so that a killed daemon's outputs never go backwards.
        """
        ...

    def everything(self) -> Iterator[Record]:
        """Records of all that is remembered, as it is at this moment, to be gone through later, in a thread."""
        ...


class Inspector(Protocol):
    """Looks at what is about to leave, by the rules of a processor that redacts."""

    def findings(self, batch: Batch) -> Mapping[str, int]:
        """How much there is in a batch that the processor would not have left there, by rule; from any thread.

        Raises: any exception for what it cannot look at; that must not leave either.
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
    only. Requests of different lanes may be under way at once.
    """

    signal: Signal
    body: bytes
    items: int
    lane: int = 0

    def __repr__(self) -> str:
        return f"Request({self.signal.value}, {self.items} items, {len(self.body)} bytes)"


@dataclass(frozen=True, slots=True)
class Encoded:
    """A batch as requests, in the order in which those of a lane must be sent, and how many items are in none of them,
    by reason.

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

    `redacts`: it takes PHI out, so that a pipeline with it may lead to an exporter. `inspects`: by its rules requests
    can be looked at once more.
    """

    redacts: ClassVar[bool] = False
    inspects: ClassVar[bool] = False

    def effective_rules(self) -> Sequence[Settings]:
        """The rules of a processor that redacts, for the ledger: each with `id`, `version`, `title`, `legal`, `action`;
        the same whenever it is asked.
        """
        return ()

    def inspector(self) -> Inspector:
        """What looks at requests once more before they are sent, for `egress_check`; only where `inspects`."""
        raise NotImplementedError

    def signals(self) -> frozenset[Signal]:
        return frozenset(Signal)

    def files(self) -> Sequence[Path]:
        """What the settings read beside the configuration when they are made, for whoever watches them."""
        return ()

    def merge(self) -> Merge | None:
        """Only of `batch`: how each exporter downstream merges what waits. Such a processor stands last and is not
        built.
        """
        return None

    def build(self, context: Context) -> Processor:
        raise NotImplementedError


class ExporterSettings(Settings):
    """Settings that every exporter has beside its own.

    `encodes_once`: its exporter remembers what it has encoded, so that a batch is never encoded again in parts.
    """

    encodes_once: ClassVar[bool] = False

    egress_check: bool = False
    """Look at every request once more, as it is sent, by the rules of the processors that redact before this exporter;
    what they would have taken out is not sent, but dropped and counted. Off: it costs as much as redaction itself."""

    sending_queue: QueueSettings = QueueSettings()
    """The queue before the destination: how much may wait, how many requests run at once."""
    retry_on_failure: RetrySettings = RetrySettings()
    """When and how long a request that failed for now is sent again."""
    dead_letter: DeadLetterSettings = DeadLetterSettings()
    """What is kept of what cannot be delivered, for an operator to look into and send once more."""

    def content(self, request: Request) -> Batch:
        """All that a request says in names and texts, as OTLP, for `egress_check`: what is a name and its value there
        is a key and its value here. By default the body is OTLP as it is.

        Raises: any exception for a body that cannot be read.
        """
        return Batch(request.signal, request.body, request.items)

    def before_queue(self, signal: Signal) -> ProcessorSettings | None:
        """A processor that all batches of a signal pass before this exporter's queue, whatever the pipelines say."""
        return None

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
