"""OTLP over HTTP to a real server: what is sent, and how answers are judged."""

import gzip
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from aiohttp import web
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTracePartialSuccess,
    ExportTraceServiceResponse,
)
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from exporters.otlp_http import OtlpHttp, OtlpHttpExporterSettings
from pipeline.batch import Signal
from pipeline.errors import Refused, Rejected, TooLarge
from tests.payloads import context, traces
from wire import otlp_json

SPANS = traces([Span(name="GET /things")])


class Destination:
    """An HTTP server that answers as it is told."""

    def __init__(self) -> None:
        self.answer = web.Response()
        self.got: list[tuple[str, bytes, dict[str, str]]] = []

    async def handle(self, request: web.Request) -> web.Response:
        self.got.append((request.path, await request.read(), dict(request.headers)))
        return self.answer


@asynccontextmanager
async def destination(status: int = 200, body: bytes = b"", **headers: str) -> AsyncIterator[tuple[Destination, str]]:
    told = Destination()
    told.answer = web.Response(status=status, body=body, headers=headers)
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", told.handle)
    runner = web.AppRunner(app, auto_decompress=False)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    try:
        yield told, f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


def exporter(endpoint: str, **kind: object) -> OtlpHttp:
    return OtlpHttpExporterSettings.model_validate({"endpoint": endpoint, **kind}).build(context("otlp_http"))


async def send(sending: OtlpHttp) -> int:
    async with sending:
        [request] = sending.encode(SPANS).requests
        return await sending.send(request)


async def test_protobuf() -> None:
    """The batch's bytes, gzipped, to `/v1/<signal>` below the endpoint, with the configured headers."""
    async with destination() as (told, url):
        assert await send(exporter(url + "/otlp/", headers={"X-Scope-OrgID": "tenant-1"})) == 0
    [(path, body, headers)] = told.got
    assert (path, gzip.decompress(body)) == ("/otlp/v1/traces", SPANS.payload)
    assert headers["Content-Type"] == "application/x-protobuf"
    assert headers["X-Scope-OrgID"] == "tenant-1"


async def test_json_to_an_address_of_its_own() -> None:
    """`encoding: json`, and a whole address for one signal."""
    async with destination() as (told, url):
        await send(exporter("", traces_endpoint=url + "/in", encoding="json", compression="none"))
    [(path, body, headers)] = told.got
    assert (path, body) == ("/in", otlp_json.encode(Signal.TRACES, SPANS.payload))
    assert headers["Content-Type"] == "application/json"


PARTIAL = ExportTraceServiceResponse(
    partial_success=ExportTracePartialSuccess(rejected_spans=3, error_message="536-90-4399")
)


@pytest.mark.parametrize(
    ("encoding", "body"),
    [("proto", PARTIAL.SerializeToString()), ("json", b'{"partialSuccess":{"rejectedSpans":"3","new":1}}')],
)
async def test_partial_success(encoding: str, body: bytes) -> None:
    """What the destination did not keep is returned as a number, in either encoding."""
    async with destination(body=body) as (_, url):
        assert await send(exporter(url, encoding=encoding)) == 3


@pytest.mark.parametrize(("status", "body"), [(204, b""), (200, b"\xff garbage")])
async def test_any_2xx(status: int, body: bytes) -> None:
    """An empty or unreadable answer to a 2xx is success all the same."""
    async with destination(status, body) as (_, url):
        assert await send(exporter(url)) == 0


@pytest.mark.parametrize("status", [429, 502, 503, 504])
async def test_retryable(status: int) -> None:
    """The four statuses of OTLP/HTTP, with the destination's hint."""
    async with destination(status, b"patient 536-90-4399", **{"Retry-After": "17"}) as (_, url):
        with pytest.raises(Refused) as refusal:
            await send(exporter(url))
    assert (str(refusal.value), refusal.value.retry_after_seconds) == (f"the destination answered {status}", 17.0)


@pytest.mark.parametrize(
    ("status", "kind"), [(400, Rejected), (401, Rejected), (408, Rejected), (413, TooLarge), (500, Rejected)]
)
async def test_fatal(status: int, kind: type[Exception]) -> None:
    """Everything else is not sent again."""
    async with destination(status) as (_, url):
        with pytest.raises(kind) as caught:
            await send(exporter(url))
    assert type(caught.value) is kind


async def test_redirects_are_not_followed() -> None:
    """Data goes where the configuration says and nowhere else."""
    async with destination(307, Location="http://example.org/elsewhere") as (_, url):
        with pytest.raises(Rejected, match=r"^the destination answered 307$"):
            await send(exporter(url))


async def test_nobody_there() -> None:
    """No server: try again."""
    async with destination() as (_, url):
        pass
    with pytest.raises(Refused, match=r"^no answer: ClientConnectorError$"):
        await send(exporter(url))


def test_signals() -> None:
    """An exporter with an address for one signal alone is for that signal alone."""
    settings = OtlpHttpExporterSettings.model_validate({"logs_endpoint": "http://localhost:3100/otlp/v1/logs"})
    assert settings.signals() == {Signal.LOGS}
