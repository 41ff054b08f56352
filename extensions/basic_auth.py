"""The `basic_auth` extension: users and passwords, of the clients of receivers (`htpasswd`) or towards a destination
(`client_auth`).
"""

import asyncio
import base64
import hashlib
import hmac
import secrets
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from types import TracebackType
from typing import Self

from multidict import CIMultiDict
from pydantic import model_validator

from config.reloading import Reloading, text_of
from config.settings import Secret, Settings
from extensions.htpasswd import is_right, users
from extensions.presented import presented
from extensions.unentered import Unentered
from pipeline.component import Context, ExtensionSettings
from pipeline.errors import Refused
from pipeline.serving.authentication import Client, Unauthenticated, Values

__all__ = ["BasicAuthSettings", "BasicCredentials", "BasicUsers"]

_CHALLENGE = 'Basic realm="telescrub", charset="UTF-8"'


class HtpasswdSettings(Settings):
    """Who is let in, as `htpasswd` writes it: bcrypt, {SSHA} or {SHA}."""

    file: Path | None = None
    """A file of lines `user:hash`, read again when it changes."""
    inline: Secret = Secret("")
    """Such lines; they win over those of the file."""

    @model_validator(mode="after")
    def _somebody(self) -> Self:
        inline = self.inline.get_secret_value()
        if self.file is None or inline:
            users(inline, "inline")
        return self

    def users(self) -> dict[str, str]:
        """User → hash. Raises: `OSError`, `ValueError`."""
        found = dict(users(text_of(self.file), str(self.file))) if self.file else {}
        inline = self.inline.get_secret_value()
        return {**found, **users(inline, "inline")} if inline else found


class ClientAuthSettings(Settings):
    """Who we are to a destination. A name or password in a file is read again when it changes."""

    username: str = ""
    """The user."""
    username_file: Path | None = None
    """A file with the user's name, instead of `username`."""
    password: Secret = Secret("")
    """The password."""
    password_file: Path | None = None
    """A file with the password, instead of `password`."""

    @model_validator(mode="after")
    def _is_there(self) -> Self:
        if bool(self.username) == bool(self.username_file):
            raise ValueError("give one of username and username_file")
        if bool(self.password.get_secret_value()) == bool(self.password_file):
            raise ValueError("give one of password and password_file")
        return self

    def header(self) -> str:
        """The value of Authorization. Raises: `OSError`, `ValueError`."""
        user = text_of(self.username_file).strip() if self.username_file else self.username
        password = self.password.get_secret_value()
        if self.password_file:
            password = text_of(self.password_file).rstrip("\r\n")
        if ":" in user:
            raise ValueError("the name of a user cannot have a colon in it")
        return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


class BasicAuthSettings(ExtensionSettings):
    """Settings of `basic_auth`, with the Collector's keys."""

    htpasswd: HtpasswdSettings | None = None
    """For receivers: who is let in."""
    client_auth: ClientAuthSettings | None = None
    """For exporters: who we are."""
    user_is_tenant: bool = False
    """With `htpasswd`: each user is a tenant, and can send for no other."""

    @model_validator(mode="after")
    def _one_side(self) -> Self:
        if (self.htpasswd is None) == (self.client_auth is None):
            raise ValueError("give one of htpasswd (for receivers) and client_auth (for exporters)")
        return self

    @property
    def authenticates(self) -> bool:
        return self.htpasswd is not None

    @property
    def gives_headers(self) -> bool:
        return self.client_auth is not None

    def build(self, context: Context) -> "BasicUsers | BasicCredentials":
        if self.htpasswd is not None:
            return BasicUsers(self.htpasswd, context, user_is_tenant=self.user_is_tenant)
        assert self.client_auth is not None
        return BasicCredentials(self.client_auth, context)


_AT_ONCE, _AT_MOST = 2, 32
"""Passwords that are checked at a time, and with those that wait for it: each costs 60 ms of a core, whoever sends it,
and its place is taken until its thread is done, whether or not the client is still there.
"""


class BasicUsers:
    """Knows clients by their passwords. What was right is remembered, as a keyed hash, so that only the first request
    of a client costs.
    """

    def __init__(self, settings: HtpasswdSettings, context: Context, *, user_is_tenant: bool) -> None:
        files = [settings.file] if settings.file else []
        self.users = Reloading(files, settings.users, say=context.log.warning)
        self._user_is_tenant = user_is_tenant
        self._key = secrets.token_bytes(32)
        self._proven: dict[str, bytes] = {}
        self._threads = ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="passwords")
        self._checks: list[Future[bool]] = []

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._threads.shutdown(wait=False, cancel_futures=True)

    async def authenticate(self, values: Values) -> Client:
        """`pipeline.serving.authentication.Authenticator`."""
        user, password = _decoded(presented(values, "Authorization", "Basic", _CHALLENGE))
        if not await self._is_right(user, password):
            raise Unauthenticated("the user or the password is wrong", _CHALLENGE)
        return Client(user, frozenset({user} if self._user_is_tenant else ()))

    async def _is_right(self, user: str, password: bytes) -> bool:
        known = await self.users.fresh()
        # For a user who is not there somebody else's hash is worked through: the time must not tell.
        hashed = known.get(user) or next(iter(known.values()))
        proof = hmac.digest(self._key, hashed.encode() + b"\0" + password, hashlib.sha256)
        if user in known and hmac.compare_digest(self._proven.get(user, b""), proof):
            return True
        is_right = await self._check(hashed, password) and user in known
        if is_right:
            self._proven[user] = proof
        return is_right

    async def _check(self, hashed: str, password: bytes) -> bool:
        self._checks = [each for each in self._checks if not each.done()]
        if len(self._checks) >= _AT_MOST:
            raise Refused(f"{_AT_MOST} passwords wait to be checked; retry after 1 s", retry_after_seconds=1.0)
        self._checks.append(check := self._threads.submit(is_right, hashed, password))
        return await asyncio.wrap_future(check)


def _decoded(credentials: str) -> tuple[str, bytes]:
    try:
        user, colon, password = base64.b64decode(credentials, validate=True).partition(b":")
        if colon:
            return user.decode(), password
    except ValueError:
        pass
    raise Unauthenticated("the credentials are not user:password in base64 of UTF-8", _CHALLENGE)


class BasicCredentials(Unentered):
    """Gives requests a user and a password."""

    def __init__(self, settings: ClientAuthSettings, context: Context) -> None:
        files = [path for path in (settings.username_file, settings.password_file) if path]
        self._header = Reloading(files, settings.header, say=context.log.warning)

    async def authorize(self, headers: CIMultiDict[str]) -> None:
        """`pipeline.serving.authentication.HeaderSource`."""
        headers["Authorization"] = await self._header.fresh()

    async def renew(self, headers: CIMultiDict[str]) -> bool:
        """Whether the files say something else by now."""
        return await asyncio.to_thread(self._header.look) != headers.get("Authorization")
