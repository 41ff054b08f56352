"""OTLP over gRPC on a real socket: statuses, trailers, limits, TLS."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import grpc
import pytest
from google.rpc.error_details_pb2 import RetryInfo
from google.rpc.status_pb2 import Status
from opentelemetry.proto.trace.v1.trace_pb2 import Span
from pydantic import ValidationError

from pipeline.batch import Batch, Signal
from pipeline.errors import Refused, Rejected
from receivers.intake import Intake
from receivers.otlp_grpc import OtlpGrpcServer, OtlpGrpcSettings
from tests.payloads import context, traces
from tests.receivers.consuming import Consuming
from tests.receivers.tls import Certificates


@asynccontextmanager
async def server(consumer: Consuming, **kind: object) -> AsyncIterator[OtlpGrpcServer]:
    settings = OtlpGrpcSettings.model_validate({"endpoint": "127.0.0.1:0", **kind})
    intake = Intake(context("otlp"), "grpc", {Signal.TRACES: consumer})
    async with OtlpGrpcServer(settings, intake) as listening:
        yield listening


async def export(target: str, payload: bytes, signal: Signal = Signal.TRACES, **channel: Any) -> bytes:
    options = [("grpc.max_send_message_length", -1)]
    async with grpc.aio.insecure_channel(target, options=options, **channel) as opened:
        answer: bytes = await opened.unary_unary(signal.method)(payload, timeout=120)
    return answer


async def failure(target: str, payload: bytes, signal: Signal = Signal.TRACES, **channel: Any) -> grpc.aio.AioRpcError:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await export(target, payload, signal, **channel)
    return caught.value


SPANS = traces([Span(name="GET /things")])


async def test_success() -> None:
    """The consumer gets the client's own bytes; the answer has no partial_success; the items are counted."""
    consumer = Consuming()
    async with server(consumer) as listening:
        assert await export(f"127.0.0.1:{listening.port}", SPANS.payload) == b""
        registry = listening._intake.context.telemetry.registry
    assert consumer.payloads == [SPANS.payload]
    labels = {"receiver": "otlp", "transport": "grpc"}
    assert registry.get_sample_value("otelcol_receiver_accepted_spans", labels) == 1


@pytest.mark.parametrize("compression", [grpc.Compression.Gzip, grpc.Compression.Deflate])
async def test_compressed(compression: grpc.Compression) -> None:
    """gzip and deflate are taken."""
    consumer = Consuming()
    async with server(consumer) as listening:
        await export(f"127.0.0.1:{listening.port}", SPANS.payload, compression=compression)
    assert consumer.payloads == [SPANS.payload]


async def test_empty_request() -> None:
    """No bytes are a valid, empty request."""
    consumer = Consuming()
    async with server(consumer) as listening:
        assert await export(f"127.0.0.1:{listening.port}", b"") == b""


async def test_garbage() -> None:
    """INVALID_ARGUMENT, with the same status in the details and nothing of the payload."""
    async with server(Consuming()) as listening:
        error = await failure(f"127.0.0.1:{listening.port}", b"\x0a\x7f536-90-4399")
    assert error.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert error.details() == "a field is longer than the data that holds it"
    trailers = dict(error.trailing_metadata() or ())
    status = Status.FromString(trailers["grpc-status-details-bin"])
    assert (status.code, status.message) == (3, error.details())
    assert "google.rpc.retryinfo-bin" not in trailers


async def test_refused() -> None:
    """UNAVAILABLE, with RetryInfo in both trailers: Go clients read the one, the Python SDK the other."""
    async with server(Consuming(Refused("full", retry_after_seconds=1.5))) as listening:
        error = await failure(f"127.0.0.1:{listening.port}", SPANS.payload)
    assert (error.code(), error.details()) == (grpc.StatusCode.UNAVAILABLE, "full")
    trailers = dict(error.trailing_metadata() or ())
    bare = RetryInfo.FromString(trailers["google.rpc.retryinfo-bin"])
    packed = RetryInfo()
    assert Status.FromString(trailers["grpc-status-details-bin"]).details[0].Unpack(packed)
    assert bare == packed
    assert bare.retry_delay.ToMilliseconds() == 1500


