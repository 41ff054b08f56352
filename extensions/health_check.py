"""The `health_check` extension: whether the daemon may be sent traffic, for Kubernetes and load balancers."""

from contextlib import AsyncExitStack
from types import TracebackType
from typing import Self

import orjson
from aiohttp import web

from pipeline.component import Context, ExtensionSettings
from pipeline.listening import Address, ListeningSettings, listen

__all__ = ["HealthCheck", "HealthCheckSettings"]


class HealthCheckSettings(ListeningSettings, ExtensionSettings):
    """Settings of `health_check`."""

    endpoint: Address = "localhost:13133"
    """`host:port`; the Collector's port."""
    path: str = "/"
    """Where it answers."""

    def build(self, context: Context) -> "HealthCheck":
        return HealthCheck(self, context)


class HealthCheck:
    """Answers 200 when every component runs and 503, saying what does not, while starting and draining."""

    def __init__(self, settings: HealthCheckSettings, context: Context) -> None:
        self._settings, self._context = settings, context
        self._stack = AsyncExitStack()
        self.port = 0

    async def __aenter__(self) -> Self:
        app = web.Application()
        app.router.add_get(self._settings.path, self._answer)
        listening = await self._stack.enter_async_context(listen(app, self._settings, self._context.deadline))
        self.port = listening.port
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._stack.aclose()

    async def _answer(self, request: web.Request) -> web.Response:
        problems = dict(self._context.health.problems())
        status = "unavailable" if problems else "available"
        body = orjson.dumps({"status": status, "problems": problems}, option=orjson.OPT_APPEND_NEWLINE)
        return web.Response(status=503 if problems else 200, body=body, content_type="application/json")
