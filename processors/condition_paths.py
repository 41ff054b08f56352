"""What conditions can read: the fields of resources, scopes, spans, events, metrics, data points and log records."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple, TypeAlias

from opentelemetry.proto.common.v1.common_pb2 import AnyValue

from processors.otlp_objects import find
from wire.signal import Signal

__all__ = ["LEVELS", "METRIC_TYPES", "Field", "Level", "Reader", "Scene", "Value", "field_reader"]

Value: TypeAlias = str | bool | int | float | bytes | AnyValue | None
"""What a path reads; lists and maps stay `AnyValue`, a missing attribute is None."""


class Scene(NamedTuple):
    """What a condition is asked about, outermost first; `part` is a span event or a data point."""

    resource: Any
    scope: Any
    item: Any
    part: Any = None


Reader: TypeAlias = Callable[[Scene], Value]


@dataclass(frozen=True, slots=True)
class Field:
    """A field of a level: how to read it; `keyed` if `["key"]` may follow, `must_key` if it must."""

    read: Callable[[Any], Any]
    keyed: bool = False
    must_key: bool = False


@dataclass(frozen=True, slots=True)
class Level:
    """One layer of OTLP: where it stands in a scene, and its fields."""

    depth: int
    fields: dict[str, Field]


METRIC_TYPES = ("none", "gauge", "sum", "histogram", "exponential_histogram", "summary")
"""In the order of the Collector's METRIC_DATA_TYPE_… numbers."""


def _present(message: Any, name: str) -> Any:
    """A field, None where it is unset or where this kind of data point has none."""
    field = message.DESCRIPTOR.fields_by_name.get(name)
    return None if field is None or (field.has_presence and not message.HasField(name)) else getattr(message, name)


def _named(*names: str) -> dict[str, Field]:
    return {name: _field(name) for name in names}


def _field(name: str) -> Field:
    return Field(lambda message: _present(message, name))


def _data(metric: Any, name: str) -> Any:
    kind = metric.WhichOneof("data")
    return getattr(getattr(metric, kind), name, None) if kind else None


_ATTRIBUTES = {"attributes": Field(lambda message: message.attributes, keyed=True, must_key=True)}

_RESOURCE = Level(0, _ATTRIBUTES)
_SCOPE = Level(1, _ATTRIBUTES | _named("name", "version"))
_SPAN = Level(
    2,
    _ATTRIBUTES
    | _named("name", "kind", "trace_state", "start_time_unix_nano", "end_time_unix_nano")
    | {"status.code": Field(lambda span: span.status.code), "status.message": Field(lambda span: span.status.message)},
)
_SPAN_EVENT = Level(3, _ATTRIBUTES | _named("name", "time_unix_nano"))
_METRIC = Level(
    2,
    _named("name", "description", "unit")
    | {
        "type": Field(lambda metric: METRIC_TYPES.index(metric.WhichOneof("data") or "none")),
        "aggregation_temporality": Field(lambda metric: _data(metric, "aggregation_temporality")),
        "is_monotonic": Field(lambda metric: _data(metric, "is_monotonic")),
    },
)
_DATA_POINT = Level(
    3,
    _ATTRIBUTES
    | _named("time_unix_nano", "start_time_unix_nano", "flags", "count", "sum")
    | {"value_double": _field("as_double"), "value_int": _field("as_int")},
)
_LOG = Level(
    2,
    _ATTRIBUTES
    | _named("severity_number", "severity_text", "event_name", "time_unix_nano", "observed_time_unix_nano", "flags")
    | {"body": Field(lambda record: record.body, keyed=True)},
)

_AROUND = {"resource": _RESOURCE, "scope": _SCOPE, "instrumentation_scope": _SCOPE}

LEVELS: dict[Signal, dict[str, Level]] = {
    Signal.TRACES: {**_AROUND, "span": _SPAN, "spanevent": _SPAN_EVENT},
    Signal.METRICS: {**_AROUND, "metric": _METRIC, "datapoint": _DATA_POINT},
    Signal.LOGS: {**_AROUND, "log": _LOG},
}
"""By signal: the names that paths may begin with."""


def field_reader(level: Level, field: Field, keys: tuple[str, ...]) -> Reader:
    """A function that reads the field, or what stands under the keys in it."""
    depth, read = level.depth, field.read
    if field.must_key:
        first, *inner = keys
        return lambda scene: _under(find(read(scene[depth]), first), inner)
    if field.keyed:
        return lambda scene: _under(read(scene[depth]), list(keys))

    def plain(scene: Scene) -> Value:
        value: Value = read(scene[depth])
        return value

    return plain


def _under(value: AnyValue | None, keys: list[str]) -> Value:
    """The value under nested keys of maps; None where one is missing."""
    for key in keys:
        value = find(value.kvlist_value.values, key) if value is not None else None
    kind = value.WhichOneof("value") if value is not None else None
    if value is None or kind is None:
        return None
    if kind in ("kvlist_value", "array_value"):
        return value
    plain: Value = getattr(value, kind)
    return plain
