"""The HTTP side that receivers share: settings, serving, and reading a body within limits of size and time."""

import asyncio
from contextlib import AbstractAsyncContextManager

from aiohttp import HttpVersion11, web
from pydantic import Field

from config.settings import ByteSize, Seconds
from pipeline.errors import Refused, Rejected, TooLarge
from pipeline.serving.connections import ConnectionLimits
from pipeline.serving.listening import Listening, ListeningSettings, listen
from receivers.admission import Place
from receivers.door import Door, DoorSettings
from receivers.in_thread import in_thread_if_large
from receivers.intake import Intake
from wire.compression import ENCODINGS, Oversize, decompress

__all__ = ["HttpServerSettings", "announced_bytes", "expectation", "read_body", "serve"]


class HttpServerSettings(DoorSettings, ListeningSettings):
    """Settings of every receiver that speaks HTTP."""

    max_request_body_size: ByteSize = Field(default=20 * 2**20, ge=1)
    """Most bytes of a request's body, counted as sent and again after decompression; more is answered 413."""
    read_header_timeout: Seconds = Field(default=10.0, gt=0)
    """Most seconds from the first byte of a request (on a new connection: from its beginning) to the end of its
    headers, and for the beginning and the end of TLS; then the connection is closed. Headers fit in a packet or
    two."""
    min_body_rate: ByteSize = Field(default=1024, ge=0)
    """Bytes of a body that must come each second, on average after the first 10 s; 0 for none. Slower than any real
    network, and fast enough that a client cannot hold a place with next to nothing."""
    idle_timeout: Seconds = Field(default=75.0, gt=0)
    """Seconds a connection may be open without a request, and most seconds until a client has read an answer. Longer
    than the 60 s of most exporters and proxies, so that it is they who close it."""
    keep_alives_enabled: bool = True
    """Whether a connection may carry more than one request."""
    max_connections: int = Field(default=4096, ge=1)
    """Connections at once. One more closes the oldest idle one of the client that has most. The process must be allowed
    as many open files (`ulimit -n`)."""
    max_connection_age: Seconds = Field(default=0.0, ge=0)
    """Seconds after which a connection ends with its next answer, give or take a tenth, so that a load balancer can
    spread clients anew; 0 for never."""

    def connection_limits(self) -> ConnectionLimits:
        return ConnectionLimits(
            max_connections=self.max_connections,
            read_header_timeout=self.read_header_timeout,
            idle_timeout=self.idle_timeout,
            keep_alives=self.keep_alives_enabled,
            max_connection_age=self.max_connection_age,
        )


def serve(
    app: web.Application, settings: HttpServerSettings, intake: Intake, door: Door
) -> AbstractAsyncContextManager[Listening]:
    """Serve `app` within the limits of the settings; connections closed for them are counted."""
    context = intake.context
    return listen(
        app,
        settings,
        context.deadline,
        sockets=context.sockets,
        owner=f"{context.id} {intake.transport}",
        limits=settings.connection_limits(),
        turned_away=door.turned_away,
        say=context.log.warning,
    )


async def expectation(request: web.Request) -> None:
    """An `expect_handler` that invites no body yet (RFC 9110 section 10.1.1): `read_body` does. A client that asks
    first is told what is wrong before it has sent anything; aiohttp alone invites every body. Raises: 417.
    """
    if request.headers.get("Expect", "").lower() != _CONTINUE:
        raise web.HTTPExpectationFailed(text=f"only {_CONTINUE} can be expected here")


def announced_bytes(request: web.Request, settings: HttpServerSettings) -> int:
    """How large a body will be, as far as its headers say, which may claim anything."""
    return min(request.content_length or 0, settings.max_request_body_size)


async def read_body(request: web.Request, settings: HttpServerSettings, place: Place) -> bytes:
    """The whole body, decompressed as its Content-Encoding says (gzip, deflate, zstd); `place` is told its bytes.

    Raises: `TooLarge` as soon as the bytes announced, sent or decompressed are more than `max_request_body_size`;
    `Rejected` for an unknown encoding, or data that is not in the encoding or chunks it claims; `Refused` for a body
    that comes too slowly, or if requests hold too many bytes together.
    """
    encoding = request.headers.get("Content-Encoding", "identity").strip().lower() or "identity"
    if encoding not in (*ENCODINGS, "identity"):
        raise Rejected(f"this Content-Encoding is not supported; use {', '.join(ENCODINGS)} or none")
    max_bytes = settings.max_request_body_size
    body = await _read_sent(request, settings, place)
    if encoding == "identity" or not body:
        return body
    try:
        decompressed = await in_thread_if_large(len(body), decompress, encoding, body, max_bytes)
    except Oversize as error:
        raise TooLarge(f"{error}; send smaller requests") from None
    except ValueError as error:
        raise Rejected(str(error)) from None
    place.hold(len(decompressed))
    return decompressed


_CONTINUE = "100-continue"
_SLOW_SECONDS = 10.0
"""For so long a body may be as slow as it likes."""


async def _read_sent(request: web.Request, settings: HttpServerSettings, place: Place) -> bytes:
    most, rate = settings.max_request_body_size, settings.min_body_rate
    if (request.content_length or 0) > most:
        raise _too_large(most)
    await _invite(request)
    body = bytearray()
    began = asyncio.get_running_loop().time()
    ends = began + settings.read_timeout
    try:
        async with asyncio.timeout_at(min(ends, began + _SLOW_SECONDS) if rate else ends) as limit:
            async for chunk in request.content.iter_any():
                body += chunk
                if len(body) > most:
                    raise _too_large(most)
                place.hold(len(body))
                if rate:
                    limit.reschedule(min(ends, began + _SLOW_SECONDS + len(body) / rate))
    except web.RequestPayloadError:
        raise Rejected("the body cannot be read: it is not in the form that its headers say") from None
    except TimeoutError:
        raise Refused(
            f"the body came too slowly: {len(body)} bytes in {asyncio.get_running_loop().time() - began:.0f} s; "
            "retry after 1 s",
            retry_after_seconds=1.0,
            reason="slow_client",
        ) from None
    return bytes(body)


async def _invite(request: web.Request) -> None:
    """To a client of HTTP/1.0 the header means nothing."""
    if "Expect" in request.headers and request.version >= HttpVersion11:
        await request.writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        # Otherwise aiohttp takes this for the beginning of the answer.
        request.writer.output_size = 0


def _too_large(most: int) -> TooLarge:
    return TooLarge(f"the body is larger than {most} bytes; send smaller requests")
