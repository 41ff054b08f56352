"""The `bearer_token_auth` extension: tokens that clients of receivers must show, or that are shown to a destination."""

import asyncio
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from hmac import compare_digest
from pathlib import Path
from typing import Self

from multidict import CIMultiDict
from pydantic import Field, model_validator

from config.reloading import Reloading, text_of
from config.settings import Secret
from extensions.presented import presented, sendable
from extensions.unentered import Unentered
from pipeline.component import Context, ExtensionSettings
from pipeline.serving.authentication import Client, Unauthenticated, Values

__all__ = ["BearerTokenAuth", "BearerTokenAuthSettings"]


class BearerTokenAuthSettings(ExtensionSettings):
    """Settings of `bearer_token_auth`, with the Collector's keys: one of `token`, `tokens` and `filename`."""

    header: str = Field(default="Authorization", pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]*$")
    """The header (in gRPC: metadata) the token stands in."""
    scheme: str = Field(default="Bearer", pattern=r"^[!-~]*$")
    """The word before the token; empty where the token stands alone."""
    token: Secret | None = None
    """One token."""
    tokens: list[Secret] = Field(default_factory=list)
    """Several, each of which lets a client in; exporters use the first."""
    filename: Path | None = None
    """A file with a token a line, read again when it changes, so that tokens can be exchanged without a restart."""

    @property
    def authenticates(self) -> bool:
        return True

    @property
    def gives_headers(self) -> bool:
        return True

    @model_validator(mode="after")
    def _once(self) -> Self:
        if [self.token is None, not self.tokens, self.filename is None].count(False) != 1:
            raise ValueError("give one of token, tokens and filename")
        for token in self._given():
            sendable(token, "a token")
        return self

    def _given(self) -> list[str]:
        return [each.get_secret_value() for each in (self.tokens if self.token is None else [self.token])]

    def known(self) -> "Tokens":
        """Raises: `OSError` or `ValueError` for a file that cannot be used."""
        if self.filename is None:
            return Tokens.of(self._given())
        lines = [line.strip() for line in text_of(self.filename).splitlines()]
        tokens = [sendable(line, f"a token in {self.filename}") for line in lines if line]
        if not tokens:
            raise ValueError(f"there is no token in {self.filename}")
        return Tokens.of(tokens)

    def build(self, context: Context) -> "BearerTokenAuth":
        return BearerTokenAuth(self, context)


@dataclass(frozen=True, slots=True, repr=False)
class Tokens:
    """The tokens there are: the first, to be shown, and digests of all, to be compared with."""

    first: str
    digests: Sequence[bytes]

    @classmethod
    def of(cls, tokens: Sequence[str]) -> "Tokens":
        return cls(tokens[0], [_digest(token) for token in tokens])


def _digest(token: str) -> bytes:
    return hashlib.sha256(token.encode()).digest()


class BearerTokenAuth(Unentered):
    """Knows clients by their tokens, and shows the first token to destinations."""

    def __init__(self, settings: BearerTokenAuthSettings, context: Context) -> None:
        self._header, self._scheme = settings.header, settings.scheme
        self._challenge = f'{settings.scheme or "Bearer"} realm="telescrub"'
        files = [settings.filename] if settings.filename else []
        self._tokens = Reloading(files, settings.known, say=context.log.warning)

    async def authenticate(self, values: Values) -> Client:
        """`pipeline.serving.authentication.Authenticator`. A client is called by the place of its token."""
        tokens = await self._tokens.fresh()
        digest = _digest(presented(values, self._header, self._scheme, self._challenge))
        # All of them, and digests of one length: the time says neither which token was near nor how far it agreed.
        agree = [compare_digest(known, digest) for known in tokens.digests]
        if not any(agree):
            raise Unauthenticated("the token is wrong", f'{self._challenge}, error="invalid_token"')
        return Client(f"token {agree.index(True) + 1}")

    async def authorize(self, headers: CIMultiDict[str]) -> None:
        """`pipeline.serving.authentication.HeaderSource`."""
        headers[self._header] = self._shown(await self._tokens.fresh())

    async def renew(self, headers: CIMultiDict[str]) -> bool:
        """Whether the file says something else by now."""
        return self._shown(await asyncio.to_thread(self._tokens.look)) != headers.get(self._header)

    def _shown(self, tokens: Tokens) -> str:
        return f"{self._scheme} {tokens.first}".lstrip()
