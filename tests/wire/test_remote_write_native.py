"""Native histograms against the worked examples of the OpenTelemetry specification, and read back as counts."""

import math
import struct
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.proto.metrics.v1.metrics_pb2 import ExponentialHistogramDataPoint as Point
from opentelemetry.proto.metrics.v1.metrics_pb2 import Metric

from tests.wire.remote_write_messages import Read, read
from tests.wire.test_remote_write import at, bits, bodies, histogram, named, payload, run
from wire.remote_write import Options, Reason, Translator
from wire.remote_write_native import Buckets, exponential, spans

_COUNTS = [10, 0, 0, 20, 5, 2]


def exponential_histogram(name: str, *points: dict[str, Any]) -> Metric:
    return Metric(name=name, exponential_histogram={"data_points": points, "aggregation_temporality": 2})  # type: ignore[arg-type]


def stored(found: Any, side: str = "positive") -> dict[int, int]:
    """Counts by place, from spans and deltas."""
    counts: dict[int, int] = {}
    place = count = 0
    deltas = iter(getattr(found, f"{side}_deltas"))
    for span in getattr(found, f"{side}_spans"):
        place += span.offset
        for _ in range(span.length):
            count += next(deltas)
            counts[place] = count
            place += 1
    assert next(deltas, None) is None
    return counts


def sent(metric: Metric, *, two: bool, **options: Any) -> Read:
    translation = run(payload(metric), Options(**options), two=two)
    assert translation.dropped == {}
    ((one,),) = [read(body.data, two=two) for body in bodies(translation, two=two)]
    return one


@pytest.mark.parametrize(("first", "found"), [(4, [(4, 1), (2, 3)]), (0, [(0, 1), (2, 3)]), (-7, [(-7, 1), (2, 3)])])
def test_worked_example(first: int, found: list[tuple[int, int]]) -> None:
    """Two spans with a gap of two, the first count absolute and the others differences."""
    assert spans(first, _COUNTS) == Buckets(found, [10, 10, -15, -3])


def test_one_empty_bucket_is_written_down() -> None:
    """A span is not worth ending for one bucket; empty ones at either end are left out."""
    assert spans(0, [0, 3, 0, 4, 0, 0]) == Buckets([(1, 3)], [3, -3, 4])
    assert spans(5, [0, 0]) == Buckets([], [])


@given(st.integers(-100, 100), st.lists(st.sampled_from([0, 0, 0, 1, 5, 2**40]), max_size=40))
def test_spans_read_back(first: int, counts: list[int]) -> None:
    """Every count comes back at its place, and nothing else."""
    buckets = spans(first, counts)
    found: dict[int, int] = {}
    place = count = used = 0
    for offset, length in buckets.spans:
        assert length > 0
        place += offset
        for _ in range(length):
            count += buckets.deltas[used]
            used += 1
            found[place] = count
            place += 1
    assert used == len(buckets.deltas)
    assert {place: count for place, count in found.items() if count} == {
        place: count for place, count in enumerate(counts, first) if count
    }


@pytest.mark.parametrize("two", [False, True])
def test_exponential_histogram(two: bool) -> None:
    """Every part of a point arrives, in either version; the start time in 2.0."""
    point = at(
        9_000,
        start_time_unix_nano=4_000 * 10**6,
        count=47,
        sum=-3.5,
        scale=3,
        zero_count=7,
        zero_threshold=0.25,
        positive={"offset": 3, "bucket_counts": _COUNTS},
        negative={"offset": -2, "bucket_counts": [1, 2]},
    )
    one = sent(exponential_histogram("h", point), two=two)
    (found,) = one.histograms
    assert (one.labels, one.samples) == (named("h"), [])
    assert (found.count_int, found.sum, found.schema, found.reset_hint, found.timestamp) == (47, -3.5, 3, 0, 9_000)
    assert (found.zero_count_int, found.zero_threshold) == (7, 0.25)
    assert [(span.offset, span.length) for span in found.positive_spans] == [(4, 1), (2, 3)]
    assert list(found.positive_deltas) == [10, 10, -15, -3]
    assert stored(found, "negative") == {-1: 1, 0: 2}
    assert not two or (found.start_timestamp, one.metadata) == (4_000, (3, "", ""))


def test_zero_threshold_of_its_own() -> None:
    """Where OTLP has none, Prometheus' default stands; a sum that is no number is an ordinary NaN."""
    point = at(5, count=1, zero_count=1, sum=math.nan)
    (found,) = sent(exponential_histogram("h", point), two=False).histograms
    assert (found.zero_threshold, found.zero_count_int, found.count_int) == (1e-128, 1, 1)
    assert bits(found.sum) == "7ff8000000000001"


