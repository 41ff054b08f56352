"""The operators' endpoint: for commands on this machine, or of known operators; never for browsers."""

import asyncio
import io
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from pydantic import ValidationError

from config.auth import AuthSettings
from config.model import AdminSettings
from extensions.bearer_token_auth import BearerTokenAuthSettings
from pipeline.component import Context
from pipeline.operating.admin import Admin, Commands
from pipeline.serving.pages import answer
from tests.payloads import context

HERE = AdminSettings(endpoint="127.0.0.1:0")


async def look(request: web.Request) -> web.Response:
    return answer({"seen": 1})


async def act(request: web.Request) -> web.Response:
    return answer({"done": (await request.read()).decode()})


async def fail(request: web.Request) -> web.Response:
    raise ValueError("patient 536-90-4399")


def commands() -> Commands:
    offered = Commands()
    offered.looks["/-/things"] = look
    offered.acts["/-/do"] = act
    offered.acts["/-/fail"] = fail
    return offered


@asynccontextmanager
async def admin(settings: AdminSettings = HERE, made: Context | None = None) -> AsyncIterator[int]:
    async with Admin(settings, commands(), made or context("admin")) as server:
        yield server.port


async def ask(
    port: int, path: str, method: str = "POST", headers: Mapping[str, str] | None = None, **options: Any
) -> tuple[int, str]:
    async with (
        aiohttp.ClientSession() as session,
        session.request(method, f"http://127.0.0.1:{port}{path}", headers=headers, **options) as answered,
    ):
        return answered.status, await answered.text()


async def test_commands() -> None:
    """What looks is asked for with GET, what acts with POST alone."""
    async with admin() as port:
        assert await ask(port, "/-/things", "GET") == (200, '{\n  "seen": 1\n}\n')
        assert await ask(port, "/-/do", data="it") == (200, '{\n  "done": "it"\n}\n')
        assert (await ask(port, "/-/do", "GET"))[0] == 405
        assert (await ask(port, "/-/nothing"))[0] == 404


@pytest.mark.parametrize("header", ["Origin", "Sec-Fetch-Site"])
async def test_web_pages_are_turned_away(header: str) -> None:
    """A browser sends what it cannot leave out, whatever page it shows."""
    async with admin() as port:
        status, text = await ask(port, "/-/do", headers={header: "null"})
    assert (status, text) == (403, '{\n  "error": "this endpoint is for commands, not for web pages"\n}\n')


@pytest.mark.parametrize(
    "host", ["attacker.example", "attacker.example:13134", "10.0.0.1:13134", "", "[2001:db8::1]:80"]
)
async def test_another_name_for_this_machine(host: str) -> None:
    """A name that somebody else lets point here is no name of this machine."""
    async with admin() as port:
        status, _ = await ask(port, "/-/do", headers={"Host": host})
    assert status == 403


@pytest.mark.parametrize("host", ["localhost", "localhost:13134", "127.0.0.1", "127.0.0.1:1", "[::1]:13134"])
async def test_names_of_this_machine(host: str) -> None:
    """With a port or without."""
    async with admin() as port:
        assert (await ask(port, "/-/do", headers={"Host": host}))[0] == 200


async def test_with_an_authenticator() -> None:
    """Only known operators get in, under whatever name they know the machine; browsers still do not."""
    tokens = BearerTokenAuthSettings.model_validate({"token": "synthetic-operator-token"})
    extension = await asyncio.to_thread(tokens.build, context("bearer_token_auth"))
    made = replace(context("admin"), extensions={"bearer_token_auth": extension})
    settings = AdminSettings(endpoint="0.0.0.0:0", auth=AuthSettings(authenticator="bearer_token_auth"))
    known = {"Authorization": "Bearer synthetic-operator-token", "Host": "telescrub.example"}
    async with admin(settings, made) as port:
        assert (await ask(port, "/-/do"))[0] == 401
        assert (await ask(port, "/-/do", headers={"Authorization": "Bearer other"}))[0] == 401
        assert (await ask(port, "/-/do", headers=known))[0] == 200
        assert (await ask(port, "/-/do", headers={**known, "Origin": "http://localhost"}))[0] == 403


async def test_a_command_fails(capfd: pytest.CaptureFixture[str]) -> None:
    """Neither the answer nor the log says why; the log says where."""
    async with admin() as port:
        status, text = await ask(port, "/-/fail")
    told = "an internal error; the daemon's log says where"
    assert (status, text) == (500, f'{{\n  "error": "{told}"\n}}\n')
    out = "".join(capfd.readouterr())
    assert "ValueError at " in out
    assert "536-90-4399" not in out


async def test_a_large_request() -> None:
    """A configuration is some kilobytes; nobody needs to send megabytes."""
    async with admin() as port:
        assert (await ask(port, "/-/do", data=io.BytesIO(b"x" * (4 * 2**20 + 1))))[0] == 413


def test_open_to_other_machines() -> None:
    """Not without an authenticator."""
    with pytest.raises(ValidationError, match="only with auth; listen on localhost"):
        AdminSettings(endpoint="0.0.0.0:13134")
    AdminSettings(endpoint="[::1]:13134")
    AdminSettings(endpoint="0.0.0.0:13134", auth=AuthSettings(authenticator="oidc"))
