"""`limit_cardinality`: too many series become fewer, and what they add up to stays what it was."""

import tracemalloc
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from opentelemetry.proto.metrics.v1.metrics_pb2 import AggregationTemporality as Temporality
from opentelemetry.proto.metrics.v1.metrics_pb2 import Exemplar, Metric
from pydantic import ValidationError

from pipeline.batch import Batch, Signal
from pipeline.component import Context, Ending
from processors.limit_cardinality import LimitCardinality, LimitCardinalitySettings, relabelling
from processors.reaggregation import DROP, Stream
from tests.payloads import context, decoded_metrics, dropped, metrics, pairs, plain

DELTA = Temporality.AGGREGATION_TEMPORALITY_DELTA
CUMULATIVE = Temporality.AGGREGATION_TEMPORALITY_CUMULATIVE
SECOND = 10**9
Point = tuple[dict[str, object], int]
OTHER: Point = ({"route": "/a", "pod": "__other__"}, 1)
OVERFLOW: Point = ({"otel.metric.overflow": True}, 1)


class Clock:
    """Seconds that pass when they are told to."""

    def __init__(self) -> None:
        self.now = 1_000_000_000.0

    def __call__(self) -> float:
        return self.now


def made(clock: Clock | None = None, **written: object) -> tuple[LimitCardinality, Context]:
    own = context("limit_cardinality")
    found = LimitCardinalitySettings.model_validate(written)
    clock = clock or Clock()
    return LimitCardinality(found, own, clock=clock, monotonic=clock), own


def counter(
    points: Iterable[Point], name: str = "requests", temporality: "Temporality.ValueType" = DELTA, at: int = 10
) -> Metric:
    """A sum of points (attributes, value) of one time, in seconds."""
    metric = Metric(name=name)
    metric.sum.is_monotonic = True
    metric.sum.aggregation_temporality = temporality
    for attributes, value in points:
        metric.sum.data_points.add(
            attributes=pairs(attributes), start_time_unix_nano=SECOND, time_unix_nano=at * SECOND, as_int=value
        )
    return metric


def users(count: int, start: int = 0, label: str = "pod") -> list[Point]:
    """Points of value 1 that differ in one label."""
    return [({"route": "/a", label: f"pod-{number}"}, 1) for number in range(start, start + count)]


def left(batch: Batch | None) -> list[Point]:
    """The points of a batch."""
    found = (point for metric in decoded_metrics(batch) for point in metric.sum.data_points)
    return [(plain(point.attributes), point.as_int) for point in found]


def summed(points: Iterable[Point]) -> dict[object, int]:
    """Values by series."""
    sums: Counter[object] = Counter()
    for attributes, value in points:
        sums[tuple(sorted(attributes.items()))] += value
    return dict(sums)


def label(tested: LimitCardinality, name: str, metric: int = 0) -> dict[str, Any]:
    """What the report says of a label."""
    labels = tested.report()["metrics"][metric]["labels"]
    return next(dict(each) for each in labels if each["name"] == name)


def decided(tested: LimitCardinality) -> list[object]:
    """What the report says of metrics and labels, but for what it only estimates."""
    return [
        (
            each["name"],
            each["series"],
            each["closed_by"],
            sorted((one["name"], str(one["limit"])) for one in each["labels"]),
        )
        for each in sorted(tested.report()["metrics"], key=lambda each: str(each["name"]))
    ]


def test_what_is_within_the_limits_passes_as_it_is() -> None:
    """The very same batch, also when it is seen again."""
    tested, _ = made(max_values_per_label=3)
    batch = metrics([counter(users(3)), Metric(name="empty")])
    assert [tested.process(batch) is batch for _ in range(3)] == [True] * 3
    assert tested.report()["series"] == 3


def test_a_label_with_too_many_values_goes() -> None:
    """From the value that is one too many; what becomes one series is added up, other metrics stay as they are."""
    tested, own = made(max_values_per_label=10)
    other = counter([({"pod": "p1"}, 7)], name="other")
    result = tested.process(metrics([other, counter(users(25))]))
    assert sum(value for _, value in left(result)) == 32
    assert left(tested.process(metrics([other, counter(users(25, 100))]))) == [
        ({"pod": "p1"}, 7),
        ({"route": "/a"}, 25),
    ]
    assert label(tested, "pod") == {
        "name": "pod",
        "values": 50,
        "max_values": 10,
        "standing": "counted",
        "identifiers": False,
        "action": "drop_label",
        "limit": "values",
        "until": "2001-09-09T02:50:00+00:00",
    }
    assert own.telemetry.registry.get_sample_value("telescrub_dropped_items_total") is None


