"""Request, database and plugin metrics, cumulative, with the label that should never have been there: `user_id`."""

import itertools
from bisect import bisect_left
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from random import Random
from typing import TypeVar

from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import InstrumentationScope
from opentelemetry.proto.metrics.v1.metrics_pb2 import (
    AggregationTemporality,
    Exemplar,
    Gauge,
    Histogram,
    HistogramDataPoint,
    Metric,
    NumberDataPoint,
    ResourceMetrics,
    ScopeMetrics,
    Sum,
)
from opentelemetry.proto.resource.v1.resource_pb2 import Resource

from demo.people import Person
from demo.planted import Planter
from demo.traces import SERVICES, Context
from demo.values import Value, key_values
from wire.signal import Signal

__all__ = ["BOUNDS", "USER_LABELS", "Labels", "Metrics"]

Labels = tuple[tuple[str, str], ...]
"""A series' attributes in order."""

BOUNDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0)
"""Bucket bounds of the histograms, in seconds."""

USER_LABELS = frozenset({"user_id", "user_email"})
"""The labels that carry PHI; everything else of a metric must come out as it went in."""

_T = TypeVar("_T")
_CUMULATIVE = AggregationTemporality.AGGREGATION_TEMPORALITY_CUMULATIVE
_ROUTES = {
    "records-api": ("/patients/{id}/records", "/patients/{id}/labs"),
    "scheduling-api": ("/appointments",),
    "billing-api": ("/claims", "/accounts/{id}"),
}
_PLUGINS = ("scheduling", "lab-results", "export")


@dataclass(slots=True)
class _Distribution:
    """A cumulative histogram series, in whole milliseconds."""

    buckets: list[int] = field(default_factory=lambda: [0] * (len(BOUNDS) + 1))
    total: int = 0

    def observe(self, milliseconds: int) -> None:
        self.buckets[bisect_left(BOUNDS, milliseconds / 1000)] += 1
        self.total += milliseconds


