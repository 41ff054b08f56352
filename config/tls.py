"""TLS settings of servers and clients, with the Collector's keys, and the `ssl` contexts made from them.

The files are read again when they change: new connections get the new certificates and authorities, open ones go on.
"""

import ssl
from abc import abstractmethod
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal, Self, TypeVar

from pydantic import Field, model_validator

from config.reloading import LOOK_SECONDS, Reloading, say_nothing
from config.settings import Seconds, Settings

__all__ = ["ClientTls", "ReloadedContext", "ServerTls", "TlsFiles"]

T = TypeVar("T")
C = TypeVar("C", bound=ssl.SSLContext)

_VERSIONS = {"1.2": ssl.TLSVersion.TLSv1_2, "1.3": ssl.TLSVersion.TLSv1_3}


class ReloadedContext(ssl.SSLContext):
    """A context whose connections are those of the newest one. asyncio, uvloop and aiohttp take it as any other; a
    context of its own for each reading also means that no session outlives the authorities it was checked by.

    A server's looks at the files as connections come, which nothing of ours can wait for; a client's when it is told to
    `refresh`, beside the event loop.
    """

    newest: Reloading[ssl.SSLContext] | None = None
    looks = False

    def wrap_bio(self, *arguments: Any, **named: Any) -> ssl.SSLObject:
        if self.newest is None:
            return super().wrap_bio(*arguments, **named)
        newest = self.newest.current() if self.looks else self.newest.latest
        return newest.wrap_bio(*arguments, **named)

    async def refresh(self) -> None:
        """To be awaited before a client may connect."""
        if self.newest is not None:
            await self.newest.fresh()


class TlsFiles(Settings):
    """What servers and clients have in common."""

    reload_interval: Seconds = Field(default=LOOK_SECONDS, ge=0)
    """How often at most the files are looked at, as connections come; changed ones are read again. 0: never."""

    def files(self) -> list[Path]:
        """Those that the settings name."""
        named = (getattr(self, name) for name in type(self).model_fields if name.endswith("_file"))
        return [path for path in named if path is not None]

    def reloading(self, make: Callable[[], T], say: Callable[[str], None] = say_nothing) -> Reloading[T]:
        """Whatever is made from the files. Files that are no use are reported to `say`, and the old ones stay."""
        return Reloading(self.files(), make, self.reload_interval, say)

    def context(self, say: Callable[[str], None] = say_nothing) -> ReloadedContext:
        """A context whose new connections use the files as they are then.

        Raises: `OSError`, naming the file, for one that cannot be used.
        """
        context = self._fill(ReloadedContext)
        context.looks = isinstance(self, ServerTls)
        if self.files() and self.reload_interval:
            context.newest = self.reloading(lambda: self._fill(ssl.SSLContext), say)
        return context

    def check(self) -> Self:
        """Raises: `OSError`, naming the file, for one that cannot be used."""
        self._fill(ssl.SSLContext)
        return self

    @abstractmethod
    def _fill(self, kind: type[C]) -> C:
        """A context of this kind with what the files say."""


class ServerTls(TlsFiles):
    """TLS of a listening address; with `client_ca_file` clients must show a certificate signed by it (mTLS)."""

    cert_file: Path
    """PEM file with the server's certificate chain."""
    key_file: Path
    """PEM file with its private key."""
    client_ca_file: Path | None = None
    """PEM file with the authorities whose client certificates are required and verified."""
    min_version: Literal["1.2", "1.3"] = "1.2"
    """HTTP only: lowest TLS version; gRPC takes 1.2 and newer."""

    def _fill(self, kind: type[C]) -> C:
        context = kind(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = _VERSIONS[self.min_version]
        _load_pair(context, self.cert_file, self.key_file)
        if self.client_ca_file is not None:
            _load_authorities(context, self.client_ca_file)
            context.verify_mode = ssl.CERT_REQUIRED
        return context


class ClientTls(TlsFiles):
    """TLS towards a destination. `insecure: true` is plain text for gRPC; HTTP takes the scheme of its URL."""

    insecure: bool = False
    """No TLS at all (gRPC only)."""
    ca_file: Path | None = None
    """PEM file with the authorities to trust instead of the system's."""
    cert_file: Path | None = None
    """PEM file with a client certificate (mTLS)."""
    key_file: Path | None = None
    """PEM file with its private key."""
    insecure_skip_verify: bool = False
    """HTTP only: do not verify the server's certificate. For tests."""
    server_name_override: str = ""
    """gRPC only: the name to expect in the server's certificate."""
    min_version: Literal["1.2", "1.3"] = "1.2"
    """HTTP only: lowest TLS version; gRPC takes 1.2 and newer."""

    @model_validator(mode="after")
    def _pair(self) -> "ClientTls":
        if (self.cert_file is None) != (self.key_file is None):
            raise ValueError("cert_file and key_file go together; give both or neither")
        return self

    def _fill(self, kind: type[C]) -> C:
        context = kind(ssl.PROTOCOL_TLS_CLIENT)
        context.minimum_version = _VERSIONS[self.min_version]
        if self.ca_file is None:
            context.load_default_certs()
        else:
            _load_authorities(context, self.ca_file)
        if self.cert_file is not None and self.key_file is not None:
            _load_pair(context, self.cert_file, self.key_file)
        if self.insecure_skip_verify:
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        return context


def _load_pair(context: ssl.SSLContext, cert_file: Path, key_file: Path) -> None:
    def pass_phrase() -> str:
        # Without this OpenSSL would ask for it at the terminal, and everything would wait for somebody there.
        raise OSError(f"{key_file} has a pass phrase; give a key without one")

    # ssl's own errors name no file.
    for path in (cert_file, key_file):
        path.open("rb").close()
    try:
        context.load_cert_chain(cert_file, key_file, pass_phrase)
    except ssl.SSLError:
        raise OSError(f"{cert_file} and {key_file} are not a certificate and its key in PEM") from None


def _load_authorities(context: ssl.SSLContext, path: Path) -> None:
    path.open("rb").close()
    try:
        context.load_verify_locations(path)
    except ssl.SSLError:
        raise OSError(f"{path} holds no certificates in PEM") from None