def test_some_labels_go_always_and_some_never() -> None:
    """`never_drop` wins; the lists take exact names, globs and regular expressions."""
    tested, _ = made(always_drop=["user.*", "/^(?i:session)/"], never_drop=["user.kind"], max_values_per_label=1)
    points: list[Point] = [
        ({"user.id": f"u{number}", "user.kind": f"k{number}", "SessionId": number}, 1) for number in range(3)
    ]
    assert left(tested.process(metrics([counter(points)]))) == [({"user.kind": f"k{number}"}, 1) for number in range(3)]


def test_default_lists() -> None:
    """What names a person, a request or a machine outside goes; what dashboards group by stays."""
    tested, _ = made()
    goes = ("user_id", "user.id", "session.id", "request_id", "trace_id", "patient_id", "url.path", "client.address")
    stays = ("service.name", "http.route", "http.request.method", "http.response.status_code", "le", "quantile", "zone")
    attributes: dict[str, object] = dict.fromkeys((*goes, *stays), "x")
    assert left(tested.process(metrics([counter([(attributes, 1)])]))) == [(dict.fromkeys(stays, "x"), 1)]


def test_new_values_are_folded() -> None:
    """`overflow` lets the values pass that were there first; all others are one."""
    tested, _ = made(max_values_per_label=2, action="overflow")
    result = left(tested.process(metrics([counter(users(5))])))
    assert summed(result) == summed([*users(2), *[OTHER] * 3])
    again = left(tested.process(metrics([counter(users(5, 1))])))
    assert summed(again) == summed([*users(1, 1), *[OTHER] * 4])


def test_new_series_are_folded() -> None:
    """Into one that says nothing but that it is the overflow, where no label may be dropped."""
    tested, _ = made(max_series_per_metric=2, never_drop=["pod"])
    points: list[Point] = [({"pod": f"p{number}"}, 1) for number in range(5)]
    result = left(tested.process(metrics([counter(points)])))
    assert summed(result) == summed([*points[:2], *[OVERFLOW] * 3])
    assert tested.report()["metrics"][0]["closed_by"] == "series"


def test_new_series_are_dropped() -> None:
    """`drop_series`: counted, and the ones that were there first go on."""
    tested, own = made(max_values_per_label=2, action="drop_series")
    assert left(tested.process(metrics([counter(users(5))]))) == users(2)
    assert dropped(own, Signal.METRICS, "cardinality_limit") == 3
    assert tested.process(metrics([counter(users(3, 50))])) is None
    assert dropped(own, Signal.METRICS, "cardinality_limit") == 6


def test_too_many_series_of_a_metric() -> None:
    """The label with the most values goes, then the next, as long as there are too many."""
    tested, _ = made(max_series_per_metric=10)
    points: list[Point] = [({"many": a, "some": b, "few": b % 2}, 1) for b in range(4) for a in range(8)]
    assert sum(value for _, value in left(tested.process(metrics([counter(points)])))) == 32
    after = left(tested.process(metrics([counter(points)])))
    assert summed(after) == summed([({"some": b, "few": b % 2}, 1) for _ in range(8) for b in range(4)])
    assert label(tested, "many")["limit"] == "series"


def test_too_many_series_in_total() -> None:
    """What is known goes on; of what is new there is one series for each metric and source."""
    tested, _ = made(max_series=10)
    assert left(tested.process(metrics([counter(users(10))]))) == users(10)
    result = left(tested.process(metrics([counter(users(3), name="second")])))
    assert result == [({"otel.metric.overflow": True}, 3)]
    assert left(tested.process(metrics([counter(users(10))]))) == users(10)
    assert [each["closed_by"] for each in tested.report()["metrics"]] == [None, "total"]


