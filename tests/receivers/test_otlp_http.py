"""OTLP over HTTP on a real socket: statuses, bodies, encodings, limits, CORS, TLS."""

import gzip
import io
import zlib
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import orjson
import pytest
import zstandard
from google.rpc.status_pb2 import Status
from opentelemetry.proto.trace.v1.trace_pb2 import Span
from pydantic import ValidationError

from pipeline.batch import Signal
from pipeline.errors import Refused, Rejected
from receivers.intake import Intake
from receivers.otlp_http import OtlpHttpServer, OtlpHttpSettings
from tests.payloads import context, traces
from tests.receivers.consuming import Consuming
from tests.receivers.tls import Certificates
from wire import otlp_json

PROTOBUF, JSON = "application/x-protobuf", "application/json"
SPANS = traces([Span(name="GET /things")])


@asynccontextmanager
async def server(consumer: Consuming, **kind: object) -> AsyncIterator[OtlpHttpServer]:
    settings = OtlpHttpSettings.model_validate({"endpoint": "127.0.0.1:0", **kind})
    intake = Intake(context("otlp"), "http", {Signal.TRACES: consumer})
    async with OtlpHttpServer(settings, intake) as listening:
        yield listening


class Got:
    """An answer that has been read."""

    def __init__(self, response: aiohttp.ClientResponse, body: bytes) -> None:
        self.status, self.headers, self.body = response.status, response.headers, body

    def plain(self) -> tuple[int, str | None, bytes]:
        return self.status, self.headers.get("Content-Type"), self.body


async def send(
    listening: OtlpHttpServer,
    body: bytes,
    content_type: str = PROTOBUF,
    headers: Mapping[str, str] | None = None,
    method: str = "POST",
    path: str = "/v1/traces",
) -> Got:
    url = f"http://127.0.0.1:{listening.port}{path}"
    async with (
        aiohttp.ClientSession(auto_decompress=False) as session,
        session.request(
            method, url, data=io.BytesIO(body), headers={"Content-Type": content_type, **(headers or {})}
        ) as response,
    ):
        return Got(response, await response.read())


async def answer(body: bytes, content_type: str = PROTOBUF, **kind: Any) -> Got:
    async with server(Consuming()) as listening:
        return await send(listening, body, content_type, **kind)


async def test_protobuf() -> None:
    """The consumer gets the client's own bytes; the answer is an empty Export…Response."""
    consumer = Consuming()
    async with server(consumer) as listening:
        got = await send(listening, SPANS.payload)
    assert got.plain() == (200, PROTOBUF, b"")
    assert consumer.payloads == [SPANS.payload]


async def test_json() -> None:
    """JSON comes out as protobuf; the answer is an empty object in JSON. Parameters of the type are tolerated."""
    consumer = Consuming()
    async with server(consumer) as listening:
        body = otlp_json.encode(Signal.TRACES, SPANS.payload)
        got = await send(listening, body, "application/json; charset=utf-8")
    assert got.plain() == (200, "application/json", b"{}")
    assert consumer.payloads == [SPANS.payload]


@pytest.mark.parametrize("content_type", [PROTOBUF, JSON])
async def test_empty_request(content_type: str) -> None:
    """A request without telemetry succeeds: no bytes in protobuf, `{}` in JSON."""
    got = await answer(b"{}" if content_type == JSON else b"", content_type)
    assert got.status == 200


ENCODERS: dict[str, Callable[[bytes], bytes]] = {
    "gzip": gzip.compress,
    "deflate": zlib.compress,
    "zstd": zstandard.ZstdCompressor().compress,
}


@pytest.mark.parametrize("encoding", list(ENCODERS))
async def test_compressed(encoding: str) -> None:
    """gzip, deflate and zstd are taken."""
    consumer = Consuming()
    async with server(consumer) as listening:
        got = await send(listening, ENCODERS[encoding](SPANS.payload), headers={"Content-Encoding": encoding})
    assert (got.status, consumer.payloads) == (200, [SPANS.payload])


def status(got: Got) -> tuple[int, int, str]:
    """HTTP status, and code and message of the google.rpc.Status, whichever way it is encoded."""
    if got.headers["Content-Type"] == JSON:
        read = orjson.loads(got.body)
        return got.status, read["code"], read["message"]
    parsed = Status.FromString(got.body)
    return got.status, parsed.code, parsed.message


CUT_GZIP = gzip.compress(SPANS.payload * 100)[:-10]


@pytest.mark.parametrize(
    ("body", "content_type", "encoding", "expected"),
    [
        (b"\x0a\x7f536-90-4399", PROTOBUF, "", (400, 3, "a field is longer than the data that holds it")),
        (b"", JSON, "", (400, 3, "this is not JSON in UTF-8: it cannot be read at line 1, column 1")),
        (b'{"resourceSpans": 5}', JSON, "", (400, 3, "resourceSpans: an array is needed")),
        (CUT_GZIP, PROTOBUF, "gzip", (400, 3, "the gzip body is cut off")),
        (b"536-90-4399", PROTOBUF, "zstd", (400, 3, "the body is not valid zstd")),
        (b"", PROTOBUF, "br", (400, 3, "this Content-Encoding is not supported; use gzip, deflate, zstd or none")),
    ],
)
async def test_bad_bodies(body: bytes, content_type: str, encoding: str, expected: tuple[int, int, str]) -> None:
    """400 with a google.rpc.Status in the encoding of the request, and nothing of the payload."""
    got = await answer(body, content_type, headers={"Content-Encoding": encoding})
    assert got.headers["Content-Type"] == content_type
    assert status(got) == expected
    assert b"536-90-4399" not in got.body


