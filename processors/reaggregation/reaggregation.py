"""`Reaggregation`: what every processor that takes labels off passes its batches through, so that numbers stay right.

    relabel ──► same labels, metric never relabelled ─────────────────────────────────────────► passed on as it is
            ──► delta ──► added up within the batch ──────────────────────────────────────────► passed on at once
            ──► cumulative, gauge ──► waits for its interval to close ──► counters, levels ──► comes out of `tick`

Deltas are never held back: nobody sends them again. A cumulative source repeats all it has said with its next report.
"""

import re
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from fnmatch import translate
from itertools import groupby

from pipeline.batch import Batch, Signal
from pipeline.component import Context, Ending, Record
from processors.reaggregation.counters import Counters
from processors.reaggregation.deltas import Deltas
from processors.reaggregation.exemplars import MAX_EXEMPLARS, cleaned, latest, without_exemplar_labels
from processors.reaggregation.forms import CUMULATIVE, Place, join, payload_of, point_bytes
from processors.reaggregation.keys import MASK, Keys, Stream
from processors.reaggregation.levels import Levels, Mode
from processors.reaggregation.points import value_of
from processors.reaggregation.settings import ReaggregationSettings
from processors.reaggregation.values import KINDS, Value
from processors.reaggregation.windows import Emission, Held, Window, Windows
from wire.metric_points import GAUGE, SUM, SUMMARY, Metric, Point, walk

__all__ = ["DROP", "Attribute", "Reaggregation", "Relabel", "Stream"]

Attribute = tuple[bytes, bytes]
"""The key of an attribute and its serialized KeyValue, as it stands in the payload."""

DROP: Sequence[Attribute] = ((b"", b"drop"),)
"""What a `Relabel` gives, this very object, for a point that is to be left out; it counts it itself."""

Relabel = Callable[[Stream, Sequence[Attribute]], Sequence[Attribute] | None]
"""Called once for each data point, in order: its new attributes, or None if they stay."""

_OWED_SECONDS = 60.0
"""How long late growth waits for a next point, which most sources send within a minute."""

_NO_VALUE_FIELD = b"\x40\x01"
"""The field `flags` of a NumberDataPoint with DATA_POINT_FLAGS_NO_RECORDED_VALUE_MASK."""


@dataclass(frozen=True, slots=True)
class _Plan:
    """What becomes of one metric: for each point its new attributes (None: as they are), and the attributes and stream
    it came with.
    """

    metric: Metric
    stream: Stream
    new: Sequence[Sequence[Attribute] | None]
    origins: Sequence[Sequence[Attribute]]
    origin_stream: int


