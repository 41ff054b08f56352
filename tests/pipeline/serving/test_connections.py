"""Slow, many and old connections, and the end of a server, on real sockets."""

import asyncio
import logging
import socket
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from typing import TypeVar

import pytest
import uvloop
from aiohttp import web

from pipeline.deadline import Deadline
from pipeline.serving.connections import Connection, ConnectionLimits, Connections
from pipeline.serving.listening import ListeningSettings, listen
from pipeline.serving.sockets import Sockets
from tests.receivers.tls import Certificates

T = TypeVar("T")
OK = b"HTTP/1.1 200 OK\r\n"
HOUR = 3600.0
LARGE = 2**25
"""Bytes of an answer that the kernel does not keep for a client that does not read."""


class Noticed(Deadline):
    """Somebody asks how much time is left: a server that has stopped to listen."""

    def __init__(self, timeout_seconds: float) -> None:
        super().__init__(timeout_seconds)
        self.noticed = asyncio.Event()

    def remaining(self) -> float:
        self.noticed.set()
        return super().remaining()


class Served:
    """A server whose answers wait at a gate, if there is one."""

    def __init__(self, limits: ConnectionLimits, timeout_seconds: float, sockets: Sockets | None = None) -> None:
        self.limits, self.deadline = limits, Noticed(timeout_seconds)
        self.sockets = sockets or Sockets()
        self.tls: dict[str, str] | None = None
        self.reasons: list[str] = []
        self.gate: asyncio.Event | None = None
        self.asked, self.turned_away = asyncio.Event(), asyncio.Event()
        self.got: list[bytes] = []
        self.port = 0

    @asynccontextmanager
    async def running(self) -> AsyncIterator["Served"]:
        app = web.Application()
        app.router.add_post("/", self._answer)
        app.router.add_get("/", self._answer_at_length)
        settings = ListeningSettings.model_validate({"endpoint": f"127.0.0.1:{self.port}", "tls": self.tls})
        async with listen(
            app,
            settings,
            self.deadline,
            sockets=self.sockets,
            owner="test",
            limits=self.limits,
            turned_away=self._turned_away,
        ) as listening:
            self.port = listening.port
            yield self

    def _turned_away(self, reason: str) -> None:
        self.reasons.append(reason)
        self.turned_away.set()

    async def _pass(self) -> None:
        self.asked.set()
        if self.gate is not None:
            await self.gate.wait()

    async def _answer(self, request: web.Request) -> web.Response:
        await self._pass()
        try:
            self.got.append(await request.read())
        except web.RequestPayloadError:
            return web.Response(status=400)
        return web.Response()

    async def _answer_at_length(self, request: web.Request) -> web.Response:
        await self._pass()
        return web.Response(body=bytes(LARGE))


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


GET = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"
CHUNKED = b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n"


@asynccontextmanager
async def talking(server: Served, tls: ssl.SSLContext | None = None) -> AsyncIterator[Talking]:
    host = "localhost" if tls else None
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port, ssl=tls, server_hostname=host)
    try:
        yield Talking(reader, writer)
    finally:
        writer.close()
        with suppress(ConnectionError):
            await writer.wait_closed()


async def has_read(server: Served) -> None:
    """Return when the server has read what was said on other connections: this one said something later."""
    async with talking(server) as connection:
        connection.say(b"x\r\n\r\n")
        assert b" 400 " in await connection.answer()


@pytest.mark.parametrize("said", [b"", b"POST / HTTP/1.1\r\nHost: x\r\n", request()[:-1]])
async def test_slow_headers(said: bytes) -> None:
    """A connection on which the headers of a request do not come in time is closed (slowloris), and counted."""
    async with served(read_header_timeout=0.05).running() as server, talking(server) as connection:
        connection.say(said)
        assert await connection.is_closed()
        assert server.reasons == ["slow_client"]


