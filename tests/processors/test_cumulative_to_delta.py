"""Running totals become growth."""

from collections.abc import Iterable

import orjson
import pytest
from opentelemetry.proto.metrics.v1.metrics_pb2 import AggregationTemporality as Temporality
from opentelemetry.proto.metrics.v1.metrics_pb2 import Metric
from pydantic import ValidationError

from pipeline.batch import Batch, Signal
from pipeline.component import Context, Ending
from processors.cumulative_to_delta import CumulativeToDelta, CumulativeToDeltaSettings
from tests.payloads import context, decoded_metrics, dropped, metrics

BEGAN = 1000
Point = tuple[int, int, int]
"""Start, time and value."""


def made(**written: object) -> tuple[CumulativeToDelta, Context]:
    own = context("cumulative_to_delta")
    settings = CumulativeToDeltaSettings.model_validate(written)
    return CumulativeToDelta(settings, own, clock=lambda: 0.0, now_nanoseconds=lambda: BEGAN), own


def counter(points: Iterable[Point], name: str = "requests", *, is_monotonic: bool = True) -> Metric:
    metric = Metric(name=name)
    metric.sum.is_monotonic = is_monotonic
    metric.sum.aggregation_temporality = Temporality.AGGREGATION_TEMPORALITY_CUMULATIVE
    for start, time, value in points:
        metric.sum.data_points.add(start_time_unix_nano=start, time_unix_nano=time, as_int=value)
    return metric


def points_of(batch: Batch | None) -> list[Point]:
    return [
        (each.start_time_unix_nano, each.time_unix_nano, each.as_int)
        for metric in decoded_metrics(batch)
        if metric.sum.aggregation_temporality == Temporality.AGGREGATION_TEMPORALITY_DELTA
        for each in metric.sum.data_points
    ]


@pytest.mark.parametrize(
    ("initial", "start", "first"),
    [("auto", 1001, [(1001, 2000, 5)]), ("auto", 999, []), ("keep", 999, [(999, 2000, 5)]), ("drop", 1001, [])],
)
def test_first_values(initial: str, start: int, first: list[Point]) -> None:
    """As the setting says; the growth after it comes out whatever became of it."""
    tested, own = made(initial_value=initial)
    assert points_of(tested.process(metrics([counter([(start, 2000, 5)])]))) == first
    assert points_of(tested.process(metrics([counter([(start, 3000, 8)])]))) == [(2000, 3000, 3)]
    assert dropped(own, Signal.METRICS, "initial_value") == 1 - len(first)


def test_restarts_and_late_points() -> None:
    """What began anew counts whole, since it began; what is late was contained already."""
    tested, own = made(initial_value="keep")
    points = [(1, 10, 5), (1, 20, 9), (15, 30, 2), (15, 40, 1), (15, 40, 1), (15, 35, 1)]
    found = [point for each in points for point in points_of(tested.process(metrics([counter([each])])))]
    assert found == [(1, 10, 5), (10, 20, 4), (20, 30, 2), (30, 40, 1)]
    assert (dropped(own, Signal.METRICS, "duplicate"), dropped(own, Signal.METRICS, "late")) == (1, 1)


def test_what_is_converted() -> None:
    """Monotonic sums and histograms that the settings name; all else is the same batch."""
    tested, _ = made(include={"metrics": ["^re"], "match_type": "regexp"}, exclude={"metric_types": ["histogram"]})
    latency = Metric(name="response")
    latency.histogram.aggregation_temporality = Temporality.AGGREGATION_TEMPORALITY_CUMULATIVE
    latency.histogram.data_points.add(time_unix_nano=1)
    batch = metrics([counter([(1, 2, 3)], is_monotonic=False), counter([(1, 2, 3)], "other"), latency])
    assert tested.process(batch) is batch
    assert tested.process(metrics([counter([(1, 2, 3)])])) is None


def test_after_a_restart() -> None:
    """Growth goes on after a stop; after a kill the last values are not known."""
    tested, _ = made(initial_value="keep")
    tested.process(metrics([counter([(1, 10, 5)])]))
    records = orjson.loads(orjson.dumps(list(tested.everything())))
    for ending, expected in ((Ending.CLEAN, [(10, 20, 2)]), (Ending.KILLED, [])):
        other, _ = made()
        other.restore(records, ending)
        assert points_of(other.process(metrics([counter([(1, 20, 7)])]))) == expected


def test_settings() -> None:
    """Names need to say how they match; the Collector's spelling of types is taken."""
    assert CumulativeToDeltaSettings().signals() == {Signal.METRICS}
    include = {"include": {"metric_types": ["exponentialhistogram"]}}
    assert CumulativeToDeltaSettings.model_validate(include).include.metric_types == ("exponential_histogram",)
    for wrong in ({"metrics": ["a"]}, {"metrics": ["("], "match_type": "regexp"}):
        with pytest.raises(ValidationError):
            CumulativeToDeltaSettings.model_validate({"include": wrong})
