"""The operators' endpoint: commands for the running daemon, as JSON over HTTP, for `service::admin`.

It is for programs of operators and never for web pages: see `pipeline.serving.pages`.
"""

from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from types import TracebackType
from typing import Self, cast

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from config.model import AdminSettings
from pipeline.component import Context
from pipeline.logs import where
from pipeline.serving.authentication import Authenticator, only_known_clients
from pipeline.serving.listening import ListeningSettings, listen_for
from pipeline.serving.pages import answer, by_a_name_of_this_machine, not_for_browsers

__all__ = ["AUTHORIZATION", "Admin", "Commands"]

AUTHORIZATION = "TELESCRUB_ADMIN_AUTHORIZATION"
"""The variable of the environment from which commands take the header Authorization for an endpoint with `auth`; no
list of processes shows it."""

_MOST_BYTES = 4 * 2**20
"""Of a request: a configuration to be compared."""

Command = Callable[[web.Request], Awaitable[web.Response]]
"""Answers a request with `answer`; what it raises is answered 500 without a word of it."""


class Commands:
    """What operators can ask for (`looks`, with GET) and have done (`acts`, with POST), by path, such as `/-/queues`.

    Register all before the daemon is entered.
    """

    def __init__(self) -> None:
        self.looks: dict[str, Command] = {}
        self.acts: dict[str, Command] = {}


class Admin:
    """Entered: listens; `port` is then the real one. Left: whoever asks has been answered, within the deadline."""

    def __init__(self, settings: AdminSettings, commands: Commands, context: Context) -> None:
        self._settings, self._commands, self._context = settings, commands, context
        self._stack = AsyncExitStack()
        self.port = 0

    async def __aenter__(self) -> Self:
        settings, context = self._settings, self._context
        middlewares: list[Middleware] = [self._without_quoting, not_for_browsers]
        if settings.auth is None:
            middlewares.append(by_a_name_of_this_machine)
        else:
            authenticator = cast(Authenticator, context.extension(settings.auth.authenticator))
            middlewares.append(only_known_clients(authenticator))
        app = web.Application(middlewares=middlewares, client_max_size=_MOST_BYTES)
        for path, command in self._commands.looks.items():
            app.router.add_get(path, command)
        for path, command in self._commands.acts.items():
            app.router.add_post(path, command)
        place = ListeningSettings(endpoint=settings.endpoint, tls=settings.tls)
        server = listen_for(context, app, place)
        self.port = (await self._stack.enter_async_context(server)).port
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._stack.aclose()

    @web.middleware
    async def _without_quoting(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        try:
            return await handler(request)
        except web.HTTPException:
            raise
        except Exception as error:
            # Not the path: whoever asks may write anything there.
            self._context.log.error("a command failed", cause=where(error))
            return answer({"error": "an internal error; the daemon's log says where"}, 500)
