"""Remote-write 1.0: series as `prometheus.WriteRequest` messages, each a Snappy block, split by samples and bytes.

WriteRequest   { repeated TimeSeries timeseries = 1; repeated MetricMetadata metadata = 3 }
TimeSeries     { repeated Label labels = 1 { string name = 1; string value = 2 }
                 repeated Sample samples = 2 { double value = 1; int64 timestamp = 2 } }
MetricMetadata { MetricType type = 1; string metric_family_name = 2; string help = 4; string unit = 5 }
"""

import struct
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache

import snappy

from wire.prometheus_names import Kind
from wire.protobuf import length_delimited, varint
from wire.remote_write import Family
from wire.remote_write_labels import Labels
from wire.remote_write_series import Series

__all__ = ["Body", "metadata_bodies", "series_bodies"]

_TYPES = {
    Kind.COUNTER: 1,
    Kind.GAUGE: 2,
    Kind.UPDOWN: 2,
    Kind.HISTOGRAM: 3,
    Kind.EXPONENTIAL_HISTOGRAM: 3,
    Kind.SUMMARY: 5,
}
_SAMPLE_BYTES = 24
"""Upper bound of an encoded sample: 2 of tag and length, 9 of value, 1 + 10 of time."""


@dataclass(frozen=True, slots=True, repr=False)
class Body:
    """The body of one request, compressed, and how many samples are in it."""

    data: bytes
    samples: int

    def __repr__(self) -> str:
        return f"Body({self.samples} samples, {len(self.data)} bytes)"


def series_bodies(series: Iterable[Series], max_samples: int, max_bytes: int) -> list[Body]:
    """Requests in the order in which they must be sent; `max_bytes` is before compression.

    A series with more samples than fit goes on in the next request. One sample that is over `max_bytes` stands alone.
    """
    return _pack(_time_series(series, max_samples, max_bytes), max_samples, max_bytes)


def metadata_bodies(families: Iterable[Family], max_bytes: int) -> list[Body]:
    """Requests with types, help texts and units, which Prometheus' own sender sends apart from samples too."""
    return _pack(((_metadata(family), 0) for family in families), 1, max_bytes)


def _pack(fields: Iterable[tuple[bytes, int]], max_samples: int, max_bytes: int) -> list[Body]:
    bodies: list[Body] = []
    parts: list[bytes] = []
    size = samples = 0
    for field, count in fields:
        if parts and (samples + count > max_samples or size + len(field) > max_bytes):
            bodies.append(_body(parts, samples))
            parts, size, samples = [], 0, 0
        parts.append(field)
        size += len(field)
        samples += count
    return [*bodies, _body(parts, samples)] if parts else bodies


def _body(parts: list[bytes], samples: int) -> Body:
    # The block format; the framed one is answered with 400.
    return Body(snappy.compress(b"".join(parts)), samples)


def _time_series(series: Iterable[Series], max_samples: int, max_bytes: int) -> Iterator[tuple[bytes, int]]:
    for one in series:
        labels = _labels(one.labels)
        samples = one.samples
        step = min(max_samples, max((max_bytes - len(labels) - _SAMPLE_BYTES) // _SAMPLE_BYTES, 1))
        for start in range(0, len(samples), step):
            part = samples[start : start + step]
            yield length_delimited(0x0A, labels + b"".join([_sample(*sample) for sample in part])), len(part)


def _labels(labels: Labels) -> bytes:
    return b"".join(map(_label, labels))


@lru_cache(maxsize=16_384)
def _label(label: tuple[str, str]) -> bytes:
    name, value = label
    return length_delimited(0x0A, _text(0x0A, name) + _text(0x12, value))


_pack_double = struct.Struct("<d").pack


def _sample(timestamp: int, value: float) -> bytes:
    return length_delimited(0x12, b"\x09" + _pack_double(value) + b"\x10" + varint(timestamp))


def _metadata(family: Family) -> bytes:
    kind = b"\x08" + varint(_TYPES[family.kind])
    texts = _text(0x12, family.name) + _text(0x22, family.help) + _text(0x2A, family.unit)
    return length_delimited(0x1A, kind + texts)


def _text(tag: int, text: str) -> bytes:
    return length_delimited(tag, text.encode()) if text else b""