class Metrics:
    """The series of one run; each `collect` lets time pass and gives every series seen so far."""

    def __init__(self, random: Random, users: tuple[Person, ...], start_unix_nano: int) -> None:
        self._random = random
        self._users = users
        self._start = start_unix_nano
        self._counters: dict[tuple[str, str, Labels], int] = {}
        self._durations: dict[tuple[str, str, Labels], _Distribution] = {}
        self._gauges: dict[tuple[str, str, Labels], int] = {}

    def collect(
        self, now_unix_nano: int, contexts: Iterable[Context], resource: Mapping[str, Value]
    ) -> tuple[ExportMetricsServiceRequest, Planter]:
        """The metrics at one moment; exemplars point to `contexts`."""
        planter = Planter(Signal.METRICS)
        self._pass_time()
        latest = {context.service: context for context in contexts}
        request = ExportMetricsServiceRequest(
            resource_metrics=[
                ResourceMetrics(
                    resource=Resource(
                        attributes=key_values({"service.name": service, **SERVICES[service], **resource})
                    ),
                    scope_metrics=[
                        ScopeMetrics(
                            scope=InstrumentationScope(name="demo.meter", version="1.2.0"),
                            metrics=self._metrics(service, now_unix_nano, latest.get(service), planter),
                        )
                    ],
                )
                for service in _ROUTES
            ]
        )
        return request, planter

    def totals(self) -> dict[tuple[str, str, Labels], int]:
        """What the counters sum up to once the PHI labels are gone: (service, metric, other labels) → count."""
        sums: dict[tuple[str, str, Labels], int] = {}
        for (service, name, labels), count in self._counters.items():
            rest = tuple((key, value) for key, value in labels if key not in USER_LABELS)
            sums[service, name, rest] = sums.get((service, name, rest), 0) + count
        return sums

    def _pass_time(self) -> None:
        """Each user of a few makes some requests."""
        for service, routes in _ROUTES.items():
            for user in self._random.sample(self._users, k=min(3, len(self._users))):
                identity = ("user_id", user.user_id)
                for _ in range(self._random.randint(1, 3)):
                    route = self._random.choice(routes)
                    request = (
                        ("http.request.method", "GET"),
                        ("http.route", route),
                        ("http.response.status_code", "200"),
                        identity,
                    )
                    duration = self._durations.setdefault(
                        (service, "http.server.request.duration", request), _Distribution()
                    )
                    duration.observe(self._random.randint(2, 1500))
                    self._count(service, "http.server.requests", request)
                    self._count(service, "db.client.operations", (("db.operation.name", "SELECT"), identity))
                self._use_plugin(service, user)
            self._gauges[service, "http.server.active_requests", ()] = self._random.randint(0, 20)

    def _use_plugin(self, service: str, user: Person) -> None:
        plugin = self._random.choice(_PLUGINS)
        labels: Labels = (("plugin", plugin), ("user_id", user.user_id))
        if plugin == "export":
            labels += (("user_email", user.email),)
        self._count(service, "plugin.executions", labels)
        self._gauges[service, "plugin.queue.depth", (("plugin", plugin), ("user_id", user.user_id))] = (
            self._random.randint(0, 9)
        )

    def _count(self, service: str, name: str, labels: Labels) -> None:
        key = service, name, labels
        self._counters[key] = self._counters.get(key, 0) + 1

    def _metrics(self, service: str, now: int, context: Context | None, planter: Planter) -> Iterable[Metric]:
        """One `Metric` per name, with all the series of a service."""
        counters = _of_service(self._counters, service)
        gauges = _of_service(self._gauges, service)
        durations = _of_service(self._durations, service)
        owner = self._users[0].email
        for name, numbers in counters.items():
            points = [self._number(labels, count, now, planter, name) for labels, count in numbers]
            yield Metric(
                name=name, unit="1", sum=Sum(data_points=points, aggregation_temporality=_CUMULATIVE, is_monotonic=True)
            )
        for name, numbers in gauges.items():
            points = [self._number(labels, count, now, planter, name) for labels, count in numbers]
            about = (
                f"Waiting jobs. Questions to {planter.plant('email', owner, 'metric description')}."
                if "plugin" in name
                else ""
            )
            yield Metric(name=name, description=about, unit="1", gauge=Gauge(data_points=points))
        for name, distributions in durations.items():
            histogram = Histogram(aggregation_temporality=_CUMULATIVE)
            for labels, distribution in distributions:
                histogram.data_points.append(self._distribution(labels, distribution, now, planter, name))
            if context is not None:
                histogram.data_points[-1].exemplars.append(_exemplar(context, now, planter))
            yield Metric(name=name, unit="s", histogram=histogram)

    def _number(self, labels: Labels, value: int, now: int, planter: Planter, name: str) -> NumberDataPoint:
        return NumberDataPoint(
            attributes=key_values(_planted(labels, planter, name)),
            start_time_unix_nano=self._start,
            time_unix_nano=now,
            as_int=value,
        )

    def _distribution(
        self, labels: Labels, distribution: _Distribution, now: int, planter: Planter, name: str
    ) -> HistogramDataPoint:
        return HistogramDataPoint(
            attributes=key_values(_planted(labels, planter, name)),
            start_time_unix_nano=self._start,
            time_unix_nano=now,
            count=sum(distribution.buckets),
            sum=distribution.total / 1000,
            bucket_counts=distribution.buckets,
            explicit_bounds=BOUNDS,
        )


def _exemplar(context: Context, now: int, planter: Planter) -> Exemplar:
    """A measurement with its trace, and with the attributes a view took off the series: they are PHI's way back in."""
    person = context.person
    return Exemplar(
        time_unix_nano=now,
        as_double=0.042,
        trace_id=context.trace_id,
        span_id=context.span_id,
        filtered_attributes=key_values(
            {
                "patient_id": int(
                    planter.plant("patient_id", str(person.patient_id), "exemplar attribute patient_id (integer)")
                ),
                "user.email": planter.plant("email", person.email, "exemplar attribute user.email"),
            }
        ),
    )


def _planted(labels: Labels, planter: Planter, name: str) -> dict[str, Value]:
    for key, value in labels:
        if key in USER_LABELS:
            planter.plant(
                key.removeprefix("user_").replace("id", "user_id"), value, f"data point attribute {key} of {name}"
            )
    return {key: int(value) if key == "http.response.status_code" else value for key, value in labels}


def _of_service(series: Mapping[tuple[str, str, Labels], _T], service: str) -> dict[str, list[tuple[Labels, _T]]]:
    """The series of one service by metric name, in a fixed order."""
    mine = sorted((key for key in series if key[0] == service), key=lambda key: key[1:])
    return {
        name: [(key[2], series[key]) for key in keys] for name, keys in itertools.groupby(mine, key=lambda key: key[1])
    }
