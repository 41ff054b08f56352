"""Deltas become running totals, and none is lost."""

from collections.abc import Iterable
from typing import Any

import orjson
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.proto.metrics.v1.metrics_pb2 import AggregationTemporality as Temporality
from opentelemetry.proto.metrics.v1.metrics_pb2 import Metric

from pipeline.batch import Batch, Signal
from pipeline.component import Context, Ending
from processors.delta_to_cumulative import DeltaToCumulative, DeltaToCumulativeSettings
from tests.payloads import context, decoded_metrics, dropped, metrics, pairs

SECOND = 10**9
MILLISECOND = 10**6
Point = tuple[int, int, int]
"""Start, time and value."""


class Clock:
    seconds = 0.0

    def __call__(self) -> float:
        return self.seconds


def made(clock: Clock | None = None, **written: object) -> tuple[DeltaToCumulative, Context]:
    own = context("delta_to_cumulative")
    return DeltaToCumulative(DeltaToCumulativeSettings.model_validate(written), own, clock=clock or Clock()), own


def deltas(points: Iterable[Point], **attributes: object) -> Batch:
    metric = Metric(name="requests")
    metric.sum.is_monotonic = True
    metric.sum.aggregation_temporality = Temporality.AGGREGATION_TEMPORALITY_DELTA
    for start, time, value in points:
        metric.sum.data_points.add(
            attributes=pairs(attributes), start_time_unix_nano=start, time_unix_nano=time, as_int=value
        )
    return metrics([metric])


def points_of(batch: Batch | None) -> list[Point]:
    found: list[Point] = []
    for metric in decoded_metrics(batch):
        assert metric.sum.aggregation_temporality == Temporality.AGGREGATION_TEMPORALITY_CUMULATIVE
        found += ((each.start_time_unix_nano, each.time_unix_nano, each.as_int) for each in metric.sum.data_points)
    return found


def test_totals_begin_with_0() -> None:
    """At their start, so that the first delta is growth, too; then each delta comes out at once as the total so far."""
    tested, _ = made()
    first = tested.process(deltas([(SECOND, 2 * SECOND, 5)]))
    assert points_of(first) == [(SECOND, SECOND + MILLISECOND, 0), (SECOND, 2 * SECOND, 5)]
    assert first is not None
    assert first.items == 2
    assert points_of(tested.process(deltas([(2 * SECOND, 3 * SECOND, 7)]))) == [(SECOND, 3 * SECOND, 12)]
    assert list(tested.tick(stopping=True)) == []


def test_gaps_overlaps_and_late_deltas_are_added() -> None:
    """A late one stands a millisecond after the last; points of one batch are put in order."""
    tested, own = made()
    tested.process(deltas([(0, 10 * SECOND, 1)]))
    assert points_of(tested.process(deltas([(50 * SECOND, 60 * SECOND, 1), (20 * SECOND, 30 * SECOND, 1)]))) == [
        (0, 30 * SECOND, 2),
        (0, 60 * SECOND, 3),
    ]
    assert points_of(tested.process(deltas([(20 * SECOND, 40 * SECOND, 1)]))) == [(0, 60 * SECOND + MILLISECOND, 4)]
    assert own.telemetry.registry.get_sample_value("telescrub_dropped_items_total") is None


def test_other_metrics_pass() -> None:
    """As the same batch where there is no delta; in their place where there is one."""
    tested, _ = made()
    gauge = Metric(name="load")
    gauge.gauge.data_points.add(as_int=1)
    alone = metrics([gauge])
    assert tested.process(alone) is alone
    both = tested.process(metrics([gauge, decoded_metrics(deltas([(0, SECOND, 1)]))[0], gauge]))
    assert [metric.name for metric in decoded_metrics(both)] == ["load", "requests", "load"]


def test_histograms() -> None:
    """Of other bounds they begin anew; nothing is lost."""
    tested, _ = made()

    def histogram(time: int, bound: float) -> Batch:
        metric = Metric(name="latency")
        metric.histogram.aggregation_temporality = Temporality.AGGREGATION_TEMPORALITY_DELTA
        metric.histogram.data_points.add(
            time_unix_nano=time * SECOND, start_time_unix_nano=(time - 1) * SECOND, count=3, sum=1.5,
            bucket_counts=[1, 2], explicit_bounds=[bound],
        )  # fmt: skip
        return metrics([metric])

    def seen(batch: Batch | None) -> list[Any]:
        return [
            (point.count, list(point.bucket_counts), point.start_time_unix_nano // SECOND)
            for metric in decoded_metrics(batch)
            for point in metric.histogram.data_points
        ]

    assert seen(tested.process(histogram(10, 1.0))) == [(0, [0, 0], 9), (3, [1, 2], 9)]
    assert seen(tested.process(histogram(11, 1.0))) == [(6, [2, 4], 9)]
    assert seen(tested.process(histogram(12, 2.0))) == [(0, [0, 0], 11), (3, [1, 2], 11)]


def test_limits() -> None:
    """More series than may be are dropped and counted; a stale one is forgotten and begins anew."""
    clock = Clock()
    tested, own = made(clock, max_streams=1, max_stale="5m")
    assert points_of(tested.process(deltas([(0, SECOND, 1)], route="/a"))) == [(0, SECOND, 1)]
    assert tested.process(deltas([(0, SECOND, 1)], route="/b")) is None
    assert dropped(own, Signal.METRICS, "stream_limit") == 1
    for clock.seconds in (300.0, 600.0):
        tested.tick()
    assert points_of(tested.process(deltas([(0, 2 * SECOND, 1)], route="/b"))) == [(0, 2 * SECOND, 1)]


def test_after_a_restart() -> None:
    """Totals go on after a stop; after a kill they begin anew, with their own start."""
    tested, _ = made()
    tested.process(deltas([(SECOND, 2 * SECOND, 5)]))
    records = orjson.loads(orjson.dumps(list(tested.everything())))
    stopped, killed = made()[0], made()[0]
    stopped.restore(records, Ending.CLEAN)
    killed.restore(records, Ending.KILLED)
    following = deltas([(2 * SECOND, 3 * SECOND, 1)])
    assert points_of(stopped.process(following)) == [(SECOND, 3 * SECOND, 6)]
    assert points_of(killed.process(following)) == [
        (2 * SECOND, 2 * SECOND + MILLISECOND, 0),
        (2 * SECOND, 3 * SECOND, 1),
    ]


@given(st.lists(st.lists(st.tuples(st.just(0), st.integers(1, 20), st.integers(0, 2**40)), max_size=5), max_size=8))
def test_no_delta_is_lost(batches: list[list[Point]]) -> None:
    """Whatever order they come in: the last total is the sum of all, and times and totals only grow."""
    tested, _ = made()
    found = [point for points in batches if points for point in points_of(tested.process(deltas(points)))]
    assert [time for _, time, _ in found] == sorted({time for _, time, _ in found})
    assert [value for *_, value in found] == sorted(value for *_, value in found)
    assert (found[-1][2] if found else 0) == sum(value for points in batches for *_, value in points)
