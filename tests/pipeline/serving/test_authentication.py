"""The door of web pages."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import aiohttp
from aiohttp import web

from extensions.unentered import Unentered
from pipeline.deadline import Deadline
from pipeline.errors import Refused
from pipeline.serving.authentication import Client, Unauthenticated, Values, only_known_clients
from pipeline.serving.listening import ListeningSettings, listen


class Known(Unentered):
    """Knows `X-Name: me`, and cannot say who `away` is."""

    async def authenticate(self, values: Values) -> Client:
        if values("x-name") == ["away"]:
            raise Refused("the issuer is away", retry_after_seconds=9.5)
        if values("x-name") != ["me"]:
            raise Unauthenticated("who is it?", "Bearer")
        return Client("me")


@asynccontextmanager
async def page() -> AsyncIterator[str]:
    app = web.Application(middlewares=[only_known_clients(Known())])

    async def hello(request: web.Request) -> web.Response:
        return web.Response(text="hello")

    app.router.add_get("/", hello)
    async with listen(app, ListeningSettings(endpoint="127.0.0.1:0"), Deadline(1.0)) as listening:
        yield f"http://127.0.0.1:{listening.port}"


async def test_pages() -> None:
    """Known clients see them; others are told no, on every path, and who cannot be known is told to come again."""
    async with page() as url, aiohttp.ClientSession() as session:
        async with session.get(url, headers={"X-Name": "me"}) as answer:
            assert (answer.status, await answer.text()) == (200, "hello")
        for path in ("/", "/nothing"):
            async with session.get(url + path) as answer:
                assert (answer.status, answer.headers["WWW-Authenticate"]) == (401, "Bearer")
                assert await answer.text() == "who is it?\n"
        async with session.get(url, headers={"X-Name": "away"}) as answer:
            assert (answer.status, await answer.text()) == (503, "the issuer is away\n")
            assert answer.headers["Retry-After"] == "10"
