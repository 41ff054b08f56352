"""Clients under load: the OpenTelemetry SDK's own exporters with their own retries, in threads, one export after the
other, with every item and what was answered on record.
"""

import logging
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Literal, NamedTuple, Protocol, Self

from opentelemetry._logs import SeverityNumber
from opentelemetry.exporter.otlp.proto.grpc._log_exporter import OTLPLogExporter as GrpcLogs
from opentelemetry.exporter.otlp.proto.grpc.metric_exporter import OTLPMetricExporter as GrpcMetrics
from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter as GrpcTraces
from opentelemetry.exporter.otlp.proto.http._log_exporter import OTLPLogExporter as HttpLogs
from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter as HttpMetrics
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter as HttpTraces
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import InMemoryLogRecordExporter, SimpleLogRecordProcessor
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.sdk.trace.id_generator import IdGenerator

from tests.backends.process import wait_until
from wire.signal import Signal

__all__ = ["Export", "Item", "Load", "Target", "Transport"]

Transport = Literal["grpc", "http"]
_ITEMS = 4
"""Spans or records of one export."""
_LAST_SECONDS = 60.0
"""An export's time limit once nothing is killed any more."""

# They say with each retry that there is one, which is what is wanted here.
for _name in ("opentelemetry", "grpc"):
    logging.getLogger(_name).setLevel(logging.CRITICAL)


class Item(NamedTuple):
    """One span, record or point: whose, and its number, which rises with every item of a client."""

    client: str
    number: int


@dataclass(frozen=True, slots=True)
class Export:
    """One call of an SDK's exporter. It began in one life of the daemon and ended in the same one or a later one."""

    signal: Signal
    items: tuple[Item, ...]
    began: int
    ended: int
    acknowledged: bool


class Target(Protocol):
    """Where to send to: `tests.end_to_end.daemon.Telescrub`, or anything else that listens."""

    def address(self, name: str) -> str: ...

    def url(self, name: str) -> str: ...


class _Maker(Protocol):
    """Makes what is exported, and sends it."""

    def make(self) -> tuple[Any, Sequence[int]]:
        """What the exporter is given, and the numbers of the items in it."""
        ...

    def exporter(self, target: Target, protocol: Transport, timeout: float) -> Any: ...


class _Numbers(IdGenerator):
    """Span ids that rise, in a range of each client's own."""

    def __init__(self, client: int) -> None:
        self.span, self.trace, self._client = client << 40, 0, client

    def generate_span_id(self) -> int:
        self.span += 1
        return self.span

    def generate_trace_id(self) -> int:
        return (self._client << 64) | self.trace


class _Traces:
    def __init__(self, resource: Resource, client: int) -> None:
        self._numbers, self._memory = _Numbers(client), InMemorySpanExporter()
        provider = TracerProvider(id_generator=self._numbers, resource=resource, shutdown_on_exit=False)
        provider.add_span_processor(SimpleSpanProcessor(self._memory))
        self._tracer = provider.get_tracer("clinic")

    def make(self) -> tuple[Any, Sequence[int]]:
        self._numbers.trace += 1
        self._memory.clear()
        for _ in range(_ITEMS):
            self._tracer.start_span("GET /visits", attributes={"http.route": "/visits"}).end()
        return self._memory.get_finished_spans(), range(self._numbers.span - _ITEMS + 1, self._numbers.span + 1)

    def exporter(self, target: Target, protocol: Transport, timeout: float) -> Any:
        if protocol == "grpc":
            return GrpcTraces(endpoint=target.address("otlp_grpc"), insecure=True, timeout=timeout)
        return HttpTraces(f"{target.url('otlp_http')}/v1/traces", timeout=timeout)


class _Logs:
    """Records are known by their times, which rise."""

    def __init__(self, resource: Resource, client: int) -> None:
        self._memory, self._last = InMemoryLogRecordExporter(), 0  # type: ignore[no-untyped-call]
        provider = LoggerProvider(resource=resource, shutdown_on_exit=False)
        provider.add_log_record_processor(SimpleLogRecordProcessor(self._memory))
        self._logger = provider.get_logger("clinic")

    def make(self) -> tuple[Any, Sequence[int]]:
        self._memory.clear()
        first = max(self._last + 1, time.time_ns())
        self._last = first + _ITEMS - 1
        for at in range(first, first + _ITEMS):
            self._logger.emit(timestamp=at, severity_number=SeverityNumber.INFO, body="visit closed")
        return self._memory.get_finished_logs(), range(first, first + _ITEMS)

    def exporter(self, target: Target, protocol: Transport, timeout: float) -> Any:
        if protocol == "grpc":
            return GrpcLogs(endpoint=target.address("otlp_grpc"), insecure=True, timeout=timeout)
        return HttpLogs(f"{target.url('otlp_http')}/v1/logs", timeout=timeout)


