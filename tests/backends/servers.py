"""The real servers Telescrub sends to, and the real Collector, each with the read-back an end-to-end test needs.

    with Prometheus() as prometheus, Loki() as loki:
        ...
        assert prometheus.query("up") == []

A server listens on free ports of the loopback, keeps its data in a temporary folder and is ready when its block begins.
``everything_stored`` is whatever a server would show to anybody about what it was sent; together with
``texts_stored`` it is what a search for leaked values reads. Stores are asynchronous: use ``wait_until``.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Literal

from tests.backends.process import Json, Server, ServerError, Store, get

__all__ = ["Collector", "Jaeger", "Loki", "Prometheus", "spans_in"]

LEGACY_NAME = re.compile("[a-zA-Z_][a-zA-Z0-9_]*")
NANOSECONDS = 1_000_000_000
MOST_TRACES = 100_000
MOST_LINES = 100_000
CACHES = ("cache_results", "cache_index_stats_results", "cache_series_results", "cache_label_results")
PLACEHOLDER = re.compile("@(?P<name>[a-z_]+)@")
DAY = 24 * 3600 * NANOSECONDS


class Prometheus(Store):
    """Prometheus with its remote-write receiver, exemplars and native histograms on; it scrapes nothing.

    Args:
        binary_name: ``prometheus`` is a current one, ``prometheus-debian`` an old one (no remote-write 2.0, no OTLP).
        out_of_order_time_window: how far behind a series' newest sample may be, such as ``"10m"``.
        flags: further command-line flags.
    """

    def __init__(
        self,
        binary_name: Literal["prometheus", "prometheus-debian"] = "prometheus",
        *,
        out_of_order_time_window: str = "0s",
        flags: Sequence[str] = (),
    ) -> None:
        self.program = binary_name
        super().__init__()
        self._window = out_of_order_time_window
        self._flags = list(flags)

    def arguments(self) -> list[str]:
        config = {"storage": {"tsdb": {"out_of_order_time_window": self._window}}}
        (self.directory / "prometheus.yml").write_text(json.dumps(config))
        return [
            f"--config.file={self.directory / 'prometheus.yml'}",
            f"--storage.tsdb.path={self.directory / 'data'}",
            f"--web.listen-address={self.address('http')}",
            "--web.enable-remote-write-receiver",
            "--enable-feature=exemplar-storage,native-histograms",
            *self._flags,
        ]

    def is_ready(self) -> bool:
        return get(f"{self.url}/-/ready").status == 200

    @property
    def url(self) -> str:
        return f"http://{self.address('http')}"

    @property
    def write_url(self) -> str:
        """Where remote-write requests go."""
        return f"{self.url}/api/v1/write"

    def api(self, path: str, **parameters: object) -> Json:
        """The ``data`` of an answer of the HTTP API, https://prometheus.io/docs/prometheus/latest/querying/api/."""
        return get(f"{self.url}/api/v1/{path}", parameters).json()["data"]

    def query(self, expression: str, time: float | None = None) -> list[Json]:
        """An instant query at ``time`` (seconds since 1970; as a default, now): ``[{"metric": …, "value": …}]``."""
        result: list[Json] = self.api("query", query=expression, time=time)["result"]
        return result

    def query_range(self, expression: str, start: float, end: float, step: float) -> list[Json]:
        """A range query, all in seconds: ``[{"metric": …, "values": [[time, text], …]}]``."""
        result: list[Json] = self.api("query_range", query=expression, start=start, end=end, step=step)["result"]
        return result

    def series(self, match: str = '{__name__=~".+"}') -> list[dict[str, str]]:
        """The label sets of all stored series that match."""
        labels: list[dict[str, str]] = self.api("series", **{"match[]": match})
        return labels

    def exemplars(self, expression: str, start: float, end: float) -> list[Json]:
        """The exemplars of the series in an expression: ``[{"seriesLabels": …, "exemplars": […]}]``."""
        found: list[Json] = self.api("query_exemplars", query=expression, start=start, end=end)
        return found

    def everything_stored(self) -> Json:
        """All series (also without a name), label values, samples, exemplars and metadata."""
        names: list[str] = self.api("labels")
        selectors = [f'{{{self._quoted(name)}=~".+"}}' for name in names if self._can_select(name)]
        return {
            "series": self.api("series", **{"match[]": selectors}) if selectors else [],
            "label_values": {name: self.api(f"label/{name}/values") for name in names if LEGACY_NAME.fullmatch(name)},
            "samples": self.query('{__name__=~".+"}[20y]'),
            "exemplars": self.exemplars(" or ".join(selectors), 0, 2**32) if selectors else [],
            "metadata": self.api("metadata"),
        }

    def _quoted(self, name: str) -> str:
        return name if LEGACY_NAME.fullmatch(name) else json.dumps(name)

    def _can_select(self, name: str) -> bool:
        """Prometheus 2 stores any label name, but cannot select by one that is not of the classic form."""
        return self.program == "prometheus" or LEGACY_NAME.fullmatch(name) is not None


