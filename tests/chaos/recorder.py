"""A destination that keeps count: a real OTLP/gRPC server that records each request it has answered, in order."""

import random
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

import grpc
from opentelemetry.proto.logs.v1.logs_pb2 import LogsData
from opentelemetry.proto.metrics.v1.metrics_pb2 import MetricsData
from opentelemetry.proto.trace.v1.trace_pb2 import TracesData

from tests.chaos.clients import Item
from wire.signal import Signal

__all__ = ["Judge", "Receipt", "Recorder", "items_in", "takes_all"]

Judge = Callable[[Signal, bytes, grpc.ServicerContext], bytes]
"""Answers a request, or ends it with `context.abort`; what it ends is not recorded."""


def takes_all(_signal: Signal, _body: bytes, _context: grpc.ServicerContext) -> bytes:
    """What a recorder does unless told otherwise."""
    return b""


@dataclass(frozen=True, slots=True)
class Receipt:
    """One request, and in which life of the daemon it came."""

    life: int
    signal: Signal
    body: bytes


class Recorder:
    """The server for the length of a `with` block. `life` is to be raised as `tests.chaos.clients.Load.life`.

    It answers after up to `slow` seconds, so that a request is often under way when the daemon is killed. What it
    answers is for `judge` to say, which may be changed at any time.
    """

    def __init__(self, seed: int = 0, slow: float = 0.02) -> None:
        self.life = 0
        self.receipts: list[Receipt] = []
        self.judge: Judge = takes_all
        self._chance, self._slow = random.Random(seed), slow
        self._lock = threading.Lock()
        self._server = grpc.server(ThreadPoolExecutor(8), options=[("grpc.max_receive_message_length", -1)])
        self._server.add_generic_rpc_handlers((_Handlers(self._take),))
        self.port = self._server.add_insecure_port("127.0.0.1:0")

    @property
    def endpoint(self) -> str:
        return f"127.0.0.1:{self.port}"

    def __enter__(self) -> Self:
        self._server.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.stop(None).wait()

    def _take(self, signal: Signal, body: bytes, context: grpc.ServicerContext) -> bytes:
        answer = self.judge(signal, body, context)
        with self._lock:
            self.receipts.append(Receipt(self.life, signal, body))
            wait = self._chance.uniform(0, self._slow)
        time.sleep(wait)
        return answer

    def items(self, signal: Signal) -> Iterator[tuple[Receipt, list[Item]]]:
        """Every receipt of a signal in order, with what was in it."""
        for receipt in list(self.receipts):
            if receipt.signal is signal:
                yield receipt, items_in(signal, receipt.body)


class _Handlers(grpc.GenericRpcHandler):  # type: ignore[misc]
    def __init__(self, take: Judge) -> None:
        self._methods = {signal.method: _handler(signal, take) for signal in Signal}

    def service(self, details: grpc.HandlerCallDetails) -> Any:
        return self._methods.get(details.method)


def _handler(signal: Signal, take: Judge) -> Any:
    return grpc.unary_unary_rpc_method_handler(lambda body, context: take(signal, body, context))


def items_in(signal: Signal, body: bytes) -> list[Item]:
    """The items of `tests.chaos.clients` in one OTLP request, in its order."""
    return list({Signal.TRACES: _spans, Signal.METRICS: _points, Signal.LOGS: _records}[signal](body))


def _spans(body: bytes) -> Iterator[Item]:
    for resource in TracesData.FromString(body).resource_spans:
        for scope in resource.scope_spans:
            for span in scope.spans:
                yield Item(_client(resource.resource), int.from_bytes(span.span_id))


def _records(body: bytes) -> Iterator[Item]:
    for resource in LogsData.FromString(body).resource_logs:
        for scope in resource.scope_logs:
            for record in scope.log_records:
                yield Item(_client(resource.resource), record.time_unix_nano)


def _points(body: bytes) -> Iterator[Item]:
    for resource in MetricsData.FromString(body).resource_metrics:
        for scope in resource.scope_metrics:
            for metric in scope.metrics:
                if metric.name == "exports":
                    for point in metric.sum.data_points:
                        yield Item(_client(resource.resource), point.as_int)


def _client(resource: Any) -> str:
    return next(str(each.value.string_value) for each in resource.attributes if each.key == "service.name")
