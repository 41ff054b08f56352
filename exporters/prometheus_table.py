"""What a scrape will find: families of metrics, each with its series and what they last said."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from opentelemetry.proto.metrics.v1.metrics_pb2 import AggregationTemporality, DataPointFlags

from exporters.prometheus_values import VALUES, Malformed, Value
from wire.prometheus_names import Kind, Strategy, label_name, metric_name, unit_name
from wire.remote_write_labels import Labels, Promote, Target, attribute_labels, scope_labels, target

__all__ = ["Family", "Naming", "Reason", "Series", "Table", "Type"]

_MOST_SERIES = 1_000_000
"""More than one scrape can carry; each is some kB in a page."""
_LOOKS = 30
"""For what has expired, in the time that it takes: every 10 s with the Collector's 5 min."""
_NO_VALUE = DataPointFlags.DATA_POINT_FLAGS_NO_RECORDED_VALUE_MASK


class Reason(StrEnum):
    """Why points are not in the table, or not all that they said."""

    DECREASED = "decreased"
    DELTA_TEMPORALITY = "delta_temporality"
    HELP_CONFLICT = "help_conflict"
    INVALID_LABEL = "invalid_label"
    INVALID_NAME = "invalid_name"
    MALFORMED_POINT = "malformed_point"
    OUT_OF_ORDER = "out_of_order"
    TOO_MANY_SERIES = "too_many_series"
    TYPE_CONFLICT = "type_conflict"


class Type(StrEnum):
    """A family's type, and the endings of the names of its samples."""

    COUNTER = "counter"
    GAUGE = "gauge"
    HISTOGRAM = "histogram"
    SUMMARY = "summary"

    @property
    def endings(self) -> Sequence[str]:
        return {
            "counter": ("",),
            "gauge": ("",),
            "histogram": ("", "_bucket", "_count", "_sum"),
            "summary": ("", "_count", "_sum"),
        }[self.value]


_TYPES = {
    Kind.COUNTER: Type.COUNTER,
    Kind.GAUGE: Type.GAUGE,
    Kind.UPDOWN: Type.GAUGE,
    Kind.HISTOGRAM: Type.HISTOGRAM,
    Kind.EXPONENTIAL_HISTOGRAM: Type.HISTOGRAM,
    Kind.SUMMARY: Type.SUMMARY,
}


@dataclass(frozen=True, slots=True)
class Naming:
    """How names and labels are made."""

    strategy: Strategy
    namespace: str
    const_labels: Mapping[str, str]
    promote: Promote
    scope_labels: bool


@dataclass(slots=True, repr=False)
class Series:
    """What a series last said: times in nanoseconds, `seen` in seconds of the exporter's clock."""

    value: Value
    start: int
    time: int
    seen: float


@dataclass(slots=True, repr=False)
class Family:
    """A metric as Prometheus knows it; a counter's name is whole, `_total` included, if it has that."""

    name: str
    type: Type
    help: str
    unit: str
    series: dict[Labels, Series] = field(default_factory=dict)


