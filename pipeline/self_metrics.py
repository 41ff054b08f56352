"""The page with the daemon's own metrics: `/metrics` for Prometheus, `/metrics/summary` as JSON for people and
scripts.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import orjson
from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from pipeline.deadline import Deadline
from pipeline.listening import ListeningSettings, listen
from pipeline.telemetry import Telemetry

__all__ = ["serve_self_metrics", "summary"]


@asynccontextmanager
async def serve_self_metrics(telemetry: Telemetry, host: str, port: int, deadline: Deadline) -> AsyncIterator[int]:
    """Serve the page until left; gives the real port."""

    async def metrics(request: web.Request) -> web.Response:
        return web.Response(body=generate_latest(telemetry.registry), headers={"Content-Type": CONTENT_TYPE_LATEST})

    async def metrics_summary(request: web.Request) -> web.Response:
        body = orjson.dumps(summary(telemetry), option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE)
        return web.Response(body=body, content_type="application/json")

    app = web.Application()
    app.router.add_get("/metrics", metrics)
    app.router.add_get("/metrics/summary", metrics_summary)
    address = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    async with listen(app, ListeningSettings(endpoint=address), deadline) as listening:
        yield listening.port


def summary(telemetry: Telemetry) -> dict[str, Any]:
    """Metric name → one entry a sample, with its own name (a counter ends in `_total`), labels and value."""
    return {
        metric.name: [
            {"name": sample.name, "labels": sample.labels, "value": sample.value} for sample in metric.samples
        ]
        for metric in telemetry.registry.collect()
        if metric.samples
    }
