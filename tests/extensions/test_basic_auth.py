"""Users and passwords of clients, and those shown to destinations."""

import asyncio
import base64
import threading
from pathlib import Path
from typing import Any

import bcrypt
import pytest
from multidict import CIMultiDict
from pydantic import ValidationError

from extensions import basic_auth
from extensions.basic_auth import BasicAuthSettings, BasicCredentials, BasicUsers
from extensions.htpasswd import is_right
from pipeline.errors import Refused
from pipeline.serving.authentication import Client, Unauthenticated
from tests.extensions.presenting import headers, refusal
from tests.payloads import context

PASSWORD = "synthetic: päss"
CHALLENGE = 'Basic realm="telescrub", charset="UTF-8"'


def line(user: str, password: str = PASSWORD) -> str:
    """A line of htpasswd, at the lowest cost there is."""
    return f"{user}:{bcrypt.hashpw(password.encode(), bcrypt.gensalt(4)).decode()}"


def users(inline: str, **settings: Any) -> BasicUsers:
    made = BasicAuthSettings.model_validate({"htpasswd": {"inline": inline}, **settings}).build(context("basic_auth"))
    assert isinstance(made, BasicUsers)
    return made


def basic(user: str, password: str = PASSWORD) -> str:
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


async def test_known_users() -> None:
    """Each by its own password."""
    known = users(f"{line('one')}\n{line('two', 'other')}")
    assert await known.authenticate(headers(authorization=basic("one"))) == Client("one")
    assert await known.authenticate(headers(authorization=basic("two", "other"))) == Client("two")
    for user, password in (("one", "other"), ("two", PASSWORD), ("three", PASSWORD), ("", ""), ("one", "x" * 73)):
        found = await refusal(known, headers(authorization=basic(user, password)))
        assert found == ("the user or the password is wrong", CHALLENGE)


async def test_users_are_tenants() -> None:
    """If the settings say so."""
    known = users(line("one"), user_is_tenant=True)
    assert await known.authenticate(headers(authorization=basic("one"))) == Client("one", frozenset({"one"}))


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ({}, "credentials are missing; send them in the header Authorization"),
        ({"authorization": "Basic ???"}, "the credentials are not user:password in base64 of UTF-8"),
        ({"authorization": "Basic /zo="}, "the credentials are not user:password in base64 of UTF-8"),
        ({"authorization": "Basic b25l"}, "the credentials are not user:password in base64 of UTF-8"),
        ({"authorization": "Bearer b25l"}, "the header Authorization must be Basic and credentials"),
    ],
)
async def test_no_password(given: Any, sentence: str) -> None:
    """Missing, of another scheme, or not to be decoded."""
    assert await refusal(users(line("one")), headers(**given)) == (sentence, CHALLENGE)


async def test_right_passwords_are_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    """A password that was right is not worked through again; wrong ones, and those of nobody, always are."""
    worked: list[bytes] = []

    def working(hashed: str, password: bytes) -> bool:
        worked.append(password)
        return is_right(hashed, password)

    monkeypatch.setattr(basic_auth, "is_right", working)
    known = users(line("one"))
    for _ in range(3):
        await known.authenticate(headers(authorization=basic("one")))
        await refusal(known, headers(authorization=basic("one", "wrong")))
        await refusal(known, headers(authorization=basic("nobody")))
    assert worked.count(b"wrong") == 3
    assert len(worked) == 1 + 3 + 3


class Slow:
    """The check of passwords; that of `slow` takes as long as a test wants it to."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.begun, self.may_end = threading.Semaphore(0), threading.Event()
        monkeypatch.setattr(basic_auth, "is_right", self)

    def __call__(self, hashed: str, password: bytes) -> bool:
        if password == b"slow":
            self.begun.release()
            self.may_end.wait()
        return False


async def test_too_many_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Checking costs so much that only some may wait for it; the others are to come again."""
    monkeypatch.setattr(basic_auth, "_AT_MOST", 2)
    known, slow = users(line("one")), Slow(monkeypatch)
    asking = asyncio.gather(*(refused_by(known, "slow") for _ in range(5)))
    # After each of them has taken its first step.
    asyncio.get_running_loop().call_soon(slow.may_end.set)
    told = ["the user or the password is wrong"] * 2 + ["2 passwords wait to be checked; retry after 1 s"] * 3
    assert await asking == told