class _Metrics:
    """`exports` counts the exports, so that its value is the number of the point. The two series of `visits` become
    one, because `user_*` is dropped: see `tests.end_to_end.daemon`.
    """

    def __init__(self, resource: Resource, client: int) -> None:
        self._reader, self._exports = InMemoryMetricReader(), 0
        meter = MeterProvider([self._reader], resource, shutdown_on_exit=False).get_meter("clinic")
        self._counter, self._visits = meter.create_counter("exports"), meter.create_counter("visits")

    def make(self) -> tuple[Any, Sequence[int]]:
        self._exports += 1
        self._counter.add(1)
        for session in ("a", "b"):
            self._visits.add(1, {"user_session": session})
        return self._reader.get_metrics_data(), (self._exports,)

    def exporter(self, target: Target, protocol: Transport, timeout: float) -> Any:
        if protocol == "grpc":
            return GrpcMetrics(endpoint=target.address("otlp_grpc"), insecure=True, timeout=timeout)
        return HttpMetrics(f"{target.url('otlp_http')}/v1/metrics", timeout=timeout)


_MAKERS: dict[Signal, Callable[[Resource, int], _Maker]] = {
    Signal.TRACES: _Traces,
    Signal.METRICS: _Metrics,
    Signal.LOGS: _Logs,
}


class _Client(threading.Thread):
    def __init__(self, load: "Load", signal: Signal, protocol: Transport, number: int) -> None:
        self.client = f"{signal.value}-{protocol}-{number}"
        super().__init__(name=self.client, daemon=True)
        self._load, self._signal, self._protocol = load, signal, protocol
        self._maker = _MAKERS[signal](Resource({"service.name": self.client}), number)

    def run(self) -> None:
        while not self._load.stopping.is_set():
            exporter = self._maker.exporter(self._load.target, self._protocol, self._load.timeout)
            while not self._load.stopping.wait(self._load.pause) and self._export(exporter):
                pass
            exporter.shutdown()
        exporter = self._maker.exporter(self._load.target, self._protocol, _LAST_SECONDS)
        self._export(exporter)
        exporter.shutdown()

    def _export(self, exporter: Any) -> bool:
        data, numbers = self._maker.make()
        began = self._load.life
        acknowledged: bool = exporter.export(data).name == "SUCCESS"
        items = tuple(Item(self.client, number) for number in numbers)
        self._load.exports.append(Export(self._signal, items, began, self._load.life, acknowledged))
        return acknowledged


class Load:
    """Clients of every signal and both protocols for the length of a `with` block, `each` of a kind.

    `life` is to be raised by whoever kills the daemon, as soon as it is dead. `timeout` is how long an SDK goes on
    trying an export, `pause` what a client waits after each, both in seconds. Left: every client has made a last
    export, for which it had a minute. Clients of another `run` have other names and numbers.
    """

    def __init__(
        self,
        target: Target,
        *,
        each: int = 1,
        timeout: float = 10.0,
        pause: float = 0.02,
        run: int = 0,
    ) -> None:
        self.target, self.timeout, self.pause = target, timeout, pause
        self.life = 0
        self.exports: list[Export] = []
        self.stopping = threading.Event()
        kinds = [(signal, protocol) for signal in Signal for protocol in _TRANSPORTS for _ in range(each)]
        self._clients = [_Client(self, *kind, number) for number, kind in enumerate(kinds, 1 + run * len(kinds))]

    def __enter__(self) -> Self:
        for client in self._clients:
            client.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def stop(self) -> None:
        self.stopping.set()
        for client in self._clients:
            client.join(2 * _LAST_SECONDS)
            assert not client.is_alive()

    def wait_for(self, exports: int, signal: Signal | None = None, seconds: float = 60.0) -> None:
        """Wait for so many more acknowledged exports, all told or of one signal.

        Raises: `TimeoutError`.
        """
        enough = self.acknowledged(signal) + exports
        wait_until(lambda: self.acknowledged(signal) >= enough, seconds=seconds, what=f"{exports} acknowledged exports")

    def acknowledged(self, signal: Signal | None = None) -> int:
        return sum(each.acknowledged for each in list(self.exports) if signal in (None, each.signal))


_TRANSPORTS: tuple[Transport, ...] = ("grpc", "http")
