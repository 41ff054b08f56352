"""Fifty simulated instances of a service and what their SDKs would export: restarts, missing intervals, late data.

It knows nothing of Telescrub; sums are Python's own.
"""

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.metrics.v1.metrics_pb2 import AggregationTemporality, Metric, MetricsData

__all__ = ["INTERVAL_SECONDS", "Export", "Fleet"]

INTERVAL_SECONDS = 15
_CUMULATIVE = AggregationTemporality.AGGREGATION_TEMPORALITY_CUMULATIVE
_BOUNDS = (0.1, 0.5, 1.0, 5.0)
_BEFORE = 1_000_000
"""What each series starts from: near 0, Prometheus' `rate()` extrapolates each series less, so that sums differ."""
_MAY_MISS = (3, 4, 5, 6)
"""The last digits of intervals in which an instance may be missing: queries begin and end in others."""


@dataclass(frozen=True)
class Export:
    """One request of one instance; it belongs to interval number `interval`."""

    instance: int
    interval: int
    body: bytes


@dataclass
class _Series:
    """One set of labels of one instance."""

    labels: dict[str, str]
    total: int = _BEFORE
    buckets: list[int] = field(default_factory=lambda: [_BEFORE] * 5)
    sum: float = float(_BEFORE)
    exponential: list[int] = field(default_factory=lambda: [_BEFORE] * 8)
    level: float = 0.0

    def grow(self, chance: random.Random) -> None:
        self.total += chance.randrange(100)
        for counts in (self.buckets, self.exponential):
            for index in range(len(counts)):
                counts[index] += chance.randrange(10)
        self.sum += chance.random()
        self.level = chance.uniform(-5, 5)


class Fleet:
    """`shelves` labels of their own for each instance; `began_seconds` is when interval 0 ends.

    Instances may restart in the intervals of `restarts`. The first `measured` series of each have gauges and histograms
    beside their counters.
    """

    def __init__(
        self,
        began_seconds: int,
        instances: int = 50,
        shelves: int = 4,
        seed: int = 1,
        routes: Sequence[str] = ("/visits", "/wards"),
        restarts: range = range(25, 35),
        measured: int | None = None,
    ) -> None:
        self._chance = random.Random(seed)
        self._began = began_seconds
        self._shelves, self._routes = shelves, routes
        self._restarts, self._measured = restarts, measured
        self._restarted: set[int] = set()
        self._starts = [(began_seconds - 3600) * 10**9 + number for number in range(instances)]
        self._series = [self._fresh(number, _BEFORE) for number in range(instances)]

    def _fresh(self, instance: int, value: int) -> list[_Series]:
        return [
            _Series(
                {"node": f"node-{instance}", "shelf": f"s{instance}-{shelf}", "route": route},
                value,
                [value] * 5,
                float(value),
                [value] * 8,
            )
            for shelf in range(self._shelves)
            for route in self._routes
        ]

    def time(self, interval: int) -> int:
        """When an interval ends, in seconds."""
        return self._began + interval * INTERVAL_SECONDS

    def exports(self, interval: int) -> Iterator[Export]:
        """What the instances export at the end of an interval, in any order."""
        numbers = list(range(len(self._series)))
        self._chance.shuffle(numbers)
        for number in numbers:
            if interval in self._restarts and number not in self._restarted and self._chance.random() < 0.05:
                # Once only: of two in a row Prometheus may not see the second, which is no lower than the first.
                self._restarted.add(number)
                self._starts[number] = self.time(interval) * 10**9 - 10**9
                self._series[number] = self._fresh(number, 0)
            for series in self._series[number]:
                series.grow(self._chance)
            if interval % 10 not in _MAY_MISS or self._chance.random() > 0.2:
                yield Export(number, interval, self._body(number, interval))

    def _body(self, number: int, interval: int) -> bytes:
        data = MetricsData()
        resource = data.resource_metrics.add()
        resource.resource.attributes.append(KeyValue(key="service.name", value=AnyValue(string_value="clinic")))
        times = {"start_time_unix_nano": self._starts[number], "time_unix_nano": self.time(interval) * 10**9}
        resource.scope_metrics.add(metrics=list(_metrics(self._series[number], times, self._measured)))
        return data.SerializeToString()


def _metrics(every: list[_Series], times: dict[str, int], measured: int | None) -> Iterator[Metric]:
    requests, load = Metric(name="requests"), Metric(name="load")
    latency, size = Metric(name="latency"), Metric(name="size")
    data: Any
    for data in (requests.sum, latency.histogram, size.exponential_histogram):
        data.aggregation_temporality = _CUMULATIVE
    requests.sum.is_monotonic = True
    for place, series in enumerate(every):
        labels = [KeyValue(key=key, value=AnyValue(string_value=text)) for key, text in series.labels.items()]
        common: dict[str, Any] = {"attributes": labels, **times}
        requests.sum.data_points.add(as_int=series.total, **common)
        if measured is not None and place >= measured:
            continue
        load.gauge.data_points.add(as_double=series.level, **common)
        latency.histogram.data_points.add(
            count=sum(series.buckets),
            sum=series.sum,
            bucket_counts=series.buckets,
            explicit_bounds=_BOUNDS,
            **common,
        )
        point = size.exponential_histogram.data_points.add(
            count=sum(series.exponential), sum=series.sum, scale=2, **common
        )
        point.positive.offset = -2
        point.positive.bucket_counts.extend(series.exponential)
    yield from (requests, load, latency, size)
