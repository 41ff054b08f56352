"""A label dropped, in real Prometheus: what is asked of the sums equals what is asked of all the series they are of."""

import random
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.backends.process import request, wait_until
from tests.backends.servers import Prometheus
from tests.end_to_end.daemon import Telescrub
from tests.end_to_end.fleet import INTERVAL_SECONDS, Export, Fleet

pytestmark = pytest.mark.end_to_end

LAST = 60
QUERIES = [
    "sum by (route) (rate(requests_total{way='%s'}[10m]))",
    "sum by (route) (increase(requests_total{way='%s'}[10m]))",
    "sum(rate(requests_total{way='%s'}[10m]))",
    "histogram_quantile(0.9, sum by (le, route) (rate(latency_bucket{way='%s'}[10m])))",
    "sum by (route) (rate(latency_sum{way='%s'}[10m]))",
    "sum by (route) (rate(latency_count{way='%s'}[10m]))",
    "histogram_quantile(0.9, sum by (route) (rate(size{way='%s'}[10m])))",
    "histogram_count(sum by (route) (increase(size{way='%s'}[10m])))",
    "sum by (route) (load{way='%s'})",
]


def daemon(prometheus: Prometheus, folder: Path) -> Telescrub:
    """Everything goes two ways into Prometheus: as it is, and without the labels `node` and `shelf`."""
    exporters = {
        f"prometheus_remote_write/{way}": {"endpoint": prometheus.write_url, "external_labels": {"way": way}}
        for way in ("all", "sums")
    }
    aggregation = {"gauges": {"*": "sum"}, "linger": "3s", "storage": str(folder)}
    redaction = {"redaction": "none", "redaction_reason": "made-up data"}
    pipelines = {
        "metrics/all": {"receivers": ["otlp"], "exporters": ["prometheus_remote_write/all"], **redaction},
        "metrics/sums": {
            "receivers": ["otlp"],
            "processors": ["drop_labels"],
            "exporters": ["prometheus_remote_write/sums"],
            **redaction,
        },
    }
    service = {
        "extensions": ["health_check"],
        "telemetry": {"metrics": {"address": "@metrics@"}, "logs": {"encoding": "json"}},
        "pipelines": pipelines,
    }
    labels = {"labels": ["node", "shelf"], "aggregation": aggregation}
    return Telescrub({"metrics": exporters}, processors={"drop_labels": labels}, service=service)


@pytest.fixture
def prometheus() -> Iterator[Prometheus]:
    with Prometheus() as running:
        yield running


def send(running: Telescrub, export: Export) -> None:
    headers = {"Content-Type": "application/x-protobuf"}
    answer = request("POST", f"{running.url('otlp_http')}/v1/metrics", body=export.body, headers=headers)
    assert answer.status == 200


def settle(running: Telescrub) -> None:
    """Every interval has closed and every queue is empty."""
    time.sleep(5)
    wait_until(lambda: running.metric("otelcol_exporter_queue_size") == 0, seconds=60, what="empty queues")


def answers(prometheus: Prometheus, query: str, at: int) -> dict[str, float]:
    return {each["metric"].get("route", ""): float(each["value"][1]) for each in prometheus.query(query, at)}


@pytest.mark.parametrize("restart", ["none", "clean", "kill"])
def test_sums_equal_all_they_are_of(prometheus: Prometheus, tmp_path: Path, restart: str) -> None:
    """Over restarts of instances, missing intervals, late data; with ours stopped or killed in the middle, too."""
    chance = random.Random(7)
    ways = {"none": 0, "clean": 1, "kill": 2}
    began = int(time.time()) // INTERVAL_SECONDS * INTERVAL_SECONDS - (LAST + 20) * INTERVAL_SECONDS
    fleet = Fleet(began, seed=ways[restart])
    with daemon(prometheus, tmp_path / "state") as running:
        late: list[Export] = []
        for interval in range(LAST + 1):
            exports = late + list(fleet.exports(interval))
            late = []
            if interval % 10 in (2, 7):
                # Some instances are behind the others by an interval, or by much more than sums wait for them.
                late = [each for each in exports if chance.random() < 0.1 and each.interval == interval]
            for export in exports:
                if export not in late:
                    send(running, export)
            if interval in (17, 42):
                settle(running)
            if interval == 30 and restart != "none":
                settle(running)
                running.kill() if restart == "kill" else running.stop()
                running.start()
        settle(running)
        for name in ("otelcol_exporter_send_failed_metric_points", "otelcol_exporter_enqueue_failed_metric_points"):
            assert running.metric(name) == 0
        assert running.metric("telescrub_dropped_items_total") == 0
        for interval in (50, LAST):
            for query in QUERIES:
                sums, control = (answers(prometheus, query % way, fleet.time(interval)) for way in ("sums", "all"))
                assert control, query
                assert sums == pytest.approx(control, rel=1e-9), query
        assert '"level": "error"' not in running.log