class Clock:
    """The clock of the loop, which goes on as it is told to."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self._loop = asyncio.get_running_loop()
        real, self._ahead = self._loop.time, 0.0
        monkeypatch.setattr(self._loop, "time", lambda: real() + self._ahead)

    async def passes(self, seconds: float) -> None:
        """Whatever is due then has been done."""
        self._ahead += seconds
        due = asyncio.Event()
        self._loop.call_later(0, due.set)
        await due.wait()


async def test_trickled_headers(monkeypatch: pytest.MonkeyPatch) -> None:
    """Bytes that come now and then do not lengthen the time; also not for the second request of a connection."""
    limits = {"read_header_timeout": HOUR, "idle_timeout": 1e9}
    async with served(**limits).running() as server, talking(server) as connection:
        assert (await connection.post()).startswith(OK)
        clock = Clock(monkeypatch)
        for byte in b"POST / HTTP/1.1\r\nX-Long: " + b"x" * 100:
            if not server.reasons:
                connection.say(bytes([byte]))
                await clock.passes(HOUR / 10)
        assert server.reasons == ["slow_client"]
        assert await connection.is_closed()


async def test_a_connection_that_is_used_is_not_slow(monkeypatch: pytest.MonkeyPatch) -> None:
    """The time for headers does not run while a request is answered or none is begun."""
    limits = {"read_header_timeout": HOUR, "idle_timeout": 1e9}
    async with served(**limits).running() as server, talking(server) as connection:
        clock = Clock(monkeypatch)
        for _ in range(3):
            server.gate = asyncio.Event()
            connection.say(request(b"x"))
            await server.asked.wait()
            await clock.passes(2 * HOUR)
            server.gate.set()
            assert (await connection.answer()).startswith(OK)
            await clock.passes(2 * HOUR)
            server.asked.clear()
        assert server.reasons == []


async def test_idle_connections(monkeypatch: pytest.MonkeyPatch) -> None:
    """They are closed in the end, which is nothing to be counted; also after an answer that had to wait for the client
    to read.
    """
    async with served(idle_timeout=HOUR).running() as server, talking(server) as connection:
        await connection.post()
        connection.say(GET)
        await connection.answer()
        await connection.reader.readexactly(LARGE)
        clock = Clock(monkeypatch)
        # The second time for a server that was not done with its answer the first time.
        for _ in range(2):
            await clock.passes(2 * HOUR)
        assert await connection.is_closed()
        assert server.reasons == []


async def an_answer_that_is_not_read(server: Served, tls: ssl.SSLContext | None) -> None:
    server.gate = asyncio.Event()
    async with server.running(), talking(server, tls) as deaf, asyncio.timeout(120):
        # Under TLS the first answer leaves no trace: asyncio keeps it further below.
        deaf.say(GET * 2)
        await server.asked.wait()
        # The connection itself has been taken in with another one.
        object.__setattr__(server.limits, "idle_timeout", 0.0)
        server.gate.set()
        await server.turned_away.wait()
        assert server.reasons == ["slow_client"]
        with suppress(ConnectionResetError):
            assert len(await deaf.reader.read()) < 2 * LARGE


@pytest.mark.parametrize("run", [asyncio.run, uvloop.run])
@pytest.mark.parametrize("over_tls", [False, True])
def test_an_answer_that_is_not_read(run: Callable[..., None], over_tls: bool, certificates: Certificates) -> None:
    """Its client loses the connection and is counted, on the daemon's own loop too."""
    server = served(idle_timeout=HOUR)
    server.tls = certificates.server() if over_tls else None
    run(an_answer_that_is_not_read(server, certificates.http_client() if over_tls else None))