@given(st.integers(9, 20), st.integers(-3000, 3000), st.lists(st.integers(0, 9), min_size=1, max_size=60))
def test_fine_scales_are_merged(scale: int, offset: int, counts: list[int]) -> None:
    """A scale over 8 becomes 8: each bucket's upper bound stays within the bucket it goes to."""
    point = Point(scale=scale, count=sum(counts), sum=1.0, positive={"offset": offset, "bucket_counts": counts})  # type: ignore[arg-type]
    expected: dict[int, int] = {}
    for place, count in enumerate(counts, offset):
        # Of the bucket (base^place, base^(place + 1)], the number of the bucket of scale 8 that ends there or later.
        wide = math.ceil((place + 1) / 2 ** (scale - 8))
        expected[wide] = expected.get(wide, 0) + count
    found = _parsed(exponential(point, 1, 0))
    assert found.schema == 8
    assert {place: count for place, count in stored(found).items() if count} == {
        place: count for place, count in expected.items() if count
    }


def _parsed(message: bytes) -> Any:
    from tests.wire.remote_write_messages import Request

    return type(Request().timeseries.add().histograms.add()).FromString(message)


@pytest.mark.parametrize(
    ("point", "reason"),
    [
        ({"scale": -5, "count": 0}, Reason.SCALE_TOO_COARSE),
        ({"count": 2, "sum": 1.0, "positive": {"bucket_counts": [1]}}, Reason.MALFORMED_POINT),
        ({"count": 1, "positive": {"bucket_counts": [1]}}, Reason.NO_SUM),
        ({"count": 1, "sum": math.nan, "positive": {"bucket_counts": [2]}}, Reason.MALFORMED_POINT),
        ({"count": 2**63, "sum": 1.0, "zero_count": 2**63}, Reason.MALFORMED_POINT),
        ({"count": 1, "sum": 1.0, "positive": {"offset": 2**31 - 1, "bucket_counts": [1]}}, Reason.MALFORMED_POINT),
    ],
)
def test_what_prometheus_would_refuse(point: dict[str, Any], reason: Reason) -> None:
    """A point that is no native histogram is dropped, counted, and not sent to hold up others."""
    translation = run(payload(exponential_histogram("h", at(5, **point))))
    assert (translation.runs, translation.dropped) == ([], {reason: 1})


@pytest.mark.parametrize("two", [False, True])
def test_stale_histogram(two: bool) -> None:
    """A point without a value is the marker in the sum, without count and buckets."""
    (found,) = sent(exponential_histogram("h", at(5, flags=1, count=0)), two=two).histograms
    assert (bits(found.sum), found.count_int, len(found.positive_spans)) == ("7ff0000000000002", 0, 0)


_EXPLICIT: Mapping[str, Any] = {
    "bucket_counts": _COUNTS,
    "explicit_bounds": [-2.0, -1.0, 0.0, 1.0, 2.0],
    "count": 37,
    "sum": 4.5,
}


def test_custom_buckets() -> None:
    """An explicit histogram over 2.0, if it is wanted: bounds as custom values, places within them."""
    one = sent(histogram("h", at(5, **_EXPLICIT)), two=True, custom_buckets=True)
    (found,) = one.histograms
    assert (one.labels, found.schema, found.count_int, found.sum) == (named("h"), -53, 37, 4.5)
    assert list(found.custom_values) == [-2.0, -1.0, 0.0, 1.0, 2.0]
    assert [(span.offset, span.length) for span in found.positive_spans] == [(0, 1), (2, 3)]
    assert list(found.positive_deltas) == [10, 10, -15, -3]


def test_custom_buckets_without_bounds() -> None:
    """All there is then is the bucket up to +Inf; one with a bound of +Inf says the same."""
    for point in ({"count": 3}, {"count": 3, "bucket_counts": [3, 0], "explicit_bounds": [math.inf]}):
        (found,) = sent(histogram("h", at(5, **point)), two=True, custom_buckets=True).histograms
        assert (list(found.custom_values), stored(found)) == ([], {0: 3})


def test_no_custom_buckets_in_1_0() -> None:
    """The protocol forbids them there, so the histogram stays classic."""
    translation = run(payload(histogram("h", at(5, **_EXPLICIT))), translator=Translator(Options(custom_buckets=True)))
    (body,) = bodies(translation)
    assert body.samples == 8


def test_stale_custom_buckets() -> None:
    """The marker has the schema of the histogram that ends."""
    (found,) = sent(histogram("h", at(5, flags=1)), two=True, custom_buckets=True).histograms
    assert (bits(found.sum), found.schema) == ("7ff0000000000002", -53)


def test_bytes_of_the_message() -> None:
    """A small histogram, byte by byte."""
    point = Point(count=1, sum=1.0, scale=-1, zero_threshold=0.5, positive={"offset": 0, "bucket_counts": [1]})  # type: ignore[arg-type]
    one, half = struct.pack("<d", 1.0).hex(), struct.pack("<d", 0.5).hex()
    assert exponential(point, 5, 0).hex() == f"080119{one}2001" + f"29{half}3000" + "5a0408021001" + "620102" + "7805"
