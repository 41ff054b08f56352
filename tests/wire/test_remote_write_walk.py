"""The kernel that reads metrics, against the protobuf library."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from opentelemetry.proto.metrics.v1.metrics_pb2 import (
    ExponentialHistogramDataPoint,
    HistogramDataPoint,
    Metric,
    MetricsData,
    NumberDataPoint,
    ResourceMetrics,
    ScopeMetrics,
    SummaryDataPoint,
)

from tests.wire.test_remote_write import _PAYLOAD
from wire.otlp import sanitize
from wire.remote_write_walk import EXPONENTIAL, GAUGE, HISTOGRAM, SUM, SUMMARY, read_metrics
from wire.signal import Signal

_POINTS: dict[int, Any] = {
    GAUGE: NumberDataPoint,
    SUM: NumberDataPoint,
    HISTOGRAM: HistogramDataPoint,
    EXPONENTIAL: ExponentialHistogramDataPoint,
    SUMMARY: SummaryDataPoint,
}


def _put_together(payload: bytes) -> list[tuple[Any, ...]]:
    """What was read, as messages again: resource, scope, metric without points, points."""
    found = []
    for resource, scope, head, shape, points in read_metrics(payload):
        made = []
        for attributes, time, start, flags, *rest in points:
            point = _POINTS[shape].FromString(rest[0] if len(rest) == 1 else attributes)
            if len(rest) == 2 and rest[0] is not None:
                point.as_double = rest[0]
            elif len(rest) == 5:
                count, total, bounds, counts, _ = rest
                point.MergeFromString(
                    b"\x32" + bytes((len(counts),)) + counts + b"\x3a" + bytes((len(bounds),)) + bounds
                )
                point.count = count
                if total is not None:
                    point.sum = total
            point.time_unix_nano, point.start_time_unix_nano, point.flags = time, start, flags
            made.append(point.SerializeToString(deterministic=True))
        texts = (ResourceMetrics.FromString(resource), ScopeMetrics.FromString(scope), Metric.FromString(head))
        found.append((*(text.SerializeToString(deterministic=True) for text in texts), made))
    return found


def _expected(data: MetricsData) -> list[tuple[Any, ...]]:
    found = []
    for resource in data.resource_metrics:
        for scope in resource.scope_metrics:
            for metric in scope.metrics:
                held = getattr(metric, str(metric.WhichOneof("data")))
                points = [type(point).FromString(point.SerializeToString()) for point in held.data_points]
                for point in points:
                    if isinstance(point, NumberDataPoint) and point.HasField("as_int"):
                        point.as_double = float(point.as_int)
                parts = [ResourceMetrics(), ScopeMetrics(), Metric()]
                for part, whole, inner in zip(
                    parts, (resource, scope, metric), ("scope_metrics", "metrics", ""), strict=True
                ):
                    part.CopyFrom(whole)
                    if inner:
                        part.ClearField(inner)
                getattr(parts[2], str(metric.WhichOneof("data"))).ClearField("data_points")
                texts = (part.SerializeToString(deterministic=True) for part in parts)
                if points:
                    found.append((*texts, [point.SerializeToString(deterministic=True) for point in points]))
    return found


@settings(max_examples=150, deadline=None)
@given(_PAYLOAD)
def test_reads_what_protobuf_reads(data: MetricsData) -> None:
    """Every envelope, every metric's head and every point come out as the library has them."""
    payload, _ = sanitize(Signal.METRICS, data.SerializeToString())
    assert _put_together(payload) == _expected(MetricsData.FromString(payload))


def test_fields_in_any_order() -> None:
    """A resource after its metrics, a name after the points, attributes apart: all are found."""
    point = bytes.fromhex("3a030a0161" + "19" + "05" + "00" * 7 + "3a030a0162" + "21" + "00" * 8)
    metric = bytes((0x2A, len(point) + 2, 0x0A, len(point))) + point + b"\x0a\x01n"
    scope = bytes((0x12, len(metric))) + metric + b"\x1a\x01s"
    resource = bytes((0x12, len(scope))) + scope + b"\x1a\x01r"
    payload = bytes((0x0A, len(resource))) + resource
    attributes = bytes.fromhex("3a030a01613a030a0162")
    assert read_metrics(payload) == [
        (b"\x1a\x01r", b"\x1a\x01s", b"\x2a\x00\x0a\x01n", GAUGE, [(attributes, 5, 0, 0, 0.0, None)])
    ]


@given(st.binary(max_size=60))
def test_stays_within_the_data(payload: bytes) -> None:
    """Bytes that are not OTLP are read to no harm, or refused."""
    try:
        read_metrics(payload)
    except ValueError:
        return


@pytest.mark.parametrize(
    "payload", [b"\x0a\x05", b"\x0a", b"\x0a\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", b"\x09\x00"]
)
def test_cut_off(payload: bytes) -> None:
    """What ends too early is an error."""
    with pytest.raises(ValueError, match="the data"):
        read_metrics(payload)