class Jaeger(Store):
    """Jaeger 2 with its OTLP receivers and traces in memory."""

    program = "jaeger"

    def arguments(self) -> list[str]:
        config = {
            "service": {
                "extensions": ["jaeger_storage", "jaeger_query", "healthcheckv2"],
                "pipelines": {"traces": {"receivers": ["otlp"], "exporters": ["jaeger_storage_exporter"]}},
                "telemetry": {"metrics": {"level": "none"}},
            },
            "extensions": {
                "jaeger_storage": {"backends": {"memory": {"memory": {"max_traces": MOST_TRACES}}}},
                "jaeger_query": {
                    # Otherwise it sends traces of itself to the usual port 4317, whoever listens there.
                    "enable_tracing": False,
                    "storage": {"traces": "memory"},
                    "http": {"endpoint": self.address("query_http")},
                    "grpc": {"endpoint": self.address("query_grpc")},
                },
                "healthcheckv2": {"use_v2": True, "http": {"endpoint": self.address("health")}},
            },
            "receivers": {
                "otlp": {
                    "protocols": {
                        "grpc": {"endpoint": self.otlp_grpc_endpoint},
                        "http": {"endpoint": self.address("otlp_http")},
                    }
                }
            },
            "exporters": {"jaeger_storage_exporter": {"trace_storage": "memory"}},
        }
        (self.directory / "jaeger.yaml").write_text(json.dumps(config))
        return [f"--config={self.directory / 'jaeger.yaml'}"]

    def is_ready(self) -> bool:
        return get(f"http://{self.address('health')}/status").status == 200

    @property
    def otlp_grpc_endpoint(self) -> str:
        """``host:port`` of the OTLP/gRPC receiver."""
        return self.address("otlp_grpc")

    @property
    def otlp_http_endpoint(self) -> str:
        """The URL that ``/v1/traces`` follows."""
        return f"http://{self.address('otlp_http')}"

    def api(self, path: str, **parameters: object) -> Json | None:
        """An answer of the HTTP API, or None where it says that nothing was found (404)."""
        answer = get(f"http://{self.address('query_http')}/api/v3/{path}", parameters)
        return None if answer.status == 404 else answer.json()

    def services(self) -> list[str]:
        """The names of all services that have spans."""
        names: list[str] = (self.api("services") or {}).get("services", [])
        return names

    def trace(self, trace_id: str) -> Json | None:
        """The trace with this id (32 hex digits) as OTLP JSON ``{"resourceSpans": …}``, unadjusted; None if unknown."""
        answer = self.api(f"traces/{trace_id}", raw_traces="true")
        return answer and answer["result"]

    def find(self, service: str, start: int, end: int) -> Json:
        """All traces with a span of this service that starts in between (nanoseconds since 1970), as OTLP JSON."""
        parameters = {
            "query.service_name": service,
            "query.start_time_min": rfc3339(start),
            "query.start_time_max": rfc3339(end),
            "query.num_traces": MOST_TRACES,
            "query.raw_traces": "true",
        }
        answer = self.api("traces", **parameters)
        return answer["result"] if answer else {"resourceSpans": []}

    def everything_stored(self) -> Json:
        """Per service its operations and its traces."""
        return {
            service: {
                "operations": self.api("operations", service=service),
                "traces": self.find(service, 0, 2**62),
            }
            for service in self.services()
        }


def rfc3339(nanoseconds: int) -> str:
    """A time since 1970 as RFC 3339 text, with all nine decimals."""
    seconds, rest = divmod(nanoseconds, NANOSECONDS)
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%S}.{rest:09d}Z"


def spans_in(traces: Json) -> list[Json]:
    """All spans of an OTLP JSON ``{"resourceSpans": …}``, in its order."""
    return [
        span
        for of_resource in traces.get("resourceSpans", [])
        for of_scope in of_resource.get("scopeSpans", [])
        for span in of_scope.get("spans", [])
    ]


