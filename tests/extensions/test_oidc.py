"""JSON Web Tokens of a real issuer: which let a client in, and all that do not."""

import asyncio
import base64
import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from pydantic import ValidationError

from config.tls import ServerTls
from extensions.oidc import Oidc, OidcSettings
from pipeline.errors import Refused
from pipeline.serving.authentication import Client
from tests.authority import Authority
from tests.extensions.issuer import EC, ED, RSA, Issuer, jwk, serving
from tests.extensions.presenting import headers, refusal
from tests.payloads import context

WRONG = 'Bearer realm="telescrub", error="invalid_token"'
OTHER = rsa.generate_private_key(65537, 2048)
SHORT = rsa.generate_private_key(65537, 1024)


class Clock:
    """Seconds that pass when they are told to."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@asynccontextmanager
async def known_by(issuer: Issuer, clock: Clock | None = None, **settings: Any) -> AsyncIterator[Oidc]:
    filled = {"issuer_url": issuer.url, "audience": "telescrub", **settings}
    read = OidcSettings.model_validate({key: value for key, value in filled.items() if value is not None})
    async with Oidc(read, context("oidc"), clock or Clock()) as made:
        yield made


def claims(issuer: Issuer, **more: Any) -> dict[str, Any]:
    """Those of a good token; None leaves one out."""
    now = int(time.time())
    filled = {"iss": issuer.url, "sub": "client-1", "aud": "telescrub", "iat": now, "exp": now + 300, **more}
    return {key: value for key, value in filled.items() if value is not None}


def token(issuer: Issuer, key: Any = RSA, algorithm: str = "RS256", kid: str | None = "one", **more: Any) -> str:
    return jwt.encode(claims(issuer, **more), key, algorithm, headers={"kid": kid} if kid else None)


def bearing(value: str) -> Any:
    return headers(authorization=f"Bearer {value}")


async def test_good_tokens() -> None:
    """Signed by any of the issuer's keys, in any of the ways that need a public key only."""
    async with serving() as issuer, known_by(issuer) as oidc:
        issuer.keys = [jwk(RSA, "RS256", kid="one"), jwk(EC, "ES256", kid="two"), jwk(ED, "EdDSA", kid="three")]
        ways = [(RSA, "RS256", "one"), (RSA, "PS512", "one"), (EC, "ES256", "two"), (ED, "EdDSA", "three")]
        for key, algorithm, kid in ways:
            found = await oidc.authenticate(bearing(token(issuer, key, algorithm, kid)))
            assert found == Client(f"{issuer.url} client-1")
        assert issuer.asked == ["/.well-known/openid-configuration", "/keys"]


@pytest.mark.parametrize(
    ("more", "sentence"),
    [
        ({"exp": 1}, "the token has expired"),
        ({"exp": time.time() - 40}, "the token has expired"),
        ({"nbf": time.time() + 9999}, "the token is not valid yet"),
        ({"iat": time.time() + 9999}, "the token is not valid yet"),
        ({"exp": None}, "the token is wrong: its signature, audience or claims"),
        ({"exp": "soon"}, "the token is wrong: its signature, audience or claims"),
        ({"exp": float("inf")}, "the token is wrong: its signature, audience or claims"),
        ({"aud": None}, "the token is wrong: its signature, audience or claims"),
        ({"aud": "another"}, "the token is wrong: its signature, audience or claims"),
        ({"aud": ["another", "telescrub2"]}, "the token is wrong: its signature, audience or claims"),
        ({"iss": "https://issuer.example.org"}, "the token is of another issuer"),
        ({"iss": None}, "the token is of another issuer"),
        ({"sub": None}, "the token has no claim sub with a text"),
        ({"key": OTHER}, "the token is wrong: its signature, audience or claims"),
        ({"kid": "two"}, "the token is signed by a key that its issuer does not have"),
        ({"key": EC, "algorithm": "ES256"}, "the token is signed by a key that its issuer does not have"),
        ({"algorithm": "RS512"}, "the token is signed by a key that its issuer does not have"),
        ({"key": "x" * 64, "algorithm": "HS256"}, "the token is signed in a way that is not taken"),
        ({"key": None, "algorithm": "none"}, "the token is signed in a way that is not taken"),
    ],
)
async def test_wrong_tokens(more: Any, sentence: str) -> None:
    """What is wrong is told, and nothing of the token."""
    async with serving() as issuer, known_by(issuer) as oidc:
        assert await refusal(oidc, bearing(token(issuer, **more))) == (sentence, WRONG)


