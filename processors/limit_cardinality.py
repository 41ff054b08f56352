"""`limit_cardinality`: keeps the number of series in bounds, and the numbers in them right. See docs/cardinality.md.

Every point is looked at as bytes, and a series that was seen before costs one look-up of its hash. What has to change
is added up by `processors.reaggregation`; everything else passes as it is.
"""

import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import chain
from operator import itemgetter
from typing import Any

from pydantic import Field

from config.settings import Seconds
from pipeline.batch import Batch, Signal
from pipeline.component import Context, Ending, ProcessorSettings, Record
from processors.cardinality.points import Metrics, key_of
from processors.cardinality.records import changes, everything, restore
from processors.cardinality.report import report
from processors.cardinality.rules import LimitSettings, rules_by_metric
from processors.cardinality.self_metrics import Counted, show
from processors.cardinality.tracker import Tracker
from processors.cardinality.walk import Placed, Walk
from processors.otlp_objects import remove_if
from processors.reaggregation import DROP, Attribute, Reaggregation, ReaggregationSettings, Relabel, Stream

__all__ = ["LimitCardinality", "LimitCardinalitySettings", "relabelling"]


class LimitCardinalitySettings(LimitSettings, ProcessorSettings):
    """How many series and label values there may be, and what happens to those beyond."""

    window: Seconds = Field(default=3600.0, ge=60)
    """How long a value or series counts after it was last seen; a decision holds for at least as long after it was last
    needed. An hour: shorter ones forget between two deployments, longer ones punish yesterday's mistake."""
    aggregation: ReaggregationSettings = ReaggregationSettings()
    """How series that become one are added up, and where what is counted survives a restart."""

    def signals(self) -> frozenset[Signal]:
        return frozenset({Signal.METRICS})

    def build(self, context: Context) -> "LimitCardinality":
        return LimitCardinality(self, context)


class LimitCardinality:
    """Counts, decides, and changes what is too much. `clock` is in seconds since 1970, for the window."""

    def __init__(
        self,
        settings: LimitCardinalitySettings,
        context: Context,
        *,
        clock: Callable[[], float] = time.time,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._context, self._observes = context, settings.mode == "observe"
        self._reaggregation = Reaggregation(settings.aggregation, context, clock=monotonic)
        self.storage = self._reaggregation.storage
        self._tracker = Tracker(
            rules_by_metric(settings),
            settings.max_series,
            settings.window,
            journal=settings.aggregation.storage is not None,
            clock=clock,
        )
        self._counted = Counted(context.id, context.pipeline, settings.mode, self._tracker)
        # The report is made in another thread than the one that processes.
        self._lock = threading.Lock()
        self._begun = False
        show(context.telemetry.registry, self._counted)
        context.telemetry.report("cardinality", context.id, context.pipeline, self.report)

    def report(self) -> dict[str, Any]:
        """What the counts say, without a single value; from any thread."""
        with self._lock:
            return report(self._tracker, self._counted.mode)

    def process(self, batch: Batch) -> Batch | None:
        if not self._begun:
            self._begun = True
            show(self._context.telemetry.registry, self._counted, begins=True)
        with self._lock:
            self._tracker.advance()
            metrics = Metrics.FromString(batch.payload)
            walk = Walk(self._tracker, batch.tenant)
            walk.metrics(metrics)
            self._counted.points.update(walk.outcomes)
            if self._observes:
                return batch
            if any(walk.changing):
                return self._change(metrics, walk, batch)
            return replace(batch, payload=metrics.SerializeToString()) if walk.exemplars_changed else batch

    def _change(self, metrics: Any, walk: Walk, batch: Batch) -> Batch | None:
        """Pass metrics on in which nothing changes, and add up the others."""
        if "dropped" in walk.outcomes:
            self._context.telemetry.dropped(
                self._context.id, Signal.METRICS, "cardinality_limit", walk.outcomes["dropped"]
            )
        relabel = relabelling(walk.placed, self._lost)
        if all(walk.changing) and not walk.exemplars_changed:
            return self._reaggregation.apply(batch, relabel)
        changing = Metrics()
        changing.CopyFrom(metrics)
        _keep(changing, walk.changing)
        _keep(metrics, [not changes for changes in walk.changing])
        points = len(walk.placed)
        changed = replace(batch, payload=changing.SerializeToString(), items=points)
        added = self._reaggregation.apply(changed, relabel)
        rest = replace(batch, payload=metrics.SerializeToString(), items=batch.items - points)
        parts = [part for part in (rest, added) if part is not None and part.items]
        return Batch.join(parts) if parts else None

    def _lost(self) -> None:
        """Count a point of which it is not known what was decided: a bug, which must not let it pass."""
        self._context.telemetry.dropped(self._context.id, Signal.METRICS, "internal_error", 1)

    def tick(self, *, stopping: bool = False) -> Sequence[Batch]:
        """`pipeline.component.Holding`, as are the following."""
        return self._reaggregation.tick(stopping=stopping)

    def changes(self) -> list[Record]:
        with self._lock:
            return [*changes(self._tracker), *self._reaggregation.changes()]

    def everything(self) -> Iterator[Record]:
        with self._lock:
            return chain(everything(self._tracker), self._reaggregation.everything())

    def restore(self, records: Iterable[Record], ending: Ending) -> None:
        with self._lock:
            passing = restore(self._tracker, records)
            self._reaggregation.restore(passing, ending)
            deque(passing, maxlen=0)


_content = itemgetter(1)
_NO_MORE: Placed = ([b"no more"], None)
"""Fits no point: no attribute reads so."""


def _keep(metrics: Any, wanted: Sequence[bool]) -> None:
    """Leave the metrics that are wanted, in their order, and the envelopes around them."""
    flags = iter(wanted)
    for resource in metrics.resource_metrics:
        for scope in resource.scope_metrics:
            remove_if(scope.metrics, lambda _: not next(flags))
        remove_if(resource.scope_metrics, lambda scope: not scope.metrics)
    remove_if(metrics.resource_metrics, lambda resource: not resource.scope_metrics)


def relabelling(placed: Sequence[Placed], lost: Callable[[], None]) -> Relabel:
    """Gives points their new attributes, one after the other; `lost` is told of a point that does not come in that
    order, which is left out.
    """
    coming = iter(placed)

    def relabel(stream: Stream, attributes: Sequence[Attribute]) -> Sequence[Attribute] | None:
        own, after = next(coming, _NO_MORE)
        if own != list(map(_content, attributes)):
            lost()
            return DROP
        if after is None:
            return DROP
        if len(after) == len(own) and sorted(own) == after:
            return None
        known = dict(zip(own, attributes, strict=True))
        return [known.get(attribute) or (key_of(attribute), attribute) for attribute in after]

    return relabel
