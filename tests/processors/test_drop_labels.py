"""`drop_labels`: labels go, numbers stay, and no two points of one series and time leave."""

from collections import Counter
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.proto.metrics.v1.metrics_pb2 import AggregationTemporality as Temporality
from opentelemetry.proto.metrics.v1.metrics_pb2 import Exemplar, Metric
from pydantic import ValidationError

from pipeline.batch import Batch, Signal
from pipeline.component import Context
from processors.drop_labels import DropLabels, DropLabelsSettings
from tests.payloads import context, decoded_metrics, dropped, metrics, pairs, plain

CUMULATIVE = Temporality.AGGREGATION_TEMPORALITY_CUMULATIVE
DELTA = Temporality.AGGREGATION_TEMPORALITY_DELTA
Point = tuple[dict[str, object], int, int]
SECOND = 10**9


def made(**written: object) -> tuple[DropLabels, Context]:
    own = context("drop_labels")
    return DropLabelsSettings.model_validate(written).build(own), own


def passed(tested: DropLabels, batch: Batch) -> Batch | None:
    """All that comes of a batch, at once and later."""
    given = [tested.process(batch), *tested.tick(stopping=True)]
    left = [each for each in given if each is not None]
    return Batch.join(left) if left else None


def counter(
    points: Sequence[Point], name: str = "requests", temporality: "Temporality.ValueType" = CUMULATIVE
) -> Metric:
    """A sum of points (attributes, time, value)."""
    metric = Metric(name=name)
    metric.sum.is_monotonic = True
    metric.sum.aggregation_temporality = temporality
    for attributes, time, value in points:
        metric.sum.data_points.add(attributes=pairs(attributes), time_unix_nano=time, as_int=value)
    return metric


def points_of(batch: Batch | None) -> list[Point]:
    """All sum points of a batch as they were written."""
    return [
        (plain(point.attributes), point.time_unix_nano, point.as_int)
        for metric in decoded_metrics(batch)
        for point in metric.sum.data_points
    ]


def test_collapsing_points_are_added() -> None:
    """Per interval and in the order of time; a point that never had the label is part of the sum."""
    tested, own = made(labels=["user_id"])
    batch = metrics(
        [
            counter(
                [
                    ({"user_id": "u1", "route": "/a"}, SECOND, 5),
                    ({"user_id": "u2", "route": "/a"}, SECOND + 1, 7),
                    ({"user_id": "u1", "route": "/b"}, SECOND, 1),
                    ({"route": "/a", "user_id": "u1"}, 2 * SECOND, 6),
                    ({"route": "/a"}, SECOND, 100),
                ]
            )
        ]
    )
    assert tested.process(batch) is None
    (result,) = tested.tick(stopping=True)
    assert sorted(points_of(result), key=lambda point: point[1:]) == [
        ({"route": "/b"}, SECOND, 1),
        ({"route": "/a"}, SECOND + 1, 112),
        ({"route": "/a"}, 2 * SECOND, 113),
    ]
    assert result.items == 3
    assert own.telemetry.registry.get_sample_value("telescrub_dropped_items_total") is None


def test_deltas_are_not_held_back() -> None:
    """They are added up within the batch, in their envelopes: nobody sends them again."""
    tested, _ = made(labels=["user_id"])
    batch = metrics(
        [counter([({"user_id": "u1"}, SECOND, 5)], temporality=DELTA)],
        [counter([({}, SECOND, 7)], temporality=DELTA)],
        resource={"service.name": "a"},
    )
    expected = metrics([counter([({}, SECOND, 12)], temporality=DELTA)], resource={"service.name": "a"})
    result = tested.process(batch)
    assert result is not None
    assert result.decode() == expected.decode()
    assert tested.tick(stopping=True) == []


def test_other_metrics_are_not_touched() -> None:
    """By name; what has the label elsewhere and what differs in temporality keeps apart."""
    tested, _ = made(labels=["user_id"], metrics=["http.*"])
    batch = metrics([counter([({"user_id": "u1"}, 1, 5), ({"user_id": "u2"}, 1, 6)], name="db.calls")])
    assert tested.process(batch) is batch
    both = metrics(
        [
            counter([({"user_id": "u1"}, 1, 5)], "http.calls", CUMULATIVE),
            counter([({"user_id": "u2"}, 1, 6)], "http.calls", DELTA),
        ]
    )
    assert sorted(points_of(passed(tested, both)), key=lambda point: point[2]) == [({}, 1, 5), ({}, 1, 6)]


def test_globs_and_exceptions() -> None:
    """`keep` wins; names are case-sensitive and whole."""
    tested, _ = made(labels=["session.*", "user?id"], keep=["session.kind"])
    attributes: dict[str, object] = {
        "session.id": 1,
        "session.kind": 2,
        "user.id": 3,
        "user_id": 4,
        "User_id": 5,
        "x": 6,
    }
    assert points_of(passed(tested, metrics([counter([(attributes, 1, 1)])]))) == [
        ({"session.kind": 2, "User_id": 5, "x": 6}, 1, 1)
    ]


