"""Series as request bodies, each a Snappy block, split by samples and bytes.

1.0 also has metadata in requests of its own: WriteRequest { repeated MetricMetadata metadata = 3 }
MetricMetadata { MetricType type = 1; string metric_family_name = 2; string help = 4; string unit = 5 }
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import snappy

from wire.protobuf import length_delimited, varint
from wire.remote_write import Run
from wire.remote_write_draft import Draft
from wire.remote_write_points import Record
from wire.remote_write_series import Family

__all__ = ["Body", "metadata_bodies", "series_bodies"]

_SAMPLE_BYTES = 32
"""Upper bound of an encoded sample: 2 of tag and length, 9 of value, twice 1 + 9 of time and start."""


@dataclass(frozen=True, slots=True, repr=False)
class Body:
    """The body of one request, compressed, and what is in it: data points, samples (native histograms among them).

    `goes_on` says that its first series goes on from the body before, and so has to be sent after it.
    """

    data: bytes
    points: int
    samples: int
    goes_on: bool = False

    def __repr__(self) -> str:
        return f"Body({self.points} points, {self.samples} samples, {len(self.data)} bytes)"


def series_bodies(runs: Iterable[Run], max_samples: int, max_bytes: int, *, two: bool) -> list[Body]:
    """Requests of either version; `max_bytes` is before compression.

    A data point is in one request, whole. A series with more points than fit goes on in the next request. A point that
    is over a limit by itself stands alone.
    """
    packing = _Packing(max_samples, max_bytes, two)
    for run in runs:
        packing.add(run)
    packing.flush()
    return packing.bodies


class _Packing:
    """Fills one request after the other."""

    def __init__(self, max_samples: int, max_bytes: int, two: bool) -> None:
        self._max_samples, self._max_bytes, self._two = max_samples, max_bytes, two
        # What is left for samples when labels take half of the request.
        self._step = max(min(max_samples, max_bytes // 2 // _SAMPLE_BYTES), 1)
        self.bodies: list[Body] = []
        self._draft = Draft(two)
        self._goes_on = False

    def add(self, run: Run) -> None:
        shape, records = run.group.metric.shape, run.records
        if shape.together and len(records) <= self._step:
            self._place(run, records, len(records))
            return
        step = self._step if shape.together else 1
        for start in range(0, len(records), step):
            full = len(self.bodies)
            part = records[start : start + step]
            self._place(run, part, len(part) if shape.together else shape.samples(part[0]))
            if start and len(self.bodies) > full:
                self._goes_on = True

    def _place(self, run: Run, records: Sequence[Record], samples: int) -> None:
        """Write records into the request at hand, or else into the next one."""
        draft = self._draft
        if draft.samples and draft.samples + samples > self._max_samples:
            self.flush()
            draft = self._draft
        encoder, write = draft.encoder, run.group.metric.shape.write
        mark = encoder.mark()
        write(draft, run.group, records)
        if draft.samples and encoder.size() > self._max_bytes:
            encoder.back_to(mark)
            self.flush()
            draft = self._draft
            write(draft, run.group, records)
        draft.samples += samples
        if run.counts:
            draft.points += len(records)

    def flush(self) -> None:
        draft = self._draft
        if draft.samples:
            # The block format; the framed one is answered with 400.
            data = snappy.compress(draft.encoder.finish())
            self.bodies.append(Body(data, draft.points, draft.samples, self._goes_on))
        self._draft = Draft(self._two)
        self._goes_on = False


def metadata_bodies(families: Iterable[Family], max_bytes: int) -> list[Body]:
    """Requests of 1.0 with types, help texts and units, which Prometheus' own sender sends apart from samples too."""
    return [Body(snappy.compress(b"".join(part)), 0, 0) for part in _parts(map(_metadata, families), max_bytes)]


def _parts(fields: Iterable[bytes], max_bytes: int) -> Iterator[list[bytes]]:
    part: list[bytes] = []
    size = 0
    for field in fields:
        if part and size + len(field) > max_bytes:
            yield part
            part, size = [], 0
        part.append(field)
        size += len(field)
    if part:
        yield part


def _metadata(family: Family) -> bytes:
    kind = b"\x08" + varint(family.type) if family.type else b""
    texts = _text(0x12, family.name) + _text(0x22, family.help) + _text(0x2A, family.unit)
    return length_delimited(0x1A, kind + texts)


def _text(tag: int, text: str) -> bytes:
    return length_delimited(tag, text.encode()) if text else b""
