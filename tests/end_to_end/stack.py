"""Telescrub between real clients and the real Prometheus, Jaeger and Loki."""

import time
from contextlib import ExitStack
from types import TracebackType
from typing import Any, Literal, Self

from tests.backends.process import Json, wait_until
from tests.backends.servers import Jaeger, Loki, Prometheus, spans_in
from tests.end_to_end.daemon import Telescrub

__all__ = ["Stack"]

_QUICK_RETRY = {"initial_interval": "200ms", "max_interval": "1s", "max_elapsed_time": "120s"}


class Stack:
    """All of it for the length of a `with` block. `exporter_settings` go to all three exporters."""

    def __init__(
        self, prometheus: Literal["prometheus", "prometheus-debian"] = "prometheus", **exporter_settings: Any
    ) -> None:
        self.prometheus, self.jaeger, self.loki = Prometheus(prometheus), Jaeger(), Loki()
        self._settings = {"retry_on_failure": _QUICK_RETRY, **exporter_settings}
        self._cleanup = ExitStack()

    def __enter__(self) -> Self:
        with ExitStack() as cleanup:
            for server in (self.prometheus, self.jaeger, self.loki):
                cleanup.enter_context(server)
            self.telescrub = cleanup.enter_context(Telescrub(self._exporters()))
            self._cleanup = cleanup.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._cleanup.close()

    def _exporters(self) -> dict[str, dict[str, Any]]:
        jaeger = {"endpoint": self.jaeger.otlp_grpc_endpoint, **self._settings}
        prometheus = {"endpoint": self.prometheus.write_url, **self._settings}
        loki = {"endpoint": self.loki.push_url, **self._settings}
        return {
            "traces": {"jaeger": jaeger},
            "metrics": {"prometheus_remote_write": prometheus},
            "logs": {"loki": loki},
        }

    def wait_until_sent(self) -> None:
        """Every queue is empty."""
        wait_until(lambda: self.telescrub.metric("otelcol_exporter_queue_size") == 0, seconds=60, what="empty queues")

    def spans(self, trace_ids: set[str]) -> dict[str, Json]:
        """The spans Jaeger has of these traces, by span id."""
        found: dict[str, Json] = {}
        for trace_id in trace_ids:
            if (trace := self.jaeger.trace(trace_id)) is not None:
                found |= {span["spanId"]: span for span in spans_in(trace)}
        return found

    def entries(self) -> list[tuple[int, str, dict[str, str]]]:
        """Every log line of the last hour in Loki: time, line, stream labels and structured metadata."""
        now, hour = time.time_ns(), 3600 * 10**9
        return [
            (int(value[0]), value[1], {**stream["stream"], **value[2].get("structuredMetadata", {})})
            for stream in self.loki.query_range('{service_name=~".+"}', now - hour, now + hour)
            for value in stream["values"]
        ]

    def stored(self) -> dict[str, list[str]]:
        """Every text in each destination."""
        servers = {"prometheus": self.prometheus, "jaeger": self.jaeger, "loki": self.loki}
        return {name: server.texts_stored() for name, server in servers.items()}
