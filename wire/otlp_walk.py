# cython: boundscheck=False, wraparound=False, nonecheck=False, initializedcheck=False, cdivision=True
"""The kernels that walk OTLP bytes: one checks a payload that came in, one replaces parts of a payload.

Written in Cython's pure-Python mode: compiled when the package is built, the same code uncompiled otherwise. Both
follow the tables of
`wire.schema`. Lengths and tags are varints of at most five bytes, as in protobuf's own parser.
"""

import cython

from wire import schema

__all__ = ["COMPILED", "Malformed", "NotCanonical", "count_items", "splice"]

COMPILED: bool = cython.compiled
"""Whether this module runs as machine code."""

_WIDTH = cython.declare(cython.int, schema.WIDTH)
_UNKNOWN = cython.declare(cython.int, schema.UNKNOWN)
_NUMBERS = cython.declare(cython.int, schema.NUMBERS)
_TEXT = cython.declare(cython.int, schema.TEXT)
_TRACE_ID = cython.declare(cython.int, schema.TRACE_ID)
_SPAN_ID = cython.declare(cython.int, schema.SPAN_ID)
_MESSAGE = cython.declare(cython.int, schema.MESSAGE)
_KEY_VALUE = cython.declare(cython.int, schema.KEY_VALUE)
_MAX_DEPTH = cython.declare(cython.int, 100)
"""In messages; the depth at which protobuf's own parser stops."""


class Malformed(ValueError):
    """These bytes are not OTLP; the sentence names the field and never its content."""


class NotCanonical(Exception):
    """OTLP in an unusual form: unknown fields, a singular field given twice, a value before its key."""


@cython.cclass
class _Reader:
    """A position in a payload, and the reading of what protobuf is made of."""

    payload: bytes
    data: cython.p_uchar
    at: cython.Py_ssize_t
    kind: cython.p_uchar
    wire: cython.p_uchar
    child: cython.p_uchar
    slot: cython.p_uchar
    item: cython.p_uchar

    def __init__(self, payload: bytes) -> None:
        kind: bytes = schema.KIND
        wire: bytes = schema.WIRE
        child: bytes = schema.CHILD
        slot: bytes = schema.SLOT
        item: bytes = schema.ITEM
        self.payload = payload
        self.data = payload
        self.at = 0
        self.kind, self.wire, self.child, self.slot, self.item = kind, wire, child, slot, item

    @cython.cfunc
    def varint(self, end: cython.Py_ssize_t) -> cython.longlong:
        """Read a tag or a length; up to five bytes, below 2^31 for a length and 2^32 for a tag."""
        value: cython.longlong = 0
        shift: cython.int = 0
        byte: cython.int
        while self.at < end and shift < 35:
            byte = self.data[self.at]
            self.at += 1
            value |= cython.cast(cython.longlong, byte & 0x7F) << shift
            if byte < 0x80:
                if value > 0xFFFFFFFF:
                    break
                return value
            shift += 7
        raise Malformed("the data ends within a field, or a length is out of range")

    @cython.cfunc
    def length(self, end: cython.Py_ssize_t) -> cython.Py_ssize_t:
        """Read the length of a field; return where the field ends."""
        length: cython.longlong = self.varint(end)
        if length > end - self.at:
            raise Malformed("a field is longer than the data that holds it")
        return self.at + cython.cast(cython.Py_ssize_t, length)

    @cython.cfunc
    def skip_varint(self, end: cython.Py_ssize_t) -> cython.int:
        start: cython.Py_ssize_t = self.at
        while self.at < end and self.at - start < 10:
            self.at += 1
            if self.data[self.at - 1] < 0x80:
                return 0
        raise Malformed("the data ends within a number, or a number is too long")

    @cython.cfunc
    def skip_scalar(self, wire: cython.int, end: cython.Py_ssize_t) -> cython.int:
        """Go past one number: 0 varint, 1 fixed64, 5 fixed32."""
        if wire == 0:
            return self.skip_varint(end)
        self.at += 8 if wire == 1 else 4
        if self.at > end:
            raise Malformed("the data ends within a number")
        return 0