async def test_missing_tokens() -> None:
    """No header, another scheme, or no token."""
    async with serving() as issuer, known_by(issuer) as oidc:
        missing = "credentials are missing; send them in the header authorization"
        assert await refusal(oidc, headers()) == (missing, 'Bearer realm="telescrub"')
        for garbage in ("x", "a.b", "a.b.c", "..", "[" * 6000, "e30.e30.", "W10.W10.x"):
            assert (await refusal(oidc, bearing(garbage)))[0] in (
                "this is not a token",
                "the token is of another issuer",
            )
        assert issuer.asked == []


async def test_clocks_may_differ_a_little() -> None:
    """By half a minute."""
    async with serving() as issuer, known_by(issuer) as oidc:
        now = time.time()
        shifted: list[dict[str, Any]] = [{"exp": now - 20}, {"nbf": now + 20}, {"iat": now + 20}]
        for more in shifted:
            assert await oidc.authenticate(bearing(token(issuer, **more)))


async def test_tampered() -> None:
    """Other claims under the same signature, and signatures by the public key as a password."""
    async with serving() as issuer, known_by(issuer) as oidc:
        head, _, signature = token(issuer).split(".")
        forged = base64.urlsafe_b64encode(json.dumps(claims(issuer, sub="admin")).encode()).rstrip(b"=").decode()
        found = await refusal(oidc, bearing(f"{head}.{forged}.{signature}"))
        assert found == ("the token is wrong: its signature, audience or claims", WRONG)
        unsigned = base64.urlsafe_b64encode(b'{"alg":"none","kid":"one"}').rstrip(b"=").decode()
        found = await refusal(oidc, bearing(f"{unsigned}.{forged}."))
        assert found == ("the token is signed in a way that is not taken", WRONG)


@pytest.mark.parametrize(
    "entry",
    [
        jwk(RSA, "RS256", kid="one", use="enc"),
        jwk(RSA, "RS256", kid="one", alg="RS512"),
        jwk(SHORT, "RS256", kid="one"),
        {"kty": "oct", "kid": "one", "k": "eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHg"},
        {"kty": "RSA", "kid": "one", "n": "!", "e": "AQAB"},
    ],
)
@pytest.mark.filterwarnings("ignore::jwt.warnings.InsecureKeyLengthWarning")
async def test_keys_that_are_not_taken(entry: Any) -> None:
    """For encryption, for another algorithm, too short, passwords, or broken."""
    async with serving() as issuer, known_by(issuer) as oidc:
        issuer.keys = [entry, jwk(EC, "ES256", kid="two")]
        key = SHORT if entry.get("n") == jwk(SHORT, "RS256")["n"] else RSA
        found = await refusal(oidc, bearing(token(issuer, key)))
        assert found == ("the token is signed by a key that its issuer does not have", WRONG)


async def test_the_only_key_needs_no_name() -> None:
    """A token may leave it out where there is no choice."""
    async with serving() as issuer, known_by(issuer) as oidc:
        assert await oidc.authenticate(bearing(token(issuer, kid=None)))
    async with serving() as issuer, known_by(issuer) as oidc:
        issuer.keys = [jwk(RSA, "RS256", kid="one"), jwk(OTHER, "RS256", kid="two")]
        found = await refusal(oidc, bearing(token(issuer, kid=None)))
        assert found == ("the token is signed by a key that its issuer does not have", WRONG)