def test_overrides() -> None:
    """The first that fits a metric holds, in whole or in part."""
    tested, _ = made(
        max_values_per_label=2,
        overrides=[
            {"metrics": ["free.*"], "max_values_per_label": 100, "always_drop": []},
            {"metrics": ["free.not", "/^lost/"], "action": "drop_series"},
        ],
    )
    own = metrics([counter(users(5, label="user_id"), name="free.not")])
    assert tested.process(own) is own
    assert len(left(tested.process(metrics([counter(users(5), name="lost")])))) == 2


def test_observe() -> None:
    """Everything passes as it is, and the report says what would have been."""
    tested, own = made(mode="observe", max_values_per_label=2, action="drop_series")
    batch = metrics([counter(users(5))])
    assert tested.process(batch) is batch
    assert label(tested, "pod")["limit"] == "values"
    labels = {"component": own.id, "pipeline": "", "mode": "observe", "outcome": "dropped"}
    assert own.telemetry.registry.get_sample_value("telescrub_cardinality_points_total", labels) == 3
    assert dropped(own, Signal.METRICS, "cardinality_limit") == 0


def test_decisions_hold_for_the_window() -> None:
    """A dropped label comes back only after a whole window in which it would have been within its limit."""
    clock = Clock()
    tested, _ = made(clock, max_values_per_label=10, window="1h")
    tested.process(metrics([counter(users(11))]))
    for _ in range(5):
        clock.now += 1800
        for number in range(11):
            assert ("pod" in left(tested.process(metrics([counter(users(1, number))])))[0][0]) is False
    for _ in range(7):
        assert label(tested, "pod")["limit"] == "values"
        clock.now += 600
        tested.process(metrics([counter(users(10))]))
    clock.now += 600
    result = left(tested.process(metrics([counter(users(2))])))
    assert [attributes.get("pod") for attributes, _ in result] == ["pod-0", "pod-1"]
    assert label(tested, "pod")["limit"] is None


def test_values_and_series_expire() -> None:
    """Ten values at a time, another ten each window, never are more than ten."""
    clock = Clock()
    tested, _ = made(clock, max_values_per_label=10)
    for window in range(5):
        batch = metrics([counter(users(10, window * 10))])
        assert tested.process(batch) is batch
        clock.now += 3600 + 600
    tested.process(metrics([counter([({"route": "/a"}, 1)])]))
    assert (tested.report()["series"], label(tested, "route")["values"]) == (1, 1)


def test_idle_metrics_are_forgotten() -> None:
    """With all they held."""
    clock = Clock()
    tested, _ = made(clock, max_values_per_label=3)
    tested.process(metrics([counter(users(9)), counter(users(2), name="other")]))
    held = tested.report()["memory_bytes"]
    assert held > 0
    for _ in range(4):
        clock.now += 3600
        tested.process(metrics([Metric(name="empty")]))
    assert (tested.report()["metrics"], tested.report()["memory_bytes"]) == ([], 0)


def test_exemplars_do_not_tell_what_was_dropped() -> None:
    """Always-dropped and limited labels leave them, also where the point itself stays as it is."""
    tested, _ = made(max_values_per_label=2)
    metric = counter([({"route": "/a"}, 1)])
    exemplar = Exemplar(as_int=1, filtered_attributes=pairs({"user_id": "u1", "pod": "p1", "x": "1"}))
    metric.sum.data_points[0].exemplars.append(exemplar)
    result = tested.process(metrics([metric]))
    assert plain(decoded_metrics(result)[0].sum.data_points[0].exemplars[0].filtered_attributes) == {
        "pod": "p1",
        "x": "1",
    }
    tested.process(metrics([counter(users(3))]))
    result = tested.process(metrics([metric]))
    assert plain(decoded_metrics(result)[0].sum.data_points[0].exemplars[0].filtered_attributes) == {"x": "1"}


