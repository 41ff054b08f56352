"""OTLP metrics as Prometheus series, by the rules of the OpenTelemetry specification, for remote-write 1.0 and 2.0.

`Translator` gives runs of points, series by series; `wire.remote_write_requests` makes requests of them.
"""

import time
from collections import Counter
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from operator import itemgetter
from typing import Any, NamedTuple

from opentelemetry.proto.metrics.v1.metrics_pb2 import (
    ExponentialHistogramDataPoint,
    HistogramDataPoint,
    Metric,
    NumberDataPoint,
    ResourceMetrics,
    ScopeMetrics,
    SummaryDataPoint,
)

from wire import remote_write_walk as otlp
from wire.prometheus_names import Naming
from wire.remote_write_endings import Endings
from wire.remote_write_labels import METRIC_NAME, LabelName, Labels, Promote, attribute_labels, scope_labels, target
from wire.remote_write_metrics import NameTable, family_of, shape_of
from wire.remote_write_points import Record, Shape
from wire.remote_write_series import Family, Generations, Group, Piece, as_1_0, piece
from wire.remote_write_targets import TargetInfos, Times
from wire.remote_write_values import Reason, Unfit
from wire.remote_write_walk import read_metrics

__all__ = ["Family", "Options", "Reason", "Run", "Translation", "Translator"]


def _promote_none(key: str) -> bool:
    return False


@dataclass(frozen=True, slots=True)
class Options:
    """What an operator may choose about the translation."""

    naming: Naming = field(default_factory=Naming)
    external_labels: Mapping[str, str] = field(default_factory=dict)
    """Given to every series that has no label of that name."""
    promote: Promote = _promote_none
    scope_labels: bool = True
    target_info: bool = True
    custom_buckets: bool = False
    """Explicit histograms as native ones with custom buckets; 2.0 only."""
    stale_after_seconds: float = 0.0
    """A series that has not come for this long, or up to twice that, ends with a stale marker; 0: none does."""


class Run(NamedTuple):
    """Points of one group, in order of time; not empty. `counts`: they are data points of the payload."""

    group: Group
    records: Sequence[Record]
    counts: bool = True

    def __repr__(self) -> str:
        return f"Run({len(self.records)} points)"


@dataclass(frozen=True, slots=True, repr=False)
class Translation:
    """A payload as series. Every data point counts once: in `points` if it is in the runs, in `dropped` if not."""

    runs: Sequence[Run]
    families: Sequence[Family]
    points: int
    dropped: Mapping[Reason, int]


@dataclass(frozen=True, slots=True, repr=False)
class _Surroundings:
    """What all points under one scope share: labels that give way to a point's, labels that do not, the target."""

    weak: Mapping[str, str]
    strong: Mapping[str, str]
    times: Times


class _Metric:
    """One metric of one scope of one resource, and how its points become series."""

    __slots__ = ("around", "attributes", "family", "label_name", "names", "number", "owners", "reason", "shape", "two")

    attributes: Any
    family: Family
    names: Mapping[str, Piece]
    shape: Shape

    def __init__(self, number: int, around: _Surroundings, label_name: LabelName, two: bool) -> None:
        self.number = number
        self.around = around
        self.label_name = label_name
        self.two = two
        self.reason: Reason | None = None
        self.owners: Sequence[Any] = ()


_POINTS: dict[int, Any] = {
    otlp.GAUGE: NumberDataPoint,
    otlp.SUM: NumberDataPoint,
    otlp.HISTOGRAM: HistogramDataPoint,
    otlp.EXPONENTIAL: ExponentialHistogramDataPoint,
    otlp.SUMMARY: SummaryDataPoint,
}
_time = itemgetter(0)
_FAR = 2**63


