"""Bodies that do not come as their headers say, on real sockets."""

import asyncio

import pytest

from tests.payloads import context
from tests.receivers.consuming import Consuming
from tests.receivers.test_door import HEADERS, http, refused

CHUNKED = HEADERS + b"Expect: 100-continue\r\nTransfer-Encoding: chunked\r\n\r\n"


async def begun(port: int) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """A request whose body the server waits for."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(CHUNKED)
    assert await reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
    return reader, writer


@pytest.mark.parametrize(
    "rest", [b"zz\r\n", b"0\r\n" + b"X: y\r\n" * 200 + b"\r\n"], ids=["no size of a chunk", "many trailers"]
)
async def test_damaged_chunks(rest: bytes) -> None:
    """They are rejected at once, since they will not be better when they are sent again; nothing was taken."""
    consumer, about = Consuming(), context("otlp")
    async with http(consumer, about, read_timeout="1h", min_body_rate=0) as server:
        reader, writer = await begun(server.port)
        writer.write(b"5\r\nhello\r\n" + rest)
        answer = await reader.read()
        writer.close()
    assert answer.startswith(b"HTTP/1.1 400 ")
    assert b"the body cannot be read: it is not in the form that its headers say" in answer
    assert refused(about, "slow_client") == 0
    assert consumer.payloads == []


async def test_a_client_that_goes() -> None:
    """What it sent of a body is nothing."""
    consumer, about = Consuming(), context("otlp")
    async with http(consumer, about, read_timeout="1h", min_body_rate=0) as server:
        _, writer = await begun(server.port)
        writer.write(b"5\r\nhello\r\n")
        writer.close()
        await writer.wait_closed()
    assert refused(about, "slow_client") == 0
    assert consumer.payloads == []