class Loki(Store):
    """Loki in one process, for one tenant, on the file system.

    Old entries are taken, so that tests may use fixed times; the other limits are Loki's own unless ``limits`` (keys of
    ``limits_config``) says otherwise.
    """

    program = "loki"

    def __init__(self, *, limits: Mapping[str, str | int | bool] | None = None) -> None:
        super().__init__()
        ours = {
            "reject_old_samples": False,
            "max_entries_limit_per_query": MOST_LINES,
            "max_query_length": "0s",
            # A query of a year is one query, not one per hour of it.
            "split_queries_by_interval": "0s",
        }
        self._limits = ours | dict(limits or {})

    def arguments(self) -> list[str]:
        (self.directory / "loki.yaml").write_text(json.dumps(self._config()))
        return [f"-config.file={self.directory / 'loki.yaml'}"]

    def _config(self) -> Json:
        data = self.directory / "data"
        index = {"prefix": "index_", "period": "24h"}
        return {
            "auth_enabled": False,
            "analytics": {"reporting_enabled": False},
            "server": {
                "http_listen_address": "127.0.0.1",
                "http_listen_port": self.port("http"),
                "grpc_listen_address": "127.0.0.1",
                "grpc_listen_port": self.port("grpc"),
            },
            "common": {
                "instance_addr": "127.0.0.1",
                "path_prefix": str(data),
                "storage": {
                    "filesystem": {"chunks_directory": str(data / "chunks"), "rules_directory": str(data / "rules")}
                },
                "replication_factor": 1,
                "ring": {"kvstore": {"store": "inmemory"}},
            },
            "schema_config": {
                "configs": [
                    {
                        "from": "2020-01-01",
                        "store": "tsdb",
                        "object_store": "filesystem",
                        "schema": "v13",
                        "index": index,
                    }
                ]
            },
            "ingester": {
                "lifecycler": {"min_ready_duration": "0s", "final_sleep": "0s"},
                # Entries older than this are looked for on disk only, where nothing is before some hours have passed.
                "query_store_max_look_back_period": -1,
            },
            # An answer to an earlier question of a test would be an answer without what it pushed since.
            "query_range": dict.fromkeys(CACHES, False),
            # Named outright, the parts find each other at once rather than after two rounds of looking around (10 s).
            "query_scheduler": {"use_scheduler_ring": False},
            "frontend": {"scheduler_address": self.address("grpc")},
            "frontend_worker": {"scheduler_address": self.address("grpc")},
            "limits_config": self._limits,
        }

    def is_ready(self) -> bool:
        return get(f"{self.url}/ready").status == 200

    @property
    def url(self) -> str:
        return f"http://{self.address('http')}"

    @property
    def push_url(self) -> str:
        """Where push requests go."""
        return f"{self.url}/loki/api/v1/push"

    @property
    def otlp_http_endpoint(self) -> str:
        """The URL that ``/v1/logs`` follows."""
        return f"{self.url}/otlp"

    def api(self, path: str, **parameters: object) -> Json:
        """The ``data`` of an answer of the HTTP API; structured metadata is kept apart from labels."""
        headers = {"X-Loki-Response-Encoding-Flags": "categorize-labels"}
        return get(f"{self.url}/loki/api/v1/{path}", parameters, headers).json().get("data")

    def query_range(self, logql: str, start_ns: int, end_ns: int, limit: int = 5000) -> list[Json]:
        """The streams of a query, oldest entry first.

        Each is ``{"stream": {labels}, "values": [[ns as text, line, {"structuredMetadata": {…}}], …]}``.
        """
        parameters = {"query": logql, "start": start_ns, "end": end_ns, "limit": limit, "direction": "forward"}
        streams: list[Json] = self.api("query_range", **parameters)["result"]
        return streams

    def labels(self) -> list[str]:
        """The names of all labels of the last year."""
        return self.api("labels", **self._last_year()) or []

    def series(self, match: str) -> list[dict[str, str]]:
        """The label sets of the streams of the last year that match."""
        return self.api("series", **{"match[]": match}, **self._last_year()) or []

    def everything_stored(self) -> Json:
        """All streams of the last year with labels, lines and structured metadata."""
        window = self._last_year()
        return {
            name: {
                "values": self.api(f"label/{name}/values", **window),
                "streams": self._all_streams(f'{{{name}=~".+"}}', window["start"], window["end"]),
            }
            for name in self.labels()
        }

    def _all_streams(self, logql: str, start: int, end: int) -> list[Json]:
        streams = self.query_range(logql, start, end, MOST_LINES)
        if sum(len(stream["values"]) for stream in streams) >= MOST_LINES:
            raise ServerError(f"Loki has more than the {MOST_LINES} lines that one answer holds")
        return streams

    @staticmethod
    def _last_year() -> dict[str, int]:
        now = time.time_ns()
        return {"start": now - 365 * DAY, "end": now + DAY}


class Collector(Server):
    """The real OpenTelemetry Collector, run with a YAML configuration.

    In it ``@name@`` stands for a free port of the loopback, the same one wherever the name is the same (``port`` tells
    it), and ``@directory@`` for the temporary folder. Its own metrics are off, unless flags of the caller's set them.
    """

    program = "otelcol"

    def __init__(self, config: str, *, flags: Sequence[str] = ()) -> None:
        super().__init__()
        self._config = config
        self._flags = list(flags)

    def arguments(self) -> list[str]:
        path = self.directory / "collector.yaml"
        path.write_text(PLACEHOLDER.sub(self._filled_in, self._config))
        return [f"--config={path}", "--set=service.telemetry.metrics.level=none", *self._flags]

    def _filled_in(self, placeholder: re.Match[str]) -> str:
        name = placeholder["name"]
        return str(self.directory if name == "directory" else self.port(name))

    def is_ready(self) -> bool:
        return "Everything is ready. Begin running and processing data." in self.log
