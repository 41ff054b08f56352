"""Small functions over decoded OTLP messages that several processors share: walking, attributes, values, pruning.

Messages are protobuf objects whose fields mypy cannot see through `Message`; they are `Any` here and in the processors.
"""

import base64
import json
import math
import re
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from decimal import Decimal
from typing import Any

from opentelemetry.proto.common.v1.common_pb2 import AnyValue

from wire.signal import Signal

__all__ = [
    "any_value",
    "compile_pattern",
    "find",
    "points",
    "prune",
    "put",
    "remove",
    "remove_if",
    "resources",
    "scopes",
    "text_of",
]

_LAYERS = {
    Signal.TRACES: ("resource_spans", "scope_spans", "spans"),
    Signal.METRICS: ("resource_metrics", "scope_metrics", "metrics"),
    Signal.LOGS: ("resource_logs", "scope_logs", "log_records"),
}


def resources(signal: Signal, message: Any) -> Any:
    """The repeated `Resource…` envelopes of a decoded payload."""
    return getattr(message, _LAYERS[signal][0])


def scopes(signal: Signal, message: Any) -> Iterator[tuple[Any, Any, Any]]:
    """Resource, scope and the repeated field of spans, metrics or log records, for each scope envelope in order."""
    _, scope_layer, item_layer = _LAYERS[signal]
    for envelope in resources(signal, message):
        for scope_envelope in getattr(envelope, scope_layer):
            yield envelope.resource, scope_envelope.scope, getattr(scope_envelope, item_layer)


def points(metric: Any) -> Any:
    """The repeated data points of a metric of any kind; empty if it has none."""
    kind = metric.WhichOneof("data")
    return getattr(metric, kind).data_points if kind else ()


def prune(signal: Signal, message: Any) -> None:
    """Take out metrics without points, scopes without items and resources without scopes."""
    _, scope_layer, item_layer = _LAYERS[signal]
    if signal is Signal.METRICS:
        for _, _, metrics in scopes(signal, message):
            remove_if(metrics, lambda metric: not points(metric))
    for envelope in resources(signal, message):
        remove_if(getattr(envelope, scope_layer), lambda scope_envelope: not getattr(scope_envelope, item_layer))
    remove_if(resources(signal, message), lambda envelope: not getattr(envelope, scope_layer))


def remove_if(elements: Any, condition: Callable[[Any], bool]) -> int:
    """Take the elements that fulfil the condition out of a repeated message field; how many they were."""
    flags = [condition(element) for element in elements]
    removed = sum(flags)
    if removed:
        # A stable partition and one cut: deleting one by one is quadratic, and a client may send 200,000 items at once.
        order = iter(flags)
        elements.sort(key=lambda _: next(order))
        del elements[len(flags) - removed :]
    return removed


def find(attributes: Any, key: str) -> Any | None:
    """The first value under the key, or None."""
    return next((entry.value for entry in attributes if entry.key == key), None)


def put(attributes: Any, key: str, value: AnyValue) -> bool:
    """Set the attribute, everywhere it occurs if a client sent it twice; whether that changed anything."""
    present = [entry for entry in attributes if entry.key == key]
    if not present:
        attributes.add(key=key, value=value)
        return True
    different = [entry for entry in present if entry.value != value]
    for entry in different:
        entry.value.CopyFrom(value)
    return bool(different)


def remove(attributes: Any, condition: Callable[[str], bool]) -> bool:
    """Take out every attribute whose key fulfils the condition; whether there was one."""
    return remove_if(attributes, lambda entry: condition(entry.key)) > 0


def any_value(value: object) -> AnyValue:
    """An attribute value from a value of the configuration: text, boolean, number, list or map.

    Raises: `ValueError` for anything else, and for integers beyond 64 bits.
    """
    if isinstance(value, str):
        return AnyValue(string_value=value)
    if isinstance(value, bool):
        return AnyValue(bool_value=value)
    if isinstance(value, int):
        return AnyValue(int_value=value)
    if isinstance(value, float):
        return AnyValue(double_value=value)
    result = AnyValue()
    if isinstance(value, Mapping):
        result.kvlist_value.SetInParent()
        for key, inner in value.items():
            result.kvlist_value.values.add(key=str(key), value=any_value(inner))
    elif isinstance(value, Sequence):
        result.array_value.SetInParent()
        result.array_value.values.extend(any_value(inner) for inner in value)
    else:
        raise ValueError("an attribute value is text, true or false, a number, a list or a map")
    return result


def text_of(value: AnyValue) -> str:
    """The value as text, as the Collector's conversion to string does it: bytes as base64, lists and maps as JSON."""
    plain = _plain(value)
    return plain if isinstance(plain, str) else _json(plain)


def _plain(value: AnyValue) -> object:
    kind = value.WhichOneof("value")
    if kind is None:
        return ""
    if kind == "kvlist_value":
        return {entry.key: _plain(entry.value) for entry in value.kvlist_value.values}
    if kind == "array_value":
        return [_plain(inner) for inner in value.array_value.values]
    if kind == "bytes_value":
        return base64.b64encode(value.bytes_value).decode("ascii")
    return getattr(value, kind)


def _json(plain: object) -> str:
    """Compact JSON with sorted keys and with doubles as Go writes them, which `json` cannot be told to do."""
    if isinstance(plain, dict):
        return "{" + ",".join(f"{_json(key)}:{_json(plain[key])}" for key in sorted(plain)) + "}"
    if isinstance(plain, list):
        return "[" + ",".join(map(_json, plain)) + "]"
    if isinstance(plain, float):
        return _double(plain)
    return json.dumps(plain, ensure_ascii=False)


def _double(number: float) -> str:
    """ECMAScript's Number.toString, which Go's JSON encoder follows: no exponent from 1e-6 to 1e21."""
    if not math.isfinite(number):
        return "NaN" if math.isnan(number) else "Infinity" if number > 0 else "-Infinity"
    if number == 0 or 1e-6 <= abs(number) < 1e21:
        plain = f"{Decimal(repr(number)):f}"
        return plain.removesuffix(".0")
    return re.sub(r"e([+-])0", r"e\1", repr(number))


def compile_pattern(pattern: str) -> re.Pattern[str]:
    r"""The compiled regular expression of a setting. Classes such as \d and \w mean ASCII, as in the Collector's RE2.

    Raises: `ValueError` with a sentence, also for what Python accepts but reads differently from RE2 (`[[:alpha:]]`).
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            return re.compile(pattern, re.ASCII)
    except (re.error, FutureWarning, DeprecationWarning, OverflowError, RecursionError) as error:
        raise ValueError(f"this is not a regular expression Python's re module can take: {error}") from None
