"""A TCP proxy that breaks connections: what a network, a dying server and a bad certificate do to a sender."""

import asyncio
import gc
import random
import socket
import ssl
import struct
import threading
import warnings
from collections.abc import Coroutine
from enum import StrEnum
from types import TracebackType
from typing import Any, Self

__all__ = ["Fault", "FaultProxy"]


class Fault(StrEnum):
    """What goes wrong."""

    NONE = "none"
    DOWN = "down"
    """Nobody listens."""
    FLAPPING = "flapping"
    """Connections last a moment, if they come about at all."""
    SLOW = "slow"
    """Answers come late, and in pieces."""
    SILENT = "silent"
    """Everything is taken, nothing is answered."""
    RESET = "reset"
    """Connections are reset in the middle of a request."""
    UNANSWERED = "unanswered"
    """Connections are reset when a request has got through, before its answer."""
    BAD_TLS = "bad TLS"
    """The server's certificate is of an authority that nobody knows."""


_MOMENT = 0.2
"""Seconds a flapping connection lasts at most."""
_LATE = 0.05
"""Seconds before each piece of a slow answer."""
_MOST_BEFORE_RESET = 450
"""Bytes; the smallest requests have more, and the headers less."""
_PIECE = 64 * 1024


class FaultProxy:
    """Passes on what comes to its port to `upstream` (host and port), or breaks it, for the length of a `with` block.

    With `tls` it speaks TLS to those that come, with `bad_tls` where that is the fault, and plain text to `upstream`.
    """

    def __init__(
        self,
        upstream: tuple[str, int],
        *,
        seed: int = 0,
        tls: ssl.SSLContext | None = None,
        bad_tls: ssl.SSLContext | None = None,
    ) -> None:
        self._upstream, self._tls, self._bad_tls = upstream, tls, bad_tls
        self._chance = random.Random(seed)
        self._fault = Fault.NONE
        self._open: dict[asyncio.StreamWriter, asyncio.Task[None] | None] = {}
        self._server: asyncio.Server | None = None
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="fault-proxy", daemon=True)
        self.connections = 0
        self.port = 0

    def __enter__(self) -> Self:
        self._thread.start()
        self._run(self._listen())
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._run(self._hang_up())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()
        _collect_broken()

    def set(self, fault: Fault) -> None:
        """From now on; connections that are open are reset."""
        self._run(self._change(fault))
        _collect_broken()

    def _run(self, work: Coroutine[Any, Any, None]) -> None:
        asyncio.run_coroutine_threadsafe(work, self._loop).result(30)

    async def _change(self, fault: Fault) -> None:
        await self._hang_up()
        self._fault = fault
        if fault is not Fault.DOWN:
            await self._listen()

    async def _listen(self) -> None:
        tls = self._bad_tls if self._fault is Fault.BAD_TLS else self._tls
        self._server = await asyncio.start_server(self._pass_on, "127.0.0.1", self.port, ssl=tls)
        self.port = self._server.sockets[0].getsockname()[1]

    async def _hang_up(self) -> None:
        if self._server is not None:
            self._server.close()
            self._server = None
        ending = [task for task in self._open.values() if task is not None]
        for writer in self._open:
            _reset(writer)
        await asyncio.gather(*ending, return_exceptions=True)

    async def _pass_on(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self._open[writer] = asyncio.current_task()
        try:
            if self._fault is Fault.FLAPPING:
                if self._chance.random() < 0.5:
                    return
                self._loop.call_later(self._chance.uniform(0, _MOMENT), _reset, writer)
            await self._join(reader, writer)
        except (OSError, asyncio.IncompleteReadError):
            pass
        finally:
            _reset(writer)
            self._open.pop(writer, None)

    async def _join(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Until one of the two sides ends."""
        their_reader, their_writer = await asyncio.open_connection(*self._upstream)
        try:
            there = asyncio.ensure_future(self._request(reader, their_writer))  # noqa: TID251
            back = asyncio.ensure_future(self._answer(their_reader, writer))  # noqa: TID251
            done, going = await asyncio.wait((there, back), return_when=asyncio.FIRST_COMPLETED)
            for each in going:
                each.cancel()
            await asyncio.gather(*done, *going, return_exceptions=True)
        finally:
            their_writer.close()

    async def _request(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        left = self._chance.randint(1, _MOST_BEFORE_RESET)
        while piece := await reader.read(_PIECE):
            if self._fault is Fault.SILENT:
                continue
            if self._fault is Fault.RESET:
                piece = piece[:left]
                left -= len(piece)
            writer.write(piece)
            await writer.drain()
            if not left:
                return

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while piece := await reader.read(_PIECE):
            if self._fault is Fault.UNANSWERED:
                await asyncio.sleep(_LATE)  # HTTP/2 answers with settings at once: let the request come first.
                return
            if self._fault is Fault.SLOW:
                await asyncio.sleep(_LATE)
            writer.write(piece)
            await writer.drain()


def _reset(writer: asyncio.StreamWriter) -> None:
    """End a connection as a crash does, with RST rather than FIN."""
    connection: socket.socket | None = writer.get_extra_info("socket")
    if connection is not None and connection.fileno() >= 0:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


def _collect_broken() -> None:
    """asyncio leaves a connection open whose TLS handshake was cut short; when it is collected it warns of that, which
    is news of this proxy and not of what is tested.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        gc.collect()
