from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import grpc
import pytest
from aiohttp import web
from google.protobuf.duration_pb2 import Duration
from google.rpc.error_details_pb2 import RetryInfo
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceResponse
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse

from demo.send import Sender
from demo.telemetry import Round, generate
from wire.signal import Signal

ONE: Round = next(generate(3, 1_790_000_000 * 10**9))
ALL = ONE.items
SERVICES = (
    "opentelemetry.proto.collector.trace.v1.TraceService",
    "opentelemetry.proto.collector.metrics.v1.MetricsService",
)
REJECTED = {Signal.TRACES: 2, Signal.METRICS: 3, Signal.LOGS: 0}
NONE = dict.fromkeys(Signal, 0)


class Daemon:
    """Takes OTLP over gRPC and HTTP and JSON logs over HTTP; `answers` are given before everything is accepted."""

    def __init__(self) -> None:
        self.taken: list[tuple[str, bytes]] = []
        self.grpc_refusals: list[tuple[grpc.StatusCode, tuple[tuple[str, bytes], ...]]] = []
        self.http_refusals: list[web.Response] = []
        self.responses: dict[str, bytes] = {}
        self.grpc_port = 0
        self.url = ""

    async def export(self, method: str, payload: bytes, context: grpc.aio.ServicerContext) -> bytes:
        if self.grpc_refusals:
            code, trailers = self.grpc_refusals.pop(0)
            await context.abort(code, "not now", trailers)
        self.taken.append((method, payload))
        return self.responses.get(method, b"")

    async def post(self, request: web.Request) -> web.StreamResponse:
        if self.http_refusals:
            return self.http_refusals.pop(0)
        self.taken.append((request.path, await request.read()))
        return web.Response(body=self.responses.get(request.path, b""))


def export_handler(daemon: Daemon, service: str) -> grpc.GenericRpcHandler:
    async def handle(payload: bytes, context: grpc.aio.ServicerContext) -> bytes:
        return await daemon.export(f"/{service}/Export", payload, context)

    return grpc.method_handlers_generic_handler(service, {"Export": grpc.unary_unary_rpc_method_handler(handle)})


@asynccontextmanager
async def listening() -> AsyncIterator[Daemon]:
    daemon = Daemon()
    server = grpc.aio.server()
    server.add_generic_rpc_handlers([export_handler(daemon, service) for service in SERVICES])
    daemon.grpc_port = server.add_insecure_port("localhost:0")
    await server.start()
    application = web.Application()
    application.router.add_post("/{path:.*}", daemon.post)
    runner = web.AppRunner(application)
    await runner.setup()
    site = web.TCPSite(runner, "localhost", 0)
    await site.start()
    daemon.url = f"http://localhost:{runner.addresses[0][1]}"
    try:
        yield daemon
    finally:
        await runner.cleanup()
        await server.stop(None)


def recorded(waits: list[float]) -> Callable[[float], Awaitable[None]]:
    async def sleep(seconds: float) -> None:
        waits.append(seconds)

    return sleep


async def test_a_round_goes_over_grpc_and_json() -> None:
    """The exact bytes arrive on the Export methods and on /v1/json, one logger per request."""
    async with listening() as daemon, Sender(f"localhost:{daemon.grpc_port}", daemon.url) as sender:
        await sender.send(ONE)
    assert (sender.sent, sender.refused, sender.retries) == (ALL, NONE, 0)
    assert daemon.taken == [
        ("/opentelemetry.proto.collector.trace.v1.TraceService/Export", ONE.traces.SerializeToString()),
        ("/opentelemetry.proto.collector.metrics.v1.MetricsService/Export", ONE.metrics.SerializeToString()),
        *[("/v1/json", body) for _, body in ONE.log_requests()],
    ]


async def test_a_round_goes_over_http() -> None:
    """With an OTLP/HTTP address the same bytes are posted to /v1/traces and /v1/metrics."""
    async with listening() as daemon, Sender("localhost:1", daemon.url, otlp_http_url=daemon.url) as sender:
        await sender.send(ONE)
    assert (sender.sent, sender.refused) == (ALL, NONE)
    assert daemon.taken[:2] == [
        ("/v1/traces", ONE.traces.SerializeToString()),
        ("/v1/metrics", ONE.metrics.SerializeToString()),
    ]


async def test_refusals_are_tried_again_after_the_hint() -> None:
    """RetryInfo and Retry-After are the least wait; everything arrives once."""
    waits: list[float] = []
    retry_info = RetryInfo(retry_delay=Duration(seconds=7, nanos=500_000_000)).SerializeToString()
    async with (
        listening() as daemon,
        Sender(f"localhost:{daemon.grpc_port}", daemon.url, sleep=recorded(waits)) as sender,
    ):
        daemon.grpc_refusals = [(grpc.StatusCode.UNAVAILABLE, (("google.rpc.retryinfo-bin", retry_info),))]
        daemon.http_refusals = [web.Response(status=503, headers={"Retry-After": "9"}), web.Response(status=429)]
        await sender.send(ONE)
    assert (sender.sent, sender.refused, sender.retries) == (ALL, NONE, 3)
    assert waits[:2] == [7.5, 9.0]
    assert 0.2 <= waits[2] <= 0.4


async def test_a_daemon_that_stays_away_is_given_up() -> None:
    """Nobody listens: the tries are bounded, the waits grow, and all is counted as refused."""
    waits: list[float] = []
    async with Sender("localhost:1", "http://localhost:1", attempts=3, sleep=recorded(waits)) as sender:
        await sender.send(ONE)
    assert (sender.sent, sender.refused) == (NONE, ALL)
    assert len(waits) == 2 * (2 + len(dict(ONE.log_requests())))


@pytest.mark.parametrize("status", [400, 413, 500])
async def test_never_means_never(status: int) -> None:
    """A rejected request is not repeated."""
    async with listening() as daemon, Sender(f"localhost:{daemon.grpc_port}", daemon.url) as sender:
        daemon.grpc_refusals = [(grpc.StatusCode.INVALID_ARGUMENT, ())]
        daemon.http_refusals = [web.Response(status=status) for _ in range(9)]
        await sender.send(ONE)
    assert sender.retries == 0
    assert sender.refused == ALL | {Signal.METRICS: 0}


async def test_partial_success_is_counted() -> None:
    """What the daemon rejected of an accepted request is not counted as sent."""
    traces, metrics = ExportTraceServiceResponse(), ExportMetricsServiceResponse()
    traces.partial_success.rejected_spans = 2
    metrics.partial_success.rejected_data_points = 3
    async with listening() as daemon, Sender(f"localhost:{daemon.grpc_port}", daemon.url) as sender:
        daemon.responses = {
            "/opentelemetry.proto.collector.trace.v1.TraceService/Export": traces.SerializeToString(),
            "/opentelemetry.proto.collector.metrics.v1.MetricsService/Export": metrics.SerializeToString(),
        }
        await sender.send(ONE)
    assert sender.sent == {signal: items - REJECTED[signal] for signal, items in ALL.items()}
    assert sender.refused == REJECTED
