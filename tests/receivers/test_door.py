"""What a request passes before its body is read, over HTTP and gRPC on real sockets."""

import asyncio
import re
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace

import aiohttp
import grpc
import pytest
from opentelemetry.proto.trace.v1.trace_pb2 import Span
from pydantic import ValidationError

from extensions.memory_limiter import MemoryGuard, MemoryGuardSettings
from pipeline.batch import Batch, Signal
from pipeline.component import Consumer, Context
from pipeline.errors import Refused
from pipeline.router import Pipeline, Router, Stage
from pipeline.serving.memory_limit import MemoryLimit
from processors.memory_limiter import MemoryLimiter
from receivers.intake import Intake
from receivers.otlp_grpc import OtlpGrpcServer, OtlpGrpcSettings
from receivers.otlp_http import OtlpHttpServer, OtlpHttpSettings
from tests.payloads import context, traces
from tests.receivers.consuming import Consuming
from tests.receivers.test_authentication import AUTH, Known

SPANS = traces([Span(name="GET /things")])
HEADERS = b"POST /v1/traces HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-protobuf\r\n"


class Gated:
    """Takes no batch before it is opened, and remembers of which tenants they were in the order they came."""

    def __init__(self) -> None:
        self.opened = asyncio.Event()
        self.tenants: list[str] = []

    async def consume(self, batch: Batch) -> None:
        self.tenants.append(batch.tenant)
        await self.opened.wait()


@pytest.fixture
def patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """No request that waits for its turn gives up because a machine is slow."""
    monkeypatch.setattr("receivers.admission._WAITING_SECONDS", 3600.0)


async def until(condition: Callable[[], bool]) -> None:
    """Wait for what is bound to happen; fail, rather than hang, if it does not."""
    async with asyncio.timeout(120):
        while not condition():  # noqa: ASYNC110
            await asyncio.sleep(0.001)


@asynccontextmanager
async def http(consumer: Consumer, about: Context | None = None, **written: object) -> AsyncIterator[OtlpHttpServer]:
    settings = OtlpHttpSettings.model_validate({"endpoint": "127.0.0.1:0", **written})
    intake = Intake(about or context("otlp"), "http", {Signal.TRACES: consumer})
    async with OtlpHttpServer(settings, intake) as server:
        yield server


@asynccontextmanager
async def over_grpc(
    consumer: Consumer, about: Context | None = None, **written: object
) -> AsyncIterator[OtlpGrpcServer]:
    settings = OtlpGrpcSettings.model_validate({"endpoint": "127.0.0.1:0", **written})
    intake = Intake(about or context("otlp"), "grpc", {Signal.TRACES: consumer})
    async with OtlpGrpcServer(settings, intake) as server:
        yield server


def refused(about: Context, reason: str, signal: str = "traces") -> float:
    labels = {"component": about.id, "signal": signal, "reason": reason}
    return about.telemetry.registry.get_sample_value("telescrub_refused_requests_total", labels) or 0


