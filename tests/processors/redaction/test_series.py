"""Series that become one because redaction took attributes off their points are added up."""

from collections.abc import Iterable

import orjson
from opentelemetry.proto.metrics.v1.metrics_pb2 import AggregationTemporality as Temporality
from opentelemetry.proto.metrics.v1.metrics_pb2 import Metric

from pipeline.batch import Batch
from pipeline.component import Ending
from processors.redact_phi import RedactPhi, RedactPhiSettings
from tests.payloads import context, decoded_metrics, metrics, pairs, plain

SECOND = 10**9
RULE = {"id": "badge", "title": "Badge", "keys": ["badge"]}
Point = tuple[dict[str, object], int, int]
"""Attributes, time in seconds, value."""


def made() -> RedactPhi:
    return RedactPhiSettings.model_validate({"packs": [], "rules": [RULE]}).build(context("redact_phi"))


def counter(*points: Point) -> Batch:
    metric = Metric(name="visits")
    metric.sum.is_monotonic = True
    metric.sum.aggregation_temporality = Temporality.AGGREGATION_TEMPORALITY_CUMULATIVE
    for attributes, seconds, value in points:
        metric.sum.data_points.add(
            attributes=pairs(attributes),
            start_time_unix_nano=SECOND,
            time_unix_nano=seconds * SECOND,
            as_int=value,
        )
    return metrics([metric])


def points_of(batches: Iterable[Batch]) -> list[Point]:
    return [
        (plain(point.attributes), point.time_unix_nano // SECOND, point.as_int)
        for batch in batches
        for metric in decoded_metrics(batch)
        for point in metric.sum.data_points
    ]


def test_what_redaction_joins_is_added_up() -> None:
    """Across batches; also with points that had nothing to redact. Before anything was, batches pass as they are."""
    tested = made()
    clean = counter(({"ward": "a"}, 2, 1))
    assert tested.process(clean) is clean
    assert tested.process(counter(({"ward": "a", "badge": "B-1"}, 3, 5), ({"ward": "b"}, 3, 7))) is None
    assert tested.process(counter(({"ward": "a", "badge": "B-2"}, 3, 6))) is None
    assert tested.process(counter(({"ward": "a"}, 3, 2))) is None
    found = points_of(tested.tick(stopping=True))
    assert sorted(found, key=str) == [({"ward": "a"}, 3, 13), ({"ward": "b"}, 3, 7)]


def test_nothing_of_what_was_redacted_is_remembered() -> None:
    """Not even as hashes: outputs go on after a restart, sources begin anew."""
    tested, other = made(), made()
    tested.process(counter(({"badge": "B-1"}, 3, 5)))
    tested.tick(stopping=True)
    records = orjson.loads(orjson.dumps(list(tested.everything())))
    assert sorted({record[0] for record in records}) == ["output", "secret", "touched"]
    other.restore(records, Ending.CLEAN)
    for seconds, value in ((4, 6), (5, 8)):
        other.process(counter(({"badge": "B-1"}, seconds, value)))
        found = points_of(other.tick(stopping=True))
    assert found == [({}, 5, 7)]
