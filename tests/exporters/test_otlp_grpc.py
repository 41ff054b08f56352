"""OTLP over gRPC to a real server: what is sent, and how answers are judged."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import grpc
import pytest
from google.protobuf.any_pb2 import Any as Packed
from google.protobuf.duration_pb2 import Duration
from google.rpc.error_details_pb2 import RetryInfo
from google.rpc.status_pb2 import Status
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTracePartialSuccess,
    ExportTraceServiceResponse,
)
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from exporters.jaeger import JaegerSettings
from exporters.otlp_grpc import OtlpGrpc, OtlpGrpcExporterSettings
from pipeline.batch import Signal
from pipeline.errors import Refused, Rejected, TooLarge, Unsupported
from tests.exporters.raw_server import raw_server
from tests.payloads import context, traces
from tests.receivers.tls import Certificates

SPANS = traces([Span(name="GET /things")])


class Destination:
    """A gRPC server for traces that answers as it is told."""

    def __init__(self) -> None:
        self.answer: bytes = b""
        self.code: grpc.StatusCode | None = None
        self.trailers: Sequence[tuple[str, bytes]] = ()
        self.got: list[tuple[bytes, dict[str, Any]]] = []

    async def export(self, payload: bytes, context: Any) -> bytes:
        self.got.append((payload, dict(context.invocation_metadata())))
        if self.code is not None:
            await context.abort(self.code, "echo of patient 536-90-4399", tuple(self.trailers))
        return self.answer


@asynccontextmanager
async def destination(credentials: grpc.ServerCredentials | None = None) -> AsyncIterator[tuple[Destination, int]]:
    told, server = Destination(), grpc.aio.server()
    handlers = {"Export": grpc.unary_unary_rpc_method_handler(told.export)}
    service = "opentelemetry.proto.collector.trace.v1.TraceService"
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(service, handlers),))
    if credentials is None:
        port = server.add_insecure_port("127.0.0.1:0")
    else:
        port = server.add_secure_port("127.0.0.1:0", credentials)
    await server.start()
    try:
        yield told, port
    finally:
        await server.stop(None)


def exporter(port: int, **kind: object) -> OtlpGrpc:
    settings = {"endpoint": f"localhost:{port}", "tls": {"insecure": True}, **kind}
    return OtlpGrpcExporterSettings.model_validate(settings).build(context("otlp_grpc"))


async def send(sending: OtlpGrpc) -> int:
    async with sending:
        [request] = sending.encode(SPANS).requests
        return await sending.send(request)


async def failure(code: grpc.StatusCode, *trailers: tuple[str, bytes]) -> Refused | Rejected:
    async with destination() as (told, port):
        told.code, told.trailers = code, trailers
        with pytest.raises((Refused, Rejected)) as caught:
            await send(exporter(port))
    error = caught.value
    assert isinstance(error, Refused | Rejected)
    return error


async def test_sent_as_it_is() -> None:
    """The batch's own bytes, with the configured headers."""
    async with destination() as (told, port):
        rejected = await send(exporter(port, headers={"X-Scope-OrgID": "tenant-1"}))
    [(payload, metadata)] = told.got
    assert (rejected, payload, metadata["x-scope-orgid"]) == (0, SPANS.payload, "tenant-1")


async def test_partial_success() -> None:
    """What the destination did not keep is returned as a number."""
    partial = ExportTracePartialSuccess(rejected_spans=7, error_message="patient 536-90-4399")
    async with destination() as (told, port):
        told.answer = ExportTraceServiceResponse(partial_success=partial).SerializeToString()
        assert await send(exporter(port)) == 7


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        (grpc.StatusCode.CANCELLED, Refused),
        (grpc.StatusCode.DEADLINE_EXCEEDED, Refused),
        (grpc.StatusCode.ABORTED, Refused),
        (grpc.StatusCode.OUT_OF_RANGE, Refused),
        (grpc.StatusCode.UNAVAILABLE, Refused),
        (grpc.StatusCode.DATA_LOSS, Refused),
        (grpc.StatusCode.RESOURCE_EXHAUSTED, TooLarge),
        (grpc.StatusCode.UNIMPLEMENTED, Unsupported),
        (grpc.StatusCode.INVALID_ARGUMENT, Rejected),
        (grpc.StatusCode.INTERNAL, Rejected),
        (grpc.StatusCode.UNAUTHENTICATED, Rejected),
        (grpc.StatusCode.UNKNOWN, Rejected),
    ],
)
async def test_codes(code: grpc.StatusCode, kind: type[Exception]) -> None:
    """OTLP's table of what may be sent again; the destination's message, which may echo data, is not quoted."""
    error = await failure(code)
    assert (type(error), str(error)) == (kind, f"the destination answered {code.name}")


