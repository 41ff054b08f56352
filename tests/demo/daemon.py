"""A small real daemon for the demo's tests: takes rounds over gRPC and HTTP, writes OTLP JSON lines, text changed."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import grpc
import orjson
from aiohttp import web
from google.protobuf.json_format import MessageToDict
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

__all__ = ["Daemon", "listening", "span_ids_in_hex"]

_SERVICES: dict[str, Any] = {
    "opentelemetry.proto.collector.trace.v1.TraceService": ("traces", ExportTraceServiceRequest),
    "opentelemetry.proto.collector.metrics.v1.MetricsService": ("metrics", ExportMetricsServiceRequest),
}


@dataclass(slots=True)
class Daemon:
    """Where it listens, and what it does with the text of a line before it is written."""

    folder: Path
    scrub: Callable[[str], str]
    grpc_endpoint: str = ""
    url: str = ""
    metrics: list[str] = field(default_factory=list)
    """The self-metrics pages, the last one for ever."""

    def write(self, signal: str, request: dict[str, Any]) -> None:
        self.folder.mkdir(exist_ok=True)
        with (self.folder / f"{signal}.jsonl").open("a") as file:
            file.write(self.scrub(orjson.dumps(request).decode()) + "\n")

    async def post(self, request: web.Request) -> web.Response:
        lines = (await request.text()).splitlines()
        self.write("logs", {"resourceLogs": [{"scopeLogs": [{"logRecords": [_record(line) for line in lines]}]}]})
        return web.Response()

    async def page(self, request: web.Request) -> web.Response:
        if not self.metrics:
            return web.Response(status=404)
        return web.Response(text=self.metrics.pop(0) if len(self.metrics) > 1 else self.metrics[0])


def _record(line: str) -> dict[str, Any]:
    """A log record with the line's keys as attributes and its ids where they belong."""
    content = orjson.loads(line)
    ids = [content.get(key, "") for key in ("span_id", "span.id", "span")]
    attributes = [
        {"key": key, "value": {"stringValue": orjson.dumps(value).decode()}}
        for key, value in content.items()
        if key != "telescrub.demo.run"
    ]
    run = {"key": "telescrub.demo.run", "value": {"stringValue": content["telescrub.demo.run"]}}
    return {
        "spanId": "".join(ids),
        "severityNumber": 9,
        "body": {"stringValue": "a line"},
        "attributes": [*attributes, run],
    }


def span_ids_in_hex(message: Any) -> dict[str, Any]:
    """A trace or metrics request as OTLP JSON, as far as the demo looks at ids."""
    request: dict[str, Any] = MessageToDict(message)
    for resource, block in zip(getattr(message, "resource_spans", ()), request.get("resourceSpans", ()), strict=True):
        for span, plain in zip(resource.scope_spans[0].spans, block["scopeSpans"][0]["spans"], strict=True):
            plain |= {"traceId": span.trace_id.hex(), "spanId": span.span_id.hex()}
    return request


@asynccontextmanager
async def listening(folder: Path, scrub: Callable[[str], str]) -> AsyncIterator[Daemon]:
    """A daemon on free ports."""
    daemon = Daemon(folder, scrub)
    server = grpc.aio.server()
    for service, (signal, kind) in _SERVICES.items():
        server.add_generic_rpc_handlers([_handler(daemon, service, signal, kind)])
    daemon.grpc_endpoint = f"localhost:{server.add_insecure_port('localhost:0')}"
    await server.start()
    application = web.Application()
    application.router.add_post("/v1/json", daemon.post)
    application.router.add_get("/metrics", daemon.page)
    runner = web.AppRunner(application)
    await runner.setup()
    await web.TCPSite(runner, "localhost", 0).start()
    daemon.url = f"http://localhost:{runner.addresses[0][1]}"
    try:
        yield daemon
    finally:
        await runner.cleanup()
        await server.stop(None)


def _handler(daemon: Daemon, service: str, signal: str, kind: Any) -> grpc.GenericRpcHandler:
    async def export(payload: bytes, context: grpc.aio.ServicerContext) -> bytes:
        daemon.write(signal, span_ids_in_hex(kind.FromString(payload)))
        return b""

    return grpc.method_handlers_generic_handler(service, {"Export": grpc.unary_unary_rpc_method_handler(export)})
