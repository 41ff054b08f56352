"""The messages of remote-write 1.0 and 2.0, made from the published definitions, and bodies read back with them."""

from typing import Any, NamedTuple

import snappy
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

__all__ = ["Labels", "Read", "Request", "WriteRequest", "decode", "read"]

_SPANS = [("offset", 1, "SINT32", ""), ("length", 2, "UINT32", "")]
_HISTOGRAM = [
    ("count_int", 1, "UINT64", ""),
    ("count_float", 2, "DOUBLE", ""),
    ("sum", 3, "DOUBLE", ""),
    ("schema", 4, "SINT32", ""),
    ("zero_threshold", 5, "DOUBLE", ""),
    ("zero_count_int", 6, "UINT64", ""),
    ("zero_count_float", 7, "DOUBLE", ""),
    ("negative_spans", 8, "MESSAGE", "BucketSpan"),
    ("negative_deltas", 9, "SINT64", "*"),
    ("negative_counts", 10, "DOUBLE", "*"),
    ("positive_spans", 11, "MESSAGE", "BucketSpan"),
    ("positive_deltas", 12, "SINT64", "*"),
    ("positive_counts", 13, "DOUBLE", "*"),
    ("reset_hint", 14, "INT32", ""),
    ("timestamp", 15, "INT64", ""),
    ("custom_values", 16, "DOUBLE", "*"),
]
_V1 = {
    "Label": [("name", 1, "STRING", ""), ("value", 2, "STRING", "")],
    "Sample": [("value", 1, "DOUBLE", ""), ("timestamp", 2, "INT64", "")],
    "Exemplar": [("labels", 1, "MESSAGE", "Label"), ("value", 2, "DOUBLE", ""), ("timestamp", 3, "INT64", "")],
    "BucketSpan": _SPANS,
    "Histogram": _HISTOGRAM,
    "TimeSeries": [
        ("labels", 1, "MESSAGE", "Label"),
        ("samples", 2, "MESSAGE", "Sample"),
        ("exemplars", 3, "MESSAGE", "Exemplar"),
        ("histograms", 4, "MESSAGE", "Histogram"),
    ],
    "MetricMetadata": [
        ("type", 1, "INT32", ""),
        ("metric_family_name", 2, "STRING", ""),
        ("help", 4, "STRING", ""),
        ("unit", 5, "STRING", ""),
    ],
    "WriteRequest": [("timeseries", 1, "MESSAGE", "TimeSeries"), ("metadata", 3, "MESSAGE", "MetricMetadata")],
}
"""Remote-write 1.0 specification, Protocol, with Prometheus' extensions (prompb/remote.proto, prompb/types.proto)."""
_V2 = {
    "Sample": [("value", 1, "DOUBLE", ""), ("timestamp", 2, "INT64", ""), ("start_timestamp", 3, "INT64", "")],
    "Exemplar": [("labels_refs", 1, "UINT32", "*"), ("value", 2, "DOUBLE", ""), ("timestamp", 3, "INT64", "")],
    "Metadata": [("type", 1, "INT32", ""), ("help_ref", 3, "UINT32", ""), ("unit_ref", 4, "UINT32", "")],
    "BucketSpan": _SPANS,
    "Histogram": [*_HISTOGRAM, ("start_timestamp", 17, "INT64", "")],
    "TimeSeries": [
        ("labels_refs", 1, "UINT32", "*"),
        ("samples", 2, "MESSAGE", "Sample"),
        ("histograms", 3, "MESSAGE", "Histogram"),
        ("exemplars", 4, "MESSAGE", "Exemplar"),
        ("metadata", 5, "ONE", "Metadata"),
    ],
    "Request": [("symbols", 4, "STRING", "*"), ("timeseries", 5, "MESSAGE", "TimeSeries")],
}
"""Remote-write 2.0-rc.4 specification, Protocol (io/prometheus/write/v2/types.proto)."""


def _message(package: str, messages: dict[str, list[tuple[str, int, str, str]]], name: str) -> Any:
    file = descriptor_pb2.FileDescriptorProto(name=f"{package}.proto", package=package, syntax="proto3")
    for message_name, fields in messages.items():
        message = file.message_type.add(name=message_name)
        for field, number, kind, of in fields:
            message.field.add(
                name=field,
                number=number,
                label=3 if kind == "MESSAGE" or of == "*" else 1,
                type=descriptor_pb2.FieldDescriptorProto.Type.Value(f"TYPE_{'MESSAGE' if kind == 'ONE' else kind}"),
                type_name=f".{package}.{of}" if of.isalpha() else None,
            )
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName(f"{package}.{name}"))


WriteRequest = _message("prometheus", _V1, "WriteRequest")
Request = _message("io.prometheus.write.v2", _V2, "Request")

Labels = tuple[tuple[str, str], ...]


class Read(NamedTuple):
    """A series of either version. Samples are (time, value) or, with a start, (time, value, start)."""

    labels: Labels
    samples: list[tuple[Any, ...]]
    exemplars: list[tuple[dict[str, str], float, int]]
    histograms: list[Any]
    metadata: tuple[int, str, str] | None


def read(body: bytes, *, two: bool) -> list[Read]:
    """The series of a request body, in its order. Unknown fields are an error."""
    request = (Request if two else WriteRequest).FromString(snappy.decompress(body))
    size = request.ByteSize()
    request.DiscardUnknownFields()
    assert request.ByteSize() == size, "unknown fields"
    return [_second(request.symbols, one) if two else _first(one) for one in request.timeseries]


def _first(series: Any) -> Read:
    return Read(
        tuple((label.name, label.value) for label in series.labels),
        [(sample.timestamp, sample.value) for sample in series.samples],
        [({one.name: one.value for one in each.labels}, each.value, each.timestamp) for each in series.exemplars],
        list(series.histograms),
        None,
    )


def _second(symbols: Any, series: Any) -> Read:
    def labels(refs: Any) -> Labels:
        assert len(refs) % 2 == 0
        texts = [symbols[ref] for ref in refs]
        return tuple(zip(texts[::2], texts[1::2], strict=True))

    metadata = series.metadata
    return Read(
        labels(series.labels_refs),
        [
            (one.timestamp, one.value, one.start_timestamp) if one.start_timestamp else (one.timestamp, one.value)
            for one in series.samples
        ],
        [(dict(labels(each.labels_refs)), each.value, each.timestamp) for each in series.exemplars],
        list(series.histograms),
        (metadata.type, symbols[metadata.help_ref], symbols[metadata.unit_ref]),
    )


def decode(body: bytes, *, two: bool = False) -> list[tuple[Labels, list[tuple[Any, ...]]]]:
    """The series of a request body, in its order: labels and samples."""
    return [(one.labels, one.samples) for one in read(body, two=two)]
