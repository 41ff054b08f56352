"""The channel of `otlp_grpc`: another one takes its place when the files of its TLS change."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

import grpc

from config.reloading import Reloading
from config.tls import ClientTls
from pipeline.batch import Signal

__all__ = ["Channel", "Line"]


class Line:
    """One gRPC channel, its methods by signal, and how many calls are under way on it."""

    def __init__(self, channel: Any, credentials: grpc.ChannelCredentials | None) -> None:
        self.channel, self.credentials = channel, credentials
        self.calls = {signal: channel.unary_unary(signal.method) for signal in Signal}
        self.users = 0


class Channel:
    """The way to one destination; `open` before use. Calls under way end on the channel they began on."""

    def __init__(self, endpoint: str, tls: ClientTls, compression: str, say: Callable[[str], None]) -> None:
        self._target = endpoint.removeprefix("http://").removeprefix("https://")
        self._is_plain = tls.insecure or endpoint.startswith("http://")
        self._compression = grpc.Compression.Gzip if compression == "gzip" else grpc.Compression.NoCompression
        self._tls, self._say = tls, say
        self._credentials: Reloading[grpc.ChannelCredentials] | None = None
        self._line: Line | None = None

    async def open(self) -> None:
        """Raises: `OSError`, naming the file, for one that cannot be used."""
        if not self._is_plain:
            make = partial(_credentials, self._tls)
            self._credentials = await asyncio.to_thread(self._tls.reloading, make, self._say)
        self._line = self._new_line(None if self._credentials is None else await self._credentials.fresh())

    async def close(self) -> None:
        if self._line is not None:
            await self._line.channel.close()

    @asynccontextmanager
    async def line(self) -> AsyncIterator[Line]:
        """What a call is to be made on, while it is under way."""
        line = await self._newest()
        line.users += 1
        try:
            yield line
        finally:
            line.users -= 1
            await self._close_if_old(line)

    async def _newest(self) -> Line:
        assert self._line is not None, "not opened"
        credentials = None if self._credentials is None else await self._credentials.fresh()
        if credentials is not self._line.credentials:
            old, self._line = self._line, self._new_line(credentials)
            await self._close_if_old(old)
        return self._line

    async def _close_if_old(self, line: Line) -> None:
        if line is not self._line and not line.users:
            await line.channel.close()

    def _new_line(self, credentials: grpc.ChannelCredentials | None) -> Line:
        if credentials is None:
            return Line(grpc.aio.insecure_channel(self._target, compression=self._compression), None)
        name = self._tls.server_name_override
        options = [("grpc.ssl_target_name_override", name)] if name else None
        channel = grpc.aio.secure_channel(self._target, credentials, options=options, compression=self._compression)
        return Line(channel, credentials)


def _credentials(tls: ClientTls) -> grpc.ChannelCredentials:
    """Raises: `OSError`, naming the file, for one that cannot be used."""
    tls.check()
    return grpc.ssl_channel_credentials(
        root_certificates=tls.ca_file and tls.ca_file.read_bytes(),
        private_key=tls.key_file and tls.key_file.read_bytes(),
        certificate_chain=tls.cert_file and tls.cert_file.read_bytes(),
    )
