"""Labels, metrics and resources that are new in every point: the daemon stays small, answers and adds up."""

import re
import time

import pytest
from opentelemetry.proto.metrics.v1.metrics_pb2 import Metric

from tests.backends.process import get, wait_until
from tests.end_to_end.test_pull import WithPage, send
from tests.exporters.pull import DELTA
from tests.payloads import metrics, pairs

pytestmark = pytest.mark.end_to_end

REQUESTS = 60
SERIES = 3000
MEGABYTE = 2**20


def counter(name: str, numbers: range) -> Metric:
    """Deltas of 1, each of a series that was never there before."""
    metric, now = Metric(name=name), time.time_ns()
    metric.sum.is_monotonic, metric.sum.aggregation_temporality = True, DELTA
    for number in numbers:
        labels = pairs({"route": "/a", "x": f"x{number}", f"k{number}": "y"})
        metric.sum.data_points.add(start_time_unix_nano=now - 1, time_unix_nano=now, as_int=1, attributes=labels)
    return metric


def attack(running: WithPage, number: int) -> int:
    """How many points were sent."""
    new = range(number * 1500, (number + 1) * 1500)
    names = [counter(f"attack.{each}", range(each, each + 1)) for each in new[:300]]
    send(running, metrics([counter("attack", new), *names], resource={"service.name": "a"}).payload)
    for each in new[:20]:
        send(
            running, metrics([counter("attack", range(each, each + 5))], resource={"service.name": f"a{each}"}).payload
        )
    return len(new) + len(names) + 100


def shown(running: WithPage) -> float:
    """All counters on the page, added up."""
    page = get(f"http://{running.address('page')}/metrics").body.decode()
    return sum(float(value) for value in re.findall(r"^attack\S*_total(?:\{.*\})? (\S+)", page, re.M))


def test_an_attack() -> None:
    """Memory does not grow with what comes; every point is in a sum, or counted as dropped."""
    with WithPage(max_series=SERIES, max_series_per_metric=SERIES // 2) as running:
        sent, half = 0, 0
        for number in range(REQUESTS):
            sent += attack(running, number)
            assert get(f"http://{running.address('health')}/").status == 200
            if number == REQUESTS // 2:
                half = running.memory_bytes()
        wait_until(lambda: running.metric("otelcol_exporter_queue_size") == 0, what="an empty queue")
        wait_until(
            lambda: shown(running) + running.metric("telescrub_dropped_items_total") == sent,
            what="a place for each point",
        )
        assert running.metric("telescrub_cardinality_series") <= SERIES
        assert running.metric("telescrub_dropped_items_total", reason="cardinality_limit") > 0
        assert running.memory_bytes() - half < 30 * MEGABYTE