async def answer_to(port: int, said: bytes) -> bytes:
    """The headers and body of the answer to bytes after which nothing more comes."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(said)
    headers = await reader.readuntil(b"\r\n\r\n")
    length = int(headers.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
    body = await reader.readexactly(length)
    writer.close()
    return headers + body


def full(kind: str) -> tuple[Consumer, Context, dict[str, object]]:
    """A receiver while the process uses too much memory: by a processor, or by an extension."""
    about = context("otlp")
    limit = MemoryLimit("memory_limiter", MemoryGuardSettings(limit_mib=10), used=lambda: 9 * 2**20)
    if kind == "processor":
        pipeline = Pipeline([Stage(about, MemoryLimiter(limit))], [])
        return Router([pipeline], asyncio.Lock()), about, {}
    about = replace(about, extensions={"memory_limiter": MemoryGuard(limit)})
    return Consuming(), about, {"middlewares": [{"id": "memory_limiter"}]}


@pytest.mark.parametrize("kind", ["processor", "extension"])
async def test_memory_over_http(kind: str) -> None:
    """Above the limit a request is refused by its headers alone: of this one no byte of the body is ever sent."""
    consumer, about, written = full(kind)
    async with http(consumer, about, **written) as server:
        answer = await answer_to(server.port, HEADERS + b"Content-Length: 5000000\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 503 Service Unavailable\r\n")
    assert b"\r\nRetry-After: 1\r\n" in answer
    assert b"memory_limiter: the process uses 9 MiB of memory and refuses data above 8 MiB; retry after 1 s" in answer
    assert refused(about, "memory") == 1


@pytest.mark.parametrize("kind", ["processor", "extension"])
async def test_memory_over_grpc(kind: str) -> None:
    """The same, to a client that has only begun its request."""
    consumer, about, written = full(kind)
    async with (
        over_grpc(consumer, about, **written) as server,
        grpc.aio.insecure_channel(f"127.0.0.1:{server.port}") as channel,
    ):
        call = channel.stream_unary(Signal.TRACES.method)()
        assert await call.code() is grpc.StatusCode.UNAVAILABLE
        assert "the process uses 9 MiB of memory" in await call.details()
        assert "google.rpc.retryinfo-bin" in dict(await call.trailing_metadata())
    assert refused(about, "memory") == 1


EXPECTING = HEADERS + b"Expect: 100-continue\r\nContent-Length: %d\r\n\r\n"


async def test_a_body_that_is_announced() -> None:
    """A client that waits to be asked for its body is asked once it has a place, and its request goes on as any."""
    consumer = Consuming()
    async with http(consumer) as server:
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        for _ in range(2):
            writer.write(EXPECTING % len(SPANS.payload))
            assert await reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
            writer.write(SPANS.payload)
            assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 200 OK\r\n")
        writer.close()
    assert consumer.payloads == [SPANS.payload] * 2


async def test_a_body_that_is_not_wanted() -> None:
    """It is refused before it is sent: for memory, for its size, and for what else is expected."""
    consumer, about, written = full("extension")
    async with http(consumer, about, **written) as server:
        answers = [await answer_to(server.port, EXPECTING % 5000)]
    async with http(Consuming(), max_request_body_size=1000) as server:
        answers += [await answer_to(server.port, EXPECTING % 5000)]
        answers += [await answer_to(server.port, HEADERS + b"Expect: secret-17\r\nContent-Length: 5000\r\n\r\n")]
    assert [each[:13] for each in answers] == [b"HTTP/1.1 503 ", b"HTTP/1.1 413 ", b"HTTP/1.1 417 "]
    assert b"only 100-continue can be expected here" in answers[2]
    assert b"secret-17" not in answers[2]


async def test_a_body_that_stops() -> None:
    """It is given up after `read_timeout`, to be sent again; nothing was taken."""
    consumer, about = Consuming(), context("otlp")
    async with http(consumer, about, read_timeout="50ms") as server:
        answer = await answer_to(server.port, HEADERS + b"Content-Length: 20\r\n\r\n\x0a\x05")
    assert answer.startswith(b"HTTP/1.1 503 ")
    assert re.search(rb"the body came too slowly: 2 bytes in \d+ s; retry after 1 s", answer)
    assert refused(about, "slow_client") == 1
    assert consumer.payloads == []


async def test_a_body_that_trickles(monkeypatch: pytest.MonkeyPatch) -> None:
    """A little now and then is not enough, however long a body may take."""
    monkeypatch.setattr("receivers.http_server._SLOW_SECONDS", 0.02)
    about = context("otlp")
    async with http(Consuming(), about, min_body_rate=10_000) as server, asyncio.TaskGroup() as group:
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        writer.write(HEADERS + b"Content-Length: 20000\r\n\r\n")

        async def trickle() -> None:
            while True:
                writer.write(b"\x0a")
                await asyncio.sleep(0.002)

        trickling = group.create_task(trickle(), name="trickle")
        assert (await reader.readline()).startswith(b"HTTP/1.1 503 ")
        trickling.cancel()
        writer.close()
    assert refused(about, "slow_client") == 1


async def test_a_grpc_message_that_stops() -> None:
    """It is given up after `read_timeout`."""
    about = context("otlp")
    async with (
        over_grpc(Consuming(), about, read_timeout="50ms") as server,
        grpc.aio.insecure_channel(f"127.0.0.1:{server.port}") as channel,
    ):
        call = channel.stream_unary(Signal.TRACES.method)()
        assert await call.code() is grpc.StatusCode.UNAVAILABLE
        assert await call.details() == (
            "the request did not come in time: it has 0.05 s, less while others wait; retry after 1 s"
        )
    assert refused(about, "slow_client") == 1


@pytest.mark.usefixtures("patience")
async def test_grpc_messages_that_do_not_begin() -> None:
    """Two clients with many of them, each of which may still become as large as is allowed, leave room for a third."""
    about = replace(context("otlp"), extensions={"known": Known()})
    async with (
        over_grpc(Consuming(), about, read_timeout="1h", **AUTH) as server,
        grpc.aio.insecure_channel(f"127.0.0.1:{server.port}") as channel,
    ):
        admission = server._door._admission
        silent = [channel.stream_unary(Signal.TRACES.method)(metadata=(("x-name", name),)) for name in ("a", "b") * 6]
        await until(lambda: admission._places + admission._waiting == 12)
        honest = channel.unary_unary(Signal.TRACES.method)
        assert await honest(SPANS.payload, metadata=(("x-name", "c"),), timeout=120) == b""
        for each in silent:
            each.cancel()


@pytest.mark.usefixtures("patience")
async def test_a_grpc_message_that_keeps_others_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is given up when it has taken long."""
    monkeypatch.setattr("receivers.admission._SLOW_SECONDS", 0.0)
    about = replace(context("otlp"), extensions={"known": Known()})
    async with (
        over_grpc(Consuming(), about, read_timeout="1h", max_concurrent_requests=1, **AUTH) as server,
        grpc.aio.insecure_channel(f"127.0.0.1:{server.port}") as channel,
    ):
        silent = channel.stream_unary(Signal.TRACES.method)(metadata=(("x-name", "a"),))
        await until(lambda: len(server._door._admission.reading_since) == 1)
        honest = channel.unary_unary(Signal.TRACES.method)
        assert await honest(SPANS.payload, metadata=(("x-name", "b"),), timeout=120) == b""
        assert await silent.code() is grpc.StatusCode.UNAVAILABLE
    assert refused(about, "slow_client") == 1


