"""Where servers listen: `host:port` or the path of a unix socket; and the running of an HTTP server."""

import asyncio
import socket
import ssl
import sys
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from http import HTTPStatus
from typing import Annotated, Any, Literal

from aiohttp import web
from pydantic import AfterValidator

from config.settings import Settings
from config.tls import ServerTls
from pipeline.component import Context
from pipeline.deadline import Deadline
from pipeline.serving.connections import Connection, ConnectionLimits, Connections, ignore
from pipeline.serving.sockets import Sockets, parse_address

__all__ = ["Address", "Listening", "ListeningSettings", "UrlPath", "listen", "listen_for"]

_LIMITS = ConnectionLimits(grace_seconds=0.1)
"""Of pages: whoever reads one can ask again."""


def _check(text: str) -> str:
    if not text.startswith("/"):
        parse_address(text)
    return text


Address = Annotated[str, AfterValidator(_check)]
"""`host:port`, or the path of a unix socket."""


def _check_path(path: str) -> str:
    if not path.startswith("/"):
        raise ValueError("a path begins with a slash, such as /health")
    if {"{", "}"} & set(path):
        raise ValueError("braces are not possible in this path")
    return path


UrlPath = Annotated[str, AfterValidator(_check_path)]
"""The path of a page, as it stands in its URL."""


class ListeningSettings(Settings):
    """What every listening socket needs to know."""

    endpoint: Address
    """`host:port`, or with `transport: unix` the path of a socket. Default localhost: open it to others knowingly."""
    transport: Literal["tcp", "unix"] = "tcp"
    """`unix` makes `endpoint` the path of a unix socket, accessible to the daemon's user alone."""
    tls: ServerTls | None = None
    """TLS, and with `client_ca_file` mTLS; plain text without it."""


class Listening:
    """A server that listens; `port` is the real one where 0 was asked for (0 for a unix socket)."""

    def __init__(self, port: int) -> None:
        self.port = port


@asynccontextmanager
async def listen(
    app: web.Application,
    settings: ListeningSettings,
    deadline: Deadline,
    *,
    sockets: Sockets | None = None,
    owner: str = "",
    limits: ConnectionLimits = _LIMITS,
    turned_away: Callable[[str], None] = ignore,
    say: Callable[[str], None] = ignore,
) -> AsyncIterator[Listening]:
    """Serve `app` until left; then whoever is connected may finish within the deadline.

    `sockets` keep the listening socket for the next server of the same endpoint (and `owner`, with port 0).
    `turned_away` is told why a connection was closed for its `limits`, `say` of TLS files that changed and are no use.
    Raises: `OSError` for an address or a file that cannot be used.
    """
    connections = Connections(limits, turned_away)
    async with _serving(app, deadline) as server:
        try:
            async with (sockets or Sockets()).listening(
                settings.endpoint, owner, unix=settings.transport == "unix"
            ) as bound:
                tls = None if settings.tls is None else await asyncio.to_thread(settings.tls.context, say)
                async with _accepting(bound, connections, server, tls):
                    yield Listening(_port(bound))
        finally:
            await connections.drain(deadline)


def listen_for(
    context: Context, app: web.Application, settings: ListeningSettings
) -> AbstractAsyncContextManager[Listening]:
    """`listen`, for the page of a component."""
    return listen(app, settings, context.deadline, sockets=context.sockets, owner=context.id, say=context.log.warning)


@asynccontextmanager
async def _serving(app: web.Application, deadline: Deadline) -> AsyncIterator[web.Server]:
    """What answers requests; when left, handlers whose client has gone are still awaited."""
    runner = web.AppRunner(app, handle_signals=False, access_log=None)
    await runner.setup()
    assert runner.server is not None
    try:
        yield runner.server
    finally:
        # 0 would be no limit to aiohttp.
        await runner.server.shutdown(max(deadline.remaining(), 0.01))
        await runner.cleanup()


@asynccontextmanager
async def _accepting(
    bound: Sequence[socket.socket], connections: Connections, server: web.Server, tls: ssl.SSLContext | None
) -> AsyncIterator[None]:
    acceptors: list[asyncio.Server] = []
    try:
        for each in bound:
            acceptors.append(await _accept(each, connections, server, tls))
        yield
    finally:
        for acceptor in acceptors:
            acceptor.close()
        # What was accepted just now becomes a connection first.
        await asyncio.sleep(0)


async def _accept(
    bound: socket.socket, connections: Connections, server: web.Server, tls: ssl.SSLContext | None
) -> asyncio.Server:
    loop = asyncio.get_running_loop()

    def connection() -> Connection:
        return Connection(connections, server, loop)

    options: dict[str, Any] = {"sock": bound, "ssl": tls, "backlog": 1024}
    if tls is not None:
        options["ssl_handshake_timeout"] = options["ssl_shutdown_timeout"] = connections.limits.read_header_timeout
    if bound.family != socket.AF_UNIX:
        return await loop.create_server(connection, **options)
    if sys.version_info >= (3, 13):
        # The path belongs to `Sockets`: the next server listens there too.
        options["cleanup_socket"] = False
    return await loop.create_unix_server(connection, **options)


def _answer_without_quoting(
    handler: web.RequestHandler,
    request: web.BaseRequest,
    status: int = 500,
    exc: BaseException | None = None,
    message: str | None = None,
) -> web.StreamResponse:
    """aiohttp answers bytes that are not HTTP with those bytes, and logs them: here by the status alone."""
    return _aiohttps_answer(handler, request, status, None, f"{status} {HTTPStatus(status).phrase}")


_aiohttps_answer = web.RequestHandler.handle_error
web.RequestHandler.handle_error = _answer_without_quoting  # type: ignore[method-assign,assignment]


def _port(bound: Sequence[socket.socket]) -> int:
    address: Any = bound[0].getsockname()
    return int(address[1]) if isinstance(address, tuple) else 0