async def test_a_short_answer_that_is_not_read(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of which the kernel keeps less than all, and asyncio's buffer the rest: the same, also when it is closed."""
    reasons: list[str] = []
    connections = Connections(ConnectionLimits(idle_timeout=HOUR), reasons.append)
    asked = asyncio.Event()

    async def answer(_: web.BaseRequest) -> web.Response:
        asked.set()
        return web.Response(body=bytes(2**15))

    ours, theirs = socket.socketpair()
    with theirs:
        ours.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 2**12)
        loop = asyncio.get_running_loop()
        server = web.Server(answer)
        await loop.connect_accepted_socket(lambda: Connection(connections, server, loop), ours)
        theirs.send(GET)
        await asked.wait()
        clock = Clock(monkeypatch)
        for _ in range(3):
            await clock.passes(2 * HOUR)
        assert (reasons, connections.count) == (["slow_client"], 0)


async def test_long_headers() -> None:
    """Their size is limited as a whole, not only line by line."""
    async with served(max_header_bytes=5000).running() as server, talking(server) as connection:
        connection.say(b"POST / HTTP/1.1\r\n" + b"".join(b"X-%d: %b\r\n" % (n, b"x" * 100) for n in range(60)))
        assert await connection.is_closed()
        assert server.reasons == ["header_too_large"]


async def test_many_idle_connections() -> None:
    """Of 400 with a limit of 50, the newest 50 are open, and one that is busy."""
    limits = {"max_connections": 50, "read_header_timeout": HOUR, "idle_timeout": HOUR}
    async with served(**limits).running() as server, talking(server) as busy:
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
        await server.asked.wait()
        async with talking(server) as another:
            assert await another.is_closed()
        server.gate.set()
        assert (await busy.answer()).startswith(OK)


class Line(asyncio.Transport):
    """A connection from any address."""

    def __init__(self, address: str) -> None:
        super().__init__({"peername": (address, 4317)})
        self.is_aborted = False

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        pass

    def abort(self) -> None:
        self.is_aborted = True

    def close(self) -> None:
        pass


async def test_of_many_clients_the_one_with_most_connections_loses_them() -> None:
    """All addresses of an IPv6 /64 are one client: a machine can have them all."""
    reasons: list[str] = []
    connections = Connections(ConnectionLimits(max_connections=6), reasons.append)
    server = web.Server(lambda request: asyncio.sleep(0, web.Response()))
    honest = [Line(f"2001:db8:{number}::1") for number in range(3)]
    other = [Line(f"2001:db8:bad:1::{number:x}") for number in range(1, 13)]
    made = []
    for line in [*honest, *other]:
        made.append(Connection(connections, server, asyncio.get_running_loop()))
        made[-1].connection_made(line)
        # It begins to wait for a request.
        await asyncio.sleep(0)
    assert [line.is_aborted for line in honest + other] == [False] * 3 + [True] * 9 + [False] * 3
    assert reasons == ["too_many_connections"] * 9
    for connection in made:
        connection.connection_lost(None)


