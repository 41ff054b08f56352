"""Writing metrics: where a data point stands, its bytes, and payloads made of both."""

from collections.abc import Iterable, Sequence
from itertools import groupby
from struct import Struct
from typing import NamedTuple

from wire.metric_points import EXPONENTIAL_HISTOGRAM, GAUGE, HISTOGRAM, SUM, SUMMARY, Metric
from wire.protobuf import length_delimited, varint

__all__ = ["CUMULATIVE", "DELTA", "Attributes", "Place", "join", "payload_of", "point_bytes"]

Attributes = Sequence[tuple[bytes, bytes]]
"""Pairs of key and serialized KeyValue."""

DELTA, CUMULATIVE = 1, 2
"""Aggregation temporalities."""
_TIMES = Struct("<BQBQ")
_ATTRIBUTE_TAGS = {GAUGE: 0x3A, SUM: 0x3A, HISTOGRAM: 0x4A, EXPONENTIAL_HISTOGRAM: 0x0A, SUMMARY: 0x3A}
_EXEMPLAR_TAGS = {GAUGE: 0x2A, SUM: 0x2A, HISTOGRAM: 0x42, EXPONENTIAL_HISTOGRAM: 0x5A}


class Place(NamedTuple):
    """What stands around a data point: whose it is, the headers of its envelopes as in `wire.metric_points.Metric`,
    and its sort.
    """

    tenant: str
    resource: bytes
    scope: bytes
    head: bytes
    name: str
    kind: int
    temporality: int
    is_monotonic: bool

    @classmethod
    def of(cls, metric: Metric, tenant: str) -> "Place":
        headers = (metric.resource, metric.scope, metric.head)
        return cls(tenant, *headers, metric.name.decode(), metric.kind, metric.temporality, metric.is_monotonic)

    def metric(self, points: Iterable[bytes]) -> bytes:
        """The metric with these data points, as a field of ScopeMetrics."""
        data = b"".join(length_delimited(0x0A, point) for point in points)
        if self.temporality:
            data += b"\x10" + varint(self.temporality)
        if self.is_monotonic:
            data += b"\x18\x01"
        return length_delimited(0x12, self.head + length_delimited(self.kind << 3 | 2, data))


def point_bytes(
    kind: int,
    attributes: Attributes,
    start: int,
    time: int,
    value: bytes,
    exemplars: Iterable[bytes] = (),
) -> bytes:
    """A data point of a metric of this kind; `value` is its remaining fields, serialized."""
    tag = _ATTRIBUTE_TAGS[kind]
    pairs = b"".join([length_delimited(tag, pair) for _, pair in attributes])
    examples = b"".join([length_delimited(_EXEMPLAR_TAGS[kind], each) for each in exemplars])
    return pairs + _TIMES.pack(0x11, start, 0x19, time) + value + examples


def join(pieces: Sequence[tuple[bytes, bytes, bytes]]) -> bytes:
    """A payload of metrics in order, each given as the headers of its resource and scope and the field of its metric;
    neighbours of equal headers share their envelopes.
    """
    out = []
    for resource, of_resource in groupby(pieces, key=lambda piece: piece[0]):
        scopes = b"".join(
            length_delimited(0x12, scope + b"".join(metric for _, _, metric in of_scope))
            for scope, of_scope in groupby(of_resource, key=lambda piece: piece[1])
        )
        out.append(length_delimited(0x0A, resource + scopes))
    return b"".join(out)


def payload_of(points: Iterable[tuple[Place, bytes]]) -> bytes:
    """A payload of data points; those of one metric stand together, in order."""
    metrics: dict[Place, list[bytes]] = {}
    for place, point in points:
        metrics.setdefault(place, []).append(point)
    by_envelope: dict[tuple[bytes, bytes], list[bytes]] = {}
    for place, held in metrics.items():
        by_envelope.setdefault((place.resource, place.scope), []).append(place.metric(held))
    ordered = sorted(by_envelope.items(), key=lambda each: each[0][0])
    return join([(resource, scope, metric) for (resource, scope), fields in ordered for metric in fields])
