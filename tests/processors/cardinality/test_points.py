"""OTLP metrics with only attributes taken out: nothing else may change."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.metrics.v1.metrics_pb2 import Exemplar, Metric, MetricsData

from processors.cardinality.points import Metrics, key_of, points_of

KINDS = ("gauge", "sum", "histogram", "exponential_histogram", "summary")


def everything() -> MetricsData:
    """Each kind of metric with attributes and as much else as it takes."""
    data = MetricsData()
    envelope = data.resource_metrics.add(schema_url="a")
    envelope.resource.attributes.add(key="r").value.int_value = 1
    scope = envelope.scope_metrics.add(schema_url="b")
    scope.scope.name = "s"
    for kind in KINDS:
        metric = scope.metrics.add(name=kind, unit="s", description="d")
        metric.metadata.add(key="m").value.bool_value = True
        point = getattr(metric, kind).data_points.add(start_time_unix_nano=1, time_unix_nano=2, flags=1)
        point.attributes.add(key="k").value.string_value = kind
        point.attributes.add(key="empty")
        if kind != "summary":
            point.exemplars.append(Exemplar(as_int=1))
    scope.metrics.append(Metric(name="nothing"))
    return data


def test_everything_is_kept() -> None:
    """Fields that nobody looks at are written back as they came."""
    data = everything()
    lazy = Metrics.FromString(data.SerializeToString())
    assert MetricsData.FromString(lazy.SerializeToString()) == data


@pytest.mark.parametrize("kind", KINDS)
def test_attributes_are_found(kind: str) -> None:
    """As serialized KeyValues, and exemplars as their bytes."""
    lazy = Metrics.FromString(everything().SerializeToString())
    (metric,) = [each for each in lazy.resource_metrics[0].scope_metrics[0].metrics if each.name == kind]
    (point,) = points_of(metric)
    expected = KeyValue(key="k", value=AnyValue(string_value=kind)), KeyValue(key="empty")
    assert list(point.attributes) == [each.SerializeToString() for each in expected]
    if kind != "summary":
        assert list(point.exemplars) == [Exemplar(as_int=1).SerializeToString()]


def test_no_data_no_points() -> None:
    """A metric without data."""
    metric = Metrics.FromString(everything().SerializeToString()).resource_metrics[0].scope_metrics[0].metrics[-1]
    assert (metric.name, len(points_of(metric))) == ("nothing", 0)


@given(st.text(max_size=400), st.none() | st.text(max_size=9))
def test_keys(key: str, value: str | None) -> None:
    """Of any length, with and without a value."""
    attribute = KeyValue(key=key)
    if value is not None:
        attribute.value.string_value = value
    assert key_of(attribute.SerializeToString()) == key.encode()
