"""A TCP server that answers every connection with the same bytes, or with none: what no HTTP library would send."""

import asyncio
import socket
import ssl
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field


@dataclass
class RawServer:
    """It reads until the client sends `until`, writes `says`, and then resets the connection, closes it, or stays
    silent. `connections` counts those that said enough.
    """

    says: bytes = b""
    until: bytes = b"\r\n\r\n"
    then: str = "close"
    connections: int = 0
    port: int = 0
    _leaving: asyncio.Event = field(default_factory=asyncio.Event)

    async def handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await reader.readuntil(self.until)
            self.connections += 1
            writer.write(self.says)
            await writer.drain()
            if self.then == "silence":
                await self._leaving.wait()
            if self.then == "reset":
                # A linger of zero: what is closed is reset (RST), as a machine that was switched off would answer.
                connection: socket.socket = writer.get_extra_info("socket")
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        except (OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            pass
        finally:
            writer.transport.abort() if self.then == "reset" else writer.close()


@asynccontextmanager
async def raw_server(
    says: bytes = b"", *, until: bytes = b"\r\n\r\n", then: str = "close", tls: ssl.SSLContext | None = None
) -> AsyncIterator[RawServer]:
    """Such a server on a port of its own."""
    told = RawServer(says, until, then)
    server = await asyncio.start_server(told.handle, "127.0.0.1", 0, ssl=tls)
    told.port = server.sockets[0].getsockname()[1]
    try:
        yield told
    finally:
        told._leaving.set()
        server.close()
        await server.wait_closed()