async def test_new_keys() -> None:
    """An unknown key is asked for, but the issuer is not asked more often than every ten seconds."""
    clock = Clock()
    async with serving() as issuer, known_by(issuer, clock) as oidc:
        await oidc.authenticate(bearing(token(issuer)))
        issuer.keys = [jwk(OTHER, "RS256", kid="two")]
        new = bearing(token(issuer, OTHER, kid="two"))
        for _ in range(5):
            await refusal(oidc, new)
        assert issuer.asked.count("/keys") == 1
        clock.now += 10
        found = await asyncio.gather(*(oidc.authenticate(new) for _ in range(5)))
        assert found == [Client(f"{issuer.url} client-1")] * 5
        assert issuer.asked.count("/keys") == 2
        # The withdrawn key is gone with that.
        assert (await refusal(oidc, bearing(token(issuer))))[1] == WRONG


async def test_withdrawn_keys() -> None:
    """A key that the issuer no longer has lets nobody in after five minutes."""
    clock = Clock()
    async with serving() as issuer, known_by(issuer, clock) as oidc:
        await oidc.authenticate(bearing(token(issuer)))
        issuer.keys = [jwk(OTHER, "RS256", kid="two")]
        clock.now += 299
        assert await oidc.authenticate(bearing(token(issuer)))
        clock.now += 1
        assert (await refusal(oidc, bearing(token(issuer))))[1] == WRONG


async def test_the_issuer_is_away() -> None:
    """Nobody is let in by a key that is not known, and by a known one for an hour."""
    clock = Clock()
    async with serving() as issuer, known_by(issuer, clock) as oidc:
        issuer.is_away = True
        for _ in range(3):
            with pytest.raises(Refused, match="the issuer of tokens answered 500") as caught:
                await oidc.authenticate(bearing(token(issuer)))
            assert caught.value.retry_after_seconds == 10
        assert len(issuer.asked) == 1
        issuer.is_away = False
        clock.now += 10
        await oidc.authenticate(bearing(token(issuer)))
        issuer.is_away = True
        clock.now += 3599
        assert await oidc.authenticate(bearing(token(issuer)))
        with pytest.raises(Refused, match="the issuer of tokens answered 500"):
            await oidc.authenticate(bearing(token(issuer, kid="two")))
        clock.now += 1
        with pytest.raises(Refused, match="the issuer of tokens cannot be reached"):
            await oidc.authenticate(bearing(token(issuer)))


async def test_a_client_that_gives_up() -> None:
    """What the issuer was asked for a stranger's token is answered to everybody, also when the stranger is gone."""
    async with serving() as issuer, known_by(issuer) as oidc, asyncio.TaskGroup() as group:
        issuer.may_answer.clear()
        stranger = group.create_task(oidc.authenticate(bearing(token(issuer, OTHER, kid="two"))))
        await issuer.was_asked.wait()
        stranger.cancel()
        await asyncio.wait([stranger])
        client = group.create_task(oidc.authenticate(bearing(token(issuer))))
        asyncio.get_running_loop().call_soon(issuer.may_answer.set)
        assert await client == Client(f"{issuer.url} client-1")
        assert issuer.asked == ["/.well-known/openid-configuration", "/keys"]


async def test_left_while_asking() -> None:
    """An issuer that does not answer holds up nobody who stops the daemon."""
    async with serving() as issuer, asyncio.TaskGroup() as group:
        issuer.may_answer.clear()
        async with known_by(issuer) as oidc:
            client = group.create_task(oidc.authenticate(bearing(token(issuer))))
            await issuer.was_asked.wait()
        await asyncio.wait([client])
        assert client.cancelled()
        issuer.may_answer.set()


@pytest.mark.parametrize(
    ("document", "sentence"),
    [
        ({"issuer": "https://issuer.example.org"}, "that of another issuer, or has no jwks_uri"),
        ({"jwks_uri": None}, "that of another issuer, or has no jwks_uri"),
        ({"jwks_uri": "http://keys.example.org"}, "the issuer's jwks_uri is not https"),
        ({"jwks_uri": "file:///etc/keys"}, "the issuer's jwks_uri is not https"),
        ({"jwks_uri": f"https://{'x' * 64}.example.org"}, "the issuer of tokens cannot be asked: UnicodeError"),
    ],
)
async def test_discovery_documents_that_are_no_use(document: Any, sentence: str) -> None:
    """Keys are taken from where the issuer's own document says, over TLS."""
    async with serving() as issuer, known_by(issuer) as oidc:
        issuer.document = document
        with pytest.raises(Refused, match=sentence) as caught:
            await oidc.authenticate(bearing(token(issuer)))
        assert caught.value.retry_after_seconds == 10
        assert issuer.asked == ["/.well-known/openid-configuration"]


