"""A gRPC server that is handed from one receiver to the next, on real sockets."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import grpc
import pytest
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from pipeline.batch import Batch, Signal
from pipeline.component import Consumer
from pipeline.deadline import Deadline
from pipeline.serving.sockets import Sockets
from receivers.grpc_listener import GrpcListener
from receivers.intake import Intake
from receivers.otlp_grpc import OtlpGrpcServer, OtlpGrpcSettings
from tests.backends.process import free_port
from tests.payloads import context, traces
from tests.receivers.consuming import Consuming

SPANS = traces([Span(name="GET /things")])


class Gated(Consuming):
    """Says when a batch has come, and takes it when it is told to."""

    def __init__(self) -> None:
        super().__init__()
        self.came, self.gate = asyncio.Event(), asyncio.Event()

    async def consume(self, batch: Batch) -> None:
        self.came.set()
        await self.gate.wait()
        await super().consume(batch)


def receiver(
    sockets: Sockets,
    consumer: Consumer,
    endpoint: str = "127.0.0.1:0",
    timeout_seconds: float = 120.0,
    **written: object,
) -> OtlpGrpcServer:
    about = replace(context("otlp"), sockets=sockets, deadline=Deadline(timeout_seconds))
    settings = OtlpGrpcSettings.model_validate({"endpoint": endpoint, **written})
    return OtlpGrpcServer(settings, Intake(about, "grpc", {Signal.TRACES: consumer}))


@asynccontextmanager
async def channel(target: str) -> AsyncIterator[grpc.aio.UnaryUnaryMultiCallable]:
    async with grpc.aio.insecure_channel(target, options=[("grpc.use_local_subchannel_pool", 1)]) as opened:
        yield opened.unary_unary(Signal.TRACES.method)


async def test_hand_over() -> None:
    """One connection: a request under way is answered by the old receiver, which leaves then, the next by the new."""
    sockets, old, new = Sockets(), Gated(), Consuming()
    async with AsyncExitStack() as later, asyncio.TaskGroup() as group:
        before = AsyncExitStack()
        first = await before.enter_async_context(receiver(sockets, old))
        async with channel(f"127.0.0.1:{first.port}") as export:
            under_way = export(SPANS.payload)
            await old.came.wait()
            second = await later.enter_async_context(receiver(sockets, new))
            assert second.port == first.port
            leaving = group.create_task(before.aclose(), name="leaving")
            assert await export(SPANS.payload) == b""
            assert (old.payloads, len(new.payloads), leaving.done()) == ([], 1, False)
            old.gate.set()
            assert await under_way == b""
            await leaving
            assert (len(old.payloads), len(new.payloads)) == (1, 1)


class Listener(GrpcListener):
    """Says when a request has come."""

    def __init__(self, settings: OtlpGrpcSettings, deadline: Deadline) -> None:
        super().__init__(settings, deadline)
        self.came = asyncio.Event()

    async def _take(self, signal: Signal, context: Any) -> None:
        self.came.set()
        await super()._take(signal, context)


async def started(timeout_seconds: float = 120.0) -> Listener:
    """A listener that no receiver has yet."""
    settings = OtlpGrpcSettings(endpoint="127.0.0.1:0")
    return await Listener(settings, Deadline(timeout_seconds)).start(settings, context("otlp"), None)


async def test_requests_before_there_is_a_receiver_wait() -> None:
    """The server listens a moment earlier."""
    listener, taken = await started(), asyncio.Event()

    async def take(_signal: Signal, _context: object) -> None:
        taken.set()

    async with channel(f"127.0.0.1:{listener.port}") as export:
        early = export(SPANS.payload)
        await listener.came.wait()
        async with listener.taken_by(take, Deadline(120.0)):
            assert await early == b""
    await listener.close()
    assert taken.is_set()


async def test_requests_for_which_no_receiver_comes() -> None:
    """They are told to come again, and keep nobody from stopping."""
    listener = await started(timeout_seconds=3600.0)
    async with channel(f"127.0.0.1:{listener.port}") as export:
        early = export(SPANS.payload)
        await listener.came.wait()
        await listener.close()
        assert await early.code() is grpc.StatusCode.UNAVAILABLE
        assert await early.details() == "the receiver stops; retry after 1 s"


async def test_a_receiver_with_other_options_has_a_server_of_its_own() -> None:
    """On the same port; the old server goes with its receiver."""
    sockets, old, new = Sockets(), Consuming(), Consuming()
    async with AsyncExitStack() as later:
        async with receiver(sockets, old) as first:
            second = await later.enter_async_context(receiver(sockets, new, max_concurrent_streams=7))
            assert second.port == first.port
        for _ in range(5):
            async with channel(f"127.0.0.1:{second.port}") as export:
                assert await export(SPANS.payload) == b""
    assert (len(old.payloads), len(new.payloads)) == (0, 5)


@pytest.mark.parametrize("host", ["0.0.0.0", "localhost"])
async def test_a_receiver_at_another_host_of_the_port(host: str) -> None:
    """As when it is opened to other machines: it is there all the time."""
    sockets, old, new, port = Sockets(), Consuming(), Consuming(), free_port()
    async with AsyncExitStack() as later:
        async with receiver(sockets, old, f"127.0.0.1:{port}") as first:
            await later.enter_async_context(receiver(sockets, new, f"{host}:{port}"))
            async with channel(f"127.0.0.1:{first.port}") as export:
                assert await export(SPANS.payload) == b""
        for _ in range(5):
            async with channel(f"127.0.0.1:{first.port}") as export:
                assert await export(SPANS.payload) == b""
    assert len(old.payloads) + len(new.payloads) == 6
    assert len(new.payloads) >= 5


async def test_late_requests_are_ended_at_the_deadline() -> None:
    """Of a receiver that leaves, while the server goes on."""
    sockets, old = Sockets(), Gated()
    async with AsyncExitStack() as later:
        before = AsyncExitStack()
        first = await before.enter_async_context(receiver(sockets, old, timeout_seconds=0.05))
        async with channel(f"127.0.0.1:{first.port}") as export:
            late = export(SPANS.payload)
            await old.came.wait()
            await later.enter_async_context(receiver(sockets, Consuming()))
            await before.aclose()
            with pytest.raises(grpc.aio.AioRpcError) as caught:
                await late
    assert (caught.value.code(), caught.value.details()) == (
        grpc.StatusCode.UNAVAILABLE,
        "the receiver stops; retry after 1 s",
    )
    assert old.payloads == []


async def test_unix_sockets(tmp_path: Path) -> None:
    """Also with other options the path is always there, for the daemon's user alone, and gone at the end."""
    sockets, path, new = Sockets(), tmp_path / "otlp.sock", Consuming()
    async with AsyncExitStack() as later:
        async with receiver(sockets, Consuming(), str(path), transport="unix"):
            await later.enter_async_context(
                receiver(sockets, new, str(path), transport="unix", max_concurrent_streams=7)
            )
        assert path.stat().st_mode & 0o777 == 0o600
        async with channel(f"unix:{path}") as export:
            assert await export(SPANS.payload) == b""
    assert len(new.payloads) == 1
    assert await asyncio.to_thread(lambda: list(tmp_path.iterdir())) == []