@pytest.mark.parametrize(
    ("settings", "key", "largest", "needed"),
    [
        (OtlpGrpcSettings, "max_recv_msg_size_mib", 128, "258MiB"),
        (OtlpHttpSettings, "max_request_body_size", 128 * 2**20, "257MiB"),
    ],
)
def test_requests_larger_than_half(
    settings: type[OtlpGrpcSettings | OtlpHttpSettings], key: str, largest: int, needed: str
) -> None:
    """Of what all may have together: a slow client with one of them would keep everybody else out. Said at load."""
    settings.model_validate({key: largest})
    settings.model_validate({key: largest + 1, "max_bytes_in_flight": needed})
    sentence = (
        f"{key} is more than half of max_bytes_in_flight, so that one slow client could keep the others out; lower it, "
        f"or set max_bytes_in_flight to {needed} or more"
    )
    with pytest.raises(ValidationError, match=sentence):
        settings.model_validate({key: largest + 1})


async def test_a_grpc_request_without_a_message() -> None:
    """It can never be right."""
    async with (
        over_grpc(Consuming()) as server,
        grpc.aio.insecure_channel(f"127.0.0.1:{server.port}") as channel,
    ):
        call = channel.stream_unary(Signal.TRACES.method)()
        await call.done_writing()
        assert await call.code() is grpc.StatusCode.INVALID_ARGUMENT
        assert await call.details() == "the request has no message"


@pytest.mark.parametrize("said", [b"Content-Length: 99999999999\r\n\r\n", b"Content-Length: 1001\r\n\r\n"])
async def test_bodies_announced_too_large(said: bytes) -> None:
    """They are answered 413 without being waited for, and keep nobody else waiting."""
    async with http(Consuming(), max_request_body_size=1000) as server:
        answer = await answer_to(server.port, HEADERS + said)
    assert answer.startswith(b"HTTP/1.1 413 ")
    assert b"the body is larger than 1000 bytes; send smaller requests" in answer


