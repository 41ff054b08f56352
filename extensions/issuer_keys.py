"""The public keys of an OpenID Connect issuer: found by its discovery document, kept for a while, fetched again when a
token names one that is not among them.
"""

import asyncio
import time
from collections.abc import Callable, Mapping
from types import TracebackType
from typing import Any, Self

from jwt import PyJWK
from jwt.exceptions import PyJWTError

from extensions.fetching import Fetching, is_loopback, secure_url
from pipeline.errors import Refused

__all__ = ["ALGORITHMS", "IssuerKeys", "keys_of"]

ALGORITHMS = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA")
"""Signatures by public keys alone: with HS* a public key would be a password, and `none` is no signature."""

_KIND = {"RS": "RSA", "PS": "RSA", "ES": "EC", "Ed": "OKP"}
_FRESH_SECONDS = 300.0
"""Keys are fetched again after so long: a withdrawn key lets nobody in for longer."""
_GOOD_SECONDS = 3600.0
"""Known keys go on being good for so long while the issuer cannot be reached; after that nobody is let in."""
_PAUSE_SECONDS = 10.0
"""How often at most the issuer is asked: anybody can send tokens with keys that are not there."""

Keys = Mapping[tuple[str | None, str], PyJWK]
"""By id and algorithm."""


class IssuerKeys:
    """The keys of one issuer, while it is entered. `clock` gives seconds that only go forward.

    The issuer is asked in a task of its own, which outlasts the request that needs it: whoever sends a token with an
    unknown key and goes away takes the answer from nobody.
    """

    def __init__(self, issuer: str, fetching: Fetching, clock: Callable[[], float] = time.monotonic) -> None:
        self._issuer, self._fetching, self._clock = issuer, fetching, clock
        self._keys: Keys = {}
        self._asking: asyncio.Task[str] | None = None
        self._fetched_at = self._asked_at = float("-inf")

    async def __aenter__(self) -> Self:
        """Raises: `OSError` for TLS files that cannot be used."""
        await self._fetching.open()
        self._group = await asyncio.TaskGroup().__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._asking is not None:
            self._asking.cancel()
        await self._group.__aexit__(None, None, None)
        await self._fetching.close()

    async def key(self, name: str | None, algorithm: str) -> PyJWK | None:
        """The key that a token names, for its algorithm; None if the issuer has no such key.

        Raises: `Refused` while the issuer cannot be asked.
        """
        known = self._keys.get((name, algorithm))
        age = self._clock() - self._fetched_at
        # Who has a good key need not wait for others to get better ones.
        is_asking = self._asking is not None and not self._asking.done()
        is_good = known is not None and (age < _FRESH_SECONDS or (age < _GOOD_SECONDS and is_asking))
        if not is_good:
            await self._refresh(is_known=known is not None)
        if self._clock() - self._fetched_at >= _GOOD_SECONDS:
            raise Refused("the issuer of tokens cannot be reached", retry_after_seconds=_PAUSE_SECONDS)
        return self._keys.get((name, algorithm))

    async def _refresh(self, *, is_known: bool) -> None:
        """Ask the issuer, unless it was asked just now. Raises: `Refused` if nothing is known of the key."""
        now = self._clock()
        if self._asking is None or (self._asking.done() and now - self._asked_at >= _PAUSE_SECONDS):
            self._asked_at = now
            self._asking = self._group.create_task(self._ask(), name=f"keys of {self._issuer}")
        problem = await asyncio.shield(self._asking)
        if problem and not is_known:
            raise Refused(problem, retry_after_seconds=_PAUSE_SECONDS)

    async def _ask(self) -> str:
        """Fetch the keys; what stood in the way, if anything did."""
        try:
            self._keys = await self._fetch()
        except Refused as refusal:
            return str(refusal)
        except Exception as error:
            # Raised, it would end the daemon, for an answer that nobody thought of.
            return f"the issuer of tokens cannot be asked: {type(error).__name__}"
        self._fetched_at = self._asked_at
        return ""

    async def _fetch(self) -> Keys:
        """Raises: `Refused`."""
        found = await self._fetching.get(self._issuer.rstrip("/") + "/.well-known/openid-configuration")
        address = found.get("jwks_uri")
        # OpenID Connect Discovery 1.0 §4.3; a trailing slash more or less is another issuer.
        if found.get("issuer") != self._issuer or not isinstance(address, str):
            raise Refused("the issuer's discovery document is that of another issuer, or has no jwks_uri")
        try:
            secure_url(address)
        except ValueError:
            raise Refused("the issuer's jwks_uri is not https") from None
        if is_loopback(address) and not is_loopback(self._issuer):
            raise Refused("the issuer's jwks_uri points to this machine")
        if not (keys := keys_of(await self._fetching.get(address))):
            raise Refused("the issuer has no key that signatures can be checked by")
        return keys


def keys_of(found: Mapping[str, Any]) -> Keys:
    """The keys of a JWK set (RFC 7517) that can check signatures, for every algorithm they may be used with."""
    keys: dict[tuple[str | None, str], PyJWK] = {}
    entries = found.get("keys")
    signing = [each for each in (entries if isinstance(entries, list) else []) if _is_for_signatures(each)]
    for entry in signing:
        for algorithm in ALGORITHMS:
            if (key := _key(entry, algorithm)) is not None:
                keys[entry.get("kid"), algorithm] = key
                # A token need not name the key where there is no choice (OpenID Connect Core 1.0 §10.1).
                if len(signing) == 1:
                    keys[None, algorithm] = key
    return keys


def _is_for_signatures(entry: Any) -> bool:
    if not isinstance(entry, dict) or not isinstance(entry.get("kid"), str | None):
        return False
    return entry.get("use", "sig") == "sig" and entry.get("kty") in _KIND.values()


def _key(entry: Mapping[str, Any], algorithm: str) -> PyJWK | None:
    """The entry as a key for an algorithm; None if it is not for that one, or is too short to be trusted."""
    if entry["kty"] != _KIND[algorithm[:2]] or entry.get("alg", algorithm) != algorithm:
        return None
    try:
        key = PyJWK(dict(entry), algorithm)
        prepared = key.Algorithm.prepare_key(key.key)
    except (PyJWTError, TypeError, ValueError):
        return None
    # None where the key is long enough (RFC 7518 §3.3: 2048 bits).
    return key if key.Algorithm.check_key_length(prepared) is None else None