async def test_clients_that_give_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two passwords are checked at a time, also when nobody waits any more for what comes of it."""
    monkeypatch.setattr(basic_auth, "_AT_MOST", 3)
    slow = Slow(monkeypatch)
    async with users(line("one")) as known, asyncio.TaskGroup() as group:
        try:
            gone = [group.create_task(refused_by(known, "slow")) for _ in range(2)]
            for _ in gone:
                await asyncio.to_thread(slow.begun.acquire)
            for each in gone:
                each.cancel()
            await asyncio.wait(gone)
            third = group.create_task(refused_by(known, "slow"))
            await asyncio.sleep(0)  # Its first step.
            assert await refused_by(known, "wrong") == "3 passwords wait to be checked; retry after 1 s"
            assert not slow.begun.acquire(blocking=False)
        finally:
            slow.may_end.set()
        assert await third == "the user or the password is wrong"


async def refused_by(known: BasicUsers, password: str) -> str:
    """What is told to a client with a wrong password."""
    with pytest.raises((Refused, Unauthenticated)) as caught:
        await known.authenticate(headers(authorization=basic("one", password)))
    return str(caught.value)


async def test_a_file_that_changes(tmp_path: Path) -> None:
    """Users come and go with the file; inline ones win over those of the same name."""
    path = tmp_path / "htpasswd"
    path.write_text(f"# staff\n{line('one', 'old')}\n{line('two')}\n")
    settings = BasicAuthSettings.model_validate({"htpasswd": {"file": path, "inline": line("one")}})
    known = await asyncio.to_thread(settings.build, context("basic_auth"))
    assert isinstance(known, BasicUsers)
    assert await known.authenticate(headers(authorization=basic("one"))) == Client("one")
    assert await known.authenticate(headers(authorization=basic("two"))) == Client("two")
    path.write_text(line("three"))
    await asyncio.to_thread(known.users.look)
    assert await known.authenticate(headers(authorization=basic("three"))) == Client("three")
    assert (await refusal(known, headers(authorization=basic("two"))))[0] == "the user or the password is wrong"


async def test_credentials_for_a_destination(tmp_path: Path) -> None:
    """From the settings, or from files that are read again when they change."""
    (tmp_path / "user").write_text("one\n")
    (tmp_path / "password").write_text(f"{PASSWORD}\n")
    files = {"username_file": tmp_path / "user", "password_file": tmp_path / "password"}
    for given in ({"username": "one", "password": PASSWORD}, files):
        settings = BasicAuthSettings.model_validate({"client_auth": given})
        source = await asyncio.to_thread(settings.build, context("basic_auth"))
        assert isinstance(source, BasicCredentials)
        sent = CIMultiDict[str]()
        await source.authorize(sent)
        assert dict(sent) == {"Authorization": basic("one")}
        assert not await source.renew(sent)
    (tmp_path / "password").write_text("new")
    assert isinstance(source, BasicCredentials)
    assert await source.renew(sent)
    await source.authorize(sent)
    assert dict(sent) == {"Authorization": basic("one", "new")}


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({}, "give one of htpasswd (for receivers) and client_auth (for exporters)"),
        ({"htpasswd": {}}, "there is no user in inline"),
        ({"htpasswd": {"inline": "one"}}, "line 1 of inline is not of the form user:hash"),
        ({"client_auth": {"password": "x"}}, "give one of username and username_file"),
        ({"client_auth": {"username": "x"}}, "give one of password and password_file"),
    ],
)
def test_settings_that_cannot_be(settings: Any, sentence: str) -> None:
    """The sentence says nothing of a password."""
    with pytest.raises(ValidationError) as caught:
        BasicAuthSettings.model_validate(settings)
    assert [each["msg"] for each in caught.value.errors()] == [f"Value error, {sentence}"]


def test_what_it_can_do() -> None:
    """One side or the other."""
    server = BasicAuthSettings.model_validate({"htpasswd": {"inline": line("one")}})
    client = BasicAuthSettings.model_validate({"client_auth": {"username": "one", "password": "x"}})
    assert (server.authenticates, server.gives_headers) == (True, False)
    assert (client.authenticates, client.gives_headers) == (False, True)
