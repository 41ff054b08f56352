"""The open connections of an HTTP server: how many there may be, how slow they may be, and how they end.

aiohttp's own limits are one time-out for everything between two requests. Here a request's headers have a time of their
own (a connection that trickles them, `slowloris`, is closed), and so has a client to read an answer; connections are
counted, and a server that stops tells clients so in its answers, instead of closing connections on which a request may
be on its way.
"""

import asyncio
import ipaddress
import random
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache

from aiohttp import web
from aiohttp.streams import EMPTY_PAYLOAD
from aiohttp.web_protocol import _ErrInfo

from pipeline.deadline import Deadline

__all__ = ["Connection", "ConnectionLimits", "Connections", "client_of", "ignore"]

_LINGERING_SECONDS = 5.0
"""For so long a body is still read, and thrown away, after its request has been answered."""


@dataclass(frozen=True, slots=True)
class ConnectionLimits:
    """What a client may do with connections, in seconds and bytes; an age of 0 is none. Defaults: see
    `receivers.http_server.HttpServerSettings`.
    """

    max_connections: int = 4096
    read_header_timeout: float = 10.0
    idle_timeout: float = 75.0
    max_header_bytes: int = 64 * 1024
    keep_alives: bool = True
    max_connection_age: float = 0.0
    grace_seconds: float = 1.0
    """How long clients that send often have, when the server stops, to learn from an answer that their connection ends,
    before idle ones are closed."""


def ignore(reason: str) -> None:
    """Count nothing."""


class Connections:
    """The open connections of one server; `turned_away` is told the reason for each one that is closed as too much."""

    def __init__(self, limits: ConnectionLimits, turned_away: Callable[[str], None] = ignore) -> None:
        self.limits, self.turned_away = limits, turned_away
        self.draining = False
        self.count = 0
        self._open: dict[str, dict[Connection, None]] = {}
        self._changed = asyncio.Event()

    def add(self, connection: "Connection") -> None:
        """Where there are too many, another one of the client that has most goes: its oldest that is idle."""
        self._open.setdefault(connection.client, {})[connection] = None
        self.count += 1
        if self.count > self.limits.max_connections:
            most = max(self._open.values(), key=len)
            surplus = next((each for each in most if each.is_idle), connection)
            self.turned_away("too_many_connections")
            self.remove(surplus)
            surplus.abort()

    def remove(self, connection: "Connection") -> None:
        """It is closed, or about to be."""
        of_client = self._open.get(connection.client, {})
        if connection not in of_client:
            return
        del of_client[connection]
        self.count -= 1
        if not of_client:
            del self._open[connection.client]
        self._changed.set()

    async def drain(self, deadline: Deadline) -> None:
        """Wait until all are closed: each by its next answer, idle ones after the grace period; at the deadline return
        with what is left.
        """
        self.draining = True
        await self._until_none(min(self.limits.grace_seconds, deadline.remaining()))
        for connection in [each for of_client in self._open.values() for each in of_client if each.is_idle]:
            connection.force_close()
        await self._until_none(deadline.remaining())

    async def _until_none(self, seconds: float) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                while self._open:
                    self._changed.clear()
                    await self._changed.wait()


@lru_cache(maxsize=4096)
def client_of(address: str | None) -> str:
    """Who a peer address stands for: the address itself, or of IPv6 its /64, which one machine can have whole."""
    try:
        parsed = ipaddress.ip_address((address or "").partition("%")[0])
    except ValueError:
        return ""
    if parsed.version == 4:
        return str(parsed)
    return str(ipaddress.ip_network((parsed, 64), strict=False).network_address)


