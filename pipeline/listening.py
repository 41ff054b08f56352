"""Where servers listen: `host:port` or the path of a unix socket; and the running of an HTTP server."""

import asyncio
import stat
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from http import HTTPStatus
from pathlib import Path
from typing import Annotated, Any, Literal

from aiohttp import web
from pydantic import AfterValidator

from config.settings import Settings
from config.tls import ServerTls
from pipeline.deadline import Deadline

__all__ = [
    "Address",
    "Listening",
    "ListeningSettings",
    "listen",
    "parse_address",
    "remove_stale_socket",
    "restrict_socket",
]


def parse_address(text: str) -> tuple[str, int]:
    """Host and port of `localhost:4317`, `0.0.0.0:4317`, `[::1]:4317` or `:4317` (every address).

    Raises: `ValueError`.
    """
    host, colon, port = text.rpartition(":")
    if not colon or not port.isdigit() or int(port) > 65535:
        raise ValueError("write it as host:port, such as localhost:4317, with a port from 0 to 65535")
    return host.removeprefix("[").removesuffix("]") or "0.0.0.0", int(port)


def _check(text: str) -> str:
    if not text.startswith("/"):
        parse_address(text)
    return text


Address = Annotated[str, AfterValidator(_check)]
"""`host:port`, or the path of a unix socket."""


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
async def listen(app: web.Application, settings: ListeningSettings, deadline: Deadline) -> AsyncIterator[Listening]:
    """Serve `app` until left; what is being answered then may finish within the deadline."""
    runner = web.AppRunner(
        app,
        access_log=None,
        auto_decompress=False,
        handle_signals=False,
        keepalive_timeout=75.0,
        shutdown_timeout=deadline.remaining(),
    )
    await runner.setup()
    try:
        await (await asyncio.to_thread(_site, runner, settings)).start()
        if settings.transport == "unix":
            await asyncio.to_thread(restrict_socket, settings.endpoint)
        yield Listening(_port(runner))
    finally:
        await runner.cleanup()


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


def _site(runner: web.AppRunner, settings: ListeningSettings) -> web.BaseSite:
    tls = None if settings.tls is None else settings.tls.context()
    if settings.transport == "unix":
        remove_stale_socket(settings.endpoint)
        return web.UnixSite(runner, settings.endpoint, ssl_context=tls)
    host, port = parse_address(settings.endpoint)
    return web.TCPSite(runner, host, port, ssl_context=tls, reuse_port=None)


def _port(runner: web.AppRunner) -> int:
    address: Any = runner.addresses[0]
    return int(address[1]) if isinstance(address, tuple) else 0


def restrict_socket(path: str) -> None:
    """Keep other users out of a unix socket."""
    Path(path).chmod(0o600)


def remove_stale_socket(path: str) -> None:
    """A socket left by a process that was killed would keep the next one from listening. Anything else at `path` is
    left alone.
    """
    socket = Path(path)
    if socket.exists() and stat.S_ISSOCK(socket.stat().st_mode):
        socket.unlink()
