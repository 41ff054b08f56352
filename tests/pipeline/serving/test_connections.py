"""Slow, many and old connections, and the end of a server, on real sockets."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress

import pytest
import uvloop
from aiohttp import web

from pipeline.deadline import Deadline
from pipeline.serving.connections import ConnectionLimits
from pipeline.serving.listening import ListeningSettings, listen
from pipeline.serving.sockets import Sockets

OK = b"HTTP/1.1 200 OK\r\n"


class Served:
    """A server whose answers wait at a gate, if there is one."""

    def __init__(self, limits: ConnectionLimits, timeout_seconds: float, sockets: Sockets | None = None) -> None:
        self.limits, self.deadline = limits, Deadline(timeout_seconds)
        self.sockets = sockets or Sockets()
        self.reasons: list[str] = []
        self.gate: asyncio.Event | None = None
        self.got: list[bytes] = []
        self.port = 0

    @asynccontextmanager
    async def running(self) -> AsyncIterator["Served"]:
        app = web.Application()
        app.router.add_post("/", self._answer)
        settings = ListeningSettings(endpoint=f"127.0.0.1:{self.port}")
        async with listen(
            app,
            settings,
            self.deadline,
            sockets=self.sockets,
            owner="test",
            limits=self.limits,
            turned_away=self.reasons.append,
        ) as listening:
            self.port = listening.port
            yield self

    async def _answer(self, request: web.Request) -> web.Response:
        body = await request.read()
        if self.gate is not None:
            await self.gate.wait()
        self.got.append(body)
        return web.Response()


def served(timeout_seconds: float = 60.0, **limits: float) -> Served:
    return Served(ConnectionLimits(**limits), timeout_seconds)  # type: ignore[arg-type]


class Talking:
    """A connection that says what it is told to."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    def say(self, data: bytes) -> None:
        self.writer.write(data)

    async def post(self, body: bytes = b"") -> bytes:
        """The headers of the answer."""
        self.say(request(body))
        return await self.answer()

    async def answer(self) -> bytes:
        return await self.reader.readuntil(b"\r\n\r\n")

    async def is_closed(self) -> bool:
        """Waits until the server ends the connection."""
        with suppress(ConnectionResetError):
            return await self.reader.read() == b""
        return True


def request(body: bytes = b"") -> bytes:
    return b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body)


@asynccontextmanager
async def talking(server: Served) -> AsyncIterator[Talking]:
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    try:
        yield Talking(reader, writer)
    finally:
        writer.close()
        with suppress(ConnectionError):
            await writer.wait_closed()


@pytest.mark.parametrize("said", [b"", b"POST / HTTP/1.1\r\nHost: x\r\n", request()[:-1]])
async def test_slow_headers(said: bytes) -> None:
    """A connection on which the headers of a request do not come in time is closed (slowloris), and counted."""
    async with served(read_header_timeout=0.05).running() as server, talking(server) as connection:
        connection.say(said)
        assert await connection.is_closed()
        assert server.reasons == ["slow_client"]


async def test_trickled_headers() -> None:
    """Bytes that come now and then do not lengthen the time; also not for the second request of a connection."""
    async with (
        served(read_header_timeout=0.05).running() as server,
        talking(server) as connection,
        asyncio.TaskGroup() as group,
    ):
        assert (await connection.post()).startswith(OK)

        async def trickle() -> None:
            for byte in b"POST / HTTP/1.1\r\nX-Long: " + b"x" * 10_000:
                connection.say(bytes([byte]))
                await asyncio.sleep(0.005)

        trickling = group.create_task(trickle(), name="trickle")
        assert await connection.is_closed()
        trickling.cancel()
        assert server.reasons == ["slow_client"]


async def test_a_connection_that_is_used_is_not_slow() -> None:
    """The time for headers does not run while a request is answered or none is begun."""
    async with served(read_header_timeout=0.02).running() as server, talking(server) as connection:
        for _ in range(3):
            server.gate = asyncio.Event()
            connection.say(request(b"x"))
            await asyncio.sleep(0.05)
            server.gate.set()
            assert (await connection.answer()).startswith(OK)
            await asyncio.sleep(0.05)
        assert server.reasons == []


async def test_idle_connections() -> None:
    """They are closed in the end, which is nothing to be counted."""
    async with served(idle_timeout=0.05).running() as server, talking(server) as connection:
        await connection.post()
        assert await connection.is_closed()
        assert server.reasons == []


async def test_long_headers() -> None:
    """Their size is limited as a whole, not only line by line."""
    async with served(max_header_bytes=5000).running() as server, talking(server) as connection:
        connection.say(b"POST / HTTP/1.1\r\n" + b"".join(b"X-%d: %b\r\n" % (n, b"x" * 100) for n in range(60)))
        assert await connection.is_closed()
        assert server.reasons == ["header_too_large"]


