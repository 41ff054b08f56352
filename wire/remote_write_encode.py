# cython: boundscheck=False, wraparound=False, nonecheck=False, initializedcheck=False, cdivision=True
"""The kernel that writes remote-write messages, of version 1.0 and 2.0 alike: one `Encoder` for one request.

1.0  WriteRequest { repeated TimeSeries timeseries = 1 }
     TimeSeries   { repeated Label labels = 1; repeated Sample samples = 2; repeated Exemplar exemplars = 3;
                    repeated Histogram histograms = 4 }
     Label        { string name = 1; string value = 2 }
     Exemplar     { repeated Label labels = 1; double value = 2; int64 timestamp = 3 }
2.0  Request      { repeated string symbols = 4; repeated TimeSeries timeseries = 5 }
     TimeSeries   { repeated uint32 labels_refs = 1; repeated Sample samples = 2; repeated Histogram histograms = 3;
                    repeated Exemplar exemplars = 4; Metadata metadata = 5 }
     Exemplar     { repeated uint32 labels_refs = 1; double value = 2; int64 timestamp = 3 }
     Metadata     { MetricType type = 1; uint32 help_ref = 3; uint32 unit_ref = 4 }
both Sample       { double value = 1; int64 timestamp = 2; int64 start_timestamp = 3 (2.0 only) }

Written in Cython's pure-Python mode.
"""

import struct
from collections.abc import Sequence

import cython

__all__ = ["Encoder", "label_field", "sample", "stamp_field", "varint"]

_double = struct.Struct("<d").pack


@cython.ccall
def varint(number: cython.ulonglong) -> bytes:
    """A number as a varint; a negative one in two's complement, as protobuf has it for int64."""
    if number < 0x80:
        return _SMALL[number]
    out = bytearray()
    while number > 0x7F:
        out.append(cython.cast(cython.int, number & 0x7F) | 0x80)
        number >>= 7
    out.append(cython.cast(cython.int, number))
    return bytes(out)


_SMALL: list[bytes] = [bytes((number,)) for number in range(128)]


@cython.ccall
def label_field(name: str, value: str) -> bytes:
    """A label of 1.0 with its tag, ready to stand in a TimeSeries or an Exemplar."""
    name_bytes: bytes = name.encode()
    value_bytes: bytes = value.encode()
    pair: bytes = b"\x0a" + varint(len(name_bytes)) + name_bytes + b"\x12" + varint(len(value_bytes)) + value_bytes
    return b"\x0a" + varint(len(pair)) + pair


@cython.cclass
class Encoder:
    """A request in the making.

    Labels are (name, value, name, value, …) in 2.0, and `label_field`s joined in 1.0; `refs` makes either ready.
    """

    two: cython.bint
    out: bytearray
    symbols: bytearray
    table: dict[str, bytes]
    order: list[str]
    sizes: list[int]

    def __init__(self, two: bool) -> None:
        self.two = two
        self.out = bytearray()
        self.symbols = bytearray()
        self.table = {}
        self.order = []
        self.sizes = []
        if two:
            self.ref("")

    @cython.ccall
    def ref(self, text: str) -> bytes:
        """2.0: the place of a text in the symbol table, as a varint."""
        found = self.table.get(text)
        if found is not None:
            return found
        place: bytes = varint(len(self.order))
        self.table[text] = place
        self.order.append(text)
        self.sizes.append(len(self.symbols))
        raw: bytes = text.encode()
        self.symbols += b"\x22"
        self.symbols += varint(len(raw))
        self.symbols += raw
        return place

    @cython.ccall
    def refs(self, labels: Sequence[str] | bytes) -> bytes:
        """Labels as they stand in a series or an exemplar, without the tag of `labels_refs`."""
        if not self.two:
            return labels  # type: ignore[return-value]
        parts: list[bytes] = []
        for text in labels:
            place = self.table.get(text)  # type: ignore[arg-type]
            parts.append(self.ref(text) if place is None else place)
        return b"".join(parts)

    @cython.ccall
    def number(
        self,
        labels: Sequence[str] | bytes,
        value: float,
        timestamp: cython.ulonglong,
        start: cython.ulonglong,
        rest: bytes,
    ) -> cython.int:
        """Add a series of one sample; `start` (0 = none) is for 2.0."""
        stamp: bytes = stamp_field(timestamp, start if self.two else 0)
        return self.series(self.refs(labels), sample(value, stamp), rest)

    @cython.ccall
    def series(self, labels: bytes, samples: bytes, rest: bytes) -> cython.int:
        """Add a series from what `refs` gave, from samples or histograms, and what comes after them."""
        size: cython.Py_ssize_t = len(labels) + len(samples) + len(rest)
        out: bytearray = self.out
        if self.two:
            length: bytes = varint(len(labels))
            out += b"\x2a"
            out += varint(size + 1 + len(length))
            out += b"\x0a"
            out += length
        else:
            out += b"\x0a"
            out += varint(size)
        out += labels
        out += samples
        out += rest
        return 0

    def buckets(
        self,
        head: bytes,
        parts: list[bytes],
        tail: bytes,
        values: list[float],
        stamp: bytes,
        rest: bytes,
        rests: dict[int, bytes] | None,
    ) -> None:
        """Add the series of a histogram, each with one sample: `head`, a part of `parts` and `tail` are its labels.

        `rest` follows each sample, but where `rests` has something else for its place.
        """
        place: cython.Py_ssize_t
        for place in range(len(parts)):
            labels: bytes = head + parts[place] + tail
            own: bytes = rest if rests is None else rests.get(place, rest)
            self.series(labels, sample(values[place], stamp), own)

    @cython.ccall
    def exemplar(self, labels: bytes, value: float, timestamp: cython.ulonglong) -> bytes:
        """An exemplar of a series, with its tag."""
        content: bytes = b"\x11" + _double(value) + b"\x18" + varint(timestamp)
        if self.two:
            content = b"\x0a" + varint(len(labels)) + labels + content
            return b"\x22" + varint(len(content)) + content
        return b"\x1a" + varint(len(labels) + len(content)) + labels + content

    @cython.ccall
    def size(self) -> cython.Py_ssize_t:
        """Bytes so far."""
        return len(self.out) + len(self.symbols)

    @cython.ccall
    def mark(self) -> tuple[int, int]:
        """Where the request is now, for `back_to`."""
        return len(self.out), len(self.order)

    def back_to(self, mark: tuple[int, int]) -> None:
        """Take back what was added since."""
        del self.out[mark[0] :]
        if mark[1] < len(self.order):
            del self.symbols[self.sizes[mark[1]] :]
            for text in self.order[mark[1] :]:
                del self.table[text]
            del self.order[mark[1] :]
            del self.sizes[mark[1] :]

    def finish(self) -> bytes:
        """The message."""
        return bytes(self.symbols + self.out)


@cython.ccall
def stamp_field(timestamp: cython.ulonglong, start: cython.ulonglong) -> bytes:
    """The times of a sample; a start of 0 is none, as always in 1.0."""
    stamp: bytes = b"\x10" + varint(timestamp)
    return stamp + b"\x18" + varint(start) if start else stamp


@cython.ccall
def sample(value: float, stamp: bytes) -> bytes:
    """A sample with its tag, from a value and what `stamp_field` gave."""
    return b"\x12" + _SMALL[9 + len(stamp)] + b"\x09" + _double(value) + stamp
