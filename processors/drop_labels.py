"""`drop_labels`: takes named attributes off metric data points and adds up the points that become the same series.

Sums, histogram counts and summary counts add; a gauge keeps the value that comes last. What cannot be added (histograms
of different bounds or scales) is dropped, except the first, and counted as `unmergeable`. Of a point that a client sent
twice one is dropped as `duplicate`. The labels leave exemplars too, which exist to hold what points do not.

This is done within one batch, for points of equal time. No state is kept, so it cannot see that
- sources that collapse into one series send at different times or in different batches: each point then passes as if it
  were the whole series, and the destination gets values that jump, or two values for one time;
- a source of a cumulative sum restarts or goes away: the sum of the others is lower, which reads as a reset;
- the mean or the sum of gauges is meant, not the last.
`limit_cardinality` keeps state for that. Safe to drop here is a label that tells apart what one process sends in
one export, as `user_id` on a request counter does.
"""

import re
from collections.abc import Callable, Hashable, Iterable
from dataclasses import dataclass, field
from fnmatch import translate
from typing import Annotated, Any

from pydantic import Field, StringConstraints

from pipeline.batch import Batch, Signal
from pipeline.component import Context, ProcessorSettings
from processors.aggregation import identity_of, merge, series_of
from processors.otlp_objects import points, prune, remove_if, scopes

__all__ = ["DropLabels", "DropLabelsSettings"]

_Glob = Annotated[str, StringConstraints(min_length=1)]


class DropLabelsSettings(ProcessorSettings):
    """Which labels to drop, from which metrics. Names are OTLP's (`user.id`), exact or with `*`, `?` and `[…]`."""

    labels: list[_Glob] = Field(min_length=1)
    """Attributes of data points to drop."""
    metrics: tuple[_Glob, ...] = ("*",)
    """Metrics to drop them from; by default all."""
    keep: tuple[_Glob, ...] = ()
    """Attributes to keep although `labels` names them."""

    def signals(self) -> frozenset[Signal]:
        return frozenset({Signal.METRICS})

    def build(self, context: Context) -> "DropLabels":
        return DropLabels(self, context)


def _matcher(globs: Iterable[str]) -> Callable[[str], object]:
    return re.compile("|".join(map(translate, globs)) or r"(?!)").match


class DropLabels:
    """Drops the labels and merges the points that collapse, within each batch."""

    def __init__(self, settings: DropLabelsSettings, context: Context) -> None:
        self._context = context
        self._named = _matcher(settings.labels)
        self._kept = _matcher(settings.keep)
        self._metrics = _matcher(settings.metrics)

    def process(self, batch: Batch) -> Batch:
        message = batch.decode()
        stripped = [
            _Stripped(resource, scope, metric, [self._strip(point) for point in points(metric)])
            for resource, scope, metrics in scopes(batch.signal, message)
            for metric in metrics
            if self._metrics(metric.name) and points(metric)
        ]
        if not any(entry.changed for entry in stripped):
            return batch
        self._merge(stripped)
        prune(batch.signal, message)
        return Batch.encode(batch.signal, message)

    def _drops(self, label: str) -> bool:
        return self._named(label) is not None and self._kept(label) is None

    def _strip(self, point: Any) -> "_Taken":
        """Take the labels off a point and its exemplars."""
        taken = [entry for entry in point.attributes if self._drops(entry.key)]
        series = series_of(taken)
        if taken:
            remove_if(point.attributes, lambda entry: self._drops(entry.key))
        exemplars = () if point.DESCRIPTOR.name == "SummaryDataPoint" else point.exemplars
        cleaned = [
            remove_if(exemplar.filtered_attributes, lambda entry: self._drops(entry.key)) for exemplar in exemplars
        ]
        return _Taken(series, collapses=bool(taken), changed=bool(taken) or any(cleaned))

    def _merge(self, stripped: "list[_Stripped]") -> None:
        collapsing = {entry.identity() for entry in stripped if entry.collapses}
        merger = _Merger()
        for entry in stripped:
            identity = entry.identity()
            if identity in collapsing:
                merger.add(identity, entry)
        for reason, count in merger.dropped.items():
            self._context.telemetry.dropped(self._context.id, Signal.METRICS, reason, count)


@dataclass(frozen=True, slots=True)
class _Taken:
    """What was taken off one point, in comparable form, and whether that left it or its exemplars changed."""

    series: Hashable
    collapses: bool
    changed: bool


@dataclass(frozen=True, slots=True)
class _Stripped:
    """A metric without the labels, where it stands, and what was taken off each of its points."""

    resource: Any
    scope: Any
    metric: Any
    taken: list[_Taken]

    @property
    def changed(self) -> bool:
        return any(taken.changed for taken in self.taken)

    @property
    def collapses(self) -> bool:
        return any(taken.collapses for taken in self.taken)

    def identity(self) -> Hashable:
        return identity_of(self.resource, self.scope, self.metric)


@dataclass(slots=True)
class _Merger:
    """One batch's series: for each, and each time, the first point and the labels of those it already holds."""

    dropped: dict[str, int] = field(default_factory=dict)
    _points: dict[Hashable, tuple[Any, set[Hashable]]] = field(default_factory=dict)

    def add(self, identity: Hashable, entry: _Stripped) -> None:
        """Take out of the metric every point that an earlier one now holds."""
        kind = entry.metric.WhichOneof("data")
        labels = iter(entry.taken)
        remove_if(points(entry.metric), lambda point: self._absorbs(identity, kind, point, next(labels).series))

    def _absorbs(self, identity: Hashable, kind: str, point: Any, labels: Hashable) -> bool:
        key = (identity, series_of(point.attributes), point.time_unix_nano)
        if key not in self._points:
            self._points[key] = (point, {labels})
            return False
        first, held = self._points[key]
        if labels in held:
            self._drop("duplicate")
        elif not merge(kind, first, point):
            self._drop("unmergeable")
        held.add(labels)
        return True

    def _drop(self, reason: str) -> None:
        self.dropped[reason] = self.dropped.get(reason, 0) + 1
