"""Every type of metric through the daemon to real Prometheus servers, over remote-write 2.0 and 1.0."""

import itertools
import re
import time
from collections.abc import Iterator
from typing import Any, Literal, NamedTuple

import pytest
from opentelemetry.proto.metrics.v1.metrics_pb2 import Metric, MetricsData

from tests.backends.process import get, request, wait_until
from tests.backends.servers import Prometheus
from tests.end_to_end.daemon import Telescrub
from tests.exporters.remote_write_receiver import V2
from tests.wire.test_remote_write import attributes, payload

pytestmark = pytest.mark.end_to_end

V1 = "prometheus.WriteRequest"
STEP = 15
ROUNDS = 9
TRACE = bytes(range(1, 17))


class Way(NamedTuple):
    """A running Prometheus with the daemon before it, and which version of the protocol is asked for."""

    prometheus: Prometheus
    telescrub: Telescrub
    message: str

    def answers(self) -> dict[str, int]:
        """How many requests Prometheus answered, by status."""
        text = get(f"{self.prometheus.url}/metrics").body.decode()
        pattern = r'^prometheus_http_requests_total\{code="(\d+)",handler="/api/v1/write"\} (\d+)'
        return {code: int(count) for code, count in re.findall(pattern, text, re.M) if int(count)}

    def value(self, expression: str, at: float) -> float:
        """The one value of an expression."""
        (found,) = self.prometheus.query(expression, at)
        return float(found["value"][1])


def metrics(second: int, step: int) -> list[Metric]:
    """The counters, gauges and histograms of a service at a time; `step` counts from 1."""
    common: dict[str, Any] = {"time_unix_nano": second * 10**9, "start_time_unix_nano": (second - step * STEP) * 10**9}
    exemplar = {"time_unix_nano": second * 10**9 - 1, "as_double": 0.3, "trace_id": TRACE, "span_id": TRACE[:8]}
    exponential = {**common, "count": 20 * step, "sum": 44.0 * step, "scale": 3, "zero_count": 2 * step}
    cumulative: dict[str, Any] = {"aggregation_temporality": 2}
    classic = {
        **common,
        "count": 10 * step,
        "sum": 5.0 * step,
        "explicit_bounds": [0.1, 0.5, 1.0],
        "bucket_counts": [2 * step, 6 * step, 2 * step, 0],
        "exemplars": [exemplar],
    }
    routes = [
        {**common, "as_int": number * 30 * step, "attributes": attributes(http__route=f"/{number}")}
        for number in (1, 2)
    ]
    return [
        Metric(name="visits", unit="1", sum={"data_points": routes, "is_monotonic": True, **cumulative}),  # type: ignore[arg-type]
        Metric(name="beds.free", unit="{bed}", gauge={"data_points": [{**common, "as_double": 0.5 * step}]}),  # type: ignore[arg-type]
        Metric(name="wait.time", unit="s", histogram={"data_points": [classic], **cumulative}),  # type: ignore[arg-type]
        Metric(
            name="scan.time",
            unit="s",
            exponential_histogram={  # type: ignore[arg-type]
                "data_points": [{**exponential, "positive": {"offset": 8, "bucket_counts": [8 * step, 0, 10 * step]}}],
                **cumulative,
            },
        ),
    ]


def send(way: Way, data: MetricsData) -> None:
    answer = request(
        "POST",
        f"{way.telescrub.url('otlp_http')}/v1/metrics",
        body=data.SerializeToString(),
        headers={"Content-Type": "application/x-protobuf"},
    )
    assert answer.status == 200


@pytest.fixture(params=[("prometheus", V2), ("prometheus", V1), ("prometheus-debian", V2), ("prometheus-debian", V1)])
def way(request: pytest.FixtureRequest) -> Iterator[Way]:
    program: Literal["prometheus", "prometheus-debian"]
    program, message = request.param
    with Prometheus(program) as prometheus:
        exporter = {"endpoint": prometheus.write_url, "protobuf_message": message}
        with Telescrub({"metrics": {"prometheus_remote_write": exporter}}) as telescrub:
            yield Way(prometheus, telescrub, message)


def test_every_type(way: Way) -> None:
    """What PromQL makes of what is stored is what was sent; no answer but 2xx, and nothing is dropped."""
    now = int(time.time())
    resource = attributes(service__name="ward", service__instance__id="one", host__name="h1")
    for step in range(1, ROUNDS + 1):
        send(way, payload(*metrics(now - (ROUNDS - step) * STEP, step), resource=resource))
    wait_until(lambda: way.prometheus.query("target_info", now), what="the metrics")
    wait_until(lambda: way.telescrub.metric("otelcol_exporter_queue_size") == 0, what="an empty queue")
    for expression, expected in {
        "sum(visits_total)": 90 * ROUNDS,
        "sum(rate(visits_total[1m]))": 90 / STEP,
        'increase(visits_total{http_route="/2"}[1m])': 60 * 60 / STEP,
        "beds_free": 0.5 * ROUNDS,
        "wait_time_seconds_count": 10 * ROUNDS,
        "sum by () (rate(wait_time_seconds_sum[1m]))": 5 / STEP,
        "histogram_quantile(0.5, rate(wait_time_seconds_bucket[1m]))": 0.3,
        "histogram_count(scan_time_seconds)": 20 * ROUNDS,
        "histogram_sum(rate(scan_time_seconds[1m]))": 44 / STEP,
        "histogram_fraction(0, 2.1810154653305154, scan_time_seconds)": 0.5,
        'beds_free * on (job, instance) group_left (host_name) target_info{host_name="h1"}': 0.5 * ROUNDS,
    }.items():
        assert way.value(expression, now) == pytest.approx(expected, rel=1e-9), expression
    assert way.value('beds_free{job="ward",instance="one"}', now) == 0.5 * ROUNDS
    found = way.prometheus.exemplars("wait_time_seconds_bucket", now - 600, now + 60)
    assert {one["labels"]["trace_id"] for each in found for one in each["exemplars"]} == {TRACE.hex()}
    assert {each["seriesLabels"]["le"] for each in found} == {"0.5"}
    assert set(way.answers()) == {"204"}
    assert way.telescrub.metric("telescrub_dropped_items_total") == 0
    assert way.telescrub.metric("otelcol_exporter_send_failed_metric_points") == 0
    assert way.telescrub.metric("otelcol_exporter_sent_metric_points") == 5 * ROUNDS