@cython.cclass
class _Check(_Reader):
    """Verifies one payload and counts its items."""

    items: cython.Py_ssize_t
    max_depth: cython.int

    def __init__(self, payload: bytes, max_depth: int) -> None:
        super().__init__(payload)
        self.items = 0
        self.max_depth = max_depth

    @cython.cfunc
    def message(self, message: cython.int, end: cython.Py_ssize_t, depth: cython.int) -> cython.int:
        tag: cython.longlong
        entry: cython.int
        kind: cython.int
        wire: cython.int
        slot: cython.uint
        seen: cython.uint = 0
        number: cython.longlong
        if depth > self.max_depth:
            raise Malformed(f"values are nested more than {self.max_depth} messages deep")
        self.items += self.item[message]
        while self.at < end:
            tag = self.varint(end)
            number, wire = tag >> 3, tag & 7
            if number == 0 or wire > 5:
                raise Malformed("a field number or wire type is out of range")
            if number >= _WIDTH:
                raise NotCanonical
            entry = message * _WIDTH + cython.cast(cython.int, number)
            kind = self.kind[entry]
            if kind == _UNKNOWN or (wire != self.wire[entry] and not (kind == _NUMBERS and wire == 2)):
                raise NotCanonical
            slot = self.slot[entry]
            if slot < 32:
                # A key that comes after its value would be read too late by whoever acts on keys.
                if seen & (cython.cast(cython.uint, 1) << slot) or (message == _KEY_VALUE and slot == 1 and seen):
                    raise NotCanonical
                seen |= cython.cast(cython.uint, 1) << slot
            if wire == 2:
                self.delimited(entry, kind, end, depth)
            else:
                self.skip_scalar(wire, end)
        return 0

    @cython.cfunc
    def delimited(self, entry: cython.int, kind: cython.int, end: cython.Py_ssize_t, depth: cython.int) -> cython.int:
        """Check one length-delimited field."""
        stop: cython.Py_ssize_t = self.length(end)
        size: cython.Py_ssize_t = stop - self.at
        if kind == _MESSAGE:
            return self.message(self.child[entry], stop, depth + 1)
        if kind == _TEXT:
            self.text(entry, stop)
        elif kind == _NUMBERS:
            while self.at < stop:
                self.skip_scalar(self.wire[entry], stop)
        elif (kind == _TRACE_ID and size not in (0, 16)) or (kind == _SPAN_ID and size not in (0, 8)):
            raise Malformed(f"{_place(entry)} has {size} bytes; {16 if kind == _TRACE_ID else 8} are needed, or none")
        self.at = stop
        return 0

    @cython.cfunc
    def text(self, entry: cython.int, stop: cython.Py_ssize_t) -> cython.int:
        at: cython.Py_ssize_t
        for at in range(self.at, stop):
            if self.data[at] >= 0x80:
                return self.utf8(entry, at, stop)
        return 0

    @cython.cfunc
    def utf8(self, entry: cython.int, start: cython.Py_ssize_t, stop: cython.Py_ssize_t) -> cython.int:
        try:
            self.payload[start:stop].decode()
        except UnicodeDecodeError:
            raise Malformed(f"{_place(entry)} is not valid UTF-8") from None
        return 0


