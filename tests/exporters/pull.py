"""Metrics of every kind, and the page of a `prometheus` exporter that was sent them."""

from collections.abc import Mapping

import aiohttp
from opentelemetry.proto.metrics.v1.metrics_pb2 import AggregationTemporality as Temporality
from opentelemetry.proto.metrics.v1.metrics_pb2 import Exemplar, Metric

from exporters.prometheus import Prometheus, PrometheusSettings
from pipeline.batch import Batch
from pipeline.component import Context
from tests.payloads import context, metrics, pairs

CUMULATIVE = Temporality.AGGREGATION_TEMPORALITY_CUMULATIVE
DELTA = Temporality.AGGREGATION_TEMPORALITY_DELTA
SECOND = 10**9
AT = 1_700_000_000 * SECOND
RESOURCE: Mapping[str, object] = {"service.name": "records", "service.instance.id": "i1", "host.arch": "arm64"}
OPEN_METRICS = "application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.5"


class Clock:
    """Seconds that pass when they are told to."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def made(clock: Clock | None = None, **written: object) -> tuple[Prometheus, Context]:
    own = context("prometheus")
    found = PrometheusSettings.model_validate({"endpoint": "127.0.0.1:0", **written})
    return Prometheus(found, own, clock or Clock()), own


async def page(tested: Prometheus, accept: str = OPEN_METRICS) -> str:
    """What a scrape gets."""
    async with (
        aiohttp.ClientSession(headers={"Accept": accept}) as session,
        session.get(f"http://127.0.0.1:{tested.port}/metrics") as answer,
    ):
        assert answer.status == 200
        return await answer.text()


async def send(tested: Prometheus, batch: Batch) -> None:
    for request in tested.encode(batch).requests:
        assert await tested.send(request) == 0


def exemplar(value: float, trace: int = 1) -> Exemplar:
    return Exemplar(
        as_double=value,
        time_unix_nano=AT + trace,
        trace_id=bytes([trace]) * 16,
        span_id=bytes([trace]) * 8,
        filtered_attributes=pairs({"step": "x"}),
    )


def counter(value: float, name: str = "requests", at: int = AT, start: int = SECOND, **attributes: object) -> Metric:
    metric = Metric(name=name, description='say "how many"\nand \\ more', unit="{request}")
    metric.sum.is_monotonic, metric.sum.aggregation_temporality = True, CUMULATIVE
    point = metric.sum.data_points.add(time_unix_nano=at, start_time_unix_nano=start, as_double=value)
    point.attributes.extend(pairs(attributes))
    return metric


def gauge(value: float, name: str = "temperature", at: int = AT, **attributes: object) -> Metric:
    metric = Metric(name=name, unit="Cel")
    metric.gauge.data_points.add(time_unix_nano=at, as_double=value, attributes=pairs(attributes))
    return metric


def histogram() -> Metric:
    metric = Metric(name="latency", unit="s", description="how long")
    metric.histogram.aggregation_temporality = CUMULATIVE
    point = metric.histogram.data_points.add(time_unix_nano=AT, count=6, sum=9.5, attributes=pairs({"le": "no"}))
    point.explicit_bounds.extend([0.5, 1, 10])
    point.bucket_counts.extend([1, 2, 2, 1])
    point.exemplars.extend([exemplar(0.2, 1), exemplar(0.3, 2), exemplar(99, 3)])
    return metric


def exponential() -> Metric:
    metric = Metric(name="size", unit="By")
    metric.exponential_histogram.aggregation_temporality = CUMULATIVE
    point = metric.exponential_histogram.data_points.add(time_unix_nano=AT, count=17, sum=40, scale=1, zero_count=2)
    point.positive.offset = 0
    point.positive.bucket_counts.extend([1, 2, 3, 4])
    point.negative.offset = 2
    point.negative.bucket_counts.extend([5])
    return metric


def summary() -> Metric:
    metric = Metric(name="wait")
    point = metric.summary.data_points.add(time_unix_nano=AT, count=3, sum=1.5)
    point.quantile_values.add(quantile=0.99, value=1.25)
    point.quantile_values.add(quantile=0.5, value=0.5)
    return metric


def all_kinds() -> Batch:
    counted = counter(5, route="/a")
    counted.sum.data_points[0].exemplars.append(exemplar(1))
    return metrics([counted, gauge(36.6), histogram(), exponential(), summary()], resource=RESOURCE)
