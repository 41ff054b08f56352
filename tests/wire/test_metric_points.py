"""Taking metrics apart, against the protobuf library."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.proto.metrics.v1.metrics_pb2 import Exemplar, Metric, MetricsData, ResourceMetrics, ScopeMetrics

from tests.payloads import metrics, pairs
from wire.metric_points import walk

KINDS = ("gauge", "sum", "histogram", "exponential_histogram", "summary")
ATTRIBUTES = st.dictionaries(st.text(max_size=3), st.one_of(st.text(max_size=200), st.integers(-5, 5)), max_size=4)
NUMBERS = st.one_of(st.none(), st.integers(-(2**63), 2**63 - 1), st.floats(allow_nan=False))


@st.composite
def made(draw: st.DrawFn) -> Metric:
    kind = draw(st.sampled_from(KINDS))
    metric = Metric(name=draw(st.text(max_size=5)), unit="s", description=draw(st.text(max_size=5)))
    data: Any = getattr(metric, kind)
    data.SetInParent()
    if kind in KINDS[1:4]:
        data.aggregation_temporality = draw(st.integers(0, 2))
    if kind == "sum":
        data.is_monotonic = draw(st.booleans())
    for attributes in draw(st.lists(ATTRIBUTES, max_size=3)):
        point = data.data_points.add(attributes=pairs(attributes), flags=draw(st.integers(0, 300)))
        point.start_time_unix_nano, point.time_unix_nano = draw(st.integers(0, 2**64 - 1)), draw(st.integers(0, 9))
        if kind in ("gauge", "sum") and (value := draw(NUMBERS)) is not None:
            setattr(point, "as_int" if isinstance(value, int) else "as_double", value)
        elif kind != "summary":
            point.exemplars.append(Exemplar(as_int=1, filtered_attributes=pairs(attributes)))
    return metric


def as_seen(metric: Metric) -> list[tuple[object, ...]]:
    """Each point as the library sees it."""
    seen: list[tuple[object, ...]] = []
    data: Any = getattr(metric, metric.WhichOneof("data") or "")
    for point in data.data_points:
        kind = point.WhichOneof("value") if point.DESCRIPTOR.name == "NumberDataPoint" else None
        value = None if kind is None else getattr(point, kind)
        pairs = [(entry.key.encode(), entry.SerializeToString()) for entry in point.attributes]
        exemplars = [each.SerializeToString() for each in getattr(point, "exemplars", ())]
        seen.append((point.start_time_unix_nano, point.time_unix_nano, point.flags, value, pairs, exemplars))
    return seen


@given(st.lists(made(), max_size=4))
def test_every_point_is_seen(given: list[Metric]) -> None:
    """Kind, temporality, attributes, times, values and exemplars; each at its place in the payload."""
    batch = metrics(given, resource={"service.name": "a"})
    for found, metric in zip(walk(batch.payload), given, strict=True):
        kind = metric.WhichOneof("data") or ""
        data: Any = getattr(metric, kind)
        assert found.kind == Metric.DESCRIPTOR.fields_by_name[kind].number
        assert found.temporality == getattr(data, "aggregation_temporality", 0)
        assert found.is_monotonic == getattr(data, "is_monotonic", False)
        assert (found.name.decode(), found.unit) == (metric.name, b"s")
        assert [point[2:] for point in found.points] == as_seen(metric)
        assert [batch.payload[point[0] : point[1]] for point in found.points] == [
            point.SerializeToString() for point in data.data_points
        ]
        assert Metric.FromString(found.head + b"") == Metric(
            name=metric.name, unit=metric.unit, description=metric.description
        )


def test_headers_may_follow_their_content() -> None:
    """Protobuf does not promise an order of fields."""
    inner = ScopeMetrics(metrics=[Metric(name="a")]).SerializeToString()
    late = ScopeMetrics(schema_url="s").SerializeToString()
    resource = ResourceMetrics(schema_url="r").SerializeToString()
    content = b"\x12" + bytes((len(inner + late),)) + inner + late + resource
    (found,) = walk(b"\x0a" + bytes((len(content),)) + content)
    assert (found.resource, found.scope, found.name, found.points) == (resource, late, b"a", [])
    assert walk(MetricsData().SerializeToString()) == []
