"""The `health_check` extension: whether the daemon may be sent traffic, and how each of its parts is, for Kubernetes,
load balancers and people.
"""

from collections.abc import Callable
from contextlib import AsyncExitStack
from types import TracebackType
from typing import Self, cast

import orjson
from aiohttp import web

from pipeline.component import Context, ExtensionSettings
from pipeline.serving.listening import Address, ListeningSettings, UrlPath, listen_for
from pipeline.telemetry import Status

__all__ = ["HealthCheck", "HealthCheckSettings"]


class HealthCheckSettings(ListeningSettings, ExtensionSettings):
    """Settings of `health_check`."""

    endpoint: Address = "localhost:13133"
    """`host:port`; the Collector's port."""
    path: UrlPath = "/"
    """Where it answers, beside `/readyz`, which says the same, and `/livez`."""

    def build(self, context: Context) -> "HealthCheck":
        return HealthCheck(self, context)


class HealthCheck:
    """Answers 200 when the daemon may be sent traffic, and 503 while it is starting, draining or cannot take any; with
    the status of each component as JSON.

    A destination that is away makes its exporter degraded, not the daemon unready: its queue takes what comes, and if
    it is full the receiver says so to whom it concerns. `/livez` answers 200 as long as the process answers at all: it
    is no use to start it anew for anything that is wrong outside of it.
    """

    def __init__(self, settings: HealthCheckSettings, context: Context) -> None:
        self._settings, self._context = settings, context
        self._stack = AsyncExitStack()
        self.port = 0

    async def __aenter__(self) -> Self:
        app = web.Application()
        for path in dict.fromkeys((self._settings.path, "/readyz")):
            app.router.add_get(path, self._ready)
        app.router.add_get("/livez", self._live)
        server = listen_for(self._context, app, self._settings)
        self.port = (await self._stack.enter_async_context(server)).port
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._stack.aclose()

    async def _live(self, request: web.Request) -> web.Response:
        return _answer(200, {"status": "alive"})

    async def _ready(self, request: web.Request) -> web.Response:
        statuses = self._statuses()
        problems = dict(self._context.health.problems())
        problems |= {each: status.message for each, status in statuses.items() if status.status == "failed"}
        is_degraded = any(status.status == "degraded" for status in statuses.values())
        status = "unavailable" if problems else "degraded" if is_degraded else "available"
        return _answer(503 if problems else 200, {"status": status, "problems": problems, "components": statuses})

    def _statuses(self) -> dict[str, Status]:
        offered = self._context.telemetry.reports.get("health", {})
        return {component: cast(Callable[[], Status], read)() for (component, _), read in offered.items()}


def _answer(status: int, body: object) -> web.Response:
    encoded = orjson.dumps(body, option=orjson.OPT_APPEND_NEWLINE)
    return web.Response(status=status, body=encoded, content_type="application/json")
