# cython: boundscheck=False, wraparound=False, nonecheck=False, initializedcheck=False, cdivision=True
"""The gather kernel of redaction: finds every text-bearing place of an OTLP payload in one walk.

Each leaf becomes a row of a table; the text of the leaves goes into one buffer, a line feed between them, so that one
scan covers the payload. A leaf that is a JSON object or array is walked in place: its keys and strings become rows of
their own, whose container is the leaf. Keys are decided on by name, once per distinct key, and are not in the buffer.

Written in Cython's pure-Python mode. It expects the clean payloads of `wire.otlp.sanitize`; on others it stops with
`ValueError` and never reads outside them.
"""

from array import array
from collections.abc import Callable
from typing import NamedTuple

import cython
import orjson

from wire import schema

__all__ = [
    "BYTES",
    "DEEP_JSON",
    "DEEP_VALUE",
    "EXCEPTION",
    "INSPECT",
    "KEEP",
    "KEY",
    "KEY_HIT",
    "RULE",
    "SCAN",
    "SQL",
    "Gather",
    "Hit",
    "unescape",
]

SCAN, KEEP, INSPECT, SQL, KEY, DEEP_VALUE, DEEP_JSON, EXCEPTION, BYTES = range(9)
"""What a row is, by key: look at what the scan finds; leave it alone; look at it anyway; the same, as SQL or as the
message of an exception. KEY rows are keys that hold something themselves; DEEP_VALUE and DEEP_JSON are AnyValues and
JSON texts too deeply nested; BYTES are bytes values, which are always looked at."""
RULE = 16
"""Codes from here on: the whole value falls under the key rule number `code - RULE`."""
KEY_HIT = 1 << 30
"""Added to a key's code: the key's own text must be redacted."""

_START, _END, _TEXT_END, _PLACE, _CODE, _OWNER, _CONTAINER, _ESCAPED, _COLUMNS = range(9)
_ROW = cython.declare(cython.int, _COLUMNS)
_CODE_KEEP = cython.declare(cython.int, KEEP)
_CODE_INSPECT = cython.declare(cython.int, INSPECT)
_CODE_SQL = cython.declare(cython.int, SQL)
_CODE_KEY = cython.declare(cython.int, KEY)
_CODE_DEEP_VALUE = cython.declare(cython.int, DEEP_VALUE)
_CODE_DEEP_JSON = cython.declare(cython.int, DEEP_JSON)
_CODE_BYTES = cython.declare(cython.int, BYTES)
_CODE_RULE = cython.declare(cython.int, RULE)
_CODE_KEY_HIT = cython.declare(cython.int, KEY_HIT)
_SILENT = cython.declare(cython.int, -1)
_SLOTS = cython.declare(cython.int, 4096)
_MOST_KEY_BYTES = cython.declare(cython.int, 2**20)
_WIDTH = cython.declare(cython.int, schema.WIDTH)
_KIND_TEXT = cython.declare(cython.int, schema.TEXT)
_KIND_BYTES = cython.declare(cython.int, schema.BYTES)
_KIND_MESSAGE = cython.declare(cython.int, schema.MESSAGE)
_KEY_VALUE = cython.declare(cython.int, schema.KEY_VALUE)
_ANY_VALUE = cython.declare(cython.int, schema.ANY_VALUE)


class Hit(NamedTuple):
    """A row to look at. Offsets are into the payload.

    `start`–`end` is the content of a text or bytes leaf; for codes from `RULE` on and `DEEP_VALUE` that of the whole
    AnyValue, or in JSON the whole value. `place` is an index into the tables of `wire.schema`. `owner` is where the tag
    of the attribute begins (for a KEY the innermost one, else the outermost; -1 outside attributes). `container` is the
    range of the JSON text around it, or None. `escaped` says that a JSON string has backslashes.
    """

    start: int
    end: int
    place: int
    code: int
    owner: int
    container: tuple[int, int] | None
    escaped: bool


def unescape(content: bytes) -> bytes:
    """The text of a JSON string's content, in UTF-8.

    Raises: `ValueError` if it is none.
    """
    text: str = orjson.loads(b'"' + content + b'"')
    return text.encode()


