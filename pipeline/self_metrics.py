"""The page with the daemon's own metrics: `/metrics` for Prometheus, `/metrics/summary` as JSON for people and
scripts; and `/reports/<sort>`, what components tell beyond numbers, for this machine alone.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from ipaddress import ip_address
from typing import Any

from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from config.reloading import say_nothing
from config.tls import ServerTls
from pipeline.deadline import Deadline
from pipeline.serving.authentication import Authenticator, only_known_clients
from pipeline.serving.listening import ListeningSettings, listen
from pipeline.serving.pages import answer, by_a_name_of_this_machine, not_for_browsers
from pipeline.serving.sockets import Sockets
from pipeline.telemetry import Telemetry

__all__ = ["serve_self_metrics", "summary"]


@asynccontextmanager
async def serve_self_metrics(
    telemetry: Telemetry,
    host: str,
    port: int,
    deadline: Deadline,
    *,
    tls: ServerTls | None = None,
    authenticator: Authenticator | None = None,
    say: Callable[[str], None] = say_nothing,
    sockets: Sockets | None = None,
) -> AsyncIterator[int]:
    """Serve the page until left, to those whom the authenticator knows, if there is one; gives the real port.

    `say` is told of TLS files that changed and are no use; `sockets`: see `listen`.
    Raises: `OSError` for an address or a file that cannot be used.
    """

    async def metrics(request: web.Request) -> web.Response:
        return web.Response(body=generate_latest(telemetry.registry), headers={"Content-Type": CONTENT_TYPE_LATEST})

    async def metrics_summary(request: web.Request) -> web.Response:
        return answer(summary(telemetry))

    async def reports(request: web.Request) -> web.Response:
        if not _is_local(request.remote):
            return web.Response(status=403, text="reports are for callers on the same machine\n")
        offered = telemetry.reports.get(request.match_info["sort"], {})
        told = [
            {"component": component, "pipeline": pipeline, "report": await asyncio.to_thread(read)}
            for (component, pipeline), read in list(offered.items())
        ]
        return answer(told)

    app = web.Application(middlewares=[only_known_clients(authenticator)] if authenticator else [])
    app.router.add_get("/metrics", metrics)
    app.router.add_get("/metrics/summary", metrics_summary)
    private = web.Application(middlewares=[not_for_browsers, *([] if authenticator else [by_a_name_of_this_machine])])
    private.router.add_get("/{sort}", reports)
    app.add_subapp("/reports", private)
    address = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    place = ListeningSettings(endpoint=address, tls=tls)
    async with listen(app, place, deadline, say=say, sockets=sockets, owner="metrics") as listening:
        yield listening.port


def _is_local(address: str | None) -> bool:
    """Reports hold names that the data has: no scraper needs them, and the page may be open to a network."""
    return address is not None and ip_address(address.partition("%")[0]).is_loopback


def summary(telemetry: Telemetry) -> dict[str, Any]:
    """Metric name → one entry a sample, with its own name (a counter ends in `_total`), labels and value."""
    return {
        metric.name: [
            {"name": sample.name, "labels": sample.labels, "value": sample.value} for sample in metric.samples
        ]
        for metric in telemetry.registry.collect()
        if metric.samples
    }
