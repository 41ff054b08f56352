"""`delta_to_cumulative`: adds up deltas, so that destinations that know only running totals (Prometheus) get them.

Every delta comes out at once, in its place, as the total so far. None is dropped: one that is late or overlaps another,
as those of several processes of the same name do, is added and stands a millisecond after the one before it; a gap
changes nothing, because SDKs leave out what was idle. A total that begins is preceded by a 0 at its start, so that
`rate()` sees the first delta too, also where a killed daemon begins anew.
"""

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import chain
from pathlib import Path

from pydantic import Field

from config.settings import Seconds
from pipeline.batch import Batch, Signal
from pipeline.component import Context, Ending, ProcessorSettings, Record
from processors.reaggregation.forms import CUMULATIVE, DELTA, Place, join, point_bytes
from processors.reaggregation.generations import Generations
from processors.reaggregation.keys import Keys
from processors.reaggregation.points import MILLISECOND, value_of
from processors.reaggregation.temporality import has_deltas
from processors.reaggregation.values import KINDS, Value, packed, unpacked
from wire.metric_points import Metric, Point, walk

__all__ = ["DeltaToCumulative", "DeltaToCumulativeSettings"]


class DeltaToCumulativeSettings(ProcessorSettings):
    """Settings of `delta_to_cumulative`, the Collector's."""

    max_stale: Seconds = Field(default=300.0, gt=0)
    """A series that has not come for this long is forgotten, at the latest after twice as long; when it comes again, it
    begins anew. The Collector's default; Prometheus, too, takes a series for ended after 5 min."""
    max_streams: int = Field(default=1_000_000, ge=1)
    """Series that may be added up at once, some 250 bytes each; points of others are dropped and counted. The
    Collector has no limit, and dies of it."""
    storage: Path | None = None
    """Folder in which totals survive a restart. Without one they begin anew, which rates do not notice."""

    def signals(self) -> frozenset[Signal]:
        return frozenset({Signal.METRICS})

    def build(self, context: Context) -> "DeltaToCumulative":
        return DeltaToCumulative(self, context)


class _Total:
    """The sum of one series: since when, and when it came out last."""

    __slots__ = ("emitted", "start", "value")

    def __init__(self, value: Value, start: int, emitted: int) -> None:
        self.value, self.start, self.emitted = value, start, emitted


class DeltaToCumulative:
    """The processor. What it remembers is written only when it stops: after a kill, totals begin anew, which is exact;
    going on from an older total would look like a restart in which all of it was counted.
    """

    def __init__(
        self, settings: DeltaToCumulativeSettings, context: Context, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.storage = settings.storage
        self._context, self._settings, self._clock = context, settings, clock
        self._keys = Keys()
        self._totals: Generations[_Total] = Generations()
        self._turned = clock()

    def process(self, batch: Batch) -> Batch | None:
        if not has_deltas(batch.payload):
            return batch
        metrics = walk(batch.payload)
        pieces, items = [], 0
        for metric in metrics:
            field, count = batch.payload[metric.begin : metric.end], len(metric.points)
            if _is_delta(metric):
                points = list(self._totalled(metric, batch))
                field = Place.of(metric, batch.tenant)._replace(temporality=CUMULATIVE).metric(points)
                count = len(points)
            if count:
                pieces.append((metric.resource, metric.scope, field))
                items += count
        return replace(batch, payload=join(pieces), items=items) if items else None

    def _totalled(self, metric: Metric, batch: Batch) -> Iterator[bytes]:
        """The points of a metric, in the order of their times, as totals."""
        stream = self._keys.stream(metric, batch.tenant).key
        for point in sorted(metric.points, key=lambda point: point[3]):
            value = value_of(metric.kind, point, batch.payload)
            if value is None or point[3] == 0:
                self._drop("not_a_value" if value is None else "no_time")
            else:
                yield from self._added(metric.kind, self._keys.point(stream, point[6]), point, value)

    def _added(self, kind: int, key: int, point: Point, value: Value) -> Iterator[bytes]:
        start, at, attributes = point[2], point[3], point[6]
        total = self._totals.get(key)
        if total is None and len(self._totals) >= self._settings.max_streams:
            self._drop("stream_limit")
            return
        added = None if total is None else KINDS[kind].added(total.value, value)
        if total is None or added is None:
            # Histograms of other bounds, or counts beyond 64 bits, begin anew too: a delta is not sent again.
            emitted = total.emitted if total is not None else start if 0 < start < at - MILLISECOND else 0
            total = self._totals.now[key] = _Total(value, start, emitted)
            if emitted:
                total.emitted += MILLISECOND
                zero = KINDS[kind].fields(KINDS[kind].zero(value))
                yield point_bytes(kind, attributes, start, total.emitted, zero)
        else:
            total.value = added
        total.emitted = max(at, total.emitted + MILLISECOND)
        written = KINDS[kind].fields(total.value)
        yield point_bytes(kind, attributes, total.start, total.emitted, written, point[7])

    def _drop(self, reason: str) -> None:
        self._context.telemetry.dropped(self._context.id, Signal.METRICS, reason, 1)

    def tick(self, *, stopping: bool = False) -> Sequence[Batch]:
        """Nothing is held back; what is stale is forgotten."""
        if self._clock() - self._turned >= self._settings.max_stale:
            self._turned = self._clock()
            self._totals.turn()
        return ()

    def changes(self) -> list[Record]:
        """None: see the class."""
        return []

    def everything(self) -> Iterator[Record]:
        totals = self._totals.copy()
        made = (["total", f"{key:x}", packed(each.value), each.start, each.emitted] for key, each in totals)
        return chain([self._keys.record()], made)

    def restore(self, records: Iterable[Record], ending: Ending) -> None:
        if ending is not Ending.CLEAN:
            return
        for record in records:
            sort, first, *rest = record
            if sort == "secret":
                self._keys = Keys.remembered(record)
            elif sort == "total":
                self._totals.now[int(first, 16)] = _Total(unpacked(rest[0]), rest[1], rest[2])


def _is_delta(metric: Metric) -> bool:
    return metric.temporality == DELTA