@cython.cclass
class Gather:
    """Walks payloads one after the other; read the results of one before the next."""

    decide: Callable[[bytes, bytes], int]
    decisions: dict[bytes, int]
    keys: bytearray
    key: cython.p_uchar
    slots = cython.declare(cython.int[::1])
    key_start: cython.Py_ssize_t
    key_end: cython.Py_ssize_t
    max_depth: cython.int
    payload: bytes
    data: cython.p_uchar
    at: cython.Py_ssize_t
    buffer: bytearray
    text: cython.p_uchar
    text_end: cython.Py_ssize_t
    table = cython.declare(cython.int[::1])
    rows: cython.Py_ssize_t
    capacity: cython.Py_ssize_t
    forced: list[int]
    kind: cython.p_uchar
    child: cython.p_uchar
    place: cython.int
    owner: cython.int
    container: cython.int
    escaped: cython.int
    typed: cython.int

    def __init__(self, decide: Callable[[bytes, bytes], int], decisions: dict[bytes, int], max_depth: int) -> None:
        """`decide(path, key)` gives the code of a key that is not in `decisions` (path → code), and may add it."""
        kind: bytes = schema.KIND
        child: bytes = schema.CHILD
        self.kind, self.child = kind, child
        self.decide = decide
        self.decisions = decisions
        self.max_depth = max_depth
        self.forget()
        self.capacity = 256
        self.table = array("i", bytes(4 * _COLUMNS * 256))
        self.typed = 0
        self.begin(b"")

    @cython.cfunc
    def begin(self, payload: bytes) -> cython.int:
        self.payload = payload
        self.data = payload
        self.at = 0
        # A leaf and its separator never take more room than the leaf and its tag.
        self.buffer = bytearray(len(payload) + 1)
        self.text = self.buffer
        self.text_end = 0
        self.rows = 0
        self.forced = []
        self.key_start = self.key_end = 0
        self.place = self.owner = self.container = -1
        self.escaped = 0
        self.typed = b"resourceType" in payload
        return 0

    def walk(self, payload: bytes, root: int) -> int:
        """Find the leaves of a payload whose outermost message is number `root`; return the length of their text."""
        self.begin(payload)
        self.message(root, len(payload), 0)
        return self.text_end

    def walk_text(self, text: bytes, code: int = SCAN, path: bytes = b"") -> int:
        """The same for one text that stands alone, found under the key path `path`."""
        self.begin(text)
        self.leaf(0, len(text), code, path or None, 0, 0)
        return self.text_end

    def scanned(self, length: int) -> bytes:
        """The buffer, up to the length that the walk returned."""
        return bytes(self.buffer[:length])

    @cython.cfunc
    def varint(self, end: cython.Py_ssize_t) -> cython.longlong:
        value: cython.longlong = 0
        shift: cython.int = 0
        byte: cython.int
        while self.at < end and shift < 35:
            byte = self.data[self.at]
            self.at += 1
            value |= cython.cast(cython.longlong, byte & 0x7F) << shift
            if byte < 0x80:
                return value
            shift += 7
        raise ValueError("the payload ends within a field")

    @cython.cfunc
    def length(self, end: cython.Py_ssize_t) -> cython.Py_ssize_t:
        length: cython.longlong = self.varint(end)
        if length > end - self.at:
            raise ValueError("a field is longer than the payload")
        return self.at + cython.cast(cython.Py_ssize_t, length)

    @cython.cfunc
    def skip_number(self, wire: cython.int, end: cython.Py_ssize_t) -> cython.int:
        if wire == 0:
            while self.at < end and self.data[self.at] >= 0x80:
                self.at += 1
            self.at += 1
        else:
            self.at += 8 if wire == 1 else 4
        if self.at > end:
            raise ValueError("the payload ends within a number")
        return 0

    @cython.cfunc
    def row(
        self, start: cython.Py_ssize_t, end: cython.Py_ssize_t, code: cython.int, forced: cython.int
    ) -> cython.Py_ssize_t:
        """Note a leaf; `forced` means that it is looked at whatever the scan finds."""
        if self.rows == self.capacity:
            self.grow()
        row: cython.Py_ssize_t = self.rows
        at: cython.Py_ssize_t = row * _ROW
        self.rows += 1
        self.table[at] = start
        self.table[at + 1] = end
        self.table[at + 2] = self.text_end
        self.table[at + 3] = self.place
        self.table[at + 4] = code
        self.table[at + 5] = self.owner
        self.table[at + 6] = self.container
        self.table[at + 7] = self.escaped
        if forced:
            self.forced.append(row)
        return row

    @cython.cfunc
    def grow(self) -> cython.int:
        larger = array("i", bytes(4 * _COLUMNS * self.capacity * 2))
        larger[: self.capacity * _COLUMNS] = array("i", self.table)
        self.table = larger
        self.capacity *= 2
        return 0

    @cython.cfunc
    def copy(self, start: cython.Py_ssize_t, end: cython.Py_ssize_t) -> cython.int:
        """Append a text and a line feed to the buffer."""
        at: cython.Py_ssize_t
        to: cython.Py_ssize_t = self.text_end
        for at in range(start, end):
            self.text[to] = self.data[at]
            to += 1
        self.text[to] = 10
        self.text_end = to + 1
        return 0

    @cython.cfunc
    def message(self, message: cython.int, end: cython.Py_ssize_t, depth: cython.int) -> cython.int:
        start: cython.Py_ssize_t
        stop: cython.Py_ssize_t
        tag: cython.longlong
        entry: cython.int
        child: cython.int
        while self.at < end:
            start = self.at
            tag = self.varint(end)
            if tag & 7 != 2:
                self.skip_number(tag & 7, end)
                continue
            stop = self.length(end)
            if tag >> 3 >= _WIDTH:
                raise ValueError("the payload has an unknown field")
            entry = message * _WIDTH + cython.cast(cython.int, tag >> 3)
            if self.kind[entry] == _KIND_MESSAGE:
                child = self.child[entry]
                if child == _KEY_VALUE:
                    self.place, self.owner = entry, start
                    self.key_value(start, stop, None, depth)
                elif child == _ANY_VALUE:
                    self.place, self.owner = entry, -1
                    self.key_end = self.key_start
                    self.any_value(stop, 0, None, depth)
                else:
                    self.message(child, stop, depth)
            elif self.kind[entry] == _KIND_TEXT or self.kind[entry] == _KIND_BYTES:
                self.place, self.owner = entry, -1
                self.key_end = self.key_start
                self.leaf(self.at, stop, 0, None, depth, 0)
            self.at = stop
        return 0

    @cython.cfunc
    def decision(self, path: bytes, key: bytes) -> cython.int:
        known = self.decisions.get(path)
        if known is None:
            known = self.decide(path, key)
        return known

    @cython.cfunc
    def forget(self) -> cython.int:
        """Empty the table in front of `decisions`, in which a key that was seen lately is found without an object."""
        self.keys = bytearray()
        self.key = self.keys
        self.slots = array("i", bytes(4 * 3 * _SLOTS))
        return 0

    @cython.cfunc
    def known(self, start: cython.Py_ssize_t, end: cython.Py_ssize_t) -> cython.int:
        """The code of the key from `start` to `end`, which is a whole path."""
        mark: cython.uint = 5381
        at: cython.Py_ssize_t
        for at in range(start, end):
            mark = (mark * 33 + self.data[at]) & 0x7FFFFFFF
        slot: cython.Py_ssize_t = 3 * cython.cast(cython.Py_ssize_t, (mark ^ (mark >> 15)) & (_SLOTS - 1))
        first: cython.Py_ssize_t = self.slots[slot]
        size: cython.Py_ssize_t = self.slots[slot + 1]
        if size == end - start and size > 0:
            for at in range(size):
                if self.key[first + at] != self.data[start + at]:
                    break
            else:
                return self.slots[slot + 2]
        return self.learn(self.payload[start:end], slot)

    @cython.cfunc
    def learn(self, key: bytes, slot: cython.Py_ssize_t) -> cython.int:
        """The code of a key that is not in the table, which holds it from now on if it may be remembered."""
        code: cython.int = self.decision(key, key)
        if key in self.decisions:
            if len(self.keys) > _MOST_KEY_BYTES:
                self.forget()
            self.slots[slot] = cython.cast(cython.int, len(self.keys))
            self.slots[slot + 1] = cython.cast(cython.int, len(key))
            self.slots[slot + 2] = code
            self.keys += key
            self.key = self.keys
        return code

    @cython.cfunc
    def path(self) -> object:
        """The key of the attribute at hand, made an object only where something within its value needs it; or None."""
        return self.payload[self.key_start : self.key_end] or None

    @cython.cfunc
    def key_value(
        self, begin: cython.Py_ssize_t, end: cython.Py_ssize_t, prefix: bytes | None, depth: cython.int
    ) -> cython.int:
        """A key and its value; `begin` is where the tag of the pair is."""
        owner: cython.int = self.owner
        start: cython.Py_ssize_t = self.at
        stop: cython.Py_ssize_t = self.at
        if self.at < end and self.data[self.at] == 0x0A:
            self.at += 1
            stop = self.length(end)
            start, self.at = self.at, stop
        path: bytes | None = None
        code: cython.int
        if prefix is None:
            code = self.known(start, stop)
        else:
            path = prefix + b"." + self.payload[start:stop]
            code = self.decision(path, self.payload[start:stop])
        if code & _CODE_KEY_HIT:
            code &= ~_CODE_KEY_HIT
            path = b"?"
            self.owner = cython.cast(cython.int, begin)
            self.row(start, stop, _CODE_KEY, 1)
            self.owner = owner
        if self.at < end:
            self.varint(end)
            self.key_start, self.key_end = start, stop
            self.any_value(self.length(end), code, path, depth)
        self.at = end
        return 0

    @cython.cfunc
    def any_value(self, end: cython.Py_ssize_t, code: cython.int, path: bytes | None, depth: cython.int) -> cython.int:
        start: cython.Py_ssize_t = self.at
        if start == end:
            return 0
        tag: cython.longlong = self.varint(end)
        if tag & 7 != 2:
            # A number or a bool: only its key can make it worth hiding.
            if code >= _CODE_RULE:
                self.row(start, end, code, 1)
            self.at = end
            return 0
        stop: cython.Py_ssize_t = self.length(end)
        if stop == self.at:
            self.at = end
            return 0
        if code >= _CODE_RULE:
            self.row(start, end, code, 1)
        elif tag >> 3 == 5 or tag >> 3 == 6:
            if depth == self.max_depth:
                self.row(start, end, _CODE_DEEP_VALUE, 1)
            else:
                self.values(tag >> 3 == 6, stop, code, path or self.path(), depth + 1)
        else:
            self.leaf(self.at, stop, code, path, depth, tag >> 3 == 7)
        self.at = end
        return 0

    @cython.cfunc
    def values(
        self, keyed: cython.bint, end: cython.Py_ssize_t, code: cython.int, path: bytes | None, depth: cython.int
    ) -> cython.int:
        """The elements of an ArrayValue, or the pairs of a KeyValueList. The pairs are under keys of their own."""
        begin: cython.Py_ssize_t
        stop: cython.Py_ssize_t
        owner: cython.int = self.owner
        if keyed and self.typed:
            path = self.value_type(end, path)
        while self.at < end:
            begin = self.at
            self.varint(end)
            stop = self.length(end)
            if not keyed:
                self.any_value(stop, code, path, depth)
            else:
                if owner < 0:
                    self.owner = cython.cast(cython.int, begin)
                self.key_value(begin, stop, path, depth)
            self.at = stop
        self.owner = owner
        return 0

    @cython.cfunc
    def value_type(self, end: cython.Py_ssize_t, path: bytes | None) -> object:
        """The same for the pairs of a KeyValueList."""
        begin: cython.Py_ssize_t = self.at
        stop: cython.Py_ssize_t
        while self.at < end:
            self.varint(end)
            stop = self.length(end)
            # Field 1 "resourceType", field 2 an AnyValue whose field 1 is a text of less than 128 bytes.
            if (
                stop - self.at > 18
                and self.payload[self.at : self.at + 15] == b"\x0a\x0cresourceType\x12"
                and self.data[self.at + 16] == 0x0A
            ):
                kind: bytes = self.payload[self.at + 18 : stop]
                path = kind if path is None else path + b"." + kind
                break
            self.at = stop
        self.at = begin
        return path

    @cython.cfunc
    def leaf(
        self,
        start: cython.Py_ssize_t,
        end: cython.Py_ssize_t,
        code: cython.int,
        path: bytes | None,
        depth: cython.int,
        is_bytes: cython.bint,
    ) -> cython.int:
        """Note a text or bytes leaf, and look into it if it is JSON."""
        if start == end or code == _CODE_KEEP:
            return 0
        first: cython.int = self.data[start]
        if first <= 32:
            self.at = start
            first = self.space(end)
        if (first == 0x7B or first == 0x5B) and self.json(start, end, code, path or self.path(), depth):
            return 0
        if is_bytes and code != _CODE_SQL:
            code = _CODE_BYTES
        # A text in double quotes may be JSON within a JSON string.
        row: cython.Py_ssize_t = self.row(start, end, code, code >= _CODE_INSPECT or first == 0x22)
        self.copy(start, end)
        self.table[row * _ROW + 2] = self.text_end
        return 0

    @cython.cfunc
    def json(
        self, start: cython.Py_ssize_t, end: cython.Py_ssize_t, code: cython.int, path: bytes | None, depth: cython.int
    ) -> cython.int:
        """Walk a leaf as JSON; 0 and nothing noted if it is none."""
        rows: cython.Py_ssize_t = self.rows
        text_end: cython.Py_ssize_t = self.text_end
        forced: cython.Py_ssize_t = len(self.forced)
        found: cython.int
        self.row(start, end, code, 0)
        self.container = cython.cast(cython.int, rows)
        self.at = start
        found = self.json_value(end, code, path, depth + 1)
        self.container = -1
        self.escaped = 0
        if found == 1 and self.space(end) == -1:
            return 1
        self.rows, self.text_end = rows, text_end
        del self.forced[forced:]
        if found == 2:
            self.row(start, end, _CODE_DEEP_JSON, 1)
            return 1
        return 0

    @cython.cfunc
    def space(self, end: cython.Py_ssize_t) -> cython.int:
        """Go past white space; return the byte after it, or -1 at the end."""
        while self.at < end and (self.data[self.at] == 32 or 9 <= self.data[self.at] <= 13):
            self.at += 1
        return self.data[self.at] if self.at < end else -1

    @cython.cfunc
    def json_value(self, end: cython.Py_ssize_t, code: cython.int, path: bytes | None, depth: cython.int) -> cython.int:
        """One value: 1 if it is JSON, 0 if not, 2 if it is nested too deeply. _SILENT notes nothing."""
        first: cython.int = self.space(end)
        start: cython.Py_ssize_t = self.at
        found: cython.int
        inner: cython.int = _SILENT if code >= _CODE_RULE else code
        if first == 0x7B or first == 0x5B:
            if depth > self.max_depth:
                return 2
            found = (
                self.json_object(end, inner, path, depth) if first == 0x7B else self.json_array(end, inner, path, depth)
            )
        elif first == 0x22:
            found = self.json_string(end)
            if found and inner != _SILENT and inner != _CODE_KEEP:
                self.json_text(start + 1, self.at - 1, code)
        else:
            found = self.json_word(end)
        if found == 1 and code >= _CODE_RULE and self.json_says_something(start):
            self.escaped = 0
            self.row(start, self.at, code, 1)
        return found

    @cython.cfunc
    def json_says_something(self, start: cython.Py_ssize_t) -> cython.int:
        """Whether the value from `start` to here is more than null, or an empty string, object or array."""
        return not (self.at - start == 2 or (self.at - start == 4 and self.data[start] == 0x6E)) or (
            0x30 <= self.data[start] <= 0x39 or self.data[start] == 0x2D
        )

    @cython.cfunc
    def json_text(self, start: cython.Py_ssize_t, end: cython.Py_ssize_t, code: cython.int) -> cython.int:
        """Note a string; one with escapes is decoded and looked at later."""
        row: cython.Py_ssize_t
        if start == end:
            return 0
        row = self.row(start, end, code, self.escaped or code >= _CODE_INSPECT)
        if not self.escaped:
            self.copy(start, end)
            self.table[row * _ROW + 2] = self.text_end
        return 0

    @cython.cfunc
    def json_string(self, end: cython.Py_ssize_t) -> cython.int:
        """Go past a string."""
        byte: cython.int
        self.escaped = 0
        self.at += 1
        while self.at < end:
            byte = self.data[self.at]
            self.at += 1
            if byte == 0x22:
                return 1
            if byte == 0x5C:
                self.escaped = 1
                self.at += 1
        return 0

    @cython.cfunc
    def json_word(self, end: cython.Py_ssize_t) -> cython.int:
        """Go past a number, true, false or null; other bare words (NaN) are taken, too."""
        start: cython.Py_ssize_t = self.at
        byte: cython.int
        while self.at < end:
            byte = self.data[self.at]
            if not (
                0x30 <= byte <= 0x39
                or 0x41 <= byte <= 0x5A
                or 0x61 <= byte <= 0x7A
                or byte == 0x2B
                or byte == 0x2D
                or byte == 0x2E
            ):
                break
            self.at += 1
        return self.at > start

    @cython.cfunc
    def json_array(self, end: cython.Py_ssize_t, code: cython.int, path: bytes | None, depth: cython.int) -> cython.int:
        found: cython.int
        byte: cython.int
        self.at += 1
        if self.space(end) == 0x5D:
            self.at += 1
            return 1
        while True:
            found = self.json_value(end, code, path, depth + 1)
            if found != 1:
                return found
            byte = self.space(end)
            self.at += 1
            if byte == 0x5D:
                return 1
            if byte != 0x2C:
                return 0

    @cython.cfunc
    def json_object(
        self, end: cython.Py_ssize_t, code: cython.int, path: bytes | None, depth: cython.int
    ) -> cython.int:
        found: cython.int
        byte: cython.int
        self.at += 1
        if self.space(end) == 0x7D:
            self.at += 1
            return 1
        if self.typed and code != _SILENT:
            path = self.json_type(end, path, depth)
        while True:
            if self.space(end) != 0x22:
                return 0
            found = self.json_pair(end, code, path, depth)
            if found != 1:
                return found
            byte = self.space(end)
            self.at += 1
            if byte == 0x7D:
                return 1
            if byte != 0x2C:
                return 0

    @cython.cfunc
    def json_type(self, end: cython.Py_ssize_t, path: bytes | None, depth: cython.int) -> object:
        """The path of the object that begins here: one that says `resourceType` (FHIR) is under that key as well.

        It may stand anywhere in the object, so that such payloads are read once more for each level of nesting.
        """
        begin: cython.Py_ssize_t = self.at
        start: cython.Py_ssize_t
        is_type: cython.bint
        while self.space(end) == 0x22:
            start = self.at + 1
            if not self.json_string(end):
                break
            is_type = self.payload[start : self.at - 1] == b"resourceType"
            if self.space(end) != 0x3A:
                break
            self.at += 1
            self.space(end)
            start = self.at + 1
            if self.json_value(end, _SILENT, None, depth + 1) != 1:
                break
            if is_type and self.data[start - 1] == 0x22:
                kind: bytes = self.payload[start : self.at - 1]
                path = kind if path is None else path + b"." + kind
                break
            if self.space(end) != 0x2C:
                break
            self.at += 1
        self.at = begin
        return path

    @cython.cfunc
    def json_pair(
        self, end: cython.Py_ssize_t, code: cython.int, prefix: bytes | None, depth: cython.int
    ) -> cython.int:
        start: cython.Py_ssize_t = self.at + 1
        if not self.json_string(end):
            return 0
        stop: cython.Py_ssize_t = self.at - 1
        path: bytes | None = prefix
        if code != _SILENT:
            key: bytes = self.payload[start:stop]
            if self.escaped:
                try:
                    key = unescape(key)
                except ValueError:
                    return 0
            path = key if prefix is None else prefix + b"." + key
            code = self.decision(path, key)
            if code & _CODE_KEY_HIT:
                code &= ~_CODE_KEY_HIT
                path = b"?"
                self.row(start, stop, _CODE_KEY, 1)
        if self.space(end) != 0x3A:
            return 0
        self.at += 1
        return self.json_value(end, code, path, depth + 1)

    def hits(self, text_ends: list[int]) -> list[Hit]:
        """The rows to look at, in order: the forced ones, and those with a match that ends at one of `text_ends`."""
        found = set(self.forced)
        end: cython.Py_ssize_t
        for end in text_ends:
            found.add(self.row_at(end))
        return [self.hit(row) for row in sorted(found)]

    @cython.cfunc
    def row_at(self, end: cython.Py_ssize_t) -> cython.Py_ssize_t:
        """The row whose text holds the byte before `end`."""
        low: cython.Py_ssize_t = 0
        high: cython.Py_ssize_t = self.rows - 1
        middle: cython.Py_ssize_t
        while low < high:
            middle = (low + high) // 2
            if self.table[middle * _ROW + 2] < end:
                low = middle + 1
            else:
                high = middle
        return low

    @cython.cfunc
    def hit(self, row: cython.Py_ssize_t) -> object:
        at: cython.Py_ssize_t = row * _ROW
        around: cython.Py_ssize_t = self.table[at + 6] * _ROW
        container = None if around < 0 else (self.table[around], self.table[around + 1])
        # Without the constructor of the class, which costs twice as much as all else here.
        return tuple.__new__(
            Hit,
            (
                self.table[at],
                self.table[at + 1],
                self.table[at + 3],
                self.table[at + 4],
                self.table[at + 5],
                container,
                self.table[at + 7] != 0,
            ),
        )