async def test_many_idle_connections() -> None:
    """Of 400 with a limit of 50, the newest 50 are open, and one that is busy."""
    async with served(max_connections=50).running() as server, talking(server) as busy:
        server.gate = asyncio.Event()
        busy.say(request(b"busy"))
        pairs = [await asyncio.open_connection("127.0.0.1", server.port) for _ in range(400)]
        assert await asyncio.gather(*[Talking(*pair).is_closed() for pair in pairs[:351]]) == [True] * 351
        assert server.reasons == ["too_many_connections"] * 351
        server.gate.set()
        assert (await busy.answer()).startswith(OK)
        last = Talking(*pairs[-1])
        assert (await last.post()).startswith(OK)
        for _, writer in pairs:
            writer.close()


async def test_where_all_are_busy_the_newcomer_goes() -> None:
    """No request is given up for another connection."""
    async with served(max_connections=1).running() as server, talking(server) as busy:
        server.gate = asyncio.Event()
        busy.say(request(b"busy"))
        await asyncio.sleep(0.02)
        async with talking(server) as another:
            assert await another.is_closed()
        server.gate.set()
        assert (await busy.answer()).startswith(OK)


@pytest.mark.parametrize("limits", [{"max_connection_age": 1e-9}, {"keep_alives": False}])
async def test_connections_that_end_with_an_answer(limits: dict[str, float]) -> None:
    """Old ones, and all where they are not to be kept, are told so."""
    async with served(**limits).running() as server, talking(server) as connection:
        assert b"\r\nConnection: close\r\n" in await connection.post()
        assert await connection.is_closed()


async def test_stopping_loses_nothing() -> None:
    """Requests that are being answered, that are half sent and that come on open connections are answered, each with
    the end of its connection; new connections are those of the server that has taken over.
    """
    old = served()
    new = Served(old.limits, 60.0, old.sockets)
    async with AsyncExitStack() as later, asyncio.TaskGroup() as group:
        running = AsyncExitStack()
        await running.enter_async_context(old.running())
        async with talking(old) as busy, talking(old) as half, talking(old) as kept:
            assert b"Connection: close" not in await kept.post(b"first")
            old.gate = asyncio.Event()
            busy.say(request(b"busy"))
            half.say(request(b"half sent")[:-4])
            await asyncio.sleep(0.02)
            await later.enter_async_context(new.running())
            stopping = group.create_task(running.aclose(), name="stop")
            await asyncio.sleep(0.02)
            async with talking(new) as early:
                assert (await early.post(b"early")).startswith(OK)
            kept.say(request(b"kept"))
            half.say(b"sent")
            old.gate.set()
            for connection in (busy, half, kept):
                assert b"\r\nConnection: close\r\n" in await connection.answer()
                assert await connection.is_closed()
            await stopping
        assert sorted(old.got) == [b"busy", b"first", b"half sent", b"kept"]
        assert (new.port, new.got) == (old.port, [b"early"])


async def test_a_server_that_stops_takes_in_nobody() -> None:
    """While it answers whoever is connected: to be refused at once is better than to wait for nothing."""
    old = served()
    async with asyncio.TaskGroup() as group:
        running = AsyncExitStack()
        await running.enter_async_context(old.running())
        async with talking(old) as busy:
            old.gate = asyncio.Event()
            busy.say(request(b"busy"))
            await asyncio.sleep(0.02)
            group.create_task(running.aclose(), name="stop")
            await asyncio.sleep(0.02)
            with pytest.raises(ConnectionRefusedError):
                await asyncio.open_connection("127.0.0.1", old.port)
            old.gate.set()
            assert b"\r\nConnection: close\r\n" in await busy.answer()


async def test_stopping_closes_idle_connections() -> None:
    """After the grace period; the deadline is not waited for."""
    async with asyncio.TaskGroup() as group:
        running = AsyncExitStack()
        server = await running.enter_async_context(served(timeout_seconds=3600.0, grace_seconds=0.02).running())
        async with talking(server) as idle:
            await idle.post()
            group.create_task(running.aclose(), name="stop")
            assert await idle.is_closed()


async def test_stopping_ends_at_the_deadline() -> None:
    """A body that never comes is not waited for longer."""
    running = AsyncExitStack()
    server = await running.enter_async_context(served(timeout_seconds=0.05).running())
    async with talking(server) as stuck:
        stuck.say(request(b"never")[:-1])
        await asyncio.sleep(0.02)
        await running.aclose()
        assert await stuck.is_closed()
    assert server.got == []


def test_on_uvloop() -> None:
    """The daemon's own loop: a hand-over from one server to the next."""
    uvloop.run(test_stopping_loses_nothing())
