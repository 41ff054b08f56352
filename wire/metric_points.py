# cython: boundscheck=False, wraparound=False, nonecheck=False, initializedcheck=False, cdivision=True
"""The kernel that takes the metrics of a clean OTLP payload apart: envelopes, metrics, and their data points as tuples.

Written in Cython's pure-Python mode, as `wire.otlp_walk` is. Numbers of fields are those of metrics.proto of OTLP 1.11.
"""

import typing
from struct import Struct

import cython

__all__ = ["EXPONENTIAL_HISTOGRAM", "GAUGE", "HISTOGRAM", "SUM", "SUMMARY", "Metric", "Point", "walk"]

GAUGE, SUM, HISTOGRAM, EXPONENTIAL_HISTOGRAM, SUMMARY = 5, 7, 9, 10, 11
"""A metric's kind: the number of the field of `Metric` that its data stands in."""

Attribute = tuple[bytes, bytes]
Point = tuple[int, int, int, int, int, int | float | None, list[Attribute], list[bytes]]
"""One data point: where its message begins and ends in the payload, start and time in nanoseconds, flags, value,
attributes, exemplars.

The value is None for histograms and summaries, whose bytes are to be parsed, and for a number that has none. An
attribute is its key and the serialized KeyValue; an exemplar is its serialized message.
"""

_DOUBLE = Struct("<d")
_INT = Struct("<q")

_ATTRIBUTES = (0, 0, 0, 0, 0, 7, 0, 7, 0, 9, 1, 7)
_FLAGS = (0, 0, 0, 0, 0, 8, 0, 8, 0, 10, 10, 8)
_EXEMPLARS = (0, 0, 0, 0, 0, 5, 0, 5, 0, 8, 11, 0)
"""By kind: the numbers of the fields that stand elsewhere in each sort of data point."""


class Metric:
    """One metric and the envelopes around it. `resource`, `scope` and `head` are the fields of ResourceMetrics,
    ScopeMetrics and Metric beside those that lead to data points, serialized.

    `begin` and `end` are the whole field in the payload, its tag and length included.
    """

    __slots__ = (
        "begin",
        "end",
        "head",
        "is_monotonic",
        "kind",
        "name",
        "points",
        "resource",
        "scope",
        "temporality",
        "unit",
    )

    def __init__(self, resource: bytes, scope: bytes, begin: int, end: int) -> None:
        self.resource, self.scope, self.begin, self.end = resource, scope, begin, end
        self.head = self.name = self.unit = b""
        self.kind = self.temporality = 0
        self.is_monotonic = False
        self.points: list[Point] = []


