"""The `oauth2_client` extension: access tokens for exporters, by OAuth 2.0's client credentials (RFC 6749 §4.4)."""

import asyncio
import base64
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Annotated, Any, Self
from urllib.parse import quote_plus

from multidict import CIMultiDict
from pydantic import AfterValidator, Field, model_validator

from config.reloading import Reloading, text_of
from config.settings import Seconds, Secret
from config.tls import ClientTls
from extensions.fetching import Fetching, secure_url
from extensions.presented import sendable
from pipeline.component import Context, ExtensionSettings
from pipeline.errors import Refused

__all__ = ["Oauth2Client", "Oauth2ClientSettings"]

_PAUSE_SECONDS = 5.0
"""So long the token endpoint is left alone once it was asked: senders retry far more often."""


class Oauth2ClientSettings(ExtensionSettings):
    """Settings of `oauth2_client`, with the Collector's keys."""

    client_id: str = ""
    """Who we are to the token endpoint."""
    client_id_file: Path | None = None
    """A file with it, read again when it changes."""
    client_secret: Secret = Secret("")
    """The secret that goes with it."""
    client_secret_file: Path | None = None
    """A file with the secret, read again when it changes."""
    token_url: Annotated[str, AfterValidator(secure_url)]
    """The token endpoint; https, or on this machine."""
    scopes: list[str] = Field(default_factory=list)
    """What the token is asked for."""
    endpoint_params: dict[str, Secret | list[Secret]] = Field(default_factory=dict)
    """Further parameters of the request, such as `audience`; values are secrets."""
    timeout: Seconds = Field(default=10.0, gt=0)
    """For one request to the token endpoint."""
    expiry_buffer: Seconds = Field(default=300.0, ge=0)
    """So long before a token expires a new one is fetched, but not before half of its life. The Collector's 5 min."""
    tls: ClientTls = ClientTls()
    """For the token endpoint."""

    @property
    def gives_headers(self) -> bool:
        return True

    @model_validator(mode="after")
    def _once(self) -> Self:
        if bool(self.client_id) == bool(self.client_id_file):
            raise ValueError("give one of client_id and client_id_file")
        if bool(self.client_secret.get_secret_value()) == bool(self.client_secret_file):
            raise ValueError("give one of client_secret and client_secret_file")
        return self

    def credentials(self) -> tuple[str, str]:
        """Id and secret. Raises: `OSError`, `ValueError`."""
        name = text_of(self.client_id_file).strip() if self.client_id_file else self.client_id
        secret = self.client_secret.get_secret_value()
        return name, text_of(self.client_secret_file).strip() if self.client_secret_file else secret

    def form(self) -> list[tuple[str, str]]:
        """The request without the credentials."""
        form = [("grant_type", "client_credentials")]
        form += [("scope", " ".join(self.scopes))] if self.scopes else []
        for name, given in self.endpoint_params.items():
            form += [(name, value.get_secret_value()) for value in (given if isinstance(given, list) else [given])]
        return form

    def build(self, context: Context) -> "Oauth2Client":
        return Oauth2Client(self, context)


class Oauth2Client:
    """Fetches tokens, one request at a time, keeps the last one and forgets it when a destination answers 401.

    `clock` gives seconds that only go forward.
    """

    def __init__(
        self, settings: Oauth2ClientSettings, context: Context, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._settings, self._clock = settings, clock
        files = [path for path in (settings.client_id_file, settings.client_secret_file) if path]
        self._credentials = Reloading(files, settings.credentials, say=context.log.warning)
        self._fetching = Fetching(settings.tls, settings.timeout, "the token endpoint", context.log.warning)
        self._one_at_a_time = asyncio.Lock()
        self._header, self._renew_at, self._ends_at = "", 0.0, 0.0
        self._pause_until = clock()
        self._in_form = False

    async def __aenter__(self) -> Self:
        await self._fetching.open()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._fetching.close()

    async def authorize(self, headers: CIMultiDict[str]) -> None:
        """`pipeline.serving.authentication.HeaderSource`."""
        if not self._header or self._clock() >= self._renew_at:
            async with self._one_at_a_time:
                if not self._header or self._clock() >= self._renew_at:
                    await self._renew()
        headers["Authorization"] = self._header

    async def renew(self, headers: CIMultiDict[str]) -> bool:
        """Forgets the token, unless it is another one by now, or so new that the next would be no better."""
        if headers.get("Authorization") != self._header:
            return True
        if self._clock() < self._pause_until:
            return False
        self._header = ""
        return True

    async def _renew(self) -> None:
        """A new token; while there is none, the old one to its end. Raises: `Refused`."""
        now = self._clock()
        try:
            if now < self._pause_until:
                raise Refused("the token endpoint was asked moments ago")
            self._take(await self._answer(), now)
        except Refused as refusal:
            if now >= self._pause_until:
                self._pause_until = now + _PAUSE_SECONDS
            if not self._header or now >= self._ends_at:
                self._header = ""
                raise Refused(str(refusal), retry_after_seconds=self._pause_until - now) from None

    def _take(self, answer: Mapping[str, Any], asked: float) -> None:
        """RFC 6749 §5.1. Without `expires_in` a token is good until a destination says otherwise."""
        token, kind, seconds = answer.get("access_token"), answer.get("token_type", "Bearer"), answer.get("expires_in")
        if not isinstance(token, str) or not isinstance(kind, str):
            raise Refused("the token endpoint answered without an access_token")
        try:
            life = float(seconds) if seconds else float("inf")
            header = f"{'Bearer' if kind.lower() == 'bearer' else sendable(kind, '')} {sendable(token, '')}"
        except (TypeError, ValueError):
            raise Refused("the token endpoint answered with a token that cannot be sent") from None
        self._header, self._ends_at, self._pause_until = header, asked + life, asked + _PAUSE_SECONDS
        self._renew_at = asked + max(life - self._settings.expiry_buffer, life / 2)

    async def _answer(self) -> Mapping[str, Any]:
        """Credentials go into the header first, as servers must take them there (RFC 6749 §2.3.1), and into the form
        where one does not.
        """
        name, secret = await self._credentials.fresh()
        status, answer = await self._post(name, secret, in_form=self._in_form)
        if status in (400, 401) and answer.get("error") == "invalid_client":
            status, answer = await self._post(name, secret, in_form=not self._in_form)
            self._in_form ^= status == 200
        if status != 200:
            raise Refused(f"the token endpoint answered {status}")
        return answer

    async def _post(self, name: str, secret: str, *, in_form: bool) -> tuple[int, Mapping[str, Any]]:
        form, headers = self._settings.form(), {"Accept": "application/json"}
        if in_form:
            form += [("client_id", name), ("client_secret", secret)]
        else:
            pair = f"{quote_plus(name)}:{quote_plus(secret)}".encode()
            headers["Authorization"] = "Basic " + base64.b64encode(pair).decode()
        return await self._fetching.post(self._settings.token_url, form, headers)
