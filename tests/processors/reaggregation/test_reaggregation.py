"""Series that become one: what comes out equals what a control computes that knows only the rule, not the code."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.proto.metrics.v1.metrics_pb2 import AggregationTemporality as Temporality
from opentelemetry.proto.metrics.v1.metrics_pb2 import DataPointFlags, Exemplar, Metric

from pipeline.batch import Batch, Signal
from pipeline.component import Context, Ending
from processors.reaggregation import DROP, Attribute, Reaggregation, ReaggregationSettings, Stream
from tests.payloads import context, decoded_metrics, dropped, metrics, pairs, plain

SECOND = 10**9
PERIOD = 15 * SECOND
BEGAN = 10**8 * PERIOD
CUMULATIVE = Temporality.AGGREGATION_TEMPORALITY_CUMULATIVE


class Clock:
    """Seconds, as far as somebody has moved them on."""

    seconds = 0.0

    def __call__(self) -> float:
        return self.seconds


@dataclass(slots=True)
class Bench:
    """Re-aggregation without `user`, and what has come out of it."""

    clock: Clock = field(default_factory=Clock)
    own: Context = field(default_factory=lambda: context("tested"))
    settings: ReaggregationSettings = field(default_factory=ReaggregationSettings)
    out: list[Any] = field(default_factory=list)
    tested: Reaggregation = field(init=False)

    def __post_init__(self) -> None:
        self.tested = Reaggregation(self.settings, self.own, clock=self.clock)

    def send(self, *sent: Metric) -> Batch | None:
        return self.tested.apply(metrics(sent), without_user)

    def wait(self, seconds: float = 3.0, *, stopping: bool = False) -> list[Any]:
        """The metrics that come out once this time has passed."""
        self.clock.seconds += seconds
        found = [each for batch in self.tested.tick(stopping=stopping) for each in decoded_metrics(batch)]
        self.out += found
        return found

    def restarted(self, ending: Ending = Ending.CLEAN) -> "Bench":
        """Another one that has taken up the records of this, as they come out of a file."""
        other = Bench(Clock(), self.own, self.settings)
        records = orjson.loads(orjson.dumps(list(self.tested.everything())))
        other.tested.restore(records, ending)
        return other


def without_user(stream: Stream, attributes: Sequence[Attribute]) -> Sequence[Attribute] | None:
    left = [each for each in attributes if each[0] != b"user"]
    return left if len(left) < len(attributes) else None


Point = tuple[str, int, int, int]
"""User, start, time and value."""


def counter(points: Iterable[Point], *, is_monotonic: bool = True) -> Metric:
    metric = Metric(name="requests", unit="1")
    metric.sum.is_monotonic = is_monotonic
    metric.sum.aggregation_temporality = CUMULATIVE
    for user, start, time, value in points:
        attributes = pairs({"user": user} if user else {})
        metric.sum.data_points.add(attributes=attributes, start_time_unix_nano=start, time_unix_nano=time, as_int=value)
    return metric


def gauge(points: Iterable[tuple[str, int, float]], name: str = "load") -> Metric:
    metric = Metric(name=name)
    for user, time, value in points:
        metric.gauge.data_points.add(attributes=pairs({"user": user}), time_unix_nano=time, as_double=value)
    return metric


def totals(found: Iterable[Any]) -> list[tuple[int, int]]:
    """Time and value of each point."""
    return [(point.time_unix_nano, point.as_int) for metric in found for point in metric.sum.data_points]


def at(period: int, offset: int = 0) -> int:
    return BEGAN + period * PERIOD + offset


def test_one_point_for_all_batches_of_an_interval() -> None:
    """Stamped with the newest time in it; nothing comes out before the linger is over."""
    tested = Bench()
    tested.send(counter([("a", BEGAN, at(0, 5), 3)]))
    assert tested.wait(1.0) == []
    tested.send(counter([("b", BEGAN, at(0, 9), 4)]), counter([("", BEGAN, at(0, 7), 10)]))
    assert totals(tested.wait(1.0)) == [(at(0, 9), 17)]
    (point,) = tested.out[0].sum.data_points
    assert (plain(point.attributes), point.start_time_unix_nano) == ({}, BEGAN)


def test_a_restart_and_two_processes_of_one_name() -> None:
    """Each start is a source of its own; the late last point of the old process still counts, once."""
    tested = Bench()
    tested.send(counter([("a", BEGAN, at(0), 100)]))
    tested.wait()
    tested.send(counter([("a", BEGAN, at(1), 110), ("a", at(0, 5), at(1), 7)]))
    tested.wait()
    tested.send(counter([("a", at(0, 5), at(2), 8), ("a", BEGAN, at(1, SECOND), 111)]))
    tested.wait()
    tested.send(counter([("a", at(0, 5), at(3), 9), ("a", BEGAN, at(1), 110)]))
    tested.wait()
    assert totals(tested.out) == [(at(0), 100), (at(1), 117), (at(1, SECOND), 118), (at(2), 119), (at(3), 120)]
    assert dropped(tested.own, Signal.METRICS, "late") == 1


def test_a_lower_value_is_a_restart() -> None:
    """Of a source that says no start; it counts whole."""
    tested = Bench()
    for period, value in enumerate((100, 130, 20, 25)):
        tested.send(counter([("a", 0, at(period), value)]))
        tested.wait()
    assert [value for _, value in totals(tested.out)] == [100, 130, 150, 155]


def test_no_spike_where_a_process_is_seen_late() -> None:
    """What it counted before the output began is not growth; what it counts from then on is."""
    tested = Bench()
    tested.send(counter([("a", BEGAN - PERIOD, at(0), 5)]))
    tested.wait()
    tested.send(counter([("b", BEGAN - PERIOD + 1, at(1), 1_000_000), ("a", BEGAN - PERIOD, at(1), 6)]))
    tested.wait()
    tested.send(counter([("b", BEGAN - PERIOD + 1, at(2), 1_000_010)]))
    tested.wait()
    assert [value for _, value in totals(tested.out)] == [5, 6, 16]


def test_a_new_series_of_a_process_that_is_known() -> None:
    """It was 0 when the process exported last, however long ago that began: all of it counts."""
    tested = Bench()
    tested.send(counter([("a", BEGAN - 10**7 * PERIOD, at(0), 5)]))
    tested.wait()
    tested.send(counter([("a", BEGAN - 10**7 * PERIOD, at(1), 5), ("b", BEGAN - 10**7 * PERIOD, at(1), 3)]))
    tested.wait()
    assert [value for _, value in totals(tested.out)] == [5, 8]


def test_late_growth_shows_in_the_next_point() -> None:
    """Time never goes back; where no next point comes within a minute, one is made."""
    tested = Bench()
    tested.send(counter([("a", BEGAN, at(0), 1), ("b", BEGAN, at(0), 1)]))
    tested.wait()
    tested.send(counter([("a", BEGAN, at(2), 2)]))
    tested.wait()
    tested.send(counter([("b", BEGAN, at(1), 5)]))
    assert tested.wait() == []
    tested.send(counter([("a", BEGAN, at(3), 3)]))
    tested.wait()
    tested.send(counter([("b", BEGAN, at(2), 6)]))
    tested.wait()
    tested.wait(60.0)
    assert totals(tested.out) == [(at(0), 2), (at(2), 3), (at(3), 8), (at(3) + 10**6, 9)]


def test_points_without_a_value_change_nothing() -> None:
    """A scrape that failed does not make a counter begin anew."""
    tested = Bench()
    nothing = counter([("a", BEGAN, at(1), 0)])
    nothing.sum.data_points[0].flags = DataPointFlags.DATA_POINT_FLAGS_NO_RECORDED_VALUE_MASK
    nothing.sum.data_points[0].ClearField("as_int")
    for metric in (counter([("a", BEGAN, at(0), 9)]), nothing, counter([("a", BEGAN, at(2), 11)])):
        tested.send(metric)
        tested.wait()
    assert totals(tested.out) == [(at(0), 9), (at(2), 11)]


def test_sums_that_may_fall() -> None:
    """The sum of what each series says now; one that restarts gives up what it said, one that is gone leaves."""
    tested = Bench()
    for period, points in enumerate(
        ([("a", 1, 5), ("b", 1, 7)], [("a", 2, 1)], [("b", 1, 3)], [("a", 2, 2)], *([("a", 2, 2)] for _ in range(21)))
    ):
        tested.send(counter([(user, start, at(period), value) for user, start, value in points], is_monotonic=False))
        tested.wait()
    assert [value for _, value in totals(tested.out)] == [12, 8, 4, 5] + [5] * 19 + [2] * 2


@pytest.mark.parametrize(("mode", "value"), [("mean", 3.0), ("sum", 9.0), ("min", 1.0), ("max", 6.0), ("last", 1.0)])
def test_gauges(mode: str, value: float) -> None:
    """Over the series that are alive, in the mode that the settings give the metric."""
    tested = Bench(settings=ReaggregationSettings.model_validate({"gauges": {"lo?d": mode, "*": "max"}}))
    tested.send(gauge([("a", at(0), 2), ("b", at(0, 1), 6)]), gauge([("a", at(0), 2), ("b", at(0), 6)], "other"))
    tested.send(gauge([("c", at(0, 2), 1)]))
    found = {metric.name: metric.gauge.data_points[0].as_double for metric in tested.wait()}
    assert found == {"load": value, "other": 6.0}


def test_exemplars_stay_within_limits() -> None:
    """The newest sixteen, whatever batch they came with."""
    tested = Bench()
    for user in "ab":
        metric = counter([(user, BEGAN, at(0), 1)])
        exemplars = [Exemplar(time_unix_nano=at(0, index), as_int=1) for index in range(10)]
        metric.sum.data_points[0].exemplars.extend(exemplars)
        tested.send(metric)
    (metric,) = tested.wait()
    times = sorted(each.time_unix_nano - at(0) for each in metric.sum.data_points[0].exemplars)
    assert times == sorted([*range(2, 10), *range(2, 10)])
    labels = {"component": "tested", "signal": "metrics", "reason": "exemplars"}
    assert tested.own.telemetry.registry.get_sample_value("telescrub_shortened_items_total", labels) == 1


def test_dropped_points_and_untouched_metrics() -> None:
    """A point that is to be left out is; what was never relabelled passes as it is."""
    tested = Bench()
    batch = metrics([counter([("", BEGAN, at(0), 1)])])
    assert tested.tested.apply(batch, without_user) is batch
    two = metrics([counter([("a", BEGAN, at(0), 1), ("b", BEGAN, at(0), 2)]), gauge([("a", at(0), 1)])])
    result = tested.tested.apply(two, lambda _, attributes: DROP if b"b" in attributes[0][1] else None)
    assert result is not None
    assert (totals(decoded_metrics(result)), result.items) == ([(at(0), 1)], 2)
    assert tested.tested.apply(metrics([counter([("a", BEGAN, at(0), 1)])]), lambda *_: DROP) is None


def test_tenants_are_kept_apart() -> None:
    """Equal series of two tenants stay two."""
    tested = Bench()
    for tenant in ("x", "y"):
        batch = metrics([counter([("a", BEGAN, at(0), 1)])])
        tested.tested.apply(Batch(Signal.METRICS, batch.payload, 1, tenant), without_user)
    given = tested.tested.tick(stopping=True)
    assert [(each.tenant, totals(decoded_metrics(each))) for each in given] == [
        ("x", [(at(0), 1)]),
        ("y", [(at(0), 1)]),
    ]


@pytest.mark.parametrize("ending", [Ending.CLEAN, Ending.KILLED])
def test_sums_go_on_after_a_restart(ending: Ending) -> None:
    """Totals, sources and gauges; in records there is nothing of the data but numbers."""
    tested = Bench()
    tested.send(counter([("a", BEGAN, at(0), 10), ("b", BEGAN, at(0), 20)]), gauge([("a", at(0), 2), ("b", at(0), 4)]))
    tested.wait()
    text = orjson.dumps(list(tested.tested.everything()))
    assert b"requests" not in text
    other = tested.restarted(ending)
    other.send(counter([("b", BEGAN, at(1), 25)]), gauge([("b", at(1), 8)]))
    other.wait()
    assert totals(other.out) == [(at(1), 35)]
    assert [metric.gauge.data_points[0].as_double for metric in other.out if metric.name == "load"] == [5.0]


def test_changes_are_all_that_is_needed() -> None:
    """The records of each tick, one after the other, make the same state as everything at once."""
    tested = Bench()
    told = []
    for period in range(3):
        tested.send(counter([("a", BEGAN, at(period), period), (f"u{period}", BEGAN, at(period), 1)]))
        tested.wait()
        told += tested.tested.changes() if tested.settings.storage else []
    assert told == []
    recorded = Bench(settings=ReaggregationSettings.model_validate({"storage": "unused"}))
    for period in range(3):
        recorded.send(counter([("a", BEGAN, at(period), period), (f"u{period}", BEGAN, at(period), 1)]))
        recorded.wait()
        told += recorded.tested.changes()
    other = Bench()
    other.tested.restore(orjson.loads(orjson.dumps(told)), Ending.KILLED)
    assert sorted(map(str, other.tested.everything())) == sorted(map(str, recorded.tested.everything()))


def test_after_a_crash_outputs_begin_anew() -> None:
    """It is not known what came out last; they grow from nothing, with a start of their own."""
    tested = Bench()
    tested.send(counter([("a", BEGAN, at(0), 10)]))
    tested.wait()
    other = tested.restarted(Ending.CRASHED)
    other.send(counter([("a", BEGAN, at(1), 12)]))
    (metric,) = other.wait()
    (point,) = metric.sum.data_points
    assert (point.as_int, point.start_time_unix_nano) == (2, at(0))


@dataclass(frozen=True)
class Report:
    """One point as a process sends it, and when it arrives: in which period's batches."""

    user: str
    start: int
    time: int
    value: int
    arrives: int


