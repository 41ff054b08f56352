"""The texts and numbers of a value under a key, be it an AnyValue or JSON, and a text as such a value."""

import json
from collections.abc import Iterator
from decimal import Decimal, InvalidOperation
from typing import Any, NamedTuple

import orjson
from opentelemetry.proto.common.v1.common_pb2 import AnyValue

from wire.protobuf import length_delimited

__all__ = ["Scalar", "as_value", "scalars"]

_MOST_DIGITS = 40


class Scalar(NamedTuple):
    """A text, or a number as it would be written."""

    text: str
    is_number: bool


def as_value(text: bytes, in_json: bool) -> bytes:
    """A text as JSON, or as the content of an AnyValue."""
    return orjson.dumps(text.decode("utf-8", "replace")) if in_json else length_delimited(0x0A, text)


def scalars(value: bytes, in_json: bool) -> list[Scalar] | None:
    """What a value holds, lists within it too; None if it holds a map, a truth value, or nothing that can be read.

    Raises: `ValueError` for an AnyValue of a type that is not known.
    """
    try:
        return list(_of_json(value) if in_json else _of_any_value(AnyValue.FromString(value)))
    except _NotScalars:
        return None


class _NotScalars(Exception):
    """A map, a truth value or an oddity among them."""


def _of_any_value(value: AnyValue) -> Iterator[Scalar]:
    match value.WhichOneof("value"):
        case "string_value":
            yield Scalar(value.string_value, False)
        case "bytes_value":
            yield Scalar(value.bytes_value.decode("utf-8", "surrogateescape"), False)
        case "int_value":
            yield Scalar(str(value.int_value), True)
        case "double_value":
            yield _number(repr(value.double_value))
        case "array_value":
            for inner in value.array_value.values:
                yield from _of_any_value(inner)
        case "bool_value" | "kvlist_value" | None:
            raise _NotScalars
        case _:
            raise ValueError("an AnyValue has a type that is not known")


def _of_json(value: bytes) -> Iterator[Scalar]:
    try:
        tree = json.loads(value, parse_int=_number, parse_float=_number, parse_constant=_refused)
    except ValueError:
        raise _NotScalars from None
    yield from _of_tree(tree)


def _of_tree(tree: Any) -> Iterator[Scalar]:
    if isinstance(tree, str):
        yield Scalar(tree, False)
    elif isinstance(tree, Scalar):
        yield tree
    elif isinstance(tree, list):
        for inner in tree:
            yield from _of_tree(inner)
    else:
        raise _NotScalars


def _refused(word: str) -> Any:
    raise _NotScalars


def _number(written: str) -> Scalar:
    """`4471203.0` and `4.471203e+06` are 4471203."""
    try:
        number = Decimal(written)
    except InvalidOperation:
        raise _NotScalars from None
    if not number.is_finite():
        raise _NotScalars
    if number.adjusted() < _MOST_DIGITS and number == number.to_integral_value():
        return Scalar(str(int(number)), True)
    return Scalar(written, True)
