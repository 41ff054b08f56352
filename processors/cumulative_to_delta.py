"""`cumulative_to_delta`: the growth between one report and the next, for destinations that add up themselves.

Monotonic sums and both sorts of histogram; all else stays as it is, as in the Collector.
"""

import re
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import chain
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, model_validator

from config.settings import Seconds, Settings
from pipeline.batch import Batch, Signal
from pipeline.component import Context, Ending, ProcessorSettings, Record
from processors.otlp_objects import compile_pattern
from processors.reaggregation.forms import CUMULATIVE, DELTA, Place, join, point_bytes
from processors.reaggregation.generations import Generations
from processors.reaggregation.keys import Keys, Stream
from processors.reaggregation.points import value_of
from processors.reaggregation.values import KINDS, Value, packed, unpacked
from wire.metric_points import SUM, Metric, Point, walk

__all__ = ["CumulativeToDelta", "CumulativeToDeltaSettings"]

_Type = Annotated[
    Literal["sum", "histogram", "exponential_histogram", "exponentialhistogram"],
    AfterValidator(lambda name: name.replace("exponentialhistogram", "exponential_histogram")),
]


class MetricMatch(Settings):
    """Which metrics."""

    metrics: tuple[str, ...] = ()
    """Their names, or patterns for them; none: all names."""
    match_type: Literal["strict", "regexp"] | None = None
    """Whether `metrics` are whole names or regular expressions that are found anywhere in a name."""
    metric_types: tuple[_Type, ...] = ()
    """`sum`, `histogram`, `exponential_histogram`; none: all three."""

    @model_validator(mode="after")
    def _says_how_to_match(self) -> "MetricMatch":
        if self.metrics and self.match_type is None:
            raise ValueError("metrics needs a match_type: strict or regexp")
        if self.match_type == "regexp":
            for pattern in self.metrics:
                compile_pattern(pattern)
        return self

    def fits(self, stream: Stream) -> bool:
        """Whether it is one of them."""
        if self.metric_types and stream.kind not in self.metric_types:
            return False
        if self.match_type == "regexp":
            return any(re.search(pattern, stream.name, re.ASCII) for pattern in self.metrics)
        return not self.metrics or stream.name in self.metrics


class CumulativeToDeltaSettings(ProcessorSettings):
    """Settings of `cumulative_to_delta`, the Collector's."""

    include: MetricMatch = MetricMatch()
    """Metrics to convert; by default all."""
    exclude: MetricMatch | None = None
    """Metrics to leave as they are, although `include` names them."""
    max_staleness: Seconds = Field(default=3600.0, ge=0)
    """A series that has not come for this long is forgotten, at the latest after twice as long. 0 = never, the
    Collector's default, which needs memory without end. One hour: few processes report less often."""
    initial_value: Literal["auto", "keep", "drop"] = "auto"
    """What becomes of the first value of a series: `keep` it as growth from 0, `drop` it, or `auto`: keep it if the
    series began after this daemon did."""
    storage: Path | None = None
    """Folder in which the last values survive a restart. Without one, growth during the restart is lost."""

    def signals(self) -> frozenset[Signal]:
        return frozenset({Signal.METRICS})

    def build(self, context: Context) -> "CumulativeToDelta":
        return CumulativeToDelta(self, context)


_Last = tuple[int, int, Value]
"""Time, start and value of a series as it came last."""


class CumulativeToDelta:
    """The processor. What it remembers is written when it stops."""

    def __init__(
        self,
        settings: CumulativeToDeltaSettings,
        context: Context,
        *,
        clock: Callable[[], float] = time.monotonic,
        now_nanoseconds: Callable[[], int] = time.time_ns,
    ) -> None:
        self.storage = settings.storage
        self._context, self._settings, self._clock = context, settings, clock
        self._keys = Keys()
        self._last: Generations[_Last] = Generations()
        self._turned, self._began = clock(), now_nanoseconds()

    def process(self, batch: Batch) -> Batch | None:
        pieces, items, same = [], 0, True
        for metric in walk(batch.payload):
            stream = self._keys.stream(metric, batch.tenant)
            field, count = batch.payload[metric.begin : metric.end], len(metric.points)
            if self._converts(metric, stream):
                points = list(self._deltas(metric, stream, batch.payload))
                field = Place.of(metric, batch.tenant)._replace(temporality=DELTA).metric(points)
                count, same = len(points), False
            if count:
                pieces.append((metric.resource, metric.scope, field))
                items += count
        if same:
            return batch
        return replace(batch, payload=join(pieces), items=items) if items else None

    def _converts(self, metric: Metric, stream: Stream) -> bool:
        if metric.temporality != CUMULATIVE or (metric.kind == SUM and not metric.is_monotonic):
            return False
        exclude = self._settings.exclude
        return self._settings.include.fits(stream) and not (exclude is not None and exclude.fits(stream))

    def _deltas(self, metric: Metric, stream: Stream, payload: bytes) -> Iterator[bytes]:
        for point in sorted(metric.points, key=lambda point: point[3]):
            value = value_of(metric.kind, point, payload)
            if value is None:
                self._drop("not_a_value")
                continue
            key = self._keys.point(stream.key, point[6])
            if (delta := self._delta(metric.kind, key, point, value)) is not None:
                start, growth = delta
                yield point_bytes(metric.kind, point[6], start, point[3], KINDS[metric.kind].fields(growth), point[7])

    def _delta(self, kind: int, key: int, point: Point, value: Value) -> tuple[int, Value] | None:
        """Since when and by how much a series grew; None where that is not known or was said already."""
        start, at = point[2], point[3]
        last = self._last.get(key)
        if last is not None and at <= last[0]:
            self._drop("duplicate" if at == last[0] else "late")
            return None
        self._last.now[key] = (at, start, value)
        if last is None:
            if self._keeps_first(start):
                return start, value
            self._drop("initial_value")
            return None
        growth = KINDS[kind].grown(value, last[2]) if start <= last[1] or not last[1] else None
        if growth is None:
            return max(start, last[0]), value
        return last[0], growth

    def _keeps_first(self, start: int) -> bool:
        initial = self._settings.initial_value
        return initial == "keep" or (initial == "auto" and start >= self._began)

    def _drop(self, reason: str) -> None:
        self._context.telemetry.dropped(self._context.id, Signal.METRICS, reason, 1)

    def tick(self, *, stopping: bool = False) -> Sequence[Batch]:
        """Nothing is held back; what is stale is forgotten."""
        if 0 < self._settings.max_staleness <= self._clock() - self._turned:
            self._turned = self._clock()
            self._last.turn()
        return ()

    def changes(self) -> list[Record]:
        """None: deltas are passed on at once, before anything could be written."""
        return []

    def everything(self) -> Iterator[Record]:
        last = (["last", f"{key:x}", at, start, packed(value)] for key, (at, start, value) in self._last.copy())
        return chain([self._keys.record()], last)

    def restore(self, records: Iterable[Record], ending: Ending) -> None:
        """After a kill the last values are not known: growth since older ones was passed on already."""
        if ending is not Ending.CLEAN:
            return
        for record in records:
            sort, first, *rest = record
            if sort == "secret":
                self._keys = Keys.remembered(record)
            elif sort == "last":
                self._last.now[int(first, 16)] = (rest[0], rest[1], unpacked(rest[2]))
