"""The HTTP side that receivers share: settings, and reading a body within limits, compressed or not."""

import asyncio
from collections.abc import Callable
from typing import Any, TypeVar

from aiohttp import web
from pydantic import Field

from config.settings import ByteSize
from pipeline.errors import Rejected, TooLarge
from pipeline.listening import ListeningSettings
from wire.compression import ENCODINGS, Oversize, decompress

__all__ = ["HttpServerSettings", "in_thread_if_large", "read_body"]

T = TypeVar("T")


class HttpServerSettings(ListeningSettings):
    """Settings of every receiver that speaks HTTP."""

    max_request_body_size: ByteSize = Field(default=20 * 2**20, ge=1)
    """Most bytes of a request's body, counted as sent and again after decompression; more is answered 413."""


async def read_body(request: web.Request, max_bytes: int) -> bytes:
    """The whole body, decompressed as its Content-Encoding says (gzip, deflate, zstd).

    Raises: `TooLarge` as soon as either the bytes sent or the bytes they become are more than `max_bytes`; `Rejected`
    for an unknown encoding or data that is not in the encoding it claims.
    """
    encoding = request.headers.get("Content-Encoding", "identity").strip().lower() or "identity"
    if encoding not in (*ENCODINGS, "identity"):
        raise Rejected(f"this Content-Encoding is not supported; use {', '.join(ENCODINGS)} or none")
    body = await _read_sent(request, max_bytes)
    if encoding == "identity" or not body:
        return body
    try:
        return await in_thread_if_large(len(body), decompress, encoding, body, max_bytes)
    except Oversize as error:
        raise TooLarge(f"{error}; send smaller requests") from None
    except ValueError as error:
        raise Rejected(str(error)) from None


async def _read_sent(request: web.Request, max_bytes: int) -> bytes:
    body = bytearray()
    async for chunk in request.content.iter_any():
        body += chunk
        if len(body) > max_bytes:
            raise TooLarge(f"the body is larger than {max_bytes} bytes; send smaller requests")
    return bytes(body)


_LARGE_BYTES = 256 * 1024


async def in_thread_if_large(size: int, function: Callable[..., T], *arguments: Any) -> T:
    """Call a computation whose cost grows with `size` bytes: beside the event loop where it would hold it up."""
    if size > _LARGE_BYTES:
        return await asyncio.to_thread(function, *arguments)
    return function(*arguments)
