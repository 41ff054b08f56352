"""Every place of OTLP where text can be, found by walking the protobuf descriptors, and payloads with a text there."""

from collections.abc import Iterator
from typing import Any

from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message
from opentelemetry.proto.common.v1.common_pb2 import AnyValue
from opentelemetry.proto.logs.v1.logs_pb2 import LogsData
from opentelemetry.proto.metrics.v1.metrics_pb2 import MetricsData
from opentelemetry.proto.trace.v1.trace_pb2 import TracesData

__all__ = ["PLACES", "SHAPES", "Path", "any_value", "is_body", "payload"]

Path = tuple[FieldDescriptor, ...]
DATA: dict[str, type[Message]] = {"traces": TracesData, "metrics": MetricsData, "logs": LogsData}

SHAPES = ("text", "bytes", "list", "map", "deep map", "key", "map key")
"""How a text stands in attributes and log bodies."""


def _paths(message: Any, before: Path = ()) -> Iterator[Path]:
    for field in message.fields:
        path = (*before, field)
        if field.name.endswith("_strindex") or field.type == FieldDescriptor.TYPE_BYTES:
            continue
        if field.type == FieldDescriptor.TYPE_STRING or is_free(field):
            yield path
        elif field.message_type is not None:
            yield from _paths(field.message_type, path)


def is_free(field: FieldDescriptor) -> bool:
    """Whether any value may be there: an attribute, or the body of a log record."""
    return field.message_type is not None and field.message_type.name in ("KeyValue", "AnyValue")


def is_body(field: FieldDescriptor) -> bool:
    """Whether the value there has no key."""
    return field.message_type is not None and field.message_type.name == "AnyValue"


def _message_name(field: FieldDescriptor) -> str:
    assert field.containing_type is not None
    return str(field.containing_type.name)


def _places() -> dict[str, list[Path]]:
    places: dict[str, list[Path]] = {}
    for signal, kind in DATA.items():
        for path in _paths(kind.DESCRIPTOR):
            name = f"{signal} {_message_name(path[-1])}.{path[-1].name}"
            for shape in SHAPES if is_free(path[-1]) else ("",):
                if not (shape == "key" and is_body(path[-1])):
                    places.setdefault(f"{name}:{shape}" if shape else name, []).append(path)
    return places


PLACES = _places()
"""By name (`traces Span.attributes:map`): the ways down to it."""


def any_value(value: object) -> AnyValue:
    """A Python value as an AnyValue."""
    made = AnyValue()
    match value:
        case str():
            made.string_value = value
        case bytes():
            made.bytes_value = value
        case int():
            made.int_value = value
        case float():
            made.double_value = value
        case list():
            made.array_value.values.extend(any_value(each) for each in value)
        case dict():
            for key, each in value.items():
                made.kvlist_value.values.add(key=key, value=any_value(each))
    return made


def payload(path: Path, content: object, marker: str, time_ns: int) -> Message:
    """A payload with one item of that time, `marker` among its attributes, and `content` at the end of the path.

    `content` is a text, for an AnyValue a Python value, for attributes a (key, value).
    """
    root: Any = DATA[_signal(path)]()
    message, above = root, [root]
    for field in path[:-1]:
        message = getattr(message, field.name)
        message = message.add() if field.is_repeated else message
        message.SetInParent()
        above.append(message)
    _put(message, path[-1], content)
    _complete(root, marker, time_ns)
    return root  # type: ignore[no-any-return]


def _signal(path: Path) -> str:
    return next(signal for signal, kind in DATA.items() if kind.DESCRIPTOR is path[0].containing_type)


def _put(message: Any, field: FieldDescriptor, content: Any) -> None:
    if field.type == FieldDescriptor.TYPE_STRING:
        if field.is_repeated:
            getattr(message, field.name).append(content)
        else:
            setattr(message, field.name, content)
    elif is_body(field):
        getattr(message, field.name).CopyFrom(any_value(content))
    else:
        getattr(message, field.name).add(key=content[0], value=any_value(content[1]))


def _first(repeated: Any) -> Any:
    return repeated[0] if repeated else repeated.add()


def _complete(root: Any, marker: str, time_ns: int) -> None:
    """All that a destination needs before it takes an item."""
    resource = _first(root.ListFields()[0][1])
    resource.resource.SetInParent()
    if isinstance(root, TracesData):
        span = _first(_first(resource.scope_spans).spans)
        span.trace_id, span.span_id = b"\xaa" * 16, b"\xbb" * 8
        span.name = span.name or "work"
        span.start_time_unix_nano = span.end_time_unix_nano = time_ns
        item = span
    elif isinstance(root, LogsData):
        item = _first(_first(resource.scope_logs).log_records)
        item.time_unix_nano = item.observed_time_unix_nano = time_ns
        if not item.HasField("body"):
            item.body.string_value = "work done"
    else:
        item = _point(_first(_first(resource.scope_metrics).metrics), time_ns)
    item.attributes.add(key="oracle.item", value=any_value(marker))


def _point(metric: Any, time_ns: int) -> Any:
    kind = metric.WhichOneof("data") or "gauge"
    # Prometheus takes one kind of metric under a name.
    metric.name = metric.name or f"work_{kind}"
    data = getattr(metric, kind)
    point = _first(data.data_points)
    point.time_unix_nano = point.start_time_unix_nano = time_ns
    if kind in ("sum", "histogram", "exponential_histogram"):
        data.aggregation_temporality = 2
        for exemplar in point.exemplars:
            exemplar.time_unix_nano, exemplar.as_double = time_ns, 1.0
    if kind == "sum":
        data.is_monotonic = True
    if kind in ("gauge", "sum"):
        point.as_double = 1.0
    else:
        point.count, point.sum = 1, 1.0
    if kind == "histogram":
        point.bucket_counts.extend([1, 0])
        point.explicit_bounds.append(5.0)
    if kind == "summary":
        value = _first(point.quantile_values)
        value.quantile, value.value = 0.5, 1.0
    return point
