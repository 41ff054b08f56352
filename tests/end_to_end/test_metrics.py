"""A label dropped, in real Prometheus: what is asked of the sums equals what is asked of all the series they are of."""

import os
import random
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import pytest

from tests.backends.process import request, wait_until
from tests.backends.servers import Prometheus
from tests.end_to_end.daemon import Telescrub
from tests.end_to_end.fleet import INTERVAL_SECONDS, Export, Fleet
from tests.end_to_end.test_prometheus import V1, Way
from tests.exporters.remote_write_receiver import V2

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


def daemon(
    prometheus: Prometheus, folder: Path, processor: str = "drop_labels", message: str = V1, linger: int = 3
) -> Telescrub:
    """Everything goes two ways into Prometheus: as it is, and without the labels `node` and `shelf`."""
    exporters = {
        f"prometheus_remote_write/{way}": {
            "endpoint": prometheus.write_url,
            "external_labels": {"way": way},
            "protobuf_message": message,
        }
        for way in ("all", "sums")
    }
    aggregation = {"gauges": {"*": "sum"}, "linger": f"{linger}s", "storage": str(folder)}
    redaction = {"redaction": "none", "redaction_reason": "made-up data"}
    pipelines = {
        "metrics/all": {"receivers": ["otlp"], "exporters": ["prometheus_remote_write/all"], **redaction},
        "metrics/sums": {
            "receivers": ["otlp"],
            "processors": [processor],
            "exporters": ["prometheus_remote_write/sums"],
            **redaction,
        },
    }
    service = {
        "extensions": ["health_check"],
        "telemetry": {"metrics": {"address": "@metrics@"}, "logs": {"encoding": "json"}},
        "pipelines": pipelines,
    }
    key = {"drop_labels": "labels", "limit_cardinality": "always_drop"}[processor]
    settings = {key: ["node", "shelf"], "aggregation": aggregation}
    return Telescrub({"metrics": exporters}, processors={processor: settings}, service=service)


@pytest.fixture
def prometheus() -> Iterator[Prometheus]:
    with Prometheus() as running:
        yield running


def send(running: Telescrub, export: Export) -> None:
    headers = {"Content-Type": "application/x-protobuf"}
    answer = request("POST", f"{running.url('otlp_http')}/v1/metrics", body=export.body, headers=headers)
    assert answer.status == 200


def settle(running: Telescrub, linger: int = 3) -> None:
    """Every interval has closed and every queue is empty."""
    time.sleep(linger + 2)
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
        compare(running, prometheus, [fleet.time(50), fleet.time(LAST)])


def compare(
    running: Telescrub, prometheus: Prometheus, times: list[int], window: str = "10m", rel: float = 1e-9
) -> None:
    """Nothing was lost or refused, and every query says the same of the sums as of all they are of."""
    for name in ("otelcol_exporter_send_failed_metric_points", "otelcol_exporter_enqueue_failed_metric_points"):
        assert running.metric(name) == 0
    assert running.metric("telescrub_dropped_items_total") == 0
    for at in times:
        for query in QUERIES:
            asked = query.replace("10m", window)
            sums, control = (answers(prometheus, asked % way, at) for way in ("sums", "all"))
            assert control, query
            assert sums == pytest.approx(control, rel=rel), query
    assert '"level": "error"' not in running.log


COMBINATIONS = [("prometheus", V2), ("prometheus", V1), ("prometheus-debian", V2), ("prometheus-debian", V1)]
if "TELESCRUB_AT_SCALE" not in os.environ:
    COMBINATIONS = COMBINATIONS[:1]


@pytest.mark.parametrize(("program", "message"), COMBINATIONS)
def test_a_label_of_ten_thousand_values(
    program: Literal["prometheus", "prometheus-debian"], message: str, tmp_path: Path
) -> None:
    """Dropped by `limit_cardinality`; Prometheus answers every request of either protocol with 2xx.

    `make metrics-at-scale` runs it for all combinations. An interval takes seconds to send here, hence the long
    linger; sums of 2500 numbers above a million are exact to 1e-7 of them, a hundred-millionth of their rate.
    """
    last, linger = 20, 20
    began = int(time.time()) // INTERVAL_SECONDS * INTERVAL_SECONDS - (last + 20) * INTERVAL_SECONDS
    fleet = Fleet(began, shelves=200, seed=3, routes=("/visits",), restarts=range(8, 13), measured=50)
    with (
        Prometheus(program) as prometheus,
        daemon(prometheus, tmp_path / "state", "limit_cardinality", message, linger) as running,
    ):
        late: list[Export] = []
        for interval in range(last + 1):
            exports = late + list(fleet.exports(interval))
            late = [each for each in exports if each.interval == interval == 7 and each.instance % 10 == 0]
            for export in exports:
                if export not in late:
                    send(running, export)
            wait_until(lambda: running.metric("otelcol_exporter_queue_size") < 200, seconds=120, what="the queues")
        settle(running, linger)
        compare(running, prometheus, [fleet.time(last)], "5m", rel=1e-8)
        assert answers(prometheus, "count(requests_total{way='all'})", fleet.time(last)) == {"": 10_000}
        assert set(Way(prometheus, running, message).answers()) == {"204"}