def test_exemplars_lose_the_labels_too() -> None:
    """They exist to hold what points do not."""
    metric = counter([({}, 1, 1)])
    metric.sum.data_points[0].exemplars.append(Exemplar(as_int=1, filtered_attributes=pairs({"user_id": "u", "x": 1})))
    tested, _ = made(labels=["user_id"])
    result = decoded_metrics(tested.process(metrics([metric])))
    assert plain(result[0].sum.data_points[0].exemplars[0].filtered_attributes) == {"x": 1}


def test_a_point_sent_twice_counts_once() -> None:
    """Equal series and time before the label was dropped: a repetition, not a second source."""
    tested, own = made(labels=["user_id"])
    twice: list[Point] = [({"user_id": "u1"}, 1, 5), ({"user_id": "u2"}, 1, 7), ({"user_id": "u1"}, 1, 5)]
    assert points_of(passed(tested, metrics([counter(twice)]))) == [({}, 1, 12)]
    assert dropped(own, Signal.METRICS, "duplicate") == 1


def test_what_cannot_be_added_is_counted() -> None:
    """The first stays."""
    metric = Metric(name="latency")
    metric.histogram.aggregation_temporality = CUMULATIVE
    for number, bound in ((1, 5), (2, 6), (3, 5)):
        metric.histogram.data_points.add(
            attributes=pairs({"user_id": f"u{number}"}),
            time_unix_nano=number,
            count=1,
            bucket_counts=[1, 0],
            explicit_bounds=[bound],
        )
    tested, own = made(labels=["user_id"])
    left = decoded_metrics(passed(tested, metrics([metric])))[0].histogram.data_points
    assert [(point.count, list(point.bucket_counts), list(point.explicit_bounds)) for point in left] == [
        (2, [2, 0], [5])
    ]
    assert dropped(own, Signal.METRICS, "unmergeable") == 1


def test_every_kind_collapses() -> None:
    """Two points of each become one."""
    kinds = ("gauge", "sum", "histogram", "exponential_histogram", "summary")
    made_of = [Metric(name=kind) for kind in kinds]
    for kind, metric in zip(kinds, made_of, strict=True):
        for user in ("u1", "u2"):
            point = getattr(metric, kind).data_points.add(attributes=pairs({"user_id": user}), time_unix_nano=1)
            if kind in ("gauge", "sum"):
                point.as_int = 1
    tested, _ = made(labels=["user_id"])
    left = decoded_metrics(passed(tested, metrics(made_of)))
    assert sorted((metric.name, len(getattr(metric, metric.name).data_points)) for metric in left) == sorted(
        (kind, 1) for kind in kinds
    )


def test_nothing_to_drop_passes_the_same_batch() -> None:
    """Also with metrics that have no points."""
    tested, _ = made(labels=["user_id"])
    batch = metrics([counter([({"x": 1}, 1, 1), ({"x": 1}, 1, 1)]), Metric(name="empty")])
    assert tested.process(batch) is batch


def test_settings() -> None:
    """For metrics only; labels are needed and not empty."""
    assert DropLabelsSettings(labels=["a"]).signals() == {Signal.METRICS}
    wrong: list[dict[str, object]] = [{}, {"labels": []}, {"labels": [""]}]
    for written in wrong:
        with pytest.raises(ValidationError):
            DropLabelsSettings.model_validate(written)


SERIES = st.fixed_dictionaries({"route": st.sampled_from("ab")}, optional={"user_id": st.integers(0, 4)})
POINTS = st.lists(
    st.tuples(SERIES, st.integers(1, 3), st.integers(0, 2**50)),
    max_size=25,
    unique_by=lambda point: (tuple(sorted(point[0].items())), point[1]),
)


@given(POINTS, st.integers(0, 25))
def test_deltas_are_equal_before_and_after(points: list[Point], cut: int) -> None:
    """For each remaining series, however points are spread over envelopes; and no series has a time twice."""
    expected: Counter[object] = Counter()
    for attributes, _, value in points:
        expected[attributes["route"]] += value
    tested, own = made(labels=["user_id"])
    groups = [[counter(some, temporality=DELTA)] for some in (points[:cut], points[cut:]) if some]
    left = points_of(passed(tested, metrics(*groups)))
    keys = [(attributes["route"], time) for attributes, time, _ in left]
    sums: Counter[object] = Counter()
    for attributes, _, value in left:
        assert set(attributes) == {"route"}, attributes
        sums[attributes["route"]] += value
    if any("user_id" in attributes for attributes, _, _ in points):
        assert len(keys) == len(set(keys))
        assert sums == expected
    assert own.telemetry.registry.get_sample_value("telescrub_dropped_items_total") is None
