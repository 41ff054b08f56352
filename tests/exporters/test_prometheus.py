"""The page that `prometheus` serves, as prometheus-client's parsers read it."""

import gzip
import math
from collections.abc import Callable, Iterable

import aiohttp
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from opentelemetry.proto.metrics.v1.metrics_pb2 import Metric
from prometheus_client.core import Metric as Family
from prometheus_client.openmetrics import parser as open_metrics_parser
from prometheus_client.parser import text_string_to_metric_families as read_text
from pydantic import ValidationError

from exporters.prometheus import PrometheusSettings, wants_open_metrics
from exporters.prometheus_table import Naming, Table
from exporters.prometheus_text import text
from pipeline.batch import Signal
from processors.delta_to_cumulative import DeltaToCumulativeSettings
from tests.exporters.pull import (
    AT,
    CUMULATIVE,
    DELTA,
    OPEN_METRICS,
    RESOURCE,
    SECOND,
    Clock,
    all_kinds,
    counter,
    gauge,
    made,
    page,
    send,
)
from tests.payloads import dropped, metrics, pairs
from wire.prometheus_names import Strategy

PLAIN = "text/plain;version=0.0.4"
Sample = tuple[str, dict[str, str], float]


def read_open_metrics(shown: str) -> list[Family]:
    """By a parser that refuses whatever OpenMetrics does not allow."""
    return list(open_metrics_parser.text_string_to_metric_families(shown))  # type: ignore[no-untyped-call]


def samples(families: Iterable[Family]) -> list[Sample]:
    return [(one.name, one.labels, one.value) for family in families for one in family.samples]


async def test_open_metrics() -> None:
    """Every kind of metric, with exemplars, units and help."""
    tested, _ = made(without_scope_info=True)
    async with tested:
        await send(tested, all_kinds())
        shown = await page(tested)
    assert shown.splitlines() == [
        "# TYPE latency_seconds histogram",
        "# UNIT latency_seconds seconds",
        "# HELP latency_seconds how long",
        'latency_seconds_bucket{instance="i1",job="records",le="0.5"} 1 '
        f'# {{span_id="{"02" * 8}",step="x",trace_id="{"02" * 16}"}} 0.3 1700000000.000',
        'latency_seconds_bucket{instance="i1",job="records",le="1.0"} 3',
        'latency_seconds_bucket{instance="i1",job="records",le="10.0"} 5',
        'latency_seconds_bucket{instance="i1",job="records",le="+Inf"} 6 '
        f'# {{span_id="{"03" * 8}",step="x",trace_id="{"03" * 16}"}} 99.0 1700000000.000',
        'latency_seconds_sum{instance="i1",job="records"} 9.5',
        'latency_seconds_count{instance="i1",job="records"} 6',
        "# TYPE requests counter",
        r"# HELP requests say \"how many\"\nand \\ more",
        'requests_total{instance="i1",job="records",route="/a"} 5.0 '
        f'# {{span_id="{"01" * 8}",step="x",trace_id="{"01" * 16}"}} 1.0 1700000000.000',
        "# TYPE size_bytes histogram",
        "# UNIT size_bytes bytes",
        'size_bytes_bucket{instance="i1",job="records",le="-2.0"} 5',
        'size_bytes_bucket{instance="i1",job="records",le="0.0"} 7',
        'size_bytes_bucket{instance="i1",job="records",le="2.0"} 10',
        'size_bytes_bucket{instance="i1",job="records",le="4.0"} 17',
        'size_bytes_bucket{instance="i1",job="records",le="+Inf"} 17',
        "# TYPE temperature_celsius gauge",
        "# UNIT temperature_celsius celsius",
        'temperature_celsius{instance="i1",job="records"} 36.6',
        "# TYPE wait summary",
        'wait{instance="i1",job="records",quantile="0.5"} 0.5',
        'wait{instance="i1",job="records",quantile="0.99"} 1.25',
        'wait_sum{instance="i1",job="records"} 1.5',
        'wait_count{instance="i1",job="records"} 3',
        "# TYPE target info",
        "# HELP target Target metadata",
        'target_info{host_arch="arm64",instance="i1",job="records"} 1',
        "# EOF",
    ]


