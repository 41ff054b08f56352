"""Python values as OTLP's attributes."""

from collections.abc import Iterable, Mapping, Sequence

from opentelemetry.proto.common.v1.common_pb2 import AnyValue, ArrayValue, KeyValue, KeyValueList

__all__ = ["Value", "any_value", "key_values"]

Value = str | bool | int | float | bytes | Sequence["Value"] | Mapping[str, "Value"]
"""What an attribute may hold."""


def any_value(value: Value) -> AnyValue:
    """The value in OTLP's type for it."""
    match value:
        case str():
            return AnyValue(string_value=value)
        case bool():
            return AnyValue(bool_value=value)
        case int():
            return AnyValue(int_value=value)
        case float():
            return AnyValue(double_value=value)
        case bytes():
            return AnyValue(bytes_value=value)
        case Mapping():
            return AnyValue(kvlist_value=KeyValueList(values=key_values(value)))
        case _:
            return AnyValue(array_value=ArrayValue(values=[any_value(each) for each in value]))


def key_values(values: Mapping[str, Value]) -> Iterable[KeyValue]:
    """The attributes, in the order of the mapping."""
    return [KeyValue(key=key, value=any_value(value)) for key, value in values.items()]