async def test_no_keys_at_all() -> None:
    """An issuer that lost its keys is away: it does not make every client a stranger."""
    async with serving() as issuer, known_by(issuer) as oidc:
        issuer.keys = []
        with pytest.raises(Refused, match="the issuer has no key that signatures can be checked by"):
            await oidc.authenticate(bearing(token(issuer)))


async def test_tenants_and_groups() -> None:
    """The claim with the tenants says for whom a client may send; a token without it is refused."""
    settings: dict[str, Any] = {"tenant_claim": "tenants", "groups_claim": "groups", "username_claim": "name"}
    lacking: list[tuple[str, dict[str, Any]]] = [
        ("tenants", {"groups": ["g"]}),
        ("tenants", {"groups": "g", "tenants": [1]}),
        ("groups", {"tenants": "a"}),
    ]
    async with serving() as issuer, known_by(issuer, **settings) as oidc:
        for tenants in ("a", ["a"]):
            found = await oidc.authenticate(bearing(token(issuer, name="n", groups="g", tenants=tenants)))
            assert found == Client(f"{issuer.url} n", frozenset({"a"}))
        for claim, more in lacking:
            told = await refusal(oidc, bearing(token(issuer, name="n", **more)))
            assert told == (f"the token has no claim {claim} with a text or texts", WRONG)


async def test_an_issuer_over_tls(tmp_path: Path) -> None:
    """Its certificate must be of the authorities that are trusted for it."""
    ours, theirs = Authority(tmp_path, "ours"), Authority(tmp_path, "theirs")
    certificate = ServerTls.model_validate(ours.issue("issuer")).context()
    async with serving(certificate) as issuer:
        async with known_by(issuer, issuer_ca_path=str(theirs.file)) as oidc:
            with pytest.raises(Refused, match="the issuer of tokens did not answer: ClientConnectorCertificateError"):
                await oidc.authenticate(bearing(token(issuer)))
        async with known_by(issuer, issuer_ca_path=str(ours.file)) as oidc:
            assert await oidc.authenticate(bearing(token(issuer)))


async def test_several_issuers() -> None:
    """Each with its own audience; a token of one is not taken for the other's."""
    async with serving() as one, serving() as two:
        two.keys = [jwk(OTHER, "RS256", kid="one")]
        providers = [
            {"issuer_url": one.url, "audience": "telescrub"},
            {"issuer_url": two.url, "ignore_audience": True},
        ]
        async with known_by(one, issuer_url=None, audience=None, providers=providers, attribute="x-token") as oidc:
            assert await oidc.authenticate(headers(**{"x-token": f"Bearer {token(one)}"}))
            assert await oidc.authenticate(headers(**{"x-token": f"Bearer {token(two, OTHER, aud=None)}"}))
            found = await refusal(oidc, headers(**{"x-token": f"Bearer {token(two, RSA)}"}))
            assert found == ("the token is wrong: its signature, audience or claims", WRONG)


ISSUER = "https://issuer.example.org"


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({}, "give issuer_url, or providers that each have an issuer_url of their own"),
        ({"issuer_url": ISSUER}, "give an audience, or ignore_audience: true, for each issuer"),
        (
            {"issuer_url": "http://issuer.example.org"},
            "this must be an https:// address without a user; http:// is for localhost alone",
        ),
        (
            {"providers": [{"issuer_url": ISSUER, "audience": "a"}] * 2},
            "give issuer_url, or providers that each have an issuer_url of their own",
        ),
        ({"providers": [{"audience": "a"}]}, "give issuer_url, or providers that each have an issuer_url of their own"),
    ],
)
def test_settings_that_cannot_be(settings: Any, sentence: str) -> None:
    """Found when the configuration is read."""
    with pytest.raises(ValidationError) as caught:
        OidcSettings.model_validate(settings)
    assert [each["msg"] for each in caught.value.errors()] == [f"Value error, {sentence}"]