async def test_both_formats_say_the_same() -> None:
    """The parsers of both read the same samples."""
    tested, _ = made()
    async with tested:
        await send(tested, all_kinds())
        new, old = await page(tested), await page(tested, PLAIN)

    def comparable(found: list[Sample]) -> list[Sample]:
        """But for the sum and the count of a histogram of negative values, which OpenMetrics forbids."""
        return [
            (name, {**labels, "le": str(float(labels.get("le", 0)))}, value)
            for name, labels, value in found
            if name not in ("size_bytes_sum", "size_bytes_count")
        ]

    assert comparable(samples(read_open_metrics(new))) == comparable(samples(read_text(old)))
    assert "# TYPE requests_total counter\n" in old
    assert 'le="1"' in old
    assert "trace_id" not in old


async def test_what_is_asked_for() -> None:
    """Content types, gzip, and the switch that leaves OpenMetrics out."""
    tested, _ = made()
    plain, _ = made(enable_open_metrics=False)
    async with tested, plain, aiohttp.ClientSession(auto_decompress=False) as session:

        async def ask(port: int, **headers: str) -> tuple[str, bytes]:
            async with session.get(
                f"http://127.0.0.1:{port}/metrics", headers={"Accept-Encoding": "identity", **headers}
            ) as answer:
                return answer.headers["Content-Type"], await answer.read()

        assert await ask(tested.port, Accept=OPEN_METRICS) == (
            "application/openmetrics-text; version=1.0.0; charset=utf-8",
            b"# EOF\n",
        )
        assert await ask(tested.port) == ("text/plain; version=0.0.4; charset=utf-8", b"")
        assert await ask(plain.port, Accept=OPEN_METRICS) == ("text/plain; version=0.0.4; charset=utf-8", b"")
        _, zipped = await ask(tested.port, **{"Accept": OPEN_METRICS, "Accept-Encoding": "gzip"})
        assert gzip.decompress(zipped) == b"# EOF\n"


@pytest.mark.parametrize(
    ("accept", "wanted"),
    [
        ("", False),
        ("*/*", False),
        (OPEN_METRICS, True),
        ("application/openmetrics-text", True),
        ("application/openmetrics-text;version=0.0.1", False),
        ("application/openmetrics-text;version=1.0.0;q=0.5,text/plain;version=0.0.4;q=0.8", False),
        ("application/openmetrics-text;q=x", False),
        ("application/vnd.google.protobuf;q=0.7,application/openmetrics-text;version=1.0.0;q=0.6,*/*;q=0.2", True),
    ],
)
def test_negotiation(accept: str, wanted: bool) -> None:
    """The better liked of the two; text, if nothing is said."""
    assert wants_open_metrics(accept) is wanted


async def test_series_end() -> None:
    """When they have not come for a while, or say so; a family ends with its last series, and its name is free."""
    clock = Clock()
    tested, own = made(clock, without_scope_info=True)
    async with tested:
        await send(tested, metrics([counter(1, a=1), counter(1, a=2), gauge(1)], resource=RESOURCE))
        clock.now += 200
        await send(tested, metrics([counter(2, at=AT + SECOND, a=2)], resource={"service.name": "other"}))
        ended = gauge(0, at=AT + SECOND)
        ended.gauge.data_points[0].flags = 1
        await send(tested, metrics([ended], resource=RESOURCE))
        assert [name for name, _, _ in samples(read_open_metrics(await page(tested)))] == [
            *["requests_total"] * 3,
            "target_info",
        ]
        clock.now += 200
        assert samples(read_open_metrics(await page(tested))) == [
            ("requests_total", {"job": "other", "a": "2"}, 2.0),
            ("target_info", {"job": "records", "instance": "i1", "host_arch": "arm64"}, 1.0),
        ]
        clock.now += 200
        assert await page(tested) == "# EOF\n"
        await send(tested, metrics([gauge(1, name="requests_total")]))
        assert "requests_total_celsius 1.0\n" in await page(tested)
    assert dropped(own, Signal.METRICS, "type_conflict") == 0