@cython.cclass
class _Walk:
    """A position in a payload that is known to be well-formed, and the fields that it passes."""

    payload: bytes
    data: cython.p_uchar
    at: cython.Py_ssize_t
    begin: cython.Py_ssize_t
    number: cython.int
    wire: cython.int
    scalar: cython.ulonglong
    content: cython.Py_ssize_t
    stop: cython.Py_ssize_t
    found: list[Metric]

    def __init__(self, payload: bytes) -> None:
        self.payload = payload
        self.data = payload
        self.at = 0
        self.found = []

    @cython.cfunc
    def varint(self) -> cython.ulonglong:
        value: cython.ulonglong = 0
        shift: cython.int = 0
        byte: cython.int
        while True:
            byte = self.data[self.at]
            self.at += 1
            value |= cython.cast(cython.ulonglong, byte & 0x7F) << shift
            if byte < 0x80:
                return value
            shift += 7

    @cython.cfunc
    def field(self) -> cython.int:
        """Read the field at `at`: its number, `content` and `stop`, and its value if it is a varint."""
        tag: cython.ulonglong
        self.begin = self.at
        tag = self.varint()
        self.number = tag >> 3
        self.wire = tag & 7
        self.content = self.at
        if self.wire == 0:
            self.scalar = self.varint()
        elif self.wire == 2:
            tag = self.varint()
            self.content = self.at
            self.at += cython.cast(cython.Py_ssize_t, tag)
        else:
            self.at += 8 if self.wire == 1 else 4
        self.stop = self.at
        return 0

    @cython.cfunc
    def fixed64(self) -> cython.ulonglong:
        value: cython.ulonglong = 0
        index: cython.int
        for index in range(8):
            value |= cython.cast(cython.ulonglong, self.data[self.content + index]) << (8 * index)
        return value

    @cython.cfunc
    def envelope(self, level: cython.int, end: cython.Py_ssize_t, resource: bytes, scope: bytes) -> cython.int:
        """Go through MetricsData (0), ResourceMetrics (1) or ScopeMetrics (2), whose header may follow its content."""
        children: list[tuple[int, int, int]] = []
        header: list[bytes] = []
        while self.at < end:
            self.field()
            if self.number == (1 if level == 0 else 2):
                children.append((self.begin, self.content, self.stop))
            else:
                header.append(self.payload[self.begin : self.stop])
        if level == 1:
            resource = b"".join(header)
        elif level == 2:
            scope = b"".join(header)
        for begin, content, stop in children:
            self.at = content
            if level < 2:
                self.envelope(level + 1, stop, resource, scope)
            else:
                metric = Metric(resource, scope, begin, stop)
                self.found.append(metric)
                self.metric(metric, stop)
            self.at = stop
        return 0

    @cython.cfunc
    def metric(self, metric: Metric, end: cython.Py_ssize_t) -> cython.int:
        head: list[bytes] = []
        stop: cython.Py_ssize_t
        while self.at < end:
            self.field()
            if self.number == 5 or self.number == 7 or (9 <= self.number <= 11):
                stop = self.stop
                metric.kind = self.number
                self.at = self.content
                self.points(metric, self.number, stop)
                continue
            head.append(self.payload[self.begin : self.stop])
            if self.number == 1:
                metric.name = self.payload[self.content : self.stop]
            elif self.number == 3:
                metric.unit = self.payload[self.content : self.stop]
        metric.head = b"".join(head)
        return 0

    @cython.cfunc
    def points(self, metric: Metric, kind: cython.int, end: cython.Py_ssize_t) -> cython.int:
        points: list[Point] = metric.points
        stop: cython.Py_ssize_t
        attributes: cython.int = _ATTRIBUTES[kind]
        flags: cython.int = _FLAGS[kind]
        exemplars: cython.int = _EXEMPLARS[kind]
        while self.at < end:
            self.field()
            if self.number == 1:
                stop = self.stop
                points.append(self.point(kind <= 7, attributes, flags, exemplars))
                self.at = stop
            elif self.number == 2:
                metric.temporality = self.scalar
            elif self.number == 3:
                metric.is_monotonic = self.scalar != 0
        return 0

    @cython.cfunc
    def point(self, is_number: cython.bint, attributes: cython.int, flags: cython.int, exemplars: cython.int) -> tuple:  # type: ignore[type-arg]
        begin: cython.Py_ssize_t = self.content
        end: cython.Py_ssize_t = self.stop
        start: cython.ulonglong = 0
        time: cython.ulonglong = 0
        flag: cython.ulonglong = 0
        value: typing.Any = None
        pairs: list[tuple[bytes, bytes]] = []
        examples: list[bytes] = []
        stop: cython.Py_ssize_t
        content: cython.Py_ssize_t
        key: bytes = b""
        self.at = begin
        while self.at < end:
            self.field()
            if self.number == attributes:
                content, stop = self.content, self.stop
                self.at = content
                key = b""
                if content < stop and self.data[content] == 0x0A:
                    self.field()
                    key = self.payload[self.content : self.stop]
                self.at = stop
                pairs.append((key, self.payload[content:stop]))
            elif self.number == 2:
                start = self.fixed64()
            elif self.number == 3:
                time = self.fixed64()
            elif self.number == flags:
                flag = self.scalar
            elif self.number == exemplars:
                examples.append(self.payload[self.content : self.stop])
            elif is_number and self.number == 4:
                value = _DOUBLE.unpack_from(self.payload, self.content)[0]
            elif is_number and self.number == 6:
                value = _INT.unpack_from(self.payload, self.content)[0]
        return (begin, end, start, time, flag, value, pairs, examples)


def walk(payload: bytes) -> list[Metric]:
    """The metrics of a clean payload (`pipeline.batch.Batch`), in order."""
    walker = _Walk(payload)
    walker.envelope(0, len(payload), b"", b"")
    return walker.found
