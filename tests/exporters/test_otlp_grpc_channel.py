"""Credentials of extensions, and certificates that change, towards a gRPC destination."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import grpc
import pytest

from exporters.otlp_grpc import OtlpGrpc, OtlpGrpcExporterSettings
from pipeline.batch import Signal
from pipeline.component import Request
from pipeline.errors import Refused, Rejected
from tests.authority import Authority
from tests.exporters.crediting import AUTH, Credits, with_credentials

REQUEST = Request(Signal.TRACES, b"", 1)


class Destination:
    """Takes those who bring `taken` in authorization; None takes everybody. `gate` holds answers back."""

    def __init__(self, taken: str | None = None) -> None:
        self.taken, self.seen = taken, list[object]()
        self.arrived, self.gate = asyncio.Event(), asyncio.Event()
        self.gate.set()

    async def answer(self, body: bytes, context: Any) -> bytes:
        brought = dict(context.invocation_metadata()).get("authorization")
        self.seen.append(brought)
        self.arrived.set()
        await self.gate.wait()
        if self.taken not in (None, brought):
            await context.abort(grpc.StatusCode.UNAUTHENTICATED, "who is it?")
        return b""


@asynccontextmanager
async def listening(destination: Destination, credentials: grpc.ServerCredentials | None = None) -> AsyncIterator[int]:
    server = grpc.aio.server()
    method = grpc.unary_unary_rpc_method_handler(destination.answer)
    handler = grpc.method_handlers_generic_handler(Signal.TRACES.service, {"Export": method})
    server.add_generic_rpc_handlers((handler,))
    if credentials is None:
        port = server.add_insecure_port("localhost:0")
    else:
        port = server.add_secure_port("localhost:0", credentials)
    await server.start()
    try:
        yield port
    finally:
        await server.stop(None)


def exporter(port: int, credited: Credits | None = None, **more: Any) -> OtlpGrpc:
    filled = {"endpoint": f"localhost:{port}", "tls": {"insecure": True}, **(AUTH if credited else {}), **more}
    return OtlpGrpcExporterSettings.model_validate(filled).build(with_credentials(credited or Credits()))


async def test_credentials() -> None:
    """Those of the extension; once more with new ones where the destination does not know them."""
    destination = Destination("Bearer two")
    credited = Credits("Bearer one", "Bearer two")
    async with (
        listening(destination) as port,
        exporter(port, credited, headers={"Authorization": "Bearer none"}) as sending,
    ):
        assert await sending.send(REQUEST) == 0
        assert await sending.send(REQUEST) == 0
    assert destination.seen == ["Bearer one", "Bearer two", "Bearer two"]


@pytest.mark.parametrize(
    ("credited", "asked"), [(("Bearer one",), 1), (("Bearer one", "Bearer two", "Bearer three"), 2)]
)
async def test_wrong_credentials(credited: Any, asked: int) -> None:
    """What was sent waits until they are put right: it is refused, not rejected."""
    destination = Destination("Bearer good")
    async with listening(destination) as port, exporter(port, Credits(*credited)) as sending:
        with pytest.raises(Refused, match="the destination answered UNAUTHENTICATED: it does not take the credentials"):
            await sending.send(REQUEST)
    assert len(destination.seen) == asked


async def test_no_credentials_to_be_had() -> None:
    """Nothing is sent without them."""
    destination = Destination()
    async with listening(destination) as port, exporter(port, Credits(), **AUTH) as sending:
        with pytest.raises(Refused, match="the token endpoint answered 500"):
            await sending.send(REQUEST)
    assert destination.seen == []


async def test_without_an_extension() -> None:
    """UNAUTHENTICATED is for good, as OTLP says."""
    async with listening(Destination("Bearer good")) as port, exporter(port) as sending:
        with pytest.raises(Rejected, match="the destination answered UNAUTHENTICATED"):
            await sending.send(REQUEST)


async def test_new_certificates(tmp_path: Path) -> None:
    """A channel with the new client certificate takes the place of the old one, which ends what is under way on it."""
    ours, theirs = Authority(tmp_path, "ours"), Authority(tmp_path, "theirs")
    files = {"ca_file": str(ours.file), **ours.issue("one"), "reload_interval": "1ns"}
    destination = Destination()
    async with (
        listening(destination, ours.grpc_server(ours.issue("server"))) as port,
        exporter(port, tls=files) as sending,
    ):
        destination.gate.clear()
        async with asyncio.TaskGroup() as group:
            under_way = group.create_task(sending.send(REQUEST), name="under way")
            await destination.arrived.wait()
            theirs.issue("one")
            with pytest.raises(Refused, match="the destination answered UNAVAILABLE"):
                await sending.send(REQUEST)
            destination.gate.set()
            assert await under_way == 0
        ours.spoil("one")
        with pytest.raises(Refused, match="the destination answered UNAVAILABLE"):
            await sending.send(REQUEST)
        ours.issue("one")
        assert await sending.send(REQUEST) == 0
    assert len(destination.seen) == 2