class Translator:
    """Makes series of payloads for one destination, and remembers up to `capacity` of each: streams, that is, the bytes
    of attributes under a metric, and groups of series.

    `two`: for version 2.0. What is returned counts as sent, and what is not later is not returned again: a payload
    translated twice gives nothing the second time.
    """

    def __init__(
        self,
        options: Options,
        *,
        two: bool = False,
        capacity: int = 1_200_000,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._options, self.two = options, two
        self._label_name = options.naming.label
        self._metrics: Generations[tuple[bytes, bytes, bytes], _Metric] = Generations(capacity)
        self._around: Generations[tuple[bytes, bytes], _Surroundings] = Generations(capacity)
        self._streams: Generations[tuple[int, bytes], Group] = Generations(capacity)
        self._groups: Generations[Hashable, Group] = Generations(capacity)
        self._names = NameTable(capacity)
        self._infos = TargetInfos(options.naming.namespace, two, capacity)
        self._endings = Endings(options.stale_after_seconds, capacity, clock=clock)
        self._numbers = 0
        self._touched: list[Group] = []
        self._dropped: Counter[Reason] = Counter()
        self._lasts: dict[Hashable, int] = {}
        self.hits = self.misses = 0
        """Points whose series were found by the bytes of their attributes, and points whose were not."""

    def for_1_0(self, options: Options) -> "Translator":
        """A translator for 1.0 that knows how far this one's series have got."""
        other = Translator(options)
        other._lasts = {as_1_0(group.key): group.last for group in self._groups.values()}
        return other

    @property
    def hit_ratio(self) -> float:
        """Of the points so far, the part whose series were found by their bytes; 0 before the first."""
        return self.hits / max(self.hits + self.misses, 1)

    @property
    def size(self) -> int:
        """Streams remembered."""
        return len(self._streams)

    def translate(self, payload: bytes) -> Translation:
        """The series of a clean metrics payload."""
        self._touched, self._dropped = [], Counter()
        families: dict[str, Family] = {}
        for resource, scope, head, shape, found in read_metrics(payload):
            metric = self._metrics.get((resource, scope, head)) or self._new_metric(resource, scope, head, shape)
            if metric.reason is not None:
                self._dropped[metric.reason] += len(found)
            elif self._owns_its_names(metric, found):
                families.setdefault(metric.family.name, metric.family)
                self._take(metric, found)
        runs = list(self._settle())
        taken = sum([len(run.records) for run in runs])
        if self._options.target_info:
            runs += [Run(group, records, counts=False) for group, records in self._infos.take()]
        self._endings.seen([run.group for run in runs])
        runs += [Run(group, records, counts=False) for group, records in self._endings.take()]
        return Translation(runs, list(families.values()), taken, self._dropped)

    def _new_metric(self, resource: bytes, scope: bytes, head: bytes, shape: int) -> _Metric:
        around = self._around.get((resource, scope))
        if around is None:
            around = self._surroundings(resource, scope)
            self._around.set((resource, scope), around)
        metric = _Metric(self._numbers, around, self._label_name, self.two)
        self._numbers += 1
        self._metrics.set((resource, scope, head), metric)
        try:
            self._describe(metric, Metric.FromString(head), shape)
        except Unfit as unfit:
            metric.reason = unfit.reason
        return metric

    def _describe(self, metric: _Metric, head: Metric, shape: int) -> None:
        """Raises: `Unfit` for a metric that remote-write cannot carry."""
        metric.attributes = _POINTS[shape]
        metric.family = family_of(head, self._options.naming)
        metric.shape = shape_of(head, self._options.custom_buckets and self.two)
        name = metric.family.name
        metric.names = {
            suffix: piece(((METRIC_NAME, name + suffix),), self.two) for suffix in ("", "_bucket", "_sum", "_count")
        }
        suffixes = {"", *metric.shape.suffixes}
        metric.owners = self._names.owners(metric.around.times.key, metric.family, suffixes)

    def _surroundings(self, resource: bytes, scope: bytes) -> _Surroundings:
        options = self._options
        described = ResourceMetrics.FromString(resource)
        of_target = target(described.resource, options.promote, self._label_name)
        within = ScopeMetrics.FromString(scope)
        of_scope = scope_labels(within.scope, within.schema_url, self._label_name) if options.scope_labels else {}
        info = {**options.external_labels, **of_target.info} if of_target.info else {}
        return _Surroundings(
            weak={**options.external_labels, **of_target.promoted},
            strong={**of_scope, **of_target.identity},
            times=self._infos.times(of_target.identity, info),
        )

    def _owns_its_names(self, metric: _Metric, found: Sequence[Any]) -> bool:
        latest = max([point[1] for point in found]) // 1_000_000
        if all(owner.lets(metric.family, latest) for owner in metric.owners):
            return True
        self._dropped[Reason.TYPE_CONFLICT] += len(found)
        return False

    def _take(self, metric: _Metric, found: Sequence[Any]) -> None:
        """Lay each point before the group of its series."""
        number, touched = metric.number, self._touched
        earliest, latest = _FAR, -1
        known = self._streams.young
        for point in found:
            attributes = point[0]
            group = known.get((number, attributes)) or self._old_or_new_stream(metric, attributes)
            if group is None or not point[1]:
                self._dropped[Reason.NO_TIMESTAMP if group else Reason.INVALID_LABEL] += 1
                continue
            milliseconds = point[1] // 1_000_000
            if group.pending is None:
                touched.append(group)
                group.pending = [(milliseconds, point)]
            else:
                group.pending.append((milliseconds, point))
            if milliseconds < earliest:
                earliest = milliseconds
            if milliseconds > latest:
                latest = milliseconds
        self.hits += len(found)
        if latest >= 0:
            metric.around.times.widen(earliest, latest)

    def _old_or_new_stream(self, metric: _Metric, attributes: bytes) -> Group | None:
        """The group for attributes that have not been seen lately; None if a key makes no label."""
        group = self._streams.get((metric.number, attributes))
        if group is not None:
            self._groups.get(group.key)
            return group
        self.hits -= 1
        self.misses += 1
        own = attribute_labels(metric.attributes.FromString(attributes).attributes, self._label_name)
        if own is None:
            return None
        made = self._group(metric, {**metric.around.weak, **own, **metric.around.strong})
        group = self._groups.get(made.key)
        if group is None:
            group = made
            group.last = self._lasts.pop(group.key, -1)
            self._groups.set(group.key, group)
        self._streams.set((metric.number, attributes), group)
        return group

    def _group(self, metric: _Metric, labels: dict[str, str]) -> Group:
        part = metric.shape.part
        if not part:
            labels[METRIC_NAME] = metric.family.name
            whole = self._piece(tuple(sorted(labels.items())))
            return Group(metric, (metric.shape.write, whole), whole)
        labels.pop(part, None)
        ordered = tuple(sorted(labels.items()))
        before = self._piece(tuple(label for label in ordered if label[0] < METRIC_NAME))
        middle = self._piece(tuple(label for label in ordered if METRIC_NAME < label[0] < part))
        after = self._piece(tuple(label for label in ordered if label[0] > part))
        return Group(metric, (metric.shape.write, metric.family.name, before, middle, after), before, middle, after)

    def _piece(self, labels: Labels) -> Piece:
        return piece(labels, self.two)

    def _settle(self) -> Iterator[Run]:
        """What can be sent of the points that were laid before each group."""
        for group in self._touched:
            pending, group.pending = group.pending or [], None
            if len(pending) > 1:
                pending.sort(key=_time)
            read, records = group.metric.shape.read, []
            for milliseconds, point in pending:
                if milliseconds <= group.last:
                    late = Reason.OUT_OF_ORDER if milliseconds < group.last else Reason.DUPLICATE
                    self._dropped[late] += 1
                    continue
                try:
                    records.append(read(milliseconds, point, group))
                except Unfit as unfit:
                    self._dropped[unfit.reason] += 1
                else:
                    group.last = milliseconds
            if records:
                yield Run(group, records)