class Table:
    """All families by name. `expiration_seconds` after it was last heard of, a series goes."""

    def __init__(self, naming: Naming, expiration_seconds: float) -> None:
        self._naming, self._expiration = naming, expiration_seconds
        self.families: dict[str, Family] = {}
        self.infos: dict[Labels, tuple[Mapping[str, str], float]] = {}
        """`target_info`: job and instance → what else is known of the target, and when it was last heard of."""
        self._taken: dict[str, str] = {}
        self._series = 0
        self._expired = float("-inf")

    def __len__(self) -> int:
        return self._series

    def add(self, data: Any, now: float) -> Counter[Reason]:
        """Take in a decoded `MetricsData`; how many points are left out, by reason."""
        lost: Counter[Reason] = Counter()
        for resource in data.resource_metrics:
            described = target(resource.resource, self._naming.promote, label_name)
            for scope in resource.scope_metrics:
                own = scope_labels(scope.scope, scope.schema_url, label_name) if self._naming.scope_labels else {}
                weak = {**self._naming.const_labels, **described.promoted}
                for metric in scope.metrics:
                    self._metric(metric, weak, {**own, **described.identity}, now, lost)
            self._inform(described, now)
        return lost

    def _inform(self, described: Target, now: float) -> None:
        if described.identity and described.info:
            self.infos[tuple(sorted(described.identity.items()))] = described.info, now

    def _metric(
        self, metric: Any, weak: Mapping[str, str], strong: Mapping[str, str], now: float, lost: Counter[Reason]
    ) -> None:
        shape = metric.WhichOneof("data")
        points = getattr(metric, shape).data_points if shape else ()
        if not points:
            return
        kind = _kind(metric, shape)
        family = Reason.DELTA_TEMPORALITY if kind is None else self._family(metric, kind, len(points), lost)
        for point in points:
            reason = family if isinstance(family, Reason) else self._point(family, kind, point, weak, strong, now)
            if reason is not None:
                lost[reason] += 1

    def _family(self, metric: Any, kind: Kind, points: int, lost: Counter[Reason]) -> Family | Reason:
        naming = self._naming
        name = metric_name(metric.name, metric.unit, kind, naming.strategy, naming.namespace)
        if not name:
            return Reason.INVALID_NAME
        made = Family(name, _TYPES[kind], metric.description, unit_name(metric.unit))
        family = self.families.get(name)
        if family is None:
            return self._begin(made)
        if family.type is not made.type:
            return Reason.TYPE_CONFLICT
        if (family.help, family.unit) != (made.help, made.unit):
            lost[Reason.HELP_CONFLICT] += points
        return family

    def _begin(self, family: Family) -> Family | Reason:
        """A family may not have a sample, or a name, that another one has."""
        names = _names(family)
        if any(name in self._taken for name in names):
            return Reason.TYPE_CONFLICT
        self._taken.update(dict.fromkeys(names, family.name))
        self.families[family.name] = family
        return family

    def _point(
        self, family: Family, kind: Any, point: Any, weak: Mapping[str, str], strong: Mapping[str, str], now: float
    ) -> Reason | None:
        own = attribute_labels(point.attributes, label_name)
        if own is None:
            return Reason.INVALID_LABEL
        labels = {**weak, **own, **strong}
        for reserved in ("le", "quantile") if family.type in (Type.HISTOGRAM, Type.SUMMARY) else ():
            labels.pop(reserved, None)
        key = tuple(sorted(labels.items()))
        known = family.series.get(key)
        if known is not None and point.time_unix_nano < known.time:
            return Reason.OUT_OF_ORDER
        if point.flags & _NO_VALUE:
            self._remove(family, key)
            return None
        try:
            series = Series(VALUES[kind](point), point.start_time_unix_nano, point.time_unix_nano, now)
        except Malformed:
            return Reason.MALFORMED_POINT
        if known is None and self._series >= _MOST_SERIES:
            return Reason.TOO_MANY_SERIES
        if known is not None and kind is Kind.COUNTER and _goes_back(known, series):
            return Reason.DECREASED
        self._series += known is None
        family.series[key] = series
        return None

    def _remove(self, family: Family, key: Labels) -> None:
        if family.series.pop(key, None) is not None:
            self._series -= 1

    def expire(self, now: float) -> None:
        """Let go what was not heard of for too long, and families without series; asked often, it looks at times."""
        if now - self._expired < self._expiration / _LOOKS:
            return
        self._expired = now
        oldest = now - self._expiration
        for family in list(self.families.values()):
            for key in [key for key, series in family.series.items() if series.seen < oldest]:
                self._remove(family, key)
            if not family.series:
                del self.families[family.name]
                for name in _names(family):
                    del self._taken[name]
        for target_key in [key for key, (_, seen) in self.infos.items() if seen < oldest]:
            del self.infos[target_key]


def _names(family: Family) -> set[str]:
    """Of its samples, and of itself in OpenMetrics, where a counter goes without the ending of its sample."""
    names = {family.name + ending for ending in family.type.endings}
    return names | {family.name.removesuffix("_total")} if family.type is Type.COUNTER else names


def _kind(metric: Any, shape: str) -> Kind | None:
    """None for deltas, which an exporter's own `delta_to_cumulative` makes cumulative before they come here."""
    if shape in ("gauge", "summary"):
        return Kind.GAUGE if shape == "gauge" else Kind.SUMMARY
    data = getattr(metric, shape)
    if data.aggregation_temporality != AggregationTemporality.AGGREGATION_TEMPORALITY_CUMULATIVE:
        return None
    if shape == "sum":
        return Kind.COUNTER if data.is_monotonic else Kind.UPDOWN
    return Kind.HISTOGRAM if shape == "histogram" else Kind.EXPONENTIAL_HISTOGRAM


def _goes_back(known: Series, new: Series) -> bool:
    """A counter that began at the same time cannot have become less; of another start, it began anew."""
    before, after = getattr(known.value, "value", 0), getattr(new.value, "value", 0)
    return bool(known.start == new.start != 0 and after < before)