def test_every_kind_of_metric_is_limited() -> None:
    """Two points of each become one; a cumulative one comes out when its interval is over."""
    kinds = ("gauge", "sum", "histogram", "exponential_histogram", "summary")
    made_of = [Metric(name=kind) for kind in kinds]
    for kind, metric in zip(kinds, made_of, strict=True):
        data = getattr(metric, kind)
        if kind not in ("gauge", "summary"):
            data.aggregation_temporality = CUMULATIVE
        for user in ("u1", "u2"):
            point = data.data_points.add(
                attributes=pairs({"user_id": user, "a": 1}), start_time_unix_nano=SECOND, time_unix_nano=9 * SECOND
            )
            if kind in ("gauge", "sum"):
                point.as_int = 1
    clock = Clock()
    tested, _ = made(clock)
    assert tested.process(metrics(made_of)) is None
    clock.now += 10
    result = {metric.name: getattr(metric, metric.name).data_points for metric in decoded_metrics(tested.tick()[0])}
    assert {name: [plain(point.attributes) for point in points] for name, points in result.items()} == {
        kind: [{"a": 1}] for kind in kinds
    }


def test_it_goes_on_after_a_restart() -> None:
    """Counts, decisions and known values, from a snapshot and from the changes since; a value is nowhere in them."""
    clock = Clock()
    first, _ = made(clock, max_values_per_label=4, action="overflow", aggregation={"storage": "unused"})
    first.process(metrics([counter(users(3)), counter(users(9), name="over")]))
    snapshot = list(first.everything())
    first.changes()
    first.process(metrics([counter(users(1, 3))]))
    later = first.changes()
    assert first.changes() == []
    assert not any(f"pod-{number}" in str(record) for record in [*snapshot, *later] for number in range(9))
    second, _ = made(clock, max_values_per_label=4, action="overflow", aggregation={"storage": "unused"})
    second.restore([*snapshot, *later], Ending.KILLED)
    assert decided(second) == decided(first)
    result = left(second.process(metrics([counter(users(5)), counter(users(5), name="over")])))
    assert summed(result) == summed([*users(4), OTHER, *users(4), OTHER])


@pytest.mark.parametrize("restarted", ["drop_label", "overflow", "drop_series"])
def test_a_restart_changes_no_decision(restarted: str) -> None:
    """With any action, for labels and for series."""
    clock = Clock()
    written: dict[str, object] = {
        "max_values_per_label": 5,
        "max_series_per_metric": 8,
        "action": restarted,
        "aggregation": {"storage": "unused"},
    }
    first, _ = made(clock, **written)
    wide: list[Point] = [({"a": a, "b": b}, 1) for a in range(4) for b in range(4)]
    for _ in range(2):
        first.process(metrics([counter(users(9)), counter(wide, name="wide")]))
    second, _ = made(clock, **written)
    second.restore(first.changes(), Ending.CLEAN)
    assert decided(second) == decided(first)
    batch = metrics([counter(users(9)), counter(wide, name="wide")])
    assert summed(left(second.process(batch))) == summed(left(first.process(batch)))


def test_an_attack_keeps_memory_bounded() -> None:
    """Every point a new value, a new label, a new metric, a new source: what is held stays within its bounds."""
    tested, _ = made(max_series=2000, max_series_per_metric=500, max_values_per_label=100)

    def attack(round_: int) -> None:
        new = [({f"l{round_}_{number}": number, "pod": f"{round_}-{number}"}, 1) for number in range(100)]
        names = [counter([({"pod": f"x{round_}"}, 1)], name=f"m{round_}_{number}") for number in range(100)]
        tested.process(metrics([counter(new), *names], resource={"service.instance.id": round_}))

    for round_ in range(40):
        attack(round_)
    tracemalloc.start()
    before, _ = tracemalloc.get_traced_memory()
    for round_ in range(40, 80):
        attack(round_)
    after, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert after - before < 3_000_000
    assert tested.report()["memory_bytes"] < (2 * 2000 + 10_000) * 1.2 * 100
    assert tested.report()["series"] <= 2000 * 1.1


def test_what_it_counts_about_itself() -> None:
    """Decisions by limit and action, points by outcome; no name of the data in it."""
    tested, own = made(max_values_per_label=4)
    tested.process(metrics([counter([({"pod": f"web-77f9c-{number:05d}"}, 1) for number in range(5)])]))
    names = {"component": "limit_cardinality", "pipeline": ""}
    read = own.telemetry.registry.get_sample_value
    assert read("telescrub_cardinality_limits_hit_total", {**names, "limit": "values", "action": "drop_label"}) == 1
    assert read("telescrub_cardinality_points_total", {**names, "mode": "enforce", "outcome": "relabelled"}) == 5
    assert read("telescrub_cardinality_series", names) == 1
    assert read("telescrub_cardinality_limited_labels", names) == 1
    assert read("telescrub_cardinality_identifier_labels", names) == 1
    assert read("telescrub_cardinality_memory_bytes", names) == tested.report()["memory_bytes"] > 0