@st.composite
def histories(draw: st.DrawFn) -> list[Report]:
    """Processes that begin in the first period or later, restart, miss periods, and are late."""
    reports = []
    for user in draw(st.lists(st.sampled_from("abcde"), min_size=1, max_size=5, unique=True)):
        period = draw(st.integers(0, 3))
        for _ in range(draw(st.integers(1, 3))):
            start, value = at(period, 1 + draw(st.integers(0, 10**6))), 0
            for _ in range(draw(st.integers(1, 4))):
                value += draw(st.integers(0, 2**40))
                period += draw(st.integers(1, 2))
                reports.append(Report(user, start, at(period), value, period + draw(st.integers(0, 2))))
    unique = {(each.user, each.start, each.time): each for each in reports}
    first = [Report("first", BEGAN - 1, at(0), 1, 0)]
    return first + list(unique.values())


def newest_sum(reports: Iterable[Report]) -> int:
    """The control: what each process of each start said last, added up."""
    last: dict[tuple[str, int], Report] = {}
    for each in reports:
        key = (each.user, each.start)
        if key not in last or each.time > last[key].time:
            last[key] = each
    return sum(each.value for each in last.values())


@given(histories(), st.randoms(use_true_random=False), st.integers(1, 5))
def test_any_order_and_any_batches_within_the_linger(history: list[Report], random: Any, size: int) -> None:
    """The output at each time is what the processes have said by then, wherever batches were cut and however mixed."""
    tested = Bench()
    mixed = list(history)
    random.shuffle(mixed)
    for begin in range(0, len(mixed), size):
        tested.send(counter([(each.user, each.start, each.time, each.value) for each in mixed[begin : begin + size]]))
    tested.wait(stopping=True)
    times = sorted({each.time for each in history})
    expected = [(time, newest_sum(each for each in history if each.time <= time)) for time in times]
    assert totals(tested.out) == expected


@given(histories(), st.integers(0, 12))
def test_late_data_and_restarts_of_our_own(history: list[Report], restart: int) -> None:
    """Whatever comes late, an output never goes back, in value or time, and in the end nothing is missing."""
    tested = Bench()
    found: list[tuple[int, int]] = []
    for period in range(max(each.arrives for each in history) + 1):
        arriving = [each for each in history if each.arrives == period]
        tested.send(counter([(each.user, each.start, each.time, each.value) for each in arriving]))
        found += totals(tested.wait())
        if period == restart:
            found += totals(tested.wait(stopping=True))
            tested = tested.restarted()
    found += totals(tested.wait(stopping=True))
    assert all(earlier[0] < later[0] and earlier[1] <= later[1] for earlier, later in pairwise(found))
    assert found[-1][1] == newest_sum(history)
