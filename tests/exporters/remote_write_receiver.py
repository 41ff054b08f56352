"""A receiver of remote-write that records every byte, and what tests of the exporter need around it."""

import asyncio
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import structlog
from aiohttp import web
from aiohttp.test_utils import TestServer
from opentelemetry.proto.metrics.v1.metrics_pb2 import Metric, MetricsData

from exporters.prometheus_remote_write import PrometheusRemoteWrite, PrometheusRemoteWriteSettings
from pipeline.batch import Batch, Signal
from pipeline.component import Context
from pipeline.deadline import Deadline
from pipeline.telemetry import Telemetry
from tests.wire.remote_write_messages import Read, read
from tests.wire.test_remote_write import payload

__all__ = ["URL", "V2", "Receiver", "batch", "build", "context_of"]

URL = "http://localhost:9090/api/v1/write"
V2 = "io.prometheus.write.v2.Request"


class Receiver:
    """Records requests, and answers 204, or what `answer` says to a body: status, text, headers.

    `knows_2` is a receiver of version 2.0, which says what it has written. `under_way` is the most requests at once.
    While it `hangs_up`, it takes what comes, and closes the connection instead of answering.
    """

    def __init__(self, *, knows_2: bool = True) -> None:
        self.requests: list[tuple[dict[str, str], bytes]] = []
        self.answer: Callable[[list[Read]], dict[str, Any]] = lambda series: {"status": 204}
        self.knows_2, self.hangs_up = knows_2, False
        self.under_way = self._now = 0
        application = web.Application(client_max_size=2**26)
        application.router.add_post("/api/v1/write", self._write)
        self.server = TestServer(application)

    async def _write(self, request: web.Request) -> web.Response:
        self._now += 1
        self.under_way = max(self.under_way, self._now)
        body = await request.read()
        self.requests.append((dict(request.headers), body))
        await asyncio.sleep(0)
        if self.hangs_up and request.transport is not None:
            request.transport.abort()
        two = V2 in request.headers["Content-Type"]
        series = read(body, two=two)
        answer = {"headers": {}, **self.answer(series)}
        if two and self.knows_2 and answer["status"] < 300:
            counts = sum(len(one.samples) for one in series), sum(len(one.histograms) for one in series)
            for what, count in zip(("Samples", "Histograms"), counts, strict=True):
                answer["headers"] |= {f"X-Prometheus-Remote-Write-{what}-Written": str(count)}
        self._now -= 1
        return web.Response(**answer)

    @property
    def url(self) -> str:
        return str(self.server.make_url("/api/v1/write"))

    @property
    def bodies(self) -> list[list[Read]]:
        """The series of each request."""
        return [read(body, two=V2 in headers["Content-Type"]) for headers, body in self.requests]


def context_of(telemetry: Telemetry) -> Context:
    health = SimpleNamespace(problems=dict)
    return Context("prometheus_remote_write", telemetry, structlog.get_logger(), health, Deadline(30.0))


def build(telemetry: Telemetry, endpoint: str = URL, **settings: Any) -> PrometheusRemoteWrite:
    return PrometheusRemoteWriteSettings(endpoint=endpoint, **settings).build(context_of(telemetry))


def batch(*metrics: Metric, data: MetricsData | None = None) -> Batch:
    return Batch.received(Signal.METRICS, (data or payload(*metrics)).SerializeToString())
