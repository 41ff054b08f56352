"""OTLP metrics as Prometheus series, by the rules of the OpenTelemetry specification, as far as remote-write 1.0 goes.

`translate` gives series; `wire.remote_write_v1` makes them requests.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from opentelemetry.proto.metrics.v1.metrics_pb2 import (
    AggregationTemporality,
    Metric,
    MetricsData,
    ResourceMetrics,
    ScopeMetrics,
)

from wire.prometheus_names import Kind, Strategy, metric_name, unit_name
from wire.remote_write_labels import METRIC_NAME, Labels, Promote, Target, attribute_labels, scope_labels, target
from wire.remote_write_points import SAMPLES, Reason, Unfit
from wire.remote_write_series import LastSent, Series, SeriesTable

__all__ = ["Family", "LastSent", "Options", "Reason", "Series", "Translation", "translate"]


def _promote_none(key: str) -> bool:
    return False


@dataclass(frozen=True, slots=True)
class Options:
    """What an operator may choose about the translation."""

    strategy: Strategy = Strategy.UNDERSCORE_ESCAPING_WITH_SUFFIXES
    namespace: str = ""
    external_labels: Mapping[str, str] = field(default_factory=dict)
    """Given to every series that has no label of that name."""
    promote: Promote = _promote_none
    scope_labels: bool = True
    target_info: bool = True


@dataclass(frozen=True, slots=True, repr=False)
class Family:
    """Metadata of a metric: `kind`, help text and unit word, for the Prometheus name it is kept under."""

    name: str
    kind: Kind
    help: str
    unit: str


@dataclass(frozen=True, slots=True, repr=False)
class Translation:
    """A payload as series. Every data point counts once: in `points` if it is in the series, in `dropped` if not."""

    series: Sequence[Series]
    families: Sequence[Family]
    points: int
    dropped: Mapping[Reason, int]


def translate(data: MetricsData, options: Options, sent: LastSent) -> Translation:
    """The series of a payload; what was `sent` before is not sent again, and what is returned is noted there.

    So a payload translated twice gives nothing the second time: requests are to be kept until they have arrived.
    """
    walk = _Walk(options, sent)
    for resource in data.resource_metrics:
        walk.resource(resource)
    return walk.finish()


@dataclass(frozen=True, slots=True, repr=False)
class _Surroundings:
    """What all points under one scope share: the target, labels that give way to a point's, labels that do not."""

    target: Target
    weak: Mapping[str, str]
    strong: Mapping[str, str]


class _Walk:
    """Goes through a payload once, gathering series, metadata and counts."""

    def __init__(self, options: Options, sent: LastSent) -> None:
        self._options = options
        self._table = SeriesTable(sent)
        self._families: dict[str, Family] = {}
        self._kinds: dict[tuple[Labels, str], str] = {}
        self._infos: dict[Labels, tuple[int, Target]] = {}
        self._points = 0
        self._dropped: Counter[Reason] = Counter()

    def resource(self, resource: ResourceMetrics) -> None:
        described = target(resource.resource, self._options.promote)
        weak = {**self._options.external_labels, **described.promoted}
        latest = 0
        for scope in resource.scope_metrics:
            around = _Surroundings(described, weak, {**self._scope_labels(scope), **described.identity})
            for metric in scope.metrics:
                latest = max(latest, self._metric(metric, around))
        if latest and described.identity and described.info:
            key = tuple(described.identity.items())
            if latest > self._infos.get(key, (0, described))[0]:
                self._infos[key] = latest, described

    def _scope_labels(self, scope: ScopeMetrics) -> Mapping[str, str]:
        return scope_labels(scope.scope, scope.schema_url) if self._options.scope_labels else {}

    def _metric(self, metric: Metric, around: _Surroundings) -> int:
        """Take in a metric; the time of its latest point in milliseconds, 0 if none was taken."""
        shape = metric.WhichOneof("data")
        points = () if shape is None else getattr(metric, shape).data_points
        if not points:
            return 0
        try:
            kind, name = self._identify(metric, around.target)
        except Unfit as unfit:
            self._dropped[unfit.reason] += len(points)
            return 0
        return max(self._point(point, kind, name, around) for point in points)

    def _identify(self, metric: Metric, described: Target) -> tuple[Kind, str]:
        kind = _kind(metric)
        name = metric_name(metric.name, metric.unit, kind, self._options.strategy, self._options.namespace)
        if not name:
            raise Unfit(Reason.INVALID_NAME)
        self._check_conflict(kind, name, described)
        self._families.setdefault(name, Family(name, kind, metric.description, unit_name(metric.unit)))
        return kind, name

    def _check_conflict(self, kind: Kind, name: str, described: Target) -> None:
        """Two metrics of one target may not share a name unless they share the type; other targets are other series."""
        of_prometheus = "gauge" if kind is Kind.UPDOWN else kind.value
        key = tuple(described.identity.items()), name
        if self._kinds.setdefault(key, of_prometheus) != of_prometheus:
            raise Unfit(Reason.TYPE_CONFLICT)

    def _point(self, point: Any, kind: Kind, name: str, around: _Surroundings) -> int:
        try:
            timestamp = self._add(point, kind, name, around)
        except Unfit as unfit:
            self._dropped[unfit.reason] += 1
            return 0
        self._points += 1
        return timestamp

    def _add(self, point: Any, kind: Kind, name: str, around: _Surroundings) -> int:
        nanoseconds: int = point.time_unix_nano
        if not nanoseconds:
            raise Unfit(Reason.NO_TIMESTAMP)
        own = attribute_labels(point.attributes)
        if own is None:
            raise Unfit(Reason.INVALID_LABEL)
        timestamp = nanoseconds // 1_000_000
        self._table.add(timestamp, SAMPLES[kind](point, name, {**around.weak, **own, **around.strong}))
        return timestamp

    def finish(self) -> Translation:
        if self._options.target_info:
            for timestamp, described in self._infos.values():
                self._add_info(timestamp, described)
        return Translation(self._table.finish(), list(self._families.values()), self._points, self._dropped)

    def _add_info(self, timestamp: int, described: Target) -> None:
        """One `target_info` a target, at the time of its latest point; not a data point, so one too many is no loss."""
        name = f"{self._options.namespace}_target_info" if self._options.namespace else "target_info"
        labels = {**self._options.external_labels, **described.info, **described.identity, METRIC_NAME: name}
        try:
            self._table.add(timestamp, [(tuple(sorted(labels.items())), 1.0)])
        except Unfit:
            return


def _kind(metric: Metric) -> Kind:
    """Raises: `Unfit` for what a series of cumulative samples cannot stand for."""
    if metric.HasField("gauge"):
        return Kind.GAUGE
    if metric.HasField("summary"):
        return Kind.SUMMARY
    if metric.HasField("exponential_histogram"):
        raise Unfit(Reason.EXPONENTIAL_HISTOGRAM)
    _check_temporality(metric.histogram if metric.HasField("histogram") else metric.sum)
    if metric.HasField("histogram"):
        return Kind.HISTOGRAM
    return Kind.COUNTER if metric.sum.is_monotonic else Kind.UPDOWN


def _check_temporality(data: Any) -> None:
    temporality = data.aggregation_temporality
    if temporality == AggregationTemporality.AGGREGATION_TEMPORALITY_DELTA:
        raise Unfit(Reason.DELTA_TEMPORALITY)
    if temporality != AggregationTemporality.AGGREGATION_TEMPORALITY_CUMULATIVE:
        raise Unfit(Reason.UNSPECIFIED_TEMPORALITY)