def _place(entry: int) -> str:
    """`Span.trace_id`, from a place in the tables."""
    message = schema.MESSAGES[entry // schema.WIDTH]
    return f"{message.name}.{schema.FIELDS[entry // schema.WIDTH, entry % schema.WIDTH].name}"


def count_items(payload: bytes, root: int, max_depth: int = _MAX_DEPTH) -> int:
    """Verify a payload whose outermost message is number `root`, and count its spans, log records or data points.

    Raises: `Malformed` if it is not OTLP, `NotCanonical` if it is but needs rewriting first.
    """
    check = _Check(payload, max_depth)
    check.message(root, len(payload), 1)
    return int(check.items)


@cython.cclass
class _Splice(_Reader):
    """Copies a payload with edits into one buffer, mending the length of every field around an edit."""

    edits: list[tuple[int, int, bytes]]
    next: cython.Py_ssize_t
    edit_start: cython.Py_ssize_t
    edit_end: cython.Py_ssize_t
    out: bytearray
    written: cython.p_uchar
    end: cython.Py_ssize_t

    def __init__(self, payload: bytes, edits: list[tuple[int, int, bytes]]) -> None:
        super().__init__(payload)
        self.edits = edits
        self.next = 0
        self.look()
        self.out = bytearray(len(payload) + sum([len(new) for _, _, new in edits]))
        self.written = self.out
        self.end = 0

    @cython.cfunc
    def look(self) -> cython.int:
        """Note where the next edit is; past the end of the payload when there is none left."""
        if self.next < len(self.edits):
            self.edit_start, self.edit_end = self.edits[self.next][0], self.edits[self.next][1]
            if self.edit_end < self.edit_start:
                raise ValueError("an edit ends before it starts")
        else:
            self.edit_start = self.edit_end = len(self.payload) + 1
        return 0

    @cython.cfunc
    def copy(self, start: cython.Py_ssize_t, end: cython.Py_ssize_t) -> cython.int:
        """Write a stretch of the payload."""
        at: cython.Py_ssize_t
        to: cython.Py_ssize_t = self.end
        for at in range(start, end):
            self.written[to] = self.data[at]
            to += 1
        self.end = to
        return 0

    @cython.cfunc
    def replace(self) -> cython.int:
        """Write the next edit."""
        text: bytes = self.edits[self.next][2]
        new: cython.p_uchar = text
        at: cython.Py_ssize_t
        for at in range(len(text)):
            self.written[self.end + at] = new[at]
        self.end += len(text)
        self.at = self.edit_end
        self.next += 1
        self.look()
        return 0

    @cython.cfunc
    def content(self, message: cython.int, end: cython.Py_ssize_t, depth: cython.int) -> cython.int:
        """The bytes of a message up to `end`, edited."""
        copied: cython.Py_ssize_t = self.at
        start: cython.Py_ssize_t
        stop: cython.Py_ssize_t
        tag: cython.longlong
        if depth > _MAX_DEPTH:
            raise ValueError("the payload is nested too deeply")
        while self.at < end and self.edit_start < end:
            start = self.at
            if start == self.edit_start:
                self.copy(copied, start)
                self.replace()
                copied = self.at
                continue
            tag = self.varint(end)
            if tag & 7 != 2:
                self.skip_scalar(tag & 7, end)
                continue
            start = self.at
            stop = self.length(end)
            if self.edit_start >= stop:
                self.at = stop
                continue
            self.copy(copied, start)
            self.field(message * _WIDTH + cython.cast(cython.int, tag >> 3), self.at - start, stop, depth)
            copied = self.at = stop
        self.copy(copied, end)
        self.at = end
        return 0

    @cython.cfunc
    def field(
        self, entry: cython.int, width: cython.Py_ssize_t, stop: cython.Py_ssize_t, depth: cython.int
    ) -> cython.int:
        """A length-delimited field that holds an edit. Its length took `width` bytes, and mostly will again."""
        before: cython.Py_ssize_t = self.end
        self.end += width
        if self.kind[entry] == _MESSAGE:
            self.content(self.child[entry], stop, depth + 1)
        elif self.edit_start == self.at and self.edit_end == stop:
            self.replace()
        else:
            raise ValueError("an edit must cover the whole content of a leaf")
        self.put_length(before, width)
        return 0

    @cython.cfunc
    def put_length(self, before: cython.Py_ssize_t, width: cython.Py_ssize_t) -> cython.int:
        """Write the length of what was written, into the room left for it; move that if the room does not fit."""
        size: cython.Py_ssize_t = self.end - before - width
        needed: cython.Py_ssize_t = 1
        at: cython.Py_ssize_t
        while size >> (7 * needed):
            needed += 1
        if needed < width:
            for at in range(size):
                self.written[before + needed + at] = self.written[before + width + at]
        elif needed > width:
            self.out += bytes(needed - width)
            self.written = self.out
            for at in range(size - 1, -1, -1):
                self.written[before + needed + at] = self.written[before + width + at]
        self.end += needed - width
        for at in range(needed - 1):
            self.written[before + at] = (size >> (7 * at)) & 0x7F | 0x80
        self.written[before + needed - 1] = size >> (7 * (needed - 1))
        return 0


def splice(payload: bytes, root: int, edits: list[tuple[int, int, bytes]]) -> bytes:
    """The payload with byte ranges replaced and the lengths around them mended.

    `edits` are `(start, end, replacement)`, sorted and apart. Each covers the whole content of a text or bytes field,
    or one or more whole fields of a message from the first one's tag to the last one's end (which an AnyValue's whole
    content is, too).
    Raises: `ValueError` if an edit covers neither.
    """
    walk = _Splice(payload, edits)
    walk.content(root, len(payload), 0)
    if walk.next != len(edits):
        raise ValueError("the edits are not sorted, or reach past the data")
    return bytes(walk.out[: walk.end])
