"""The messages around an offset, and the places of metric points."""

from opentelemetry.proto.trace.v1.trace_pb2 import Span

from pipeline.batch import Signal
from processors.redaction.places import ON_METRIC_POINT, Levels
from tests.payloads import pairs, traces
from wire import schema


def test_around() -> None:
    """From the outermost message to the innermost, for offsets in order."""
    spans = [Span(name=f"n{number}", attributes=pairs({"k": f"v{number}"})) for number in range(3)]
    payload = traces(spans).payload
    levels = Levels(payload, schema.ROOT[Signal.TRACES])
    for number in range(3):
        around = levels.around(payload.index(b"v%d" % number))
        assert [schema.MESSAGES[level.message].name for level in around] == [
            "TracesData", "ResourceSpans", "ScopeSpans", "Span", "KeyValue", "AnyValue",
        ]  # fmt: skip
        assert Span.FromString(payload[around[3].start : around[3].end]) == spans[number]


def test_metric_points() -> None:
    """Attributes of every kind of point and of exemplars; not those of metrics or resources."""
    names = {schema.FIELDS[divmod(place, schema.WIDTH)].full_name.split("v1.")[1] for place in ON_METRIC_POINT}
    assert {name for name in names if "attributes" in name} == {
        "NumberDataPoint.attributes",
        "HistogramDataPoint.attributes",
        "ExponentialHistogramDataPoint.attributes",
        "SummaryDataPoint.attributes",
        "Exemplar.filtered_attributes",
    }