def test_late_and_repeated_points(way: Way) -> None:
    """They are left out before Prometheus could complain, and counted; a stale marker ends a series."""
    now = int(time.time())
    dropped = "telescrub_dropped_items_total"
    send(way, payload(*metrics(now, 2)))
    wait_until(lambda: way.prometheus.query("beds_free", now), what="the series")
    for second in (now - 15, now):
        send(way, payload(*metrics(second, 2)))
    wait_until(lambda: way.telescrub.metric(dropped) == 10, what="the count of what was left out")
    assert way.telescrub.metric(dropped, reason="out_of_order") == 5
    assert way.telescrub.metric(dropped, reason="duplicate") == 5
    stale = Metric(name="beds.free", gauge={"data_points": [{"time_unix_nano": (now + 1) * 10**9, "flags": 1}]})  # type: ignore[arg-type]
    send(way, payload(stale))
    wait_until(lambda: not way.prometheus.query("beds_free", now + 1), what="the end of the series")
    assert way.value("beds_free", now) == 1.0
    assert set(way.answers()) == {"204"}


def test_a_bad_sample_among_good_ones(way: Way) -> None:
    """A point that Prometheus refuses (a later one was stored by somebody else) does not take others along."""
    now = int(time.time())
    other = {"endpoint": way.prometheus.write_url, "protobuf_message": way.message}
    with Telescrub({"metrics": {"prometheus_remote_write": other}}) as before:
        send(way._replace(telescrub=before), payload(metrics(now, 1)[1]))
        wait_until(lambda: way.prometheus.query("beds_free", now), what="the gauge")
    send(way, payload(*metrics(now - 10, 1)))
    wait_until(lambda: len(way.prometheus.query("visits_total", now)) == 2, what="the counters")
    wait_until(lambda: way.telescrub.metric("telescrub_dropped_items_total") == 1, what="the count of what was refused")
    assert way.value("histogram_count(scan_time_seconds)", now) == 20
    assert way.value("wait_time_seconds_count", now) == 10


def test_a_resource_that_went_away() -> None:
    """With `stale_after`, its series and its `target_info` end; those of others go on."""
    with Prometheus() as prometheus:
        exporter = {"endpoint": prometheus.write_url, "protobuf_message": V2, "stale_after": "1s"}
        with Telescrub({"metrics": {"prometheus_remote_write": exporter}}) as telescrub:
            way, now, seconds = Way(prometheus, telescrub, V2), int(time.time()) - 100, itertools.count(1)

            def tell(instance: str, second: int) -> None:
                resource = attributes(service__name="ward", service__instance__id=instance, host__name=instance)
                send(way, payload(*metrics(second, 1), resource=resource))

            def left() -> set[str]:
                tell("stays", now + next(seconds))
                names = prometheus.query('{instance="gone"}', now + 5)
                return {each["metric"]["__name__"] for each in names}

            tell("gone", now)
            wait_until(lambda: "target_info" in left(), what="the series")
            wait_until(lambda: not left(), what="their end")
            assert way.value('beds_free{instance="stays"}', now + 5) == 0.5
            assert prometheus.query('wait_time_seconds_count{instance="gone"}', now)
            assert set(way.answers()) == {"204"}


def test_custom_buckets() -> None:
    """Explicit histograms as native ones with custom buckets: one series, the same quantile."""
    with Prometheus() as prometheus:
        exporter = {
            "endpoint": prometheus.write_url,
            "protobuf_message": V2,
            "convert_histograms_to_nhcb": True,
            "translation_strategy": "NoUTF8EscapingWithSuffixes",
        }
        with Telescrub({"metrics": {"prometheus_remote_write": exporter}}) as telescrub:
            way, now = Way(prometheus, telescrub, V2), int(time.time())
            send(way, payload(*metrics(now, 1)))
            wait_until(lambda: prometheus.query('{"wait.time_seconds"}', now), what="the histogram")
            assert way.value('histogram_quantile(0.5, {"wait.time_seconds"})', now) == pytest.approx(0.3)
            assert way.value('histogram_count({"wait.time_seconds"})', now) == 10
            assert set(way.answers()) == {"204"}
