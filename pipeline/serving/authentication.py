"""Who a client is, and who we are to a destination: the contracts of the extensions that know, and the door of web
pages.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol, cast, runtime_checkable

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware
from multidict import CIMultiDict

from config.auth import AuthSettings
from pipeline.component import Context, Extension
from pipeline.errors import Refused
from pipeline.serving.pages import retry_after

__all__ = [
    "Authenticator",
    "Client",
    "Forbidden",
    "HeaderSource",
    "Unauthenticated",
    "Values",
    "header_source",
    "only_known_clients",
]

Values = Callable[[str], Sequence[str]]
"""All values of a header (in gRPC: of the metadata) of a request, by the header's name in lower case."""


@dataclass(frozen=True, slots=True, repr=False)
class Client:
    """Who sent a request. Both are data: they never appear in a log line or a metric.

    `tenants` are those it may send for; empty: the authenticator does not say.
    """

    name: str
    tenants: frozenset[str] = frozenset()


class Unauthenticated(Exception):
    """The credentials of a request are missing, wrong or no longer valid. The sentence tells a client which, and
    quotes nothing; `challenge` is the value of WWW-Authenticate (RFC 9110 §11.6.1).
    """

    def __init__(self, message: str, challenge: str) -> None:
        super().__init__(message)
        self.challenge = challenge


class Forbidden(Exception):
    """The client is known and may not do this."""


@runtime_checkable
class Authenticator(Extension, Protocol):
    """An extension that knows the clients of receivers and pages."""

    async def authenticate(self, values: Values) -> Client:
        """The client, by the headers of its request alone: the body has not been read.

        Raises: `Unauthenticated`; `Refused` where it cannot be found out now. Nobody is let in by mistake.
        """
        ...


@runtime_checkable
class HeaderSource(Extension, Protocol):
    """An extension that gives the requests of exporters their credentials."""

    async def authorize(self, headers: CIMultiDict[str]) -> None:
        """Put what a request needs into its headers. Raises: `Refused` where it cannot be had now."""
        ...

    async def renew(self, headers: CIMultiDict[str]) -> bool:
        """The destination answered 401 to a request with these headers: whether it may be worth asking once more."""
        ...


def header_source(context: Context, auth: AuthSettings | None) -> HeaderSource | None:
    """The extension that an exporter names, which the configuration has been checked for; None where it names none."""
    return None if auth is None else cast(HeaderSource, context.extension(auth.authenticator))


def only_known_clients(authenticator: Authenticator) -> Middleware:
    """What lets only known clients through to the pages of an aiohttp application."""

    @web.middleware
    async def middleware(request: web.Request, handler: Handler) -> web.StreamResponse:
        try:
            await authenticator.authenticate(lambda name: request.headers.getall(name, []))
        except Unauthenticated as error:
            return web.Response(status=401, text=f"{error}\n", headers={"WWW-Authenticate": error.challenge})
        except Refused as error:
            return web.Response(status=503, text=f"{error}\n", headers=retry_after(error.retry_after_seconds))
        return await handler(request)

    return middleware
