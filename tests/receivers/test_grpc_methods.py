"""Requests for methods that are not there, and for such as no method can be called."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import grpc
import pytest

from receivers.grpc_methods import server


async def _echo(messages: Any, context: Any) -> bytes:
    return bytes(await context.read())


@pytest.fixture
async def port() -> AsyncIterator[int]:
    running = server({"some.Service": grpc.stream_unary_rpc_method_handler(_echo)}, [("grpc.so_reuseport", 0)])
    bound = int(running.add_insecure_port("127.0.0.1:0"))
    await running.start()
    yield bound
    await running.stop(1.0)


def _header(name: bytes, value: bytes) -> bytes:
    """Not indexed, without Huffman coding (RFC 7541, section 6.2.2)."""
    return b"\x00" + bytes((len(name),)) + name + bytes((len(value),)) + value


def _frame(kind: int, flags: int, stream: int, content: bytes) -> bytes:
    """RFC 9113, section 4.1."""
    return len(content).to_bytes(3, "big") + bytes((kind, flags)) + stream.to_bytes(4, "big") + content


_PING, _ACKNOWLEDGED = _frame(6, 0, 0, b"01234567"), _frame(6, 1, 0, b"01234567")


def _request(path: bytes) -> bytes:
    """A connection with a request for a method, and a ping, whose answer says that all before it has been read."""
    pairs = {b":method": b"POST", b":scheme": b"http", b":path": path, b":authority": b"localhost"}
    pairs |= {b"content-type": b"application/grpc", b"te": b"trailers"}
    headers = b"".join(_header(name, value) for name, value in pairs.items())
    call = _frame(1, 4, 1, headers) + _frame(0, 1, 1, b"\0\0\0\0\0")
    return b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + _frame(4, 0, 0, b"") + call + _PING


async def _called(port: int, method: str) -> bytes:
    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
        return bytes(await channel.unary_unary(method)(b"hello", timeout=30, wait_for_ready=True))


@pytest.mark.parametrize("path", [b"/some.Service/\xf6", b"/some.Service/Export\xff", b"\xff", b"/other/Other"])
async def test_a_strange_method_harms_nobody(port: int, path: bytes) -> None:
    """One request whose method is not UTF-8 ended a server of grpc.aio: nobody else was served any more."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(_request(path))
    await asyncio.wait_for(reader.readuntil(_ACKNOWLEDGED), 30)
    assert await _called(port, "/some.Service/Export") == b"hello"
    writer.close()
    await writer.wait_closed()
    assert await _called(port, "/some.Service/Export") == b"hello"


@pytest.mark.parametrize(
    "method", ["/grpc.health.v1.Health/Check", "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo"]
)
async def test_methods_of_others(port: int, method: str) -> None:
    """Who asks for what such servers often have is told that it is not here."""
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await _called(port, method)
    assert (caught.value.code(), caught.value.details()) == (
        grpc.StatusCode.UNIMPLEMENTED,
        "this method is not here",
    )