def details(seconds: int) -> bytes:
    packed = Packed()
    packed.Pack(RetryInfo(retry_delay=Duration(seconds=seconds)))
    return bytes(Status(code=8, details=[packed]).SerializeToString())


async def test_hints() -> None:
    """RetryInfo is found in either trailer, and makes RESOURCE_EXHAUSTED something to retry."""
    error = await failure(grpc.StatusCode.RESOURCE_EXHAUSTED, ("grpc-status-details-bin", details(7)))
    assert isinstance(error, Refused)
    assert error.retry_after_seconds == 7.0
    bare = RetryInfo(retry_delay=Duration(seconds=2, nanos=500_000_000)).SerializeToString()
    error = await failure(grpc.StatusCode.UNAVAILABLE, ("google.rpc.retryinfo-bin", bare))
    assert isinstance(error, Refused)
    assert error.retry_after_seconds == 2.5


async def test_unreadable_hint() -> None:
    """A damaged trailer is no hint, and no error of its own."""
    error = await failure(grpc.StatusCode.UNAVAILABLE, ("grpc-status-details-bin", b"\xff\xff"))
    assert isinstance(error, Refused)
    assert error.retry_after_seconds is None


async def test_nobody_there() -> None:
    """No server is UNAVAILABLE, so it is tried again."""
    async with destination() as (_, port):
        pass
    with pytest.raises(Refused, match=r"^the destination answered UNAVAILABLE$"):
        await send(exporter(port))


async def test_tls(certificates: Certificates) -> None:
    """TLS with a client certificate, unless `insecure` says otherwise."""
    async with destination(certificates.grpc_server()) as (told, port):
        await send(exporter(port, tls=certificates.client()))
        with pytest.raises(Refused):
            await send(exporter(port, tls=certificates.client(with_certificate=False)))
    assert len(told.got) == 1


def test_jaeger() -> None:
    """`jaeger` takes traces alone, in plain text to localhost unless told otherwise."""
    settings = JaegerSettings()
    assert settings.signals() == {Signal.TRACES}
    assert (settings.endpoint, settings.tls.insecure, settings.max_request_bytes) == ("localhost:4317", True, 4_000_000)


def test_secrets_are_hidden() -> None:
    """Headers never appear in what the settings print as."""
    settings = OtlpGrpcExporterSettings.model_validate({"endpoint": "x:1", "headers": {"api-key": "not-for-eyes"}})
    assert "not-for-eyes" not in repr(settings)
    assert "[hidden]" in repr(settings)


GARBAGE = {
    "closed at once": b"",
    "no HTTP/2": b"HTTP/1.1 400 Bad Request\r\nContent-Length: 19\r\n\r\npatient 536-90-4399",
    "noise": b"\x16\x03\x01 patient 536-90-4399" * 99,
    # SETTINGS, then DATA on stream 1 without headers (RFC 9113 §5.1: a connection error).
    "frames out of order": b"\x00\x00\x00\x04\x00\x00\x00\x00\x00" + b"\x00\x00\x03\x00\x00\x00\x00\x00\x01abc",
    # SETTINGS, then GOAWAY with INTERNAL_ERROR.
    "sent away": b"\x00\x00\x00\x04\x00\x00\x00\x00\x00" + b"\x00\x00\x08\x07\x00\x00\x00\x00\x00" + bytes(7) + b"\x02",
}


@pytest.mark.parametrize("then", ["close", "reset"])
@pytest.mark.parametrize("says", GARBAGE)
async def test_broken_answers(says: str, then: str) -> None:
    """What does not speak gRPC is a destination that is away."""
    async with raw_server(GARBAGE[says], until=b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", then=then) as server:
        with pytest.raises(Refused) as refusal:
            await send(exporter(server.port, timeout="5s"))
    assert "536-90-4399" not in str(refusal.value)


async def test_silence() -> None:
    """A destination that never answers costs `timeout` and no more."""
    async with raw_server(until=b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", then="silence") as server:
        with pytest.raises(Refused, match=r"^the destination answered (DEADLINE_EXCEEDED|UNAVAILABLE)$"):
            await send(exporter(server.port, timeout="200ms"))


async def test_tls_fails(certificates: Certificates) -> None:
    """No TLS there, or a certificate that nobody vouches for: all can be put right, so it is sent again."""
    async with destination() as (told, port):
        with pytest.raises(Refused):
            await send(exporter(port, tls=certificates.client()))
    async with destination(certificates.grpc_server()) as (also, port):
        with pytest.raises(Refused):
            await send(exporter(port, tls={}))
    assert (told.got, also.got) == ([], [])


async def test_an_unreadable_partial_success() -> None:
    """OK is what it says, whatever stands beside it."""
    async with destination() as (told, port):
        told.answer = b"\xff\xff"
        assert await send(exporter(port)) == 0
