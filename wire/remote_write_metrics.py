"""Metrics as families of Prometheus: name, type and shape, and which metric of a target may make series of a name."""

from collections.abc import Iterable, Sequence
from typing import Any

from opentelemetry.proto.metrics.v1.metrics_pb2 import AggregationTemporality, Metric

from wire import remote_write_points as points
from wire.prometheus_names import Kind, Naming, unit_name
from wire.remote_write_points import Shape
from wire.remote_write_series import Family, Generations
from wire.remote_write_values import Reason, Unfit

__all__ = ["NameTable", "Owner", "family_of", "shape_of"]

_TYPES = {
    Kind.COUNTER: 1,
    Kind.GAUGE: 2,
    Kind.UPDOWN: 2,
    Kind.HISTOGRAM: 3,
    Kind.EXPONENTIAL_HISTOGRAM: 3,
    Kind.SUMMARY: 5,
}
_OF_METADATA = {"unknown": 0, "info": 6, "stateset": 7}
"""Types that a gauge of OTLP may stand for, by its metadata `prometheus.type`."""

_LOOKBACK_MILLISECONDS = 300_000
"""Prometheus' default: a series that ended longer ago does not show any more."""


def family_of(metric: Metric, naming: Naming) -> Family:
    """Raises: `Unfit` for a metric whose name leaves nothing, or whose temporality Prometheus does not know."""
    kind = _kind(metric)
    name = naming.metric(metric.name, metric.unit, kind)
    if not name:
        raise Unfit(Reason.INVALID_NAME)
    of_prometheus = _TYPES[kind]
    if kind is Kind.GAUGE:
        said = (one.value.string_value for one in metric.metadata if one.key == "prometheus.type")
        of_prometheus = _OF_METADATA.get(next(said, ""), of_prometheus)
    return Family(name, kind, metric.description, unit_name(metric.unit), of_prometheus)


def shape_of(metric: Metric, custom_buckets: bool) -> Shape:
    """How the points of a metric are handled."""
    if metric.HasField("gauge"):
        return points.GAUGE
    if metric.HasField("sum"):
        return points.NUMBER if metric.sum.is_monotonic else points.GAUGE
    if metric.HasField("histogram"):
        return points.CUSTOM if custom_buckets else points.HISTOGRAM
    return points.SUMMARY if metric.HasField("summary") else points.EXPONENTIAL


def _kind(metric: Metric) -> Kind:
    if metric.HasField("gauge"):
        return Kind.GAUGE
    if metric.HasField("summary"):
        return Kind.SUMMARY
    if metric.HasField("exponential_histogram"):
        _check_temporality(metric.exponential_histogram)
        return Kind.EXPONENTIAL_HISTOGRAM
    if metric.HasField("histogram"):
        _check_temporality(metric.histogram)
        return Kind.HISTOGRAM
    _check_temporality(metric.sum)
    return Kind.COUNTER if metric.sum.is_monotonic else Kind.UPDOWN


def _check_temporality(data: Any) -> None:
    temporality = data.aggregation_temporality
    if temporality == AggregationTemporality.AGGREGATION_TEMPORALITY_DELTA:
        raise Unfit(Reason.DELTA_TEMPORALITY)
    if temporality != AggregationTemporality.AGGREGATION_TEMPORALITY_CUMULATIVE:
        raise Unfit(Reason.UNSPECIFIED_TEMPORALITY)


class Owner:
    """Which family of a target makes the series of a name: the first, until it has sent nothing for a lookback."""

    __slots__ = ("family", "latest")

    def __init__(self) -> None:
        self.family = ("", "")
        self.latest = -1

    def lets(self, family: Family, latest: int) -> bool:
        """Whether a family may send points up to `latest`, in milliseconds."""
        kind = "gauge" if family.kind is Kind.UPDOWN else family.kind.value
        if self.family != (family.name, kind):
            if self.latest >= 0 and latest - self.latest <= _LOOKBACK_MILLISECONDS:
                return False
            self.family = family.name, kind
        if latest > self.latest:
            self.latest = latest
        return True


class NameTable:
    """The owners of the names of series, by target. Two metrics of one target may not share a name unless they share
    the type, and a histogram's `…_count` is a name as well; other targets are other series.
    """

    def __init__(self, capacity: int) -> None:
        self._owners: Generations[tuple[Any, str], Owner] = Generations(capacity)

    def owners(self, target: Any, family: Family, suffixes: Iterable[str]) -> Sequence[Owner]:
        return [self._owner((target, family.name + suffix)) for suffix in sorted(suffixes)]

    def _owner(self, key: tuple[Any, str]) -> Owner:
        owner = self._owners.get(key)
        if owner is None:
            owner = Owner()
            self._owners.set(key, owner)
        return owner
