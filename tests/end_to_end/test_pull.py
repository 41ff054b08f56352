"""A real Prometheus scrapes the `prometheus` exporter of a running daemon; `telescrub cardinality` asks it, too."""

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from opentelemetry.proto.metrics.v1.metrics_pb2 import Metric

from processors.cardinality.screen import fetch
from tests.backends.process import request, wait_until
from tests.backends.servers import Prometheus
from tests.end_to_end.daemon import Telescrub
from tests.exporters.pull import DELTA, RESOURCE, exemplar
from tests.payloads import metrics, pairs

pytestmark = pytest.mark.end_to_end


class WithPage(Telescrub):
    """A daemon that limits cardinality and shows a page."""

    def __init__(self, storage: Path | None = None, **limits: object) -> None:
        aggregation = {"storage": None if storage is None else str(storage)}
        limits = {"max_values_per_label": 5, "aggregation": aggregation, **limits}
        processors = {"redact_phi": None, "limit_cardinality": limits, "batch": None}
        pipeline = {"receivers": ["otlp"], "processors": list(processors), "exporters": ["prometheus"]}
        super().__init__({"metrics": {"prometheus": {"endpoint": "@page@"}}}, processors=processors)
        self._config["service"]["pipelines"]["metrics"] = pipeline

    def arguments(self) -> list[str]:
        arguments = super().arguments()
        config = Path(arguments[-1])
        config.write_text(config.read_text().replace("@page@", self.address("page")))
        return arguments


class Scraping(Prometheus):
    """A Prometheus that scrapes one address each second, the way it would any exporter."""

    def __init__(self, target: str) -> None:
        super().__init__()
        self._target = target

    def arguments(self) -> list[str]:
        arguments = super().arguments()
        path = self.directory / "prometheus.yml"
        scrape = {
            "job_name": "telescrub",
            "scrape_interval": "1s",
            "scrape_timeout": "1s",
            "honor_labels": True,
            "static_configs": [{"targets": [self._target]}],
        }
        path.write_text(json.dumps({**json.loads(path.read_text()), "scrape_configs": [scrape]}))
        return arguments


@pytest.fixture
def daemon() -> Iterator[Telescrub]:
    with WithPage() as running:
        yield running


def requests(value: int) -> bytes:
    """Deltas of 20 pods, and a histogram."""
    now = time.time_ns()
    counted, latency = Metric(name="requests"), Metric(name="latency", unit="s")
    counted.sum.is_monotonic, counted.sum.aggregation_temporality = True, DELTA
    for number in range(20):
        counted.sum.data_points.add(
            start_time_unix_nano=now - 10**9,
            time_unix_nano=now,
            as_int=value,
            attributes=pairs({"pod": f"web-{number:05d}", "route": "/a"}),
        )
    latency.histogram.aggregation_temporality = DELTA
    point = latency.histogram.data_points.add(
        start_time_unix_nano=now - 10**9, time_unix_nano=now, count=3, sum=4.5, bucket_counts=[1, 2]
    )
    point.explicit_bounds.append(1.0)
    shown = exemplar(0.5)
    shown.time_unix_nano = now
    point.exemplars.append(shown)
    return metrics([counted, latency], resource=RESOURCE).payload


def send(daemon: Telescrub, body: bytes) -> None:
    headers = {"Content-Type": "application/x-protobuf"}
    assert request("POST", f"{daemon.url('otlp_http')}/v1/metrics", body=body, headers=headers).status == 200


def test_scraped(daemon: Telescrub) -> None:
    """Types, totals of deltas over a label that was dropped, buckets, exemplars and target_info are in Prometheus."""
    with Scraping(daemon.address("page")) as prometheus:
        for value in (1, 2):
            send(daemon, requests(value))
        total = 'sum(requests_total{job="records",instance="i1"})'
        wait_until(lambda: _values(prometheus, total) == [60.0], what="the total of both")
        assert _values(prometheus, 'requests_total{pod!=""}') != [60.0]
        assert _values(prometheus, 'latency_seconds_bucket{le="1.0"}') == [2.0]
        assert _values(prometheus, "latency_seconds_sum") == [9.0]
        assert _values(prometheus, 'target_info{host_arch="arm64"}') == [1.0]
        assert _values(prometheus, 'up{job="telescrub"}') == [1.0]
        known = prometheus.api("metadata")
        assert (known["requests"] if "requests" in known else known["requests_total"])[0]["type"] == "counter"
        found = prometheus.api("query_exemplars", query="latency_seconds_bucket", start=0, end=time.time() + 60)
        assert found[0]["exemplars"][0]["labels"] == {"trace_id": "01" * 16, "span_id": "01" * 8, "step": "x"}


def test_the_report(daemon: Telescrub) -> None:
    """From the command line, while the daemon runs."""
    send(daemon, requests(1))
    command = [sys.executable, "-m", "pipeline", "cardinality", "--url", daemon.url("metrics"), "--format", "json"]
    result = subprocess.run(command, capture_output=True, check=True, text=True)
    (told,) = json.loads(result.stdout)
    worst = told["report"]["metrics"][0]
    assert (told["pipeline"], worst["name"], worst["labels"][0]["limit"]) == ("metrics", "requests", "values")
    assert "web-0" not in result.stdout


def test_limits_go_on_after_a_restart(tmp_path: Path) -> None:
    """What was decided is still decided, and what was counted still counts."""
    told: list[dict[str, Any]] = []
    for _ in range(2):
        with WithPage(tmp_path) as daemon:
            if not told:
                send(daemon, requests(1))
            told.append(fetch(daemon.url("metrics"))[0]["report"])
    before, after = (sorted((each["name"], each["series"], _limited(each)) for each in one["metrics"]) for one in told)
    assert before == after == [("latency", 1, []), ("requests", 1, ["pod"])]


def _limited(metric: dict[str, Any]) -> list[str]:
    return [label["name"] for label in metric["labels"] if label["limit"]]


def _values(prometheus: Prometheus, expression: str) -> list[float]:
    return [float(each["value"][1]) for each in prometheus.query(expression)]