class Connection(web.RequestHandler):
    """One connection, with a time limit for the headers of each request, and for the client to read each answer."""

    def __init__(self, connections: Connections, server: web.Server, loop: asyncio.AbstractEventLoop) -> None:
        limits = connections.limits
        super().__init__(
            server,
            loop=loop,
            access_log=None,  # type: ignore[arg-type]
            auto_decompress=False,
            keepalive_timeout=limits.idle_timeout,
            lingering_time=_LINGERING_SECONDS,
        )
        self.client = ""
        self._limits, self._connections = limits, connections
        self._old = loop.time() + limits.max_connection_age * random.uniform(0.9, 1.1)
        self._header_bytes = 0
        self._header_timer: asyncio.TimerHandle | None = None
        self._answer_timer: asyncio.TimerHandle | None = None
        self._body = EMPTY_PAYLOAD
        """The last one that has begun, until its request is answered."""

    @property
    def is_idle(self) -> bool:
        """Whether it waits for a request of which nothing has come yet."""
        return self._is_waiting and not self._header_bytes

    @property
    def _is_waiting(self) -> bool:
        return self._waiter is not None and not self._waiter.done()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        assert self.transport is not None
        # Writing is paused as soon as anything waits for the client: TLS pauses at the limit, plain text above it.
        self.transport.set_write_buffer_limits(0 if self.ssl_context is None else 1)
        peer = transport.get_extra_info("peername")
        self.client = client_of(peer[0] if isinstance(peer, tuple) else None)
        self._start_timer()
        self._connections.add(self)

    def connection_lost(self, exc: BaseException | None) -> None:
        self._stop_timer()
        self._stop_answer_timer()
        self._connections.remove(self)
        super().connection_lost(exc)

    def pause_writing(self) -> None:
        super().pause_writing()
        self._answer_timer = self._loop.call_later(self._limits.idle_timeout, self._turn_away, "slow_client")

    def resume_writing(self) -> None:
        super().resume_writing()
        self._stop_answer_timer()

    def abort(self) -> None:
        """Close it at once: nothing waits until the client has read what is unsent, or in TLS closes it too."""
        if self.transport is not None:
            self.transport.abort()
        super().force_close()

    def force_close(self) -> None:
        """Close it for aiohttp, which would wait for a client that does not read for ever."""
        if self.writing_paused:
            self.abort()
        else:
            super().force_close()

    def data_received(self, data: bytes) -> None:
        requests = self._request_count
        super().data_received(data)
        if self._request_count > requests:
            self._header_bytes = 0
            self._stop_timer()
            self._follow_body()
        elif data and self._is_waiting:
            self._header_bytes += len(data)
            if self._header_timer is None:
                self._start_timer()
            if self._header_bytes > self._limits.max_header_bytes:
                self._turn_away("header_too_large")

    def _follow_body(self) -> None:
        """Tell who reads a body that it is damaged: aiohttp's parser in C leaves it without an end (3.14.5)."""
        message, body = self._messages[-1]
        if isinstance(message, _ErrInfo) and not self._body.is_eof():
            self._body.set_exception(web.RequestPayloadError())
            self._body.feed_eof()
        self._body = body

    async def finish_response(
        self, request: web.BaseRequest, resp: web.StreamResponse, start_time: float | None
    ) -> tuple[web.StreamResponse, bool]:
        is_damaged = request.content.exception() is not None
        if isinstance(resp, web.StreamResponse) and (is_damaged or self._ends_now()):
            resp.force_close()
        if self._body is request.content:
            self._body = EMPTY_PAYLOAD
        return await super().finish_response(request, resp, start_time)

    def _ends_now(self) -> bool:
        """Whether the answer to this request is the last one."""
        is_old = self._limits.max_connection_age > 0 and self._loop.time() > self._old
        return self._connections.draining or is_old or not self._limits.keep_alives

    def _start_timer(self) -> None:
        seconds = self._limits.read_header_timeout
        self._header_timer = self._loop.call_later(seconds, self._turn_away, "slow_client")

    def _stop_timer(self) -> None:
        if self._header_timer is not None:
            self._header_timer.cancel()
            self._header_timer = None

    def _stop_answer_timer(self) -> None:
        if self._answer_timer is not None:
            self._answer_timer.cancel()
            self._answer_timer = None

    def _turn_away(self, reason: str) -> None:
        self._connections.turned_away(reason)
        self.abort()
