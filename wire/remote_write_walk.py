# cython: boundscheck=False, wraparound=False, nonecheck=False, initializedcheck=False, cdivision=True
"""The kernel that reads metrics payloads for remote-write: data points as tuples, and what is around them as slices of
the payload, by which a series seen before is found again without decoding anything.

Written in Cython's pure-Python mode. It expects the clean payloads of `wire.otlp.sanitize`; on others it stops with
`ValueError` and never reads outside them.
"""

import struct
from typing import Any

import cython

__all__ = ["EXPONENTIAL", "GAUGE", "HISTOGRAM", "SUM", "SUMMARY", "read_metrics"]

GAUGE, SUM, HISTOGRAM, EXPONENTIAL, SUMMARY = 5, 7, 9, 10, 11
"""The shapes of a metric: the field numbers of its data in OTLP's `Metric`."""

_HISTOGRAM = cython.declare(cython.int, HISTOGRAM)
_EXPONENTIAL = cython.declare(cython.int, EXPONENTIAL)
_SUMMARY = cython.declare(cython.int, SUMMARY)

_double = struct.Struct("<d").unpack_from
_fixed64 = struct.Struct("<Q").unpack_from
_sfixed64 = struct.Struct("<q").unpack_from


@cython.cclass
class _Walk:
    """A position in a payload, the field read last, and what has been found.

    `number`, `wire`, `begin` and `content` are of the field read last: its number, its wire type, where its tag and
    where its content starts.
    """

    payload: bytes
    data: cython.p_uchar
    at: cython.Py_ssize_t
    number: cython.int
    wire: cython.int
    begin: cython.Py_ssize_t
    content: cython.Py_ssize_t
    found: list[Any]
    resource: bytes
    scope: bytes

    def __init__(self, payload: bytes) -> None:
        self.payload = payload
        self.data = payload
        self.at = 0
        self.number = self.wire = 0
        self.begin = self.content = 0
        self.found = []
        self.resource = b""
        self.scope = b""

    @cython.cfunc
    def varint(self, end: cython.Py_ssize_t) -> cython.ulonglong:
        value: cython.ulonglong = 0
        shift: cython.int = 0
        byte: cython.int
        while self.at < end and shift < 64:
            byte = self.data[self.at]
            self.at += 1
            value |= cython.cast(cython.ulonglong, byte & 0x7F) << shift
            if byte < 0x80:
                return value
            shift += 7
        raise ValueError("the data ends within a number")

    @cython.cfunc
    def field(self, end: cython.Py_ssize_t) -> cython.Py_ssize_t:
        """Read a tag, and a length if there is one; return where the field ends. The position stays at its content."""
        size: cython.ulonglong
        self.begin = self.at
        size = self.varint(end)
        self.number = cython.cast(cython.int, size >> 3)
        self.wire = cython.cast(cython.int, size & 7)
        self.content = self.at
        if self.wire == 0:
            self.varint(end)
            size = self.at - self.content
            self.at = self.content
        elif self.wire == 2:
            size = self.varint(end)
            self.content = self.at
        else:
            size = 8 if self.wire == 1 else 4
        if size > cython.cast(cython.ulonglong, end - self.at):
            raise ValueError("a field is longer than the data that holds it")
        return self.at + cython.cast(cython.Py_ssize_t, size)

    @cython.cfunc
    def without(self, left_out: cython.int, end: cython.Py_ssize_t) -> bytes:
        """The fields from here to `end` but for those of one number, tags included. The position stays."""
        start: cython.Py_ssize_t = self.at
        kept: cython.Py_ssize_t = start
        out: bytes = b""
        while self.at < end:
            self.at = self.field(end)
            if self.number == left_out:
                if kept < self.begin:
                    out += self.payload[kept : self.begin]
                kept = self.at
        if kept < end:
            out += self.payload[kept:end]
        self.at = start
        return out

    @cython.cfunc
    def data_message(self, end: cython.Py_ssize_t) -> cython.int:
        stop: cython.Py_ssize_t
        while self.at < end:
            stop = self.field(end)
            if self.number == 1:
                self.resource_metrics(stop)
            self.at = stop
        return 0

    @cython.cfunc
    def resource_metrics(self, end: cython.Py_ssize_t) -> cython.int:
        stop: cython.Py_ssize_t
        self.resource = self.without(2, end)
        while self.at < end:
            stop = self.field(end)
            if self.number == 2:
                self.scope_metrics(stop)
            self.at = stop
        return 0

    @cython.cfunc
    def scope_metrics(self, end: cython.Py_ssize_t) -> cython.int:
        stop: cython.Py_ssize_t
        self.scope = self.without(2, end)
        while self.at < end:
            stop = self.field(end)
            if self.number == 2:
                self.metric(stop)
            self.at = stop
        return 0

    @cython.cfunc
    def metric(self, end: cython.Py_ssize_t) -> cython.int:
        shape: cython.int = 0
        stop: cython.Py_ssize_t
        kept: cython.Py_ssize_t = self.at
        head: bytes = b""
        points: list[Any] = []
        while self.at < end:
            stop = self.field(end)
            if 5 <= self.number <= 11:
                shape = self.number
                if kept < self.begin:
                    head += self.payload[kept : self.begin]
                kept = stop
                rest: bytes = self.without(1, stop)
                head += bytes((shape << 3 | 2, len(rest))) + rest
                self.points(shape, points, stop)
            self.at = stop
        if kept < end:
            head += self.payload[kept:end]
        if points:
            self.found.append((self.resource, self.scope, head, shape, points))
        return 0

    @cython.cfunc
    def points(self, shape: cython.int, points: list[Any], end: cython.Py_ssize_t) -> cython.int:
        stop: cython.Py_ssize_t
        while self.at < end:
            stop = self.field(end)
            if self.number == 1 and shape < _HISTOGRAM:
                points.append(self.number_point(stop))
            elif self.number == 1:
                points.append(self.other_point(shape, stop))
            self.at = stop
        return 0

    @cython.cfunc
    def number_point(self, end: cython.Py_ssize_t) -> tuple[Any, ...]:
        stop: cython.Py_ssize_t
        first: cython.Py_ssize_t = -1
        last: cython.Py_ssize_t = -1
        flags: cython.ulonglong = 0
        attributes: bytes = b""
        time: object = 0
        start: object = 0
        value: object = None
        exemplars: object = None
        while self.at < end:
            stop = self.field(end)
            if self.number == 7:
                if last != self.begin:
                    if first >= 0:
                        attributes += self.payload[first:last]
                    first = self.begin
                last = stop
            elif self.number == 3:
                time = _fixed64(self.payload, self.content)[0]
            elif self.number == 2:
                start = _fixed64(self.payload, self.content)[0]
            elif self.number == 4:
                value = _double(self.payload, self.content)[0]
            elif self.number == 6:
                value = float(_sfixed64(self.payload, self.content)[0])
            elif self.number == 8:
                flags = self.varint(stop)
            elif self.number == 5:
                exemplars = _with(exemplars, self.payload[self.content : stop])
            self.at = stop
        if first >= 0:
            attributes += self.payload[first:last]
        return attributes, time, start, flags, value, exemplars

    @cython.cfunc
    def other_point(self, shape: cython.int, end: cython.Py_ssize_t) -> tuple[Any, ...]:
        """A point that is no number: what all have, then the whole point or, of a histogram, what it consists of."""
        stop: cython.Py_ssize_t
        from_: cython.Py_ssize_t = self.at
        first: cython.Py_ssize_t = -1
        last: cython.Py_ssize_t = -1
        at_attributes: cython.int = 1 if shape == _EXPONENTIAL else 7 if shape == _SUMMARY else 9
        at_flags: cython.int = 8 if shape == _SUMMARY else 10
        flags: cython.ulonglong = 0
        attributes: bytes = b""
        bounds: bytes = b""
        counts: bytes = b""
        time: object = 0
        start: object = 0
        count: object = 0
        total: object = None
        exemplars: object = None
        while self.at < end:
            stop = self.field(end)
            if self.number == at_attributes:
                if last != self.begin:
                    if first >= 0:
                        attributes += self.payload[first:last]
                    first = self.begin
                last = stop
            elif self.number == 3:
                time = _fixed64(self.payload, self.content)[0]
            elif self.number == 2:
                start = _fixed64(self.payload, self.content)[0]
            elif self.number == at_flags:
                flags = self.varint(stop)
            elif shape == _HISTOGRAM:
                if self.number == 4:
                    count = _fixed64(self.payload, self.content)[0]
                elif self.number == 5:
                    total = _double(self.payload, self.content)[0]
                elif self.number == 6:
                    counts += self.payload[self.content : stop]
                elif self.number == 7:
                    bounds += self.payload[self.content : stop]
                elif self.number == 8:
                    exemplars = _with(exemplars, self.payload[self.content : stop])
            self.at = stop
        if first >= 0:
            attributes += self.payload[first:last]
        if shape == _HISTOGRAM:
            return attributes, time, start, flags, count, total, bounds, counts, exemplars
        return attributes, time, start, flags, self.payload[from_:end]


def _with(list_or_none: Any, one: bytes) -> list[bytes]:
    """A list with one more; the first makes it."""
    if list_or_none is None:
        return [one]
    list_or_none.append(one)
    found: list[bytes] = list_or_none
    return found


def read_metrics(payload: bytes) -> list[tuple[bytes, bytes, bytes, int, list[tuple[Any, ...]]]]:
    """The metrics that have points, in order: (resource, scope, head, shape, points).

    `resource`, `scope` and `head` are a ResourceMetrics, a ScopeMetrics and a Metric without what is inside of them,
    serialized. A point begins with (attributes, time, start time, flags): its attribute fields as bytes, with tags;
    nanoseconds; OTLP's flags. It goes on
    - for GAUGE and SUM with the value (a float, None if there is none) and exemplars (list of bytes, or None);
    - for HISTOGRAM with count, sum (None if there is none), bounds and counts (both packed), exemplars;
    - for EXPONENTIAL and SUMMARY with the serialized point.
    Raises: `ValueError` for what is not a clean payload.
    """
    walk = _Walk(payload)
    walk.data_message(len(payload))
    return walk.found
