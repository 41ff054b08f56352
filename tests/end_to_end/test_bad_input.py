"""Bad input to a running daemon: the right status, a clear message, nothing of it in the log, and it goes on."""

import gzip
import json
import socket
import zlib
from collections.abc import Iterator

import grpc
import pytest
from opentelemetry.proto.trace.v1.trace_pb2 import TracesData

from tests.backends.process import Answer, request
from tests.end_to_end.daemon import Telescrub
from wire.signal import Signal

pytestmark = pytest.mark.end_to_end

SECRET = "536-90-4399"
PROTOBUF, JSON = "application/x-protobuf", "application/json"
MIB = 2**20


@pytest.fixture(scope="module")
def daemon() -> Iterator[Telescrub]:
    exporters = {"traces": {"debug": None}, "metrics": {"debug": None}, "logs": {"debug": None}}
    with Telescrub(exporters) as running:
        yield running
        assert running.is_running()
        assert running.memory_bytes() < 600 * MIB
        assert SECRET not in running.log


def post(daemon: Telescrub, body: bytes, content_type: str = PROTOBUF, **headers: str) -> Answer:
    sent = {"Content-Type": content_type, **{name.replace("_", "-"): value for name, value in headers.items()}}
    return request("POST", f"{daemon.url('otlp_http')}/v1/traces", body=body, headers=sent)


def span(**fields: object) -> bytes:
    data = TracesData()
    data.resource_spans.add().scope_spans.add().spans.add(**fields)
    return data.SerializeToString()


def deep_json(levels: int) -> bytes:
    value = '{"arrayValue":{"values":[' * levels + f'{{"stringValue":"{SECRET}"}}' + "]}}" * levels
    return ('{"resourceSpans":[{"resource":{"attributes":[{"key":"k","value":' + value + "}]}}]}").encode()


BAD = {
    "garbage protobuf": (b"\xff\xff" + SECRET.encode(), PROTOBUF, {}, 400),
    "truncated protobuf": (span(name=SECRET)[:-3], PROTOBUF, {}, 400),
    "garbage JSON": (b"{" + SECRET.encode(), JSON, {}, 400),
    "invalid UTF-8": (span(name="xx").replace(b"xx", b"\xff\xfe"), PROTOBUF, {}, 400),
    "a bad id": (span(trace_id=SECRET.encode()), PROTOBUF, {}, 400),
    "a bad id in JSON": (
        b'{"resourceSpans":[{"scopeSpans":[{"spans":[{"traceId":"536-90-4399"}]}]}]}',
        JSON,
        {},
        400,
    ),
    "deep JSON": (deep_json(100_000), JSON, {}, 400),
    "a wrong type": (SECRET.encode(), "text/plain", {}, 415),
    "a wrong encoding": (SECRET.encode(), PROTOBUF, {"Content_Encoding": "br"}, 400),
    "truncated gzip": (gzip.compress(span(name=SECRET * 99))[:-9], PROTOBUF, {"Content_Encoding": "gzip"}, 400),
    "oversize": (bytes(21 * MIB), PROTOBUF, {}, 413),
    "a gzip bomb": (gzip.compress(bytes(500 * MIB), 9), PROTOBUF, {"Content_Encoding": "gzip"}, 413),
    "a deflate bomb": (zlib.compress(bytes(500 * MIB), 9), JSON, {"Content_Encoding": "deflate"}, 413),
}


@pytest.mark.parametrize("name", list(BAD))
def test_over_http(daemon: Telescrub, name: str) -> None:
    """The status of OTLP/HTTP, a message in the encoding of the request, and the next good request is taken."""
    body, content_type, headers, status = BAD[name]
    answer = post(daemon, body, content_type, **headers)
    assert answer.status == status
    assert answer.body
    assert SECRET.encode() not in answer.body
    if content_type == JSON:
        assert set(json.loads(answer.body)) == {"code", "message"}
    assert post(daemon, span(name="GET /things")).status == 200


GRPC_BAD = {
    "garbage": (b"\xff\xff" + SECRET.encode(), grpc.StatusCode.INVALID_ARGUMENT),
    "invalid UTF-8": (span(name="xx").replace(b"xx", b"\xff\xfe"), grpc.StatusCode.INVALID_ARGUMENT),
    "a bad id": (span(trace_id=SECRET.encode()), grpc.StatusCode.INVALID_ARGUMENT),
    "oversize": (bytes(21 * MIB), grpc.StatusCode.RESOURCE_EXHAUSTED),
}


@pytest.mark.parametrize("name", [*GRPC_BAD, "a gzip bomb"])
def test_over_grpc(daemon: Telescrub, name: str) -> None:
    """The code of OTLP/gRPC and a message without the payload."""
    payload, code = GRPC_BAD.get(name, (bytes(300 * MIB), grpc.StatusCode.RESOURCE_EXHAUSTED))
    compression = grpc.Compression.Gzip if name == "a gzip bomb" else None
    options = [("grpc.max_send_message_length", -1)]
    with grpc.insecure_channel(daemon.address("otlp_grpc"), options=options, compression=compression) as channel:
        call = channel.unary_unary(Signal.TRACES.method)
        with pytest.raises(grpc.RpcError) as caught:
            call(payload, timeout=60)
        assert caught.value.code() is code
        assert SECRET not in caught.value.details()
        call(span(name="GET /things"), timeout=10)


NOT_HTTP = {
    "a bad request line": b"536-90-4399 garbage\r\n\r\n",
    "a bad length": b"POST /v1/traces HTTP/1.1\r\nHost: x\r\nContent-Length: 536-90-4399\r\n\r\n",
    "a bad chunk": b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz536-90-4399\r\n",
    "a long header": b"POST / HTTP/1.1\r\nHost: x\r\nX-Patient: " + b"536-90-4399" * 2000 + b"\r\n\r\n",
}


@pytest.mark.parametrize("port", ["otlp_http", "json_logs", "metrics", "health"])
@pytest.mark.parametrize("name", list(NOT_HTTP))
def test_not_http(daemon: Telescrub, name: str, port: str) -> None:
    """Bytes that are not HTTP are answered 400 and never quoted, neither to the client nor in the log."""
    with socket.create_connection(("127.0.0.1", daemon.port(port)), timeout=10) as connection:
        connection.sendall(NOT_HTTP[name])
        answer = connection.makefile("rb").read()
    assert answer.splitlines()[0] == b"HTTP/1.0 400 Bad Request"
    assert SECRET.encode() not in answer


def test_json_logs(daemon: Telescrub) -> None:
    """Lines that are no JSON are bodies of text, a line of 10 MB too; more than the limit is refused."""
    url = daemon.url("json_logs")
    lines = [b'{"msg": "fine"}', b"no json, ssn " + SECRET.encode(), b'{"cut": "' + SECRET.encode(), b"x" * 10_000_000]
    answer = request("POST", url, body=b"\n".join(lines))
    assert (answer.status, json.loads(answer.body)["accepted"]) == (200, 4)
    assert request("POST", url, body=b"x" * (21 * MIB)).status == 413
    assert request("POST", url, body=b"[" * 100_000).status == 200
    assert request("POST", url, body=b"\xff\xfe" + SECRET.encode()).status == 200


def test_other_methods_and_paths(daemon: Telescrub) -> None:
    """405 and 404, as the Collector answers them."""
    assert request("GET", f"{daemon.url('otlp_http')}/v1/traces").status == 405
    assert request("POST", f"{daemon.url('otlp_http')}/v1/{SECRET}", body=b"").status == 404