@pytest.mark.parametrize("encoding", ["", "gzip"])
async def test_oversize(encoding: str) -> None:
    """413, as sent or once decompressed."""
    body = bytes(3 * 2**20)
    async with server(Consuming(), max_request_body_size="1MiB") as listening:
        got = await send(listening, gzip.compress(body) if encoding else body, headers={"Content-Encoding": encoding})
    decompressed = " once decompressed" if encoding else ""
    assert status(got) == (413, 8, f"the body is larger than 1048576 bytes{decompressed}; send smaller requests")


@pytest.mark.parametrize(
    ("paths", "problem"),
    [
        ({"traces_url_path": "v1/traces"}, "a path begins with a slash"),
        ({"logs_url_path": "/{signal}"}, "braces are not possible in this path"),
        ({"logs_url_path": "/v1/traces"}, "two signals have the same path; give each its own"),
    ],
)
def test_paths_that_are_none(paths: dict[str, str], problem: str) -> None:
    """They are refused when they are read."""
    with pytest.raises(ValidationError, match=problem):
        OtlpHttpSettings.model_validate(paths)


async def test_wrong_type_method_and_path() -> None:
    """415, 405 and 404 as plain text, saying what is supported."""
    got = await answer(b"x", "text/plain")
    text = b"415 unsupported media type, supported: [application/json, application/x-protobuf]"
    assert got.plain() == (415, "text/plain; charset=utf-8", text)
    got = await answer(b"", method="GET")
    assert got.plain() == (405, "text/plain; charset=utf-8", b"405 method not allowed, supported: [POST]")
    assert got.headers["Allow"] == "POST"
    assert (await answer(b"", path="/v1/things")).status == 404


@pytest.mark.parametrize("content_type", [PROTOBUF, JSON])
async def test_refused(content_type: str) -> None:
    """503 with Retry-After in whole seconds and a Status."""
    body = b"{}" if content_type == JSON else b""
    async with server(Consuming(Refused("full", retry_after_seconds=1.2))) as listening:
        got = await send(listening, body, content_type)
    assert status(got) == (503, 14, "full")
    assert got.headers["Retry-After"] == "2"


async def test_rejected_and_bugs() -> None:
    """Bad data is 400, our own fault is 500 without its message."""
    async with server(Consuming(Rejected("no"), ValueError("536-90-4399"))) as listening:
        assert status(await send(listening, SPANS.payload)) == (400, 3, "no")
        assert status(await send(listening, b"")) == (500, 13, "an internal error; the data was not taken")


async def test_signal_without_a_pipeline() -> None:
    """404, as from a server that has no such path."""
    got = await answer(b"", path="/v1/logs")
    assert status(got) == (404, 12, "no pipeline takes logs from receiver otlp")


async def test_cors() -> None:
    """Pages of an allowed origin may send; others are told nothing."""
    cors = {"allowed_origins": ["https://*.example.org"], "allowed_headers": ["X-Tenant"]}
    preflight = {"Access-Control-Request-Method": "POST"}
    async with server(Consuming(), cors=cors) as listening:
        origin = {"Origin": "https://app.example.org"}
        got = await send(listening, b"", headers={**origin, **preflight}, method="OPTIONS")
        assert got.status == 204
        assert got.headers["Access-Control-Allow-Origin"] == "https://app.example.org"
        assert got.headers["Access-Control-Allow-Headers"] == "Content-Type, X-Tenant"
        got = await send(listening, b"", headers=origin)
        assert (got.status, got.headers["Access-Control-Allow-Origin"]) == (200, "https://app.example.org")
        got = await send(listening, b"", headers={"Origin": "https://example.com", **preflight}, method="OPTIONS")
        assert "Access-Control-Allow-Origin" not in got.headers


async def test_tls(certificates: Certificates) -> None:
    """With a client CA only clients that show a certificate from it are served (mTLS)."""
    consumer = Consuming()
    async with server(consumer, tls=certificates.server(require_client=True)) as listening:
        url = f"https://localhost:{listening.port}/v1/traces"
        for known in (True, False):
            tls = certificates.http_client(with_certificate=known)
            async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=tls)) as session:
                request = session.post(url, data=SPANS.payload, headers={"Content-Type": PROTOBUF})
                if known:
                    assert (await request).status == 200
                else:
                    with pytest.raises(aiohttp.ClientError):
                        await request
    assert len(consumer.payloads) == 1


async def test_unix_socket(tmp_path: Path) -> None:
    """A unix socket, accessible to the daemon's user alone."""
    socket = tmp_path / "otlp.sock"
    async with server(Consuming(), endpoint=str(socket), transport="unix"):
        assert socket.stat().st_mode & 0o777 == 0o600
        async with aiohttp.ClientSession(connector=aiohttp.UnixConnector(str(socket))) as session:
            response = await session.post("http://x/v1/traces", data=b"", headers={"Content-Type": PROTOBUF})
            assert response.status == 200