async def test_one_type_and_one_help_each() -> None:
    """Another type, or a name that belongs to another's samples: dropped. Another help: the first stays."""
    tested, own = made(without_scope_info=True)
    other = counter(3, b=1)
    other.description = "something else"
    clash = gauge(1, name="latency_seconds_count")
    clash.unit = ""
    async with tested:
        await send(tested, all_kinds())
        await send(tested, metrics([other, gauge(1, name="requests"), clash], resource=RESOURCE))
        await send(tested, metrics([gauge(1, name="size")], resource=RESOURCE))
        same = gauge(1, name="requests")
        same.unit = ""
        await send(tested, metrics([same], resource=RESOURCE))
        shown = await page(tested)
    assert (shown.count("# HELP requests "), shown.count("# TYPE requests ")) == (1, 1)
    assert "something else" not in shown
    assert dropped(own, Signal.METRICS, "type_conflict") == 2
    labels = {"component": "prometheus", "signal": "metrics", "reason": "help_conflict"}
    assert own.telemetry.registry.get_sample_value("telescrub_shortened_items_total", labels) == 1
    list(read_open_metrics(shown))


async def test_counters_do_not_go_back() -> None:
    """Late points and totals that shrink are left out and counted; a restart is a restart."""
    tested, own = made(without_scope_info=True)
    async with tested:

        async def value_after(metric: Metric) -> float:
            await send(tested, metrics([metric]))
            return samples(read_open_metrics(await page(tested)))[0][2]

        assert await value_after(counter(5, at=AT)) == 5
        assert await value_after(counter(9, at=AT - SECOND)) == 5
        assert await value_after(counter(4, at=AT + SECOND)) == 5
        assert await value_after(counter(1, at=AT + 2 * SECOND, start=AT)) == 1
    assert (dropped(own, Signal.METRICS, "out_of_order"), dropped(own, Signal.METRICS, "decreased")) == (1, 1)


async def test_what_is_left_out() -> None:
    """Deltas that nothing added up, points that contradict themselves, names of which nothing is left."""
    tested, own = made()
    delta = counter(1)
    delta.sum.aggregation_temporality = DELTA
    unnamed = gauge(1, name="x")
    unnamed.gauge.data_points[0].attributes.extend(pairs({"": 1}))
    broken = Metric(name="broken")
    broken.histogram.aggregation_temporality = CUMULATIVE
    broken.histogram.data_points.add(explicit_bounds=[2, 1], bucket_counts=[1, 1, 1], count=3)
    async with tested:
        await send(tested, metrics([delta, broken, gauge(1, name="@"), unnamed, Metric(name="empty")]))
    assert {
        reason: dropped(own, Signal.METRICS, reason)
        for reason in ("delta_temporality", "malformed_point", "invalid_label")
    } == {"delta_temporality": 1, "malformed_point": 1, "invalid_label": 1}


async def test_names_and_labels() -> None:
    """Namespace, constant labels, resource attributes, times, names without suffixes."""
    tested, _ = made(
        namespace="clinic",
        const_labels={"region": "eu", "a": "weak"},
        add_metric_suffixes=False,
        resource_to_telemetry_conversion={"enabled": True, "exclude_service_attributes": True},
        send_timestamps=True,
        without_scope_info=True,
    )
    async with tested:
        await send(tested, metrics([counter(5, a="strong", job="x")], resource=RESOURCE))
        new, old = await page(tested), await page(tested, PLAIN)
    labels = '{a="strong",host_arch="arm64",instance="i1",job="records",region="eu"}'
    assert f"clinic_requests{labels} 5.0 1700000000.000\n" in new
    assert "# TYPE clinic_requests unknown\n" in new
    assert "# TYPE clinic_requests counter\n" in old
    assert f"clinic_requests{labels} 5.0 1700000000000\n" in old
    list(read_open_metrics(new))


