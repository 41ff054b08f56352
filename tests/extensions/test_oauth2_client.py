"""Access tokens from a real token endpoint."""

import asyncio
import base64
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from multidict import CIMultiDict
from pydantic import ValidationError

from extensions.oauth2_client import Oauth2Client, Oauth2ClientSettings
from pipeline.errors import Refused
from tests.extensions.issuer import Issuer, serving
from tests.payloads import context

SECRET = "synthetic secret/1"
BASIC = "Basic " + base64.b64encode(b"me%2Fyou:synthetic+secret%2F1").decode()


class Clock:
    """Seconds that pass when they are told to."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def given(issuer: Issuer, **settings: Any) -> Oauth2ClientSettings:
    filled = {"client_id": "me/you", "client_secret": SECRET, "token_url": f"{issuer.url}/token", **settings}
    return Oauth2ClientSettings.model_validate({key: value for key, value in filled.items() if value is not None})


@asynccontextmanager
async def client(issuer: Issuer, clock: Clock | None = None, **settings: Any) -> AsyncIterator[Oauth2Client]:
    made = await asyncio.to_thread(Oauth2Client, given(issuer, **settings), context("oauth2_client"), clock or Clock())
    async with made:
        yield made


async def header(source: Oauth2Client) -> str:
    sent = CIMultiDict[str]()
    await source.authorize(sent)
    return sent["Authorization"]


def token(name: str, **more: Any) -> tuple[int, dict[str, Any]]:
    return 200, {"access_token": name, "token_type": "bearer", **more}


async def test_what_is_asked() -> None:
    """The client credentials grant, with the credentials in the header as RFC 6749 §2.3.1 encodes them."""
    async with serving() as issuer:
        issuer.tokens = [token("t1", expires_in=3600)]
        params = {"audience": "x", "resource": ["a"]}
        async with client(issuer, scopes=["write", "more"], endpoint_params=params) as source:
            assert await header(source) == "Bearer t1"
        form = {"grant_type": "client_credentials", "scope": "write more", "audience": "x", "resource": "a"}
        assert issuer.forms == [(form, BASIC)]


async def test_kept_and_renewed() -> None:
    """One token for many requests, also at once, until `expiry_buffer` before its end, but for half of its life."""
    clock = Clock()
    async with serving() as issuer:
        issuer.tokens = [token("t1", expires_in=3600), token("t2", expires_in=60), token("t3")]
        async with client(issuer, clock) as source:
            assert await asyncio.gather(*(header(source) for _ in range(5))) == ["Bearer t1"] * 5
            clock.now += 3299
            assert await header(source) == "Bearer t1"
            clock.now += 1
            assert await header(source) == "Bearer t2"
            clock.now += 29
            assert await header(source) == "Bearer t2"
            clock.now += 1
            assert await header(source) == "Bearer t3"
            clock.now += 1e9
            assert await header(source) == "Bearer t3"
    assert issuer.tokens == []


async def test_forgotten_when_refused() -> None:
    """A 401 for the token that is held: another one is fetched, unless it came moments ago."""
    clock = Clock()
    async with serving() as issuer:
        issuer.tokens = [token("t1"), token("t2")]
        async with client(issuer, clock) as source:
            sent = CIMultiDict({"Authorization": await header(source)})
            assert not await source.renew(sent)
            clock.now += 5
            assert await source.renew(sent)
            assert await header(source) == "Bearer t2"
            # Another request with the old token: the new one has not been tried yet.
            assert await source.renew(sent)
            assert await header(source) == "Bearer t2"


@pytest.mark.parametrize(
    ("answer", "sentence"),
    [
        ((500, {}), "the token endpoint answered 500"),
        ((302, {}), "the token endpoint answered 302"),
        ((200, b"no JSON"), "the token endpoint answered without an access_token"),
        ((200, [1]), "the token endpoint answered without an access_token"),
        ((200, {"access_token": "a\nb"}), "the token endpoint answered with a token that cannot be sent"),
        (
            (200, {"access_token": "a", "expires_in": "soon"}),
            "the token endpoint answered with a token that cannot be sent",
        ),
        ((200, b" " * (2**20 + 1)), "the token endpoint answered with more than 1048576 bytes"),
    ],
)
async def test_failures(answer: Any, sentence: str) -> None:
    """Refused, to be tried again; the endpoint is left alone for some seconds."""
    clock = Clock()
    async with serving() as issuer:
        issuer.tokens = [answer, token("t1")]
        async with client(issuer, clock) as source:
            for told, seconds in ((sentence, 5.0), ("the token endpoint was asked moments ago", 4.0)):
                with pytest.raises(Refused, match=f"^{told}$") as caught:
                    await header(source)
                assert caught.value.retry_after_seconds == seconds
                clock.now += 1
            clock.now += 3
            assert await header(source) == "Bearer t1"


async def test_the_old_token_to_its_end() -> None:
    """While a new one cannot be had, the old one is used as long as it lasts."""
    clock = Clock()
    async with serving() as issuer:
        issuer.tokens = [token("t1", expires_in=1000), (503, {}), (503, {})]
        async with client(issuer, clock) as source:
            assert await header(source) == "Bearer t1"
            clock.now += 999
            assert await header(source) == "Bearer t1"
            clock.now += 1
            with pytest.raises(Refused, match="the token endpoint was asked moments ago"):
                await header(source)
            clock.now += 5
            with pytest.raises(Refused, match="the token endpoint answered 503"):
                await header(source)


async def test_credentials_in_the_form() -> None:
    """For servers that take them nowhere else; which is remembered."""
    clock = Clock()
    async with serving() as issuer:
        issuer.tokens = [(401, {"error": "invalid_client"}), token("t1", expires_in=10), token("t2")]
        async with client(issuer, clock) as source:
            assert await header(source) == "Bearer t1"
            clock.now += 10
            assert await header(source) == "Bearer t2"
        in_form = {"grant_type": "client_credentials", "client_id": "me/you", "client_secret": SECRET}
        assert issuer.forms == [({"grant_type": "client_credentials"}, BASIC), (in_form, None), (in_form, None)]


async def test_redirects_are_not_followed() -> None:
    """The secret goes to the configured address and nowhere else."""
    async with serving() as issuer, client(issuer, token_url=f"{issuer.url}/elsewhere") as source:
        with pytest.raises(Refused, match="the token endpoint answered 302"):
            await header(source)
        assert issuer.asked == ["/elsewhere"]


async def test_nobody_there() -> None:
    """An endpoint that cannot be reached."""
    async with serving() as issuer:
        pass
    async with client(issuer) as source:
        with pytest.raises(Refused, match="the token endpoint did not answer: ClientConnectorError"):
            await header(source)


async def test_credentials_of_files(tmp_path: Path) -> None:
    """Read again when they change."""
    (tmp_path / "id").write_text("me/you\n")
    (tmp_path / "secret").write_text(f"{SECRET}\n")
    files: dict[str, Any] = {"client_id_file": tmp_path / "id", "client_secret_file": tmp_path / "secret"}
    async with serving() as issuer:
        issuer.tokens = [token("t1")]
        async with client(issuer, client_id=None, client_secret=None, **files) as source:
            assert await header(source) == "Bearer t1"
        assert issuer.forms[0][1] == BASIC


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"client_id": ""}, "give one of client_id and client_id_file"),
        ({"client_secret": ""}, "give one of client_secret and client_secret_file"),
        *(
            (
                {"token_url": url},
                "this must be an https:// address without a user; http:// is for localhost alone",
            )
            for url in ("http://issuer.example.org/token", "https://me:x@issuer.example.org", "ftp://localhost", "")
        ),
    ],
)
def test_settings_that_cannot_be(settings: Any, sentence: str) -> None:
    """Secrets go over TLS, or stay on this machine."""
    base = {"client_id": "me", "client_secret": SECRET, "token_url": "https://issuer.example.org/token"}
    with pytest.raises(ValidationError) as caught:
        Oauth2ClientSettings.model_validate({**base, **settings})
    assert [each["msg"] for each in caught.value.errors()] == [f"Value error, {sentence}"]