class Reaggregation:
    """The state of one processor. `keep_sources` is off where sources must not go into a file, not even as hashes.

    `strip` names the labels, by key, that leave exemplars too.
    """

    def __init__(
        self,
        settings: ReaggregationSettings,
        context: Context,
        *,
        strip: Callable[[bytes], bool] | None = None,
        keep_sources: bool = True,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.storage = settings.storage
        self._context, self._strip, self._clock = context, strip, clock
        self._interval = round(settings.interval * 1e9)
        self._expiry, self._turned = settings.source_expiry, clock()
        self._modes: list[tuple[Callable[[str], object], Mode]] = [
            (re.compile(translate(glob)).match, mode) for glob, mode in settings.gauges.items()
        ]
        self._keys = Keys()
        self._source_keys = self._keys if keep_sources else Keys()
        self._windows = Windows(self._interval, settings.linger)
        self._counters = Counters(round(self._expiry * 1e9), self._lost, keep_sources=keep_sources)
        self._levels = Levels(round(settings.stale_after * 1e9), self._lost, keep_sources=keep_sources)
        self._touched: set[int] = set()
        self._newly_touched: set[int] = set()
        self._has_told = False
        self._owed: dict[int, tuple[float, Window]] = {}

    # --- what comes in

    def apply(self, batch: Batch, relabel: Relabel) -> Batch | None:
        """What is left of a batch to be passed on at once; the same object if nothing is relabelled, nor ever was."""
        plans = []
        for metric in walk(batch.payload):
            stream = self._keys.stream(metric, batch.tenant)
            new = [relabel(stream, point[6]) for point in metric.points]
            plans.append(_Plan(metric, stream, new, [point[6] for point in metric.points], stream.key))
        return self._carry_out(batch, plans)

    def apply_rewritten(self, before: Batch, after: Batch, gone: Callable[[int], bool]) -> Batch | None:
        """The same for a payload that was rewritten already. `gone` says of a data point of `before`, by where it
        begins, that `after` does not have it.
        """
        plans = []
        for old, metric in zip(walk(before.payload), walk(after.payload), strict=True):
            origins = [point[6] for point in old.points if not gone(point[0])]
            new = [
                point[6] if len(point[6]) != len(origin) else None
                for point, origin in zip(metric.points, origins, strict=True)
            ]
            origin_stream = self._source_keys.stream(old, before.tenant).key
            plans.append(_Plan(metric, self._keys.stream(metric, after.tenant), new, origins, origin_stream))
        return self._carry_out(after, plans)

    @property
    def is_idle(self) -> bool:
        """Whether nothing was ever relabelled, so that what is not relabelled need not be looked at."""
        return not self._touched

    def _carry_out(self, batch: Batch, plans: Sequence[_Plan]) -> Batch | None:
        for plan in plans:
            self._touch(plan)
        pieces: list[tuple[bytes, bytes, bytes]] = []
        deltas = Deltas(self._interval, self._lost, self._newest)
        items, same = 0, True
        for plan in plans:
            if plan.stream.key in self._touched:
                self._take_apart(plan, batch, deltas)
                same = False
                continue
            metric = plan.metric
            piece, points = self._left(plan, batch)
            items += points
            same = same and piece is None
            field = batch.payload[metric.begin : metric.end] if piece is None else piece
            if points or piece is None:
                pieces.append((metric.resource, metric.scope, field))
        if same:
            return batch
        merged = deltas.points()
        items += len(merged)
        return replace(batch, payload=join(pieces) + payload_of(merged), items=items) if items else None

    def _touch(self, plan: _Plan) -> None:
        """Once a point of a metric has been relabelled, all its points go through the state: any may be part of an
        output.
        """
        key = plan.stream.key
        if key not in self._touched and any(new is not None and new is not DROP for new in plan.new):
            self._touched.add(key)
            self._newly_touched.add(key)

    def _left(self, plan: _Plan, batch: Batch) -> tuple[bytes | None, int]:
        """An untouched metric without the points and the labels of exemplars that go, and how many points are left;
        None if nothing goes.
        """
        strip, metric = self._strip, plan.metric
        exemplary = strip is not None and any(point[7] for point in metric.points)
        if not exemplary and DROP not in plan.new:
            return None, len(metric.points)
        kept = [
            batch.payload[point[0] : point[1]]
            for point, new in zip(metric.points, plan.new, strict=True)
            if new is not DROP
        ]
        if strip is not None and exemplary:
            clean = [without_exemplar_labels(metric.kind, point, strip) for point in kept]
            if clean == kept and len(kept) == len(metric.points):
                return None, len(kept)
            kept = clean
        return Place.of(metric, batch.tenant).metric(kept), len(kept)

    def _take_apart(self, plan: _Plan, batch: Batch, deltas: Deltas) -> None:
        """Put each point where it is added up."""
        metric, now = plan.metric, self._clock()
        place = Place.of(metric, batch.tenant)
        held = metric.kind in (GAUGE, SUMMARY) or metric.temporality == CUMULATIVE
        is_number = metric.kind in (GAUGE, SUM)
        is_level = metric.kind == GAUGE or (metric.kind == SUM and not metric.is_monotonic)
        hashed, hashed_source, windows = self._keys.attributes, self._source_keys.attributes, self._windows
        stream, same_keys = plan.stream.key, self._keys is self._source_keys
        group, started = plan.origin_stream, -1
        for point, new, origin in zip(metric.points, plan.new, plan.origins, strict=True):
            if new is DROP:
                continue
            _, _, start, at, flags, value, attributes, exemplars = point
            at = at or time.time_ns()
            if start != started and not (is_level and held):
                group, started = self._source_keys.started(plan.origin_stream, start), start
            source = hashed_source(origin)
            output = source if new is None and same_keys else hashed(attributes if new is None else new)
            if not is_number or type(value) is not int or flags:
                value = self._value(metric.kind, point, batch.payload)
            if exemplars:
                exemplars = cleaned(exemplars, self._strip)
            source, output = (source + group) & MASK, (output + stream) & MASK
            if held:
                window = windows.of(output, at, place, attributes if new is None else new, now)
                window.held.append((at, source, group, start, value))
                if exemplars:
                    window.exemplars += exemplars
            else:
                deltas.add(output, source, place, attributes if new is None else new, start, at, value, exemplars)

    def _value(self, kind: int, point: Point, payload: bytes) -> Value | None:
        """The value of a point; None if it has none, which is counted unless the point says so."""
        value = value_of(kind, point, payload)
        if value is None and not point[4]:
            self._lost("not_a_value")
        return value

    # --- what comes out

    def tick(self, *, stopping: bool = False) -> Sequence[Batch]:
        """The points of the intervals that are closed by now, or of all when stopping; a batch for each tenant."""
        now = self._clock()
        if now - self._turned >= self._expiry:
            self._turned = now
            self._counters.turn()
            self._levels.turn()
        points = []
        for due in self._windows.due(None if stopping else now):
            window = due.window
            emission = self._close(due.output, due.number, window.place, window.held)
            if emission is not None:
                self._owed.pop(due.output, None)
                points.append((window.place, self._written(window, emission)))
            elif window.place.kind != GAUGE and due.output not in self._owed:
                self._owed[due.output] = (now + _OWED_SECONDS, window)
        points += self._paid(None if stopping else now)
        if self.storage is None:
            self._forget_changes()
        points.sort(key=lambda each: each[0].tenant)
        by_tenant = [(tenant, list(some)) for tenant, some in groupby(points, key=lambda each: each[0].tenant)]
        return [Batch(Signal.METRICS, payload_of(some), len(some), tenant) for tenant, some in by_tenant]

    def _paid(self, now: float | None) -> Iterator[tuple[Place, bytes]]:
        """Late growth that has waited in vain for a next point of its output to show in."""
        for output, (until, window) in list(self._owed.items()):
            if now is not None and now < until:
                return
            del self._owed[output]
            if (emission := self._counters.again(output)) is not None:
                yield window.place, self._written(window, emission)

    def _close(self, output: int, number: int, place: Place, held: list[Held]) -> Emission | None:
        if place.kind == GAUGE:
            return self._levels.close(output, self._mode(place), held)
        if place.kind == SUM and not place.is_monotonic:
            return self._levels.close(output, "sum", held)
        return self._counters.close(output, number, KINDS[place.kind], held)

    def _mode(self, place: Place) -> Mode:
        if not self._modes:
            return "mean"
        return next((mode for fits, mode in self._modes if fits(place.name)), "mean")

    def _written(self, window: Window, emission: Emission) -> bytes:
        (start, at, value), kind = emission, window.place.kind
        if kind == SUMMARY:
            self._context.telemetry.shortened(self._context.id, Signal.METRICS, "quantiles", 1)
        written = _NO_VALUE_FIELD if value is None else KINDS[kind].fields(value)
        return point_bytes(kind, window.attributes, start, at, written, self._newest(window.exemplars))

    def _newest(self, exemplars: Sequence[bytes]) -> Sequence[bytes]:
        """Those that a point keeps."""
        if len(exemplars) > MAX_EXEMPLARS:
            self._context.telemetry.shortened(self._context.id, Signal.METRICS, "exemplars", 1)
        return latest(exemplars)

    def _lost(self, reason: str) -> None:
        self._context.telemetry.dropped(self._context.id, Signal.METRICS, reason, 1)

    # --- what goes on after a restart

    def _forget_changes(self) -> None:
        self._newly_touched = set()
        self._counters.forget_changes()
        self._levels.forget_changes()

    def changes(self) -> list[Record]:
        """What became different since the last call."""
        records: list[Record] = []
        if not self._has_told:
            records.append(self._keys.record())
            self._has_told = True
        records += (["touched", f"{key:x}"] for key in self._newly_touched)
        self._newly_touched = set()
        return [*records, *self._counters.changes(), *self._levels.changes()]

    def everything(self) -> Iterator[Record]:
        """The whole state as it is at this moment; records are made while it is gone through."""
        head: list[Record] = [self._keys.record(), *(["touched", f"{key:x}"] for key in self._touched)]
        parts = [iter(head), self._counters.everything(), self._levels.everything()]
        return (record for part in parts for record in part)

    def restore(self, records: Iterable[Record], ending: Ending) -> None:
        """Take up what was recorded before a restart; records of others are passed over."""
        for record in records:
            if record[0] == "secret":
                self._become(Keys.remembered(record))
            elif record[0] == "touched":
                self._touched.add(int(str(record[1]), 16))
            else:
                self._counters.restore(record)
                self._levels.restore(record)
        if ending is Ending.CRASHED:
            self._counters.begin_anew()

    def _become(self, keys: Keys) -> None:
        """Hash as before the restart."""
        shared = self._source_keys is self._keys
        self._keys = keys
        if shared:
            self._source_keys = self._keys
