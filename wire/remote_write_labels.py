"""Labels of a series, from OTLP resources, scopes and attributes, and the text that each type of value becomes."""

import base64
import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal

import orjson
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, InstrumentationScope, KeyValue
from opentelemetry.proto.resource.v1.resource_pb2 import Resource

__all__ = [
    "METRIC_NAME",
    "LabelName",
    "Labels",
    "Promote",
    "Target",
    "attribute_labels",
    "decimal_text",
    "legal_labels",
    "scope_labels",
    "target",
    "value_text",
]

Labels = tuple[tuple[str, str], ...]
"""The identity of a series: (name, value) pairs sorted by name; no name twice, no value empty."""

LabelName = Callable[[str], str | None]
"""The name of a label, by an attribute's key; None if nothing legal is left of it."""

METRIC_NAME = "__name__"
_IDENTITY = ("service.namespace", "service.name", "service.instance.id")
_SCOPE_NAME, _SCOPE_VERSION, _SCOPE_SCHEMA = "otel_scope_name", "otel_scope_version", "otel_scope_schema_url"


def decimal_text(number: float) -> str:
    """The shortest decimal that reads back as the number, never with an exponent: `0.005`, `1`, `+Inf`."""
    if math.isfinite(number):
        text = repr(number + 0.0)  # turns -0.0 into 0.0
        return (format(Decimal(text), "f") if "e" in text else text).removesuffix(".0")
    return "NaN" if math.isnan(number) else "+Inf" if number > 0 else "-Inf"


def _json_number(number: float) -> str:
    """As ECMAScript writes it, which other translators do too; what JSON has no number for as a bare word."""
    if not math.isfinite(number):
        return {"+Inf": "Infinity", "-Inf": "-Infinity", "NaN": "NaN"}[decimal_text(number)]
    if number == 0 or 1e-6 <= abs(number) < 1e21:
        return decimal_text(number)
    mantissa, _, exponent = repr(number).partition("e")
    return f"{mantissa.removesuffix('.0')}e{int(exponent):+d}"


def value_text(value: AnyValue) -> str:
    """An attribute value as label text: text as it is, bytes as base64, everything else as JSON; empty is empty."""
    kind = value.WhichOneof("value")
    if kind is None:
        return ""
    if kind == "string_value":
        return value.string_value
    if kind == "bytes_value":
        return base64.b64encode(value.bytes_value).decode()
    return _json_number(value.double_value) if kind == "double_value" else _json(value)


def _json(value: AnyValue) -> str:
    """JSON without blanks, keys sorted. What is no JSON number stands in quotes here, inside of arrays and maps."""
    kind = value.WhichOneof("value")
    if kind == "bool_value":
        return "true" if value.bool_value else "false"
    if kind == "int_value":
        return str(value.int_value)
    if kind == "double_value":
        text = _json_number(value.double_value)
        return text if math.isfinite(value.double_value) else f'"{text}"'
    if kind == "array_value":
        return f"[{','.join(_json(element) for element in value.array_value.values)}]"
    if kind == "kvlist_value":
        pairs = {pair.key: _json(pair.value) for pair in value.kvlist_value.values}
        return "{" + ",".join(f"{orjson.dumps(key).decode()}:{text}" for key, text in sorted(pairs.items())) + "}"
    return "null" if kind is None else orjson.dumps(value_text(value)).decode()


def attribute_labels(attributes: Iterable[KeyValue], label_name: LabelName, prefix: str = "") -> dict[str, str] | None:
    """Labels of attributes, empty values left out; None if a key has no legal name.

    Keys that become one name have their values joined with ";" in the order of the keys. Of a key that occurs twice the
    first stands. An attribute that would become the metric's name is left out.
    """
    labels: dict[str, str] = {}
    for attribute in attributes:
        text = attribute.value.string_value or value_text(attribute.value)
        if text:
            name = label_name(prefix + attribute.key)
            if name is None:
                return None
            if name in labels:
                return _joined_labels(attributes, label_name, prefix)
            labels[name] = text
    labels.pop(METRIC_NAME, None)
    return labels


def _joined_labels(attributes: Iterable[KeyValue], label_name: LabelName, prefix: str) -> dict[str, str] | None:
    texts: dict[str, str] = {}
    for attribute in attributes:
        texts.setdefault(attribute.key, value_text(attribute.value))
    labels: dict[str, list[str]] = {}
    for key, text in sorted(texts.items()):
        if text:
            name = label_name(prefix + key)
            if name is None:
                return None
            labels.setdefault(name, []).append(text)
    labels.pop(METRIC_NAME, None)
    return {name: ";".join(parts) for name, parts in labels.items()}


def legal_labels(attributes: Iterable[KeyValue], label_name: LabelName, prefix: str = "") -> dict[str, str]:
    """Labels of those attributes whose key has a legal name: of a resource or scope the rest still tells something."""
    legal = [one for one in attributes if label_name(prefix + one.key) is not None]
    return attribute_labels(legal, label_name, prefix) or {}


def scope_labels(scope: InstrumentationScope, schema_url: str, label_name: LabelName) -> dict[str, str]:
    """Name, version, schema and attributes of a scope as `otel_scope_*`; attributes give way to the first three.

    Source: OpenTelemetry specification, Prometheus compatibility, Instrumentation Scope.
    """
    first = {_SCOPE_NAME: scope.name, _SCOPE_VERSION: scope.version, _SCOPE_SCHEMA: schema_url}
    own = legal_labels(scope.attributes, label_name, "otel_scope_")
    labels = {name: text for name, text in own.items() if name not in first}
    return labels | {name: text for name, text in first.items() if text}


Promote = Callable[[str], bool]
"""Whether a resource attribute, by its key, becomes a label of every series."""


@dataclass(frozen=True, slots=True, repr=False)
class Target:
    """A resource as Prometheus sees it.

    `identity` is job and instance, as far as they are known; `promoted` are labels that give way to a point's own;
    `info` is what `target_info` tells beside the identity.
    """

    identity: Mapping[str, str]
    promoted: Mapping[str, str]
    info: Mapping[str, str]


def target(resource: Resource, promote: Promote, label_name: LabelName) -> Target:
    """The target that a resource describes."""
    identity = {one.key: value_text(one.value) for one in reversed(resource.attributes) if one.key in _IDENTITY}
    namespace, name, instance = (identity.get(key, "") for key in _IDENTITY)
    job = f"{namespace}/{name}" if namespace and name else name
    return Target(
        identity={label: text for label, text in (("job", job), ("instance", instance)) if text},
        promoted=legal_labels((one for one in resource.attributes if promote(one.key)), label_name),
        info=legal_labels((one for one in resource.attributes if one.key not in _IDENTITY), label_name),
    )
