"""OTLP exemplars as Prometheus exemplars (OpenTelemetry specification, Prometheus compatibility, Exemplars)."""

from collections.abc import Iterable
from typing import NamedTuple

from opentelemetry.proto.metrics.v1.metrics_pb2 import Exemplar as OtlpExemplar

from wire.remote_write_labels import LabelName, Labels, attribute_labels
from wire.remote_write_values import ordinary

__all__ = ["Exemplar", "read_exemplars"]

_MOST_CHARACTERS = 128
"""OpenMetrics 1.0, Exemplars: names and values together, in characters of UTF-8."""


class Exemplar(NamedTuple):
    """Labels sorted by name, a value, milliseconds."""

    labels: Labels
    value: float
    timestamp: int


def read_exemplars(raw: Iterable[bytes], after: int, until: int, label_name: LabelName) -> list[Exemplar]:
    """Serialized exemplars of a point at `until` in order of time. One that is not later than the series' point before,
    at `after`, was sent with that; one without a time gets the point's."""
    found = [_exemplar(OtlpExemplar.FromString(one), until, label_name) for one in raw]
    return sorted((one for one in found if one.timestamp > after), key=lambda one: one.timestamp)


def _exemplar(exemplar: OtlpExemplar, until: int, label_name: LabelName) -> Exemplar:
    value = exemplar.as_double if exemplar.HasField("as_double") else float(exemplar.as_int)
    timestamp = exemplar.time_unix_nano // 1_000_000 or until
    return Exemplar(_labels(exemplar, label_name), ordinary(value), timestamp)


def _labels(exemplar: OtlpExemplar, label_name: LabelName) -> Labels:
    """The ids win over attributes of their names, and stand alone where all would be too long."""
    ids = {"trace_id": exemplar.trace_id.hex(), "span_id": exemplar.span_id.hex()}
    ids = {name: text for name, text in ids.items() if text.strip("0")}
    own = attribute_labels(exemplar.filtered_attributes, label_name) or {}
    labels = {**own, **ids}
    if sum(len(name) + len(text) for name, text in labels.items()) > _MOST_CHARACTERS:
        labels = ids
    return tuple(sorted(labels.items()))
