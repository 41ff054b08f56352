"""The first door of a receiver: who sends, by the headers of a request, before anything of its body is read."""

from collections.abc import Sequence
from dataclasses import replace
from typing import cast

from config.auth import AuthSettings
from config.settings import Settings
from pipeline.batch import Signal
from pipeline.component import Context
from pipeline.errors import Refused
from pipeline.serving.authentication import Authenticator, Client, Forbidden, Unauthenticated, Values

__all__ = ["AuthenticatedSettings", "Gate", "tenants_of"]


class AuthenticatedSettings(Settings):
    """What every receiver's protocol has beside its own settings."""

    auth: AuthSettings | None = None
    """Who knows the clients: the id of an extension. Without it everybody who reaches the address is let in."""


class Gate:
    """Lets in whom the authenticator knows; without one, everybody, by their address."""

    def __init__(self, settings: AuthenticatedSettings, context: Context) -> None:
        self._context, auth = context, settings.auth
        self._authenticator = None if auth is None else cast(Authenticator, context.extension(auth.authenticator))

    async def client(self, signal: Signal, address: str, values: Values) -> Client:
        """Who sends a request from an address, which is part of the name: many may share credentials, and many may come
        through one proxy. Both errors are counted here.

        Raises: `Unauthenticated`; `Refused` where it cannot be found out now.
        """
        if self._authenticator is None:
            return Client(address)
        try:
            client = await self._authenticator.authenticate(values)
            return replace(client, name=f"{client.name} {address}")
        except Unauthenticated:
            self._context.telemetry.refused_request(self._context.id, signal, "unauthenticated")
            raise
        except Refused:
            self._context.telemetry.refused_request(self._context.id, signal, "authentication_unavailable")
            raise


def tenants_of(client: Client, named: Sequence[str]) -> Sequence[str]:
    """Which tenant a request is of, where its header names some: what `TenantSettings.of_tenant` goes by. A client with
    tenants of its own can name no other, and needs to name none if it has only one.

    Raises: `Forbidden`.
    """
    if not client.tenants:
        return named
    if not set(named) <= client.tenants:
        raise Forbidden("this client may not send for the tenant that the request names")
    if not named and len(client.tenants) > 1:
        raise Forbidden("this client has several tenants; name one of them in the header for tenants")
    return named or list(client.tenants)
