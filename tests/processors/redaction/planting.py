"""Text-bearing places of OTLP, found by walking the protobuf descriptors, and payloads with something in them."""

from collections.abc import Iterator, Sequence
from typing import Any

from google.protobuf.descriptor import FieldDescriptor

from pipeline.batch import Batch, Signal
from wire import schema

__all__ = ["PLACES", "Place", "planted"]

Place = tuple[FieldDescriptor, ...]
"""The fields from the outermost message to a text or bytes leaf."""

_IDS = ("trace_id", "span_id", "parent_span_id")
_VALUES_WITHIN_VALUES = 3


def _places(message: Any, values: int) -> Iterator[Place]:
    values += message.name == "AnyValue"
    for field in message.fields:
        if field.name in _IDS or field.name.endswith("_strindex") or values > _VALUES_WITHIN_VALUES:
            continue
        if field.message_type is not None:
            yield from ((field, *inner) for inner in _places(field.message_type, values))
        elif field.type in (FieldDescriptor.TYPE_STRING, FieldDescriptor.TYPE_BYTES):
            yield (field,)


PLACES = {signal: list(_places(kind.DESCRIPTOR, 0)) for signal, kind in schema.TYPES.items()}
"""Every place of each signal, with values nested three deep."""


def planted(signal: Signal, places: Sequence[Place], text: bytes) -> Batch:
    """A batch with the text in each of some places, every one in an envelope of its own."""
    message = schema.TYPES[signal]()
    for place in places:
        _plant(message, place, text)
    return Batch.encode(signal, message)


def _plant(message: Any, place: Place, text: bytes) -> None:
    for field in place[:-1]:
        if message.DESCRIPTOR.name == "KeyValue":
            message.key = "note"
        child = getattr(message, field.name)
        message = child.add() if field.is_repeated else child
        message.SetInParent()
    leaf = place[-1]
    value = text if leaf.type == FieldDescriptor.TYPE_BYTES else text.decode()
    if leaf.is_repeated:
        getattr(message, leaf.name).append(value)
    else:
        setattr(message, leaf.name, value)