async def post(session: aiohttp.ClientSession, port: int, tenant: str) -> int:
    headers = {"Content-Type": "application/x-protobuf", "X-Tenant": tenant}
    url = f"http://127.0.0.1:{port}/v1/traces"
    async with session.post(url, data=SPANS.payload, headers=headers) as response:
        return response.status


@pytest.mark.usefixtures("patience")
async def test_a_flood_over_http_starves_nobody() -> None:
    """After a client with 300 connections comes one with a single request, and is served at once."""
    consumer = Gated()
    flood = aiohttp.TCPConnector(limit=0)
    other = aiohttp.TCPConnector(local_addr=("127.0.0.2", 0))
    async with (
        http(consumer, max_concurrent_requests=2, read_header_timeout="1h", tenant_header="X-Tenant") as server,
        aiohttp.ClientSession(connector=flood) as flooding,
        aiohttp.ClientSession(connector=other) as calm,
        asyncio.TaskGroup() as group,
    ):
        requests = [group.create_task(post(flooding, server.port, "flood"), name=f"{n}") for n in range(300)]
        # 1 of 2 places is the most one client can have, 20 may wait: the rest are told to come again.
        await until(lambda: sum(request.done() for request in requests) >= 279)
        patient = group.create_task(post(calm, server.port, "calm"), name="calm")
        await until(lambda: len(consumer.tenants) == 2)
        assert consumer.tenants == ["flood", "calm"]
        consumer.opened.set()
        assert await patient == 200
    assert Counter(request.result() for request in requests) == {200: 21, 429: 279}


@pytest.mark.usefixtures("patience")
async def test_a_flood_over_grpc() -> None:
    """Of 100 connections of one client two have a place, 40 wait, and the rest are told to come again."""
    consumer, about = Gated(), context("otlp")
    async with (
        over_grpc(consumer, about, endpoint="127.0.0.1:0", max_concurrent_requests=4, tenant_header="t") as server,
        AsyncExitStack() as channels,
        asyncio.TaskGroup() as group,
    ):
        port = server.port

        async def export(number: int) -> str:
            options = [("grpc.use_local_subchannel_pool", 1), ("number", number)]
            channel = grpc.aio.insecure_channel(f"127.0.0.1:{port}", options=options)
            await channels.enter_async_context(channel)
            call = channel.unary_unary(Signal.TRACES.method)(SPANS.payload, metadata=(("t", "flood"),))
            return str((await call.code()).name)

        requests = [group.create_task(export(number), name=f"{number}") for number in range(100)]
        await until(lambda: sum(request.done() for request in requests) >= 58)
        assert refused(about, "too_many_requests") == 58
        assert consumer.tenants == ["flood", "flood"]
        consumer.opened.set()
    assert Counter(request.result() for request in requests) == {"OK": 42, "UNAVAILABLE": 58}


async def test_refusals_further_on_are_counted_by_their_reason() -> None:
    """One counter for all of them, beside the Collector's for items."""
    about = context("otlp")
    consumer = Consuming(Refused("full", retry_after_seconds=1.0, reason="queue_full"))
    async with http(consumer, about) as server, aiohttp.ClientSession() as session:
        assert await post(session, server.port, "x") == 503
    assert refused(about, "queue_full") == 1


async def test_closed_connections_are_counted() -> None:
    """Without a signal, for nothing is known of it."""
    about = context("otlp")
    async with http(Consuming(), about, read_header_timeout="30ms") as server:
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        assert await reader.read() == b""
        writer.close()
    assert refused(about, "slow_client", signal="") == 1


async def test_nothing_of_a_payload_is_told(capfd: pytest.CaptureFixture[str]) -> None:
    """Not in answers, and not in what is written, whatever goes wrong at the door."""
    secret = b"536-90-4399"
    async with http(Consuming(), read_timeout="50ms", max_request_body_size=1000) as server:
        for said in (
            b"Content-Length: 100\r\n\r\n" + secret,
            b"Content-Length: 2000\r\n\r\n" + secret,
            b"Transfer-Encoding: chunked\r\n\r\n" + secret + b"\r\n",
            b"X-Id: " + secret + b"\x00\r\n\r\n",
        ):
            assert secret not in await answer_to(server.port, HEADERS + said)
    told = capfd.readouterr()
    assert secret.decode() not in told.out + told.err
