"""`prometheus`: a page for Prometheus to scrape, with what every series last said. See docs/prometheus_pull.md.

Whoever can, should have Telescrub push with `prometheus_remote_write`: of what comes between two scrapes a page shows
only the last, and what is gone before the next scrape was never there.
"""

import asyncio
import gzip
import threading
import time
from collections.abc import Callable
from contextlib import AsyncExitStack
from types import TracebackType
from typing import Literal, Self

from aiohttp import web
from pydantic import Field, field_validator

from config.settings import Seconds
from exporters.prometheus_settings import Labels, ResourceLabels, strategy
from exporters.prometheus_table import Naming, Reason, Table
from exporters.prometheus_text import OPEN_METRICS, TEXT, text
from pipeline.batch import Batch, Signal
from pipeline.component import Context, Encoded, ExporterSettings, ProcessorSettings, Request
from pipeline.queues.queue import QueueSettings
from pipeline.serving.listening import Address, ListeningSettings, listen_for
from processors.delta_to_cumulative import DeltaToCumulativeSettings
from wire.prometheus_names import Strategy

__all__ = ["Prometheus", "PrometheusSettings"]

_ESCAPING = frozenset({Strategy.UNDERSCORE_ESCAPING_WITH_SUFFIXES, Strategy.UNDERSCORE_ESCAPING_WITHOUT_SUFFIXES})
_GZIP_LEVEL = 1
"""The page goes over a short way and is made anew each time."""


class PullQueue(QueueSettings):
    """The queue before the page."""

    num_consumers: Literal[1] = 1
    """Batches taken in at once: one, so that the points of a series come in order."""
    storage: str = "none"
    """What waits is in memory, as the page is: after a restart, both begin anew."""


class PrometheusSettings(ListeningSettings, ExporterSettings):
    """Settings of `prometheus`, with the Collector's keys."""

    endpoint: Address = "localhost:8889"
    """`host:port` of the page, whose path is `/metrics`. Only this machine, because the page has no authentication;
    with `tls` and its `client_ca_file` it has. The Collector's documentation has this port."""
    namespace: str = Field(default="", pattern="^([A-Za-z_:][A-Za-z0-9_:]*)?$")
    """Put before every metric's name, with an underscore."""
    const_labels: Labels = Field(default_factory=dict)
    """Given to every series that has no label of that name."""
    send_timestamps: bool = False
    """Show the time of each point. Off as in the Collector: a series with times does not go stale when it ends."""
    metric_expiration: Seconds = Field(default=300.0, gt=0)
    """A series that has not come for this long is no longer shown; the Collector's 5 minutes."""
    enable_open_metrics: bool = True
    """Answer in OpenMetrics whoever asks for it, as Prometheus does: the one text format that has exemplars. The
    Collector's default is off."""
    resource_to_telemetry_conversion: ResourceLabels = ResourceLabels()
    """Resource attributes as labels, all of them."""
    without_scope_info: bool = False
    """Leave out the `otel_scope_*` labels; without them, metrics of one name from two libraries are the same series."""
    translation_strategy: Strategy | None = None
    """How names are translated: `UnderscoreEscapingWithSuffixes` (the default, unless `add_metric_suffixes` is off) or
    `UnderscoreEscapingWithoutSuffixes`."""
    add_metric_suffixes: bool = True
    """The Collector's older switch for the same: append units and `_total`."""
    delta_to_cumulative: DeltaToCumulativeSettings | None = DeltaToCumulativeSettings()
    """Deltas are added up, because a page can only show totals; null drops them, counted."""
    sending_queue: PullQueue = PullQueue()
    """The queue before the page."""

    @field_validator("translation_strategy")
    @classmethod
    def _escapes(cls, strategy: Strategy | None) -> Strategy | None:
        if strategy is not None and strategy not in _ESCAPING:
            raise ValueError(
                "the page has escaped names only; use UnderscoreEscapingWithSuffixes or "
                "UnderscoreEscapingWithoutSuffixes"
            )
        return strategy

    def signals(self) -> frozenset[Signal]:
        return frozenset({Signal.METRICS})

    def before_queue(self, signal: Signal) -> ProcessorSettings | None:
        return self.delta_to_cumulative

    def naming(self) -> Naming:
        """What of the settings is about names and labels."""
        return Naming(
            strategy=strategy(self.translation_strategy, add_metric_suffixes=self.add_metric_suffixes),
            namespace=self.namespace,
            const_labels=self.const_labels,
            promote=self.resource_to_telemetry_conversion.promotes,
            scope_labels=not self.without_scope_info,
        )

    def build(self, context: Context) -> "Prometheus":
        return Prometheus(self, context)


