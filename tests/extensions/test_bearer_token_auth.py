"""Tokens of clients, and tokens shown to destinations."""

import asyncio
import hmac
from pathlib import Path
from typing import Any

import pytest
from multidict import CIMultiDict
from pydantic import ValidationError

from extensions import bearer_token_auth
from extensions.bearer_token_auth import BearerTokenAuth, BearerTokenAuthSettings
from pipeline.serving.authentication import Client
from tests.extensions.presenting import headers, refusal
from tests.payloads import context

ONE, OTHER = "synthetic-token-1", "synthetic-token-2"


def built(**settings: Any) -> BearerTokenAuth:
    return BearerTokenAuthSettings.model_validate(settings).build(context("bearer_token_auth"))


async def test_known_tokens() -> None:
    """Each token lets its client in, whatever the case of the scheme."""
    known = built(tokens=[ONE, OTHER])
    assert await known.authenticate(headers(authorization=f"Bearer {ONE}")) == Client("token 1")
    assert await known.authenticate(headers(authorization=f"bearer {OTHER}")) == Client("token 2")


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ({}, "credentials are missing; send them in the header Authorization"),
        ({"authorization": "Bearer"}, "the header Authorization must be Bearer and credentials"),
        ({"authorization": f"Basic {ONE}"}, "the header Authorization must be Bearer and credentials"),
        ({"authorization": ONE}, "the header Authorization must be Bearer and credentials"),
        ({"authorization": "Bearer \udcff"}, "the header Authorization must be Bearer and credentials"),
        ({"authorization": [f"Bearer {ONE}"] * 2}, "the header Authorization is there 2 times; send it once"),
    ],
)
async def test_no_token(given: Any, sentence: str) -> None:
    """Missing, of another scheme, or twice."""
    assert await refusal(built(token=ONE), headers(**given)) == (sentence, 'Bearer realm="telescrub"')


@pytest.mark.parametrize("token", [ONE[:-1], ONE + "x", ONE.upper(), OTHER])
async def test_wrong_tokens(token: str) -> None:
    """Nearly right is wrong."""
    expected = ("the token is wrong", 'Bearer realm="telescrub", error="invalid_token"')
    assert await refusal(built(token=ONE), headers(authorization=f"Bearer {token}")) == expected


async def test_compared_in_constant_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever is presented is compared with every token, as digests of one length, by `compare_digest`."""
    compared: list[tuple[int, int]] = []

    def comparing(known: bytes, presented: bytes) -> bool:
        compared.append((len(known), len(presented)))
        return hmac.compare_digest(known, presented)

    monkeypatch.setattr(bearer_token_auth, "compare_digest", comparing)
    known = built(tokens=[ONE, OTHER, "synthetic-token-3"])
    for token in (ONE, "x", "y" * 5000):
        compared.clear()
        try:
            await known.authenticate(headers(authorization=f"Bearer {token}"))
        except Exception:
            assert token != ONE
        assert compared == [(32, 32)] * 3


async def test_another_header_without_scheme() -> None:
    """As keys of an API are sent."""
    known = built(header="X-Api-Key", scheme="", token=ONE)
    assert await known.authenticate(headers(**{"x-api-key": ONE})) == Client("token 1")
    sent = CIMultiDict[str]()
    await known.authorize(sent)
    assert dict(sent) == {"X-Api-Key": ONE}


async def test_tokens_of_a_file(tmp_path: Path) -> None:
    """A token a line; a changed file is read again, and at once where a destination refuses what it held."""
    path = tmp_path / "tokens"
    path.write_text(f"{ONE}\r\n\n{OTHER}\n")
    known = await asyncio.to_thread(built, filename=path)
    assert await known.authenticate(headers(authorization=f"Bearer {OTHER}")) == Client("token 2")
    sent = CIMultiDict[str]()
    await known.authorize(sent)
    assert (sent["authorization"], await known.renew(sent)) == (f"Bearer {ONE}", False)
    path.write_text(OTHER)
    assert await known.renew(sent)
    await known.authorize(sent)
    assert sent.getall("Authorization") == [f"Bearer {OTHER}"]
    assert (await refusal(known, headers(authorization=f"Bearer {ONE}")))[0] == "the token is wrong"


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({}, "give one of token, tokens and filename"),
        ({"token": ONE, "tokens": [OTHER]}, "give one of token, tokens and filename"),
        ({"token": ""}, "a token must be ASCII without spaces or control characters, and not empty"),
        ({"tokens": [f"{ONE}\n"]}, "a token must be ASCII without spaces or control characters, and not empty"),
    ],
)
def test_settings_that_cannot_be(settings: Any, sentence: str) -> None:
    """The sentence says nothing of the token."""
    with pytest.raises(ValidationError) as caught:
        BearerTokenAuthSettings.model_validate(settings)
    assert [each["msg"] for each in caught.value.errors()] == [f"Value error, {sentence}"]


def test_files_that_are_no_use(tmp_path: Path) -> None:
    """Named, not quoted."""
    path = tmp_path / "tokens"
    path.write_text("\n")
    with pytest.raises(ValueError, match=f"^there is no token in {path}$"):
        built(filename=path)
    path.write_text("two words")
    with pytest.raises(ValueError, match=f"^a token in {path} must be ASCII without spaces") as caught:
        built(filename=path)
    assert "two words" not in str(caught.value)
