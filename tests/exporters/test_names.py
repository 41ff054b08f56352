"""Names of destinations, looked up by the system's own resolver."""

import asyncio
import socket
import threading
from contextlib import AsyncExitStack
from typing import Any

import pytest

from exporters.names import Names
from exporters.otlp_http import OtlpHttpExporterSettings
from pipeline.errors import Refused
from tests.exporters.raw_server import raw_server
from tests.exporters.test_answers import BATCHES, answer, answered
from tests.payloads import context


async def test_localhost() -> None:
    """Addresses of either family, ready to connect to."""
    names = Names()
    found = await names.resolve("localhost", 4318, socket.AF_INET)
    assert {(each["hostname"], each["host"], each["port"]) for each in found} == {("localhost", "127.0.0.1", 4318)}
    assert [each["host"] for each in await names.resolve("::1", 1, socket.AF_INET6)] == ["::1"]
    with pytest.raises(OSError, match=r"Name or service not known|No address associated"):
        await names.resolve("destination.invalid")
    await names.close()


async def test_a_name_server_that_does_not_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    """However many destinations wait for their name, another one's is found, and whatever needs a thread has one."""
    answering, real, asked = threading.Event(), socket.getaddrinfo, threading.Semaphore(0)

    def slow(host: str, *rest: Any, **named: Any) -> Any:
        if host.endswith(".invalid"):
            asked.release()
            answering.wait(60)
            raise socket.gaierror(socket.EAI_NONAME, "no such name")
        return real(host, *rest, **named)

    monkeypatch.setattr(socket, "getaddrinfo", slow)
    async with AsyncExitStack() as stack:
        group = await stack.enter_async_context(asyncio.TaskGroup())
        stack.callback(answering.set)
        for number in range(40):
            settings = OtlpHttpExporterSettings(endpoint=f"http://d{number}.invalid:1", timeout=60.0)
            exporter = await stack.enter_async_context(settings.build(context("otlp_http")))
            [request] = exporter.encode(BATCHES["otlp_http"]).requests
            group.create_task(_refused(exporter.send(request)), name="waits for its name")
        for _ in range(40):
            await asyncio.to_thread(asked.acquire)
        async with raw_server(answer("200 OK")) as server:
            assert await answered("otlp_http", f"http://localhost:{server.port}") == 0
        answering.set()


async def _refused(sending: Any) -> None:
    with pytest.raises(Refused):
        await sending