def test_settings() -> None:
    """For metrics; deltas are added up before the page; what the page cannot have is refused."""
    assert PrometheusSettings().signals() == {Signal.METRICS}
    assert PrometheusSettings().before_queue(Signal.METRICS) == DeltaToCumulativeSettings()
    assert PrometheusSettings(delta_to_cumulative=None).before_queue(Signal.METRICS) is None
    wrong: list[dict[str, object]] = [
        {"const_labels": {"1a": "x"}},
        {"const_labels": {"a": ""}},
        {"translation_strategy": "NoTranslation"},
        {"endpoint": "x"},
        {"metric_expiration": 0},
        {"sending_queue": {"num_consumers": 2}},
    ]
    for written in wrong:
        with pytest.raises(ValidationError):
            PrometheusSettings.model_validate(written)


TEXTS = st.text(st.characters(codec="utf-8", exclude_characters="\r\x0b\x0c\x1c\x1d\x1e\x85\u2028\u2029"), max_size=8)
NUMBERS = st.floats() | st.integers(-(2**63), 2**63 - 1)


def table() -> Table:
    strategy = Strategy.UNDERSCORE_ESCAPING_WITH_SUFFIXES
    return Table(Naming(strategy, "", {}, lambda key: False, scope_labels=False), 300.0)


@settings(max_examples=80)
@given(st.dictionaries(st.from_regex("[a-z][a-z_.]{0,5}", fullmatch=True), TEXTS, max_size=4), NUMBERS, TEXTS)
def test_any_text_and_number_is_read_back(attributes: dict[str, object], value: float, described: str) -> None:
    """By both parsers: labels, values and help of any content."""
    made_of = table()
    metric = gauge(value, name="x")
    metric.gauge.data_points[0].attributes.extend(pairs(attributes))
    metric.unit, metric.description = "", described
    made_of.add(metrics([metric]).decode(), 0.0)
    readers: list[tuple[bool, Callable[[str], Iterable[Family]]]] = [(True, read_open_metrics), (False, read_text)]
    for open_metrics, read in readers:
        shown = text(made_of, open_metrics=open_metrics, timestamps=False).decode()
        (family,) = read(shown)
        (sample,) = family.samples
        assert sample.value == float(value) or (math.isnan(sample.value) and math.isnan(value))
        written = {name.replace(".", "_"): str(each) for name, each in attributes.items() if each}
        if len(written) == len([each for each in attributes.values() if each]):
            assert sample.labels == written


BUCKETS = st.lists(st.integers(0, 9), max_size=40)


@settings(max_examples=80)
@given(BUCKETS, BUCKETS, st.integers(-200, 200), st.integers(-10, 10), st.integers(0, 9), st.sampled_from([0, 1e-9, 3]))
def test_exponential_histograms_lose_no_count(
    positive: list[int], negative: list[int], offset: int, scale: int, zero: int, threshold: float
) -> None:
    """Bounds rise, totals do not fall, and what is below +Inf is what lies in buckets with finite bounds."""
    metric = Metric(name="x")
    metric.exponential_histogram.aggregation_temporality = CUMULATIVE
    point = metric.exponential_histogram.data_points.add(scale=scale, zero_count=zero, zero_threshold=threshold)
    point.positive.offset = point.negative.offset = offset
    point.positive.bucket_counts.extend(positive)
    point.negative.bucket_counts.extend(negative)
    point.count, point.sum = sum(positive) + sum(negative) + zero, 1
    made_of = table()
    made_of.add(metrics([metric]).decode(), 0.0)
    shown = text(made_of, open_metrics=False, timestamps=False).decode()
    found = [(float(labels["le"]), value) for name, labels, value in samples(read_text(shown)) if name == "x_bucket"]
    assert [bound for bound, _ in found] == sorted({bound for bound, _ in found})
    assert [total for _, total in found] == sorted(total for _, total in found)
    assert found[-1] == (math.inf, point.count)