def test_another_takes_its_place() -> None:
    """At a reload counters go on; one that never gets a batch, because the reload fails, is never shown."""
    old, own = made(max_values_per_label=4)
    points = metrics([counter(users(5))])
    old.process(points)
    names = {"component": "limit_cardinality", "pipeline": ""}
    relabelled = {**names, "mode": "enforce", "outcome": "relabelled"}
    read = own.telemetry.registry.get_sample_value
    counted = read("telescrub_cardinality_points_total", relabelled)
    new = LimitCardinality(LimitCardinalitySettings(max_values_per_label=3), own)
    assert read("telescrub_cardinality_points_total", relabelled) == counted == 5
    new.process(points)
    assert read("telescrub_cardinality_points_total", relabelled) == 10
    assert read("telescrub_cardinality_limits_hit_total", {**names, "limit": "values", "action": "drop_label"}) == 2


def test_settings() -> None:
    """For metrics only; a pattern that cannot be compiled is told."""
    assert LimitCardinalitySettings().signals() == {Signal.METRICS}
    wrong: list[Mapping[str, object]] = [
        {"always_drop": [""]},
        {"never_drop": ["/(/"]},
        {"max_series": 0},
        {"window": "1s"},
        {"action": "sum"},
        {"overrides": [{}]},
    ]
    for written in wrong:
        with pytest.raises(ValidationError):
            LimitCardinalitySettings.model_validate(written)


ATTRIBUTES = st.fixed_dictionaries(
    {"route": st.sampled_from("abc")}, optional={"pod": st.integers(0, 12), "user_id": st.integers(0, 3)}
)
BATCHES = st.lists(st.lists(st.tuples(ATTRIBUTES, st.integers(0, 1000)), max_size=20), min_size=1, max_size=5)


@settings(max_examples=60)
@given(BATCHES, st.sampled_from(["drop_label", "overflow"]), st.integers(1, 6), st.integers(1, 12))
def test_totals_stay(batches: list[list[Point]], action: str, values: int, series: int) -> None:
    """However much is dropped and folded, deltas add up to what came in, and no point has a label that goes always."""
    tested, _ = made(action=action, max_values_per_label=values, max_series_per_metric=series)
    for number, points in enumerate(batches):
        unique = list({tuple(sorted(attributes.items())): (attributes, value) for attributes, value in points}.values())
        result = left(tested.process(metrics([counter(unique, at=10 + number)])))
        assert sum(value for _, value in result) == sum(value for _, value in unique)
        assert not any("user_id" in attributes for attributes, _ in result)


@settings(max_examples=40)
@given(st.lists(st.tuples(st.integers(0, 30), st.integers(0, 900)), max_size=40))
def test_distinct_values_are_counted_right(seen: list[tuple[int, int]]) -> None:
    """Those of the last window at least, and those of a sixth of a window before it at most."""
    clock = Clock()
    tested, _ = made(clock, max_values_per_label=100, window="30m")
    history: list[tuple[float, int]] = []
    for value, pause in seen:
        clock.now += pause
        history.append((clock.now, value))
        tested.process(metrics([counter(users(1, value))]))
    if history:
        within = [{value for at, value in history if at > clock.now - age} for age in (1800, 2100)]
        assert len(within[0]) <= label(tested, "pod")["values"] <= len(within[1])


def test_a_point_of_which_nothing_was_decided() -> None:
    """It is left out and counted, whatever came before it; so is one too many."""
    lost: list[None] = []
    relabel = relabelling([([b"a", b"b"], [b"a"]), ([b"a"], None), ([b"c"], [b"c"])], lambda: lost.append(None))
    stream = Stream(1, "requests", "sum")
    assert relabel(stream, [(b"a", b"a"), (b"b", b"b")]) == [(b"a", b"a")]
    assert (relabel(stream, [(b"a", b"a")]), len(lost)) == (DROP, 0)
    for attribute in (b"d", b"c"):
        assert relabel(stream, [(attribute, attribute)]) is DROP
    assert len(lost) == 2
