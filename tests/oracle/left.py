"""What left the daemon, decoded: OTLP, remote-write and Loki bodies, each to its bytes and to every text in it."""

import gzip
from collections.abc import Iterator
from typing import Any

import snappy
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from google.protobuf.message import Message

from tests.oracle.places import DATA
from tests.oracle.recorder import Received

__all__ = ["decoded", "items", "texts"]

_KINDS = descriptor_pb2.FieldDescriptorProto
_SCHEMA: dict[str, list[tuple[int, str, str]]] = {
    "WriteRequest": [(1, "timeseries", "*TimeSeries"), (3, "metadata", "*MetricMetadata")],
    "TimeSeries": [(1, "labels", "*Label"), (2, "samples", "*Sample"), (3, "exemplars", "*Exemplar")],
    "Label": [(1, "name", "string"), (2, "value", "string")],
    "Sample": [(1, "value", "double"), (2, "timestamp", "int64")],
    "Exemplar": [(1, "labels", "*Label"), (2, "value", "double"), (3, "timestamp", "int64")],
    "MetricMetadata": [(1, "type", "int64"), (2, "family", "string"), (4, "help", "string"), (5, "unit", "string")],
    "PushRequest": [(1, "streams", "*Stream")],
    "Stream": [(1, "labels", "string"), (2, "entries", "*Entry"), (3, "hash", "int64")],
    "Entry": [(1, "timestamp", "Timestamp"), (2, "line", "string"), (3, "metadata", "*Label"), (4, "parsed", "*Label")],
    "Timestamp": [(1, "seconds", "int64"), (2, "nanos", "int64")],
}


def _messages() -> dict[str, type[Message]]:
    file = descriptor_pb2.FileDescriptorProto(name="oracle.proto", package="oracle", syntax="proto3")
    for name, fields in _SCHEMA.items():
        message = file.message_type.add(name=name)
        for number, field, kind in fields:
            made = message.field.add(name=field, number=number)
            made.label = _KINDS.LABEL_REPEATED if kind[0] == "*" else _KINDS.LABEL_OPTIONAL
            if kind.lstrip("*") in _SCHEMA:
                made.type, made.type_name = _KINDS.TYPE_MESSAGE, f".oracle.{kind.lstrip('*')}"
            else:
                made.type = _KINDS.Type.Value(f"TYPE_{kind.upper()}")
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return {name: message_factory.GetMessageClass(pool.FindMessageTypeByName(f"oracle.{name}")) for name in _SCHEMA}


_MESSAGES = _messages()


def decoded(received: Received) -> tuple[bytes, Message]:
    """The bytes of a request without compression, and its message."""
    if received.path.startswith("/v1/"):
        body = gzip.decompress(received.body) if received.encoding == "gzip" else received.body
        return body, DATA[received.path.removeprefix("/v1/")].FromString(body)
    body = snappy.uncompress(received.body)
    kind = "WriteRequest" if received.path.endswith("/write") else "PushRequest"
    return body, _MESSAGES[kind].FromString(body)


def items(message: Any) -> Iterator[list[str | bytes]]:
    """The texts of each span, metric and log record of an OTLP message, with those of its resource and scope."""
    for envelope in message.ListFields()[0][1]:
        records = [record for scope in getattr(envelope, "scope_logs", ()) for record in scope.log_records]
        if len(records) > 1:
            # Of `json_logs`, which puts all of a request into one envelope.
            yield from (list(texts(record)) for record in records)
        else:
            yield list(texts(envelope))


def texts(message: Any) -> Iterator[str | bytes]:
    """Every text, bytes value and number in a message; numbers as Python and as Prometheus write them."""
    for field, value in message.ListFields():
        for each in value if field.is_repeated else (value,):
            if isinstance(each, Message):
                yield from texts(each)
            elif isinstance(each, str | bytes):
                yield each
            elif not isinstance(each, bool) and abs(each) > 9999999:
                yield str(each)
                yield f"{each:e}"
