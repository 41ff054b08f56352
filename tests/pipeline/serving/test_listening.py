"""HTTP servers on real sockets: addresses, TLS, and what they answer to bytes that are not HTTP."""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web
from pydantic import ValidationError

from pipeline.deadline import Deadline
from pipeline.serving.connections import ConnectionLimits
from pipeline.serving.listening import ListeningSettings, listen
from tests.receivers.tls import Certificates

LIMITS = ConnectionLimits(grace_seconds=0.05)


async def _answer(request: web.Request) -> web.Response:
    return web.Response(text="hello")


@asynccontextmanager
async def hello(limits: ConnectionLimits = LIMITS, **written: object) -> AsyncIterator[int]:
    app = web.Application()
    app.router.add_get("/", _answer)
    settings = ListeningSettings.model_validate({"endpoint": "127.0.0.1:0", **written})
    async with listen(app, settings, Deadline(1.0), limits=limits) as listening:
        yield listening.port


async def get(url: str, connector: aiohttp.BaseConnector | None = None) -> str:
    async with aiohttp.ClientSession(connector=connector) as session, session.get(url) as response:
        return await response.text()


async def test_a_port() -> None:
    """The real one, where any would do; free when the server is left."""
    async with hello() as port:
        assert await get(f"http://127.0.0.1:{port}/") == "hello"
    with pytest.raises(aiohttp.ClientConnectorError):
        await get(f"http://127.0.0.1:{port}/")
    async with hello(endpoint=f"127.0.0.1:{port}") as again:
        assert again == port


async def test_an_answer_that_never_comes() -> None:
    """Whoever waits for one keeps no server from stopping when its time is over."""
    asked = asyncio.Event()

    async def for_ever(request: web.Request) -> web.Response:
        asked.set()
        await asyncio.Event().wait()
        raise AssertionError

    app, deadline = web.Application(), Deadline(0.01)
    app.router.add_get("/", for_ever)
    serving = listen(app, ListeningSettings(endpoint="127.0.0.1:0"), deadline)
    async with asyncio.timeout(60), asyncio.TaskGroup() as group, serving as listening:
        asking = group.create_task(_is_cut_off(f"http://127.0.0.1:{listening.port}/"))
        await asked.wait()
        deadline.start()
    assert asking.result()


async def _is_cut_off(url: str) -> bool:
    try:
        await get(url)
    except aiohttp.ClientError:
        return True
    return False


async def test_a_unix_socket(tmp_path: Path) -> None:
    """A path has no port, and is gone afterwards."""
    path = tmp_path / "hello.sock"
    async with hello(endpoint=str(path), transport="unix") as port:
        assert port == 0
        assert await get("http://x/", aiohttp.UnixConnector(str(path))) == "hello"
    assert not path.exists()


async def test_tls(certificates: Certificates) -> None:
    """A client that connects and does not shake hands is not waited for longer than for headers."""
    async with hello(ConnectionLimits(read_header_timeout=0.1), tls=certificates.server()) as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        assert await reader.read() == b""
        writer.close()
    async with hello(tls=certificates.server()) as port:
        connector = aiohttp.TCPConnector(ssl=certificates.http_client())
        assert await get(f"https://localhost:{port}/", connector) == "hello"


async def test_tls_files_that_are_not_there(tmp_path: Path) -> None:
    """Nothing listens then, and the file is named."""
    tls = {"cert_file": str(tmp_path / "no.crt"), "key_file": str(tmp_path / "no.key")}
    with pytest.raises(OSError, match=r"no\.crt"):
        async with hello(tls=tls):
            pass


async def test_bytes_that_are_not_http(caplog: pytest.LogCaptureFixture) -> None:
    """They are answered by the status alone, and not logged."""
    async with hello() as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        with caplog.at_level(logging.DEBUG):
            writer.write(b"patient 536-90-4399\r\n\r\n")
            answer = await reader.read()
        writer.close()
    assert answer.startswith(b"HTTP/1.0 400 Bad Request\r\n")
    assert b"536-90-4399" not in answer
    assert "536-90-4399" not in caplog.text


@pytest.mark.parametrize("endpoint", ["localhost", "4317", "localhost:99999"])
def test_endpoints(endpoint: str) -> None:
    """An address or a path."""
    with pytest.raises(ValidationError, match="write it as host:port, such as localhost:4317"):
        ListeningSettings(endpoint=endpoint)
