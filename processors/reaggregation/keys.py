"""What series are told apart by: keyed hashes of 128 bits, so that neither memory nor a file holds what was hashed.

The hash of a set of attributes is the sum of the hashes of its members modulo 2^128, so that their order does not
matter (Bellare and Micciancio's AdHash, with BLAKE2b under a secret key).
"""

import secrets
from collections.abc import Iterable, Sequence
from hashlib import blake2b
from typing import Any, NamedTuple, Self

from opentelemetry.proto.common.v1.common_pb2 import InstrumentationScope
from opentelemetry.proto.metrics.v1.metrics_pb2 import ResourceMetrics, ScopeMetrics

from wire.metric_points import EXPONENTIAL_HISTOGRAM, GAUGE, HISTOGRAM, SUM, SUMMARY, Metric

__all__ = ["MASK", "Keys", "Stream"]

MASK = 2**128 - 1
_MOST_REMEMBERED = 100_000
"""Hashes kept at once, some 200 bytes each: most attributes come again with every export."""


_KINDS = {
    GAUGE: "gauge",
    SUM: "sum",
    HISTOGRAM: "histogram",
    EXPONENTIAL_HISTOGRAM: "exponential_histogram",
    SUMMARY: "summary",
}


class Stream(NamedTuple):
    """One metric of one resource and scope; `key` tells it from every other. `kind` is `gauge`, `sum`, `histogram`,
    `exponential_histogram`, `summary`, or empty for a metric without data.
    """

    key: int
    name: str
    kind: str


class _Hashes(dict[bytes, int]):
    """The hash of each text that was asked for."""

    def __init__(self, secret: bytes) -> None:
        super().__init__()
        self._secret = secret

    def __missing__(self, text: bytes) -> int:
        if len(self) >= _MOST_REMEMBERED:
            self.clear()
        self[text] = number = int.from_bytes(blake2b(text, key=self._secret, digest_size=16).digest())
        return number


class Keys:
    """Hashes under one secret of 32 bytes, a new one if none is given."""

    def __init__(self, secret: bytes | None = None) -> None:
        self._secret = secret or secrets.token_bytes(32)
        self._hashes = _Hashes(self._secret)
        self._streams: dict[tuple[object, ...], Stream] = {}

    def attributes(self, attributes: Iterable[tuple[bytes, bytes]]) -> int:
        """Of a data point's attributes: pairs of key and serialized KeyValue."""
        hashes = self._hashes
        return sum([hashes[pair] for _, pair in attributes])

    @classmethod
    def remembered(cls, record: Sequence[Any]) -> Self:
        """The keys that a `record` was made of."""
        return cls(bytes.fromhex(record[1]))

    def record(self) -> list[Any]:
        """What goes on hashing in the same way after a restart."""
        return ["secret", self._secret.hex()]

    def point(self, stream: int, attributes: Iterable[tuple[bytes, bytes]]) -> int:
        """Of one series: a metric and the attributes of its points."""
        return (self.attributes(attributes) + stream) & MASK

    def stream(self, metric: Metric, tenant: str = "") -> Stream:
        """What a metric is told apart by: tenant, resource, scope, name, unit, kind, temporality, monotonicity; not its
        description.
        """
        named = (tenant, metric.resource, metric.scope, metric.name, metric.unit, *_sort(metric))
        if named not in self._streams:
            if len(self._streams) >= _MOST_REMEMBERED:
                self._streams.clear()
            stream = Stream(self._stream(metric, tenant), metric.name.decode(), _KINDS.get(metric.kind, ""))
            self._streams[named] = stream
        return self._streams[named]

    def _stream(self, metric: Metric, tenant: str) -> int:
        resource = ResourceMetrics.FromString(metric.resource).resource
        scope = ScopeMetrics.FromString(metric.scope).scope
        parts = (
            self._hashes[_attributes(resource)].to_bytes(16),
            self._hashes[_scope(scope)].to_bytes(16),
            repr((tenant, metric.name, metric.unit, *_sort(metric))).encode(),
        )
        return self._hashes[b"stream" + b"".join(parts)]

    def started(self, stream: int, start: int) -> int:
        """Of what one process reports of a metric: the metric and the time the process began to count."""
        return self._hashes[b"start" + stream.to_bytes(16) + start.to_bytes(8)]


def _sort(metric: Metric) -> tuple[int, int, bool]:
    return metric.kind, metric.temporality, metric.is_monotonic


def _attributes(holder: Any) -> bytes:
    pairs = sorted(entry.SerializeToString(deterministic=True) for entry in holder.attributes)
    return b"attributes" + b"".join(len(pair).to_bytes(4) + pair for pair in pairs)


def _scope(scope: InstrumentationScope) -> bytes:
    return repr((scope.name, scope.version)).encode() + _attributes(scope)