class Prometheus:
    """Serves the page; its destination is the table behind it."""

    max_request_bytes = 0

    def __init__(
        self, settings: PrometheusSettings, context: Context, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._settings, self._context, self._clock = settings, context, clock
        self._table = Table(settings.naming(), settings.metric_expiration)
        # Points come in and pages are made in threads.
        self._lock = threading.Lock()
        self._stack = AsyncExitStack()
        self.port = 0

    async def __aenter__(self) -> Self:
        app = web.Application()
        app.router.add_get("/metrics", self._answer)
        server = listen_for(self._context, app, self._settings)
        self.port = (await self._stack.enter_async_context(server)).port
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._stack.aclose()

    def encode(self, batch: Batch) -> Encoded:
        return Encoded([Request(batch.signal, batch.payload, batch.items)])

    async def send(self, request: Request) -> int:
        lost = await asyncio.to_thread(self._take_in, Batch(request.signal, request.body, request.items))
        kept_in_part = lost.pop(Reason.HELP_CONFLICT, 0)
        if kept_in_part:
            reason = Reason.HELP_CONFLICT.value
            self._context.telemetry.shortened(self._context.id, request.signal, reason, kept_in_part)
        for each, points in lost.items():
            self._context.telemetry.dropped(self._context.id, request.signal, each.value, points)
        return 0

    def _take_in(self, batch: Batch) -> dict[Reason, int]:
        with self._lock:
            now = self._clock()
            self._table.expire(now)
            return self._table.add(batch.decode(), now)

    async def _answer(self, request: web.Request) -> web.Response:
        open_metrics = self._settings.enable_open_metrics and wants_open_metrics(request.headers.get("Accept", ""))
        zipped = "gzip" in request.headers.get("Accept-Encoding", "").lower()
        body = await asyncio.to_thread(self._page, open_metrics, zipped)
        headers = {"Content-Type": OPEN_METRICS if open_metrics else TEXT, "Vary": "Accept, Accept-Encoding"}
        return web.Response(body=body, headers=headers | ({"Content-Encoding": "gzip"} if zipped else {}))

    def _page(self, open_metrics: bool, zipped: bool) -> bytes:
        with self._lock:
            self._table.expire(self._clock())
            page = text(self._table, open_metrics=open_metrics, timestamps=self._settings.send_timestamps)
        return gzip.compress(page, _GZIP_LEVEL) if zipped else page


def wants_open_metrics(accept: str) -> bool:
    """Whether a client's `Accept` likes OpenMetrics 1.0 at least as well as plain text (RFC 9110, 12.5.1)."""
    weights = {"application/openmetrics-text": 0.0, "text/plain": 0.0}
    for offer in accept.split(","):
        media, *parameters = (part.strip().lower() for part in offer.split(";"))
        given = dict(parameter.split("=", 1) for parameter in parameters if "=" in parameter)
        is_known = given.get("version", "1.0.0") in ("0.0.4", "1.0.0")
        if media in weights and is_known:
            weights[media] = max(weights[media], _weight(given.get("q", "1")))
    return weights["application/openmetrics-text"] > 0 and (
        weights["application/openmetrics-text"] >= weights["text/plain"]
    )


def _weight(text_of_it: str) -> float:
    try:
        return float(text_of_it)
    except ValueError:
        return 0.0
