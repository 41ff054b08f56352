"""Adds up the metric data points whose series became one because their attributes were masked or removed.

Within one batch and for points of equal time, with what `processors.reaggregation` adds values with.
"""

from collections import Counter
from collections.abc import Hashable, Iterable, Iterator
from typing import Any

from opentelemetry.proto.metrics.v1.metrics_pb2 import DataPointFlags

from processors.otlp_objects import points, remove_if, scopes
from processors.reaggregation.exemplars import latest
from processors.reaggregation.values import KINDS, Value
from wire.metric_points import GAUGE, SUM, SUMMARY
from wire.signal import Signal

__all__ = ["join", "series"]

_NUMBERS = (GAUGE, SUM)


def _series_of(attributes: Iterable[Any]) -> Hashable:
    """What tells a set of attributes from another, whatever their order."""
    return tuple(sorted((entry.key, entry.value.SerializeToString(deterministic=True)) for entry in attributes))


def _identity_of(resource: Any, scope: Any, metric: Any) -> Hashable:
    """What tells a metric from another: resource, scope, name, unit, kind, temporality, monotonicity."""
    kind = metric.WhichOneof("data")
    data = getattr(metric, kind)
    return (
        _series_of(resource.attributes),
        (scope.name, scope.version, _series_of(scope.attributes)),
        (metric.name, metric.unit, kind),
        (getattr(data, "aggregation_temporality", 0), getattr(data, "is_monotonic", False)),
    )


def _metrics(message: Any) -> Iterator[tuple[Hashable, Any]]:
    for resource, scope, metrics in scopes(Signal.METRICS, message):
        for metric in metrics:
            if points(metric):
                yield _identity_of(resource, scope, metric), metric


def series(message: Any) -> list[tuple[Hashable, Hashable]]:
    """The series of every data point: its metric's identity, its attributes."""
    return [
        (identity, _series_of(point.attributes)) for identity, metric in _metrics(message) for point in points(metric)
    ]


def join(message: Any, before: list[tuple[Hashable, Hashable]]) -> Counter[str]:
    """Put together points that were not of one series before and are now; how many were dropped, by reason.

    Of a point that was sent twice one goes as `duplicate`; what cannot be added goes as `unmergeable`.
    """
    now = series(message)
    if now == before:
        return Counter()
    were: dict[Hashable, set[Hashable]] = {}
    for old, new in zip(before, now, strict=True):
        were.setdefault(new, set()).add(old)
    joiner = _Joiner({new for new, olds in were.items() if len(olds) > 1})
    order = iter(zip(before, now, strict=True))
    for _, metric in list(_metrics(message)):
        kind = metric.DESCRIPTOR.fields_by_name[metric.WhichOneof("data")].number
        remove_if(points(metric), lambda point, kind=kind: joiner.absorbs(kind, point, *next(order)))  # type: ignore[misc]
    joiner.write()
    return joiner.dropped


class _Joined:
    """The first point of a series and time, which others go into: whose they were, and what they add up to."""

    __slots__ = ("exemplars", "has_others", "is_stale", "kind", "olds", "point", "start", "value")

    def __init__(self, kind: int, point: Any, old: Hashable) -> None:
        self.kind, self.point, self.olds, self.has_others = kind, point, {old}, False
        self.is_stale = _is_stale(point)
        self.value = _value(kind, point)
        self.start: int = point.start_time_unix_nano
        self.exemplars = _exemplars(kind, point)

    def takes(self, point: Any) -> bool:
        """Add a point; False, with nothing changed, if it cannot be added. One that only says "no value" gives way."""
        if _is_stale(point):
            return True
        value = _value(self.kind, point)
        if not self.is_stale:
            value = self._with(value)
        if value is None:
            return False
        starts = [start for start in (self.start, point.start_time_unix_nano) if start]
        self.value, self.start, self.is_stale, self.has_others = value, min(starts, default=0), False, True
        self.exemplars += _exemplars(self.kind, point)
        return True

    def _with(self, value: Value | None) -> Value | None:
        """Of gauges the last one sent: there is no newer one, the times are equal."""
        if value is None or self.value is None:
            return None
        return value if self.kind == GAUGE else KINDS[self.kind].added(self.value, value)

    def write(self) -> None:
        """Into the first point."""
        if not self.has_others:
            return
        whole = type(self.point)(
            attributes=self.point.attributes,
            start_time_unix_nano=self.start,
            time_unix_nano=self.point.time_unix_nano,
        )
        whole.MergeFromString(KINDS[self.kind].fields(self.value))
        if self.kind != SUMMARY:
            for each in latest(self.exemplars):
                whole.exemplars.add().MergeFromString(each)
        self.point.CopyFrom(whole)


def _is_stale(point: Any) -> bool:
    return bool(point.flags & DataPointFlags.DATA_POINT_FLAGS_NO_RECORDED_VALUE_MASK)


def _value(kind: int, point: Any) -> Value | None:
    """None for one that cannot be, such as buckets without bounds."""
    if kind in _NUMBERS:
        return point.as_int if point.WhichOneof("value") == "as_int" else point.as_double
    return KINDS[kind].read(point.SerializeToString())


def _exemplars(kind: int, point: Any) -> list[bytes]:
    return [] if kind == SUMMARY else [each.SerializeToString() for each in point.exemplars]


class _Joiner:
    def __init__(self, joining: set[Hashable]) -> None:
        self._joining = joining
        self._first: dict[Hashable, _Joined] = {}
        self.dropped: Counter[str] = Counter()

    def absorbs(self, kind: int, point: Any, old: Hashable, new: Hashable) -> bool:
        """Whether an earlier point holds this one now."""
        if new not in self._joining or not point.ByteSize():
            return False
        key = (new, point.time_unix_nano)
        first = self._first.get(key)
        if first is None:
            self._first[key] = _Joined(kind, point, old)
            return False
        if old in first.olds:
            self.dropped["duplicate"] += 1
        elif not first.takes(point):
            self.dropped["unmergeable"] += 1
        first.olds.add(old)
        return True

    def write(self) -> None:
        """What was added up, once nothing more comes."""
        for each in self._first.values():
            each.write()