class Unanswering:
    """A client of TLS that does not answer when the server says that it closes the connection."""

    def __init__(self, connection: Talking, context: ssl.SSLContext) -> None:
        self._connection = connection
        self._received, self._sent = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls = context.wrap_bio(self._received, self._sent, server_hostname="localhost")

    async def post(self, headers: bytes = b"") -> bytes:
        await self._until_done(self._tls.do_handshake)
        self._tls.write(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n" + headers + b"\r\n")
        return await self._until_done(self._tls.read)

    async def is_told(self) -> bool:
        """Waits for the end; whether the server says so, or is just gone."""
        try:
            return await self._until_done(self._tls.read) == b""
        except (ConnectionResetError, ssl.SSLEOFError):
            return False

    async def _until_done(self, act: Callable[[], T]) -> T:
        while True:
            try:
                return act()
            except ssl.SSLWantReadError:
                self._connection.say(self._sent.read())
                data = await self._connection.reader.read(2**16)
                self._received.write(data)
                if not data:
                    self._received.write_eof()


async def test_one_too_many_over_tls(certificates: Certificates) -> None:
    """It is closed without waiting for the client to agree, or there would be more than are counted."""
    server = served(max_connections=1)
    server.tls = certificates.server()
    async with server.running(), talking(server) as connection:
        first = Unanswering(connection, certificates.http_client())
        assert (await first.post()).startswith(OK)
        async with talking(server, certificates.http_client()) as second:
            assert not await first.is_told()
            assert (await second.post()).startswith(OK)
        assert server.reasons == ["too_many_connections"]


async def test_a_client_that_does_not_end_tls(certificates: Certificates, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is not waited for longer than for headers; asyncio alone waits 30 s."""
    server = served(read_header_timeout=10.0)
    server.tls = certificates.server()
    async with server.running(), talking(server) as connection:
        unanswering = Unanswering(connection, certificates.http_client())
        assert (await unanswering.post(b"Connection: close\r\n")).startswith(OK)
        assert await unanswering.is_told()
        await Clock(monkeypatch).passes(15)
        async with asyncio.timeout(10):
            assert await connection.is_closed()


async def test_a_damaged_body() -> None:
    """Who reads it is told, also if it begins to read later; the connection ends with the answer."""
    async with served().running() as server, talking(server) as connection:
        server.gate = asyncio.Event()
        connection.say(CHUNKED)
        await server.asked.wait()
        connection.say(b"zz\r\n")
        await has_read(server)
        server.gate.set()
        answer = await connection.answer()
        assert answer.startswith(b"HTTP/1.1 400 ")
        assert b"\r\nConnection: close\r\n" in answer
        assert await connection.is_closed()
        assert server.got == []


async def test_damage_after_a_body() -> None:
    """Is none of the request before it."""
    async with served().running() as server, talking(server) as connection:
        server.gate = asyncio.Event()
        connection.say(request(b"whole"))
        await server.asked.wait()
        connection.say(b"x\r\n\r\n")
        await has_read(server)
        server.gate.set()
        assert (await connection.answer()).startswith(OK)
        assert b" 400 " in await connection.answer()
        assert server.got == [b"whole"]


async def test_damage_that_nobody_reads(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    """After the answer it is no error of ours, and nothing is logged."""
    monkeypatch.setattr("pipeline.serving.connections._LINGERING_SECONDS", 0.1)
    async with served().running() as server, talking(server) as connection:
        connection.say(CHUNKED.replace(b"/", b"/nothing", 1))
        assert (await connection.answer()).startswith(b"HTTP/1.1 404 ")
        with caplog.at_level(logging.DEBUG, "aiohttp.server"):
            connection.say(b"zz\r\n")
            await connection.reader.read()
    assert caplog.records == []


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
    old = served(grace_seconds=HOUR)
    new = Served(old.limits, 60.0, old.sockets)
    async with AsyncExitStack() as later, asyncio.TaskGroup() as group:
        running = AsyncExitStack()
        await running.enter_async_context(old.running())
        async with talking(old) as busy, talking(old) as half, talking(old) as kept:
            assert b"Connection: close" not in await kept.post(b"first")
            old.gate = asyncio.Event()
            half.say(request(b"half sent")[:-4])
            old.asked.clear()
            busy.say(request(b"busy"))
            await old.asked.wait()
            await later.enter_async_context(new.running())
            stopping = group.create_task(running.aclose(), name="stop")
            await old.deadline.noticed.wait()
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
            await old.asked.wait()
            group.create_task(running.aclose(), name="stop")
            await old.deadline.noticed.wait()
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


async def test_stopping_waits_for_no_client_that_does_not_read() -> None:
    """After the deadline: its connection would stay open when the server has gone."""
    running = AsyncExitStack()
    server = await running.enter_async_context(served(timeout_seconds=0.05).running())
    async with talking(server) as deaf:
        deaf.say(GET)
        await server.asked.wait()
        await running.aclose()
        with suppress(ConnectionResetError):
            assert len(await deaf.reader.read()) < LARGE


def test_on_uvloop() -> None:
    """The daemon's own loop: a hand-over from one server to the next."""
    uvloop.run(test_stopping_loses_nothing())
