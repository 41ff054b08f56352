"""The `oidc` extension: clients of receivers are known by the JSON Web Tokens of an OpenID Connect issuer."""

import time
from collections.abc import Callable, Mapping
from contextlib import AsyncExitStack
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import jwt
from jwt.exceptions import ExpiredSignatureError, ImmatureSignatureError, PyJWTError
from pydantic import Field, model_validator

from config.settings import Settings
from config.tls import ClientTls
from extensions.fetching import Fetching, secure_url
from extensions.issuer_keys import ALGORITHMS, IssuerKeys
from extensions.presented import presented
from pipeline.component import Context, ExtensionSettings
from pipeline.serving.authentication import Client, Unauthenticated, Values

__all__ = ["Oidc", "OidcSettings", "ProviderSettings"]

_LEEWAY_SECONDS = 30.0
"""How far clocks may be apart."""
_TIMEOUT_SECONDS = 5.0
_CHALLENGE = 'Bearer realm="telescrub"'
_WRONG = f'{_CHALLENGE}, error="invalid_token"'


class ProviderSettings(Settings):
    """An issuer of tokens, and what its tokens must say."""

    issuer_url: str = ""
    """The issuer, exactly as `iss` in its tokens; https, or on this machine. Its discovery document is below it."""
    audience: str = ""
    """What `aud` of a token must hold: the name that this daemon has at the issuer."""
    ignore_audience: bool = False
    """Take tokens that were issued for anybody else, too. Whoever gets such a token can use it here."""
    issuer_ca_path: Path | None = None
    """PEM file with the authorities to trust for the issuer instead of the system's."""
    username_claim: str = Field(default="sub", min_length=1)
    """The claim that names the client; a token without it is refused."""
    groups_claim: str = ""
    """A claim, a text or a list of texts, that a token must have, as in the Collector; nothing else is made of it."""
    tenant_claim: str = ""
    """The claim, a text or a list of texts, with the tenants the client may send for; a token without it is refused.
    Empty: tokens say nothing of tenants."""

    @model_validator(mode="after")
    def _complete(self) -> Self:
        if self.issuer_url:
            secure_url(self.issuer_url)
            if bool(self.audience) == self.ignore_audience:
                raise ValueError("give an audience, or ignore_audience: true, for each issuer")
        return self


class OidcSettings(ProviderSettings, ExtensionSettings):
    """Settings of `oidc`, with the Collector's keys: `providers`, or a single one's keys in their place."""

    attribute: str = Field(default="authorization", pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]*$")
    """The header (in gRPC: metadata) the token stands in, after `Bearer`."""
    providers: list[ProviderSettings] = Field(default_factory=list)
    """Several issuers, each of which lets its clients in."""

    @property
    def authenticates(self) -> bool:
        return True

    @model_validator(mode="after")
    def _issuers(self) -> Self:
        urls = [each.issuer_url for each in self.all()]
        if not all(urls) or (self.providers and self.issuer_url) or len(set(urls)) < len(urls):
            raise ValueError("give issuer_url, or providers that each have an issuer_url of their own")
        return self

    def all(self) -> list[ProviderSettings]:
        """The issuers."""
        return self.providers or [self]

    def build(self, context: Context) -> "Oidc":
        return Oidc(self, context)


class Oidc:
    """Knows clients by their tokens: who signed them, for whom, and for how long. `clock` is that of the keys' age."""

    def __init__(self, settings: OidcSettings, context: Context, clock: Callable[[], float] = time.monotonic) -> None:
        self._attribute = settings.attribute
        self._providers = {each.issuer_url: each for each in settings.all()}
        self._keys: dict[str, IssuerKeys] = {}
        for issuer, each in self._providers.items():
            tls = ClientTls(ca_file=each.issuer_ca_path)
            fetching = Fetching(tls, _TIMEOUT_SECONDS, "the issuer of tokens", context.log.warning)
            self._keys[issuer] = IssuerKeys(issuer, fetching, clock)
        self._stack = AsyncExitStack()

    async def __aenter__(self) -> Self:
        async with AsyncExitStack() as stack:
            for keys in self._keys.values():
                await stack.enter_async_context(keys)
            self._stack = stack.pop_all()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._stack.aclose()

    async def authenticate(self, values: Values) -> Client:
        """`pipeline.serving.authentication.Authenticator`."""
        token = presented(values, self._attribute, "Bearer", _CHALLENGE)
        issuer, algorithm, key_id = _claimed(token)
        provider = self._providers.get(issuer)
        if provider is None:
            raise Unauthenticated("the token is of another issuer", _WRONG)
        if algorithm not in ALGORITHMS:
            raise Unauthenticated("the token is signed in a way that is not taken", _WRONG)
        key = await self._keys[issuer].key(key_id, algorithm)
        if key is None:
            raise Unauthenticated("the token is signed by a key that its issuer does not have", _WRONG)
        return _client(_verified(token, key, algorithm, provider), provider)


def _claimed(token: str) -> tuple[str, str, str | None]:
    """What a token says about itself, before any of it is believed: issuer, algorithm, id of the key."""
    try:
        read = jwt.decode_complete(token, options={"verify_signature": False})
    except (PyJWTError, ValueError, RecursionError):
        raise Unauthenticated("this is not a token", _WRONG) from None
    header, issuer = read["header"], read["payload"].get("iss")
    return str(issuer), str(header.get("alg")), header.get("kid")


def _verified(token: str, key: jwt.PyJWK, algorithm: str, provider: ProviderSettings) -> Mapping[str, Any]:
    try:
        claims: dict[str, Any] = jwt.decode(
            token,
            key,
            algorithms=[algorithm],
            audience=provider.audience or None,
            issuer=provider.issuer_url,
            leeway=_LEEWAY_SECONDS,
            options={
                "require": ["exp", "iss"] if provider.ignore_audience else ["exp", "iss", "aud"],
                "verify_aud": not provider.ignore_audience,
                "enforce_minimum_key_length": True,
            },
        )
    except ExpiredSignatureError:
        raise Unauthenticated("the token has expired", _WRONG) from None
    except ImmatureSignatureError:
        raise Unauthenticated("the token is not valid yet", _WRONG) from None
    except (PyJWTError, ValueError, TypeError, OverflowError):
        raise Unauthenticated("the token is wrong: its signature, audience or claims", _WRONG) from None
    return claims


def _client(claims: Mapping[str, Any], provider: ProviderSettings) -> Client:
    name = claims.get(provider.username_claim)
    if not isinstance(name, str) or not name:
        raise Unauthenticated(f"the token has no claim {provider.username_claim} with a text", _WRONG)
    if provider.groups_claim:
        _texts(claims, provider.groups_claim)
    tenants = _texts(claims, provider.tenant_claim) if provider.tenant_claim else ()
    return Client(f"{provider.issuer_url} {name}", frozenset(tenants))


def _texts(claims: Mapping[str, Any], claim: str) -> list[str]:
    """A claim that is a text or texts. Raises: `Unauthenticated`."""
    found = claims.get(claim)
    texts = [found] if isinstance(found, str) else found
    if not isinstance(texts, list) or not texts or not all(isinstance(each, str) and each for each in texts):
        raise Unauthenticated(f"the token has no claim {claim} with a text or texts", _WRONG)
    return texts