async def test_rejected_and_bugs() -> None:
    """Bad data is INVALID_ARGUMENT, our own fault is INTERNAL without its message."""
    async with server(Consuming(Rejected("no"), ValueError("536-90-4399"))) as listening:
        first = await failure(f"127.0.0.1:{listening.port}", SPANS.payload)
        second = await failure(f"127.0.0.1:{listening.port}", SPANS.payload)
    assert (first.code(), first.details()) == (grpc.StatusCode.INVALID_ARGUMENT, "no")
    assert (second.code(), second.details()) == (grpc.StatusCode.INTERNAL, "an internal error; the data was not taken")


async def test_signal_without_a_pipeline() -> None:
    """UNIMPLEMENTED, as from a server that has no such service."""
    async with server(Consuming()) as listening:
        error = await failure(f"127.0.0.1:{listening.port}", b"", Signal.LOGS)
    assert error.code() is grpc.StatusCode.UNIMPLEMENTED
    assert error.details() == "no pipeline takes logs from receiver otlp"


@pytest.mark.parametrize("compression", [grpc.Compression.NoCompression, grpc.Compression.Gzip])
async def test_oversize(compression: grpc.Compression) -> None:
    """More than the limit, as sent or once decompressed, is RESOURCE_EXHAUSTED without a hint to retry."""
    consumer = Consuming()
    async with server(consumer, max_recv_msg_size_mib=1) as listening:
        error = await failure(f"127.0.0.1:{listening.port}", bytes(30 * 2**20), compression=compression)
    assert error.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert consumer.payloads == []
    assert "google.rpc.retryinfo-bin" not in dict(error.trailing_metadata() or ())


async def test_unix_socket(tmp_path: Path) -> None:
    """A unix socket, also where a killed process left one behind."""
    consumer = Consuming()
    for _ in range(2):
        async with server(consumer, endpoint=f"{tmp_path}/otlp.sock", transport="unix"):
            assert (tmp_path / "otlp.sock").stat().st_mode & 0o777 == 0o600
            await export(f"unix:{tmp_path}/otlp.sock", SPANS.payload)
    assert len(consumer.payloads) == 2


async def test_tls(certificates: Certificates) -> None:
    """With a client CA only clients that show a certificate from it are served (mTLS)."""
    consumer = Consuming()
    async with server(consumer, tls=certificates.server(require_client=True)) as listening:
        for known in (True, False):
            credentials = certificates.grpc_client(with_certificate=known)
            async with grpc.aio.secure_channel(f"localhost:{listening.port}", credentials) as channel:
                call = channel.unary_unary(Signal.TRACES.method)(SPANS.payload, timeout=120)
                if known:
                    await call
                else:
                    with pytest.raises(grpc.aio.AioRpcError) as caught:
                        await call
                    assert caught.value.code() is grpc.StatusCode.UNAVAILABLE
    assert len(consumer.payloads) == 1


async def test_bad_certificates(certificates: Certificates, tmp_path: Path) -> None:
    """What cannot be used is named, and a version gRPC cannot be held to is refused at load."""
    missing = {**certificates.server(), "key_file": str(tmp_path / "missing.key")}
    with pytest.raises(OSError, match=r"missing\.key"):
        async with server(Consuming(), tls=missing):
            pass
    with pytest.raises(ValidationError, match=r"gRPC takes TLS 1\.2 and newer and cannot be told otherwise"):
        OtlpGrpcSettings.model_validate({"tls": {**certificates.server(), "min_version": "1.3"}})


async def test_port_in_use() -> None:
    """The sentence names the address."""
    async with server(Consuming()) as listening:
        with pytest.raises(OSError, match=f"cannot listen on 127.0.0.1:{listening.port}; is another program using it?"):
            async with server(Consuming(), endpoint=f"127.0.0.1:{listening.port}"):
                pass


def test_batch_repr_hides() -> None:
    """Nothing of a payload is in a batch's repr."""
    assert repr(Batch(Signal.TRACES, b"536-90-4399", 3)) == "Batch(traces, 3 spans, 11 bytes)"
