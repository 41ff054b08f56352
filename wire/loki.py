"""OTLP log records → bodies of Loki's push API: protobuf `logproto.PushRequest`, Snappy block format.

A stream is made of few labels, taken from the resource; everything else of a record becomes structured metadata, as in
Loki's own OTLP endpoint. What Loki would answer 400 to is made to fit or left out here, and counted.
Sources: Loki 3.7, `pkg/loghttp/push`, `pkg/distributor/validator.go` and the defaults of its `limits_config`.
"""

import re
from base64 import b64encode
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from itertools import groupby, islice
from operator import itemgetter

import orjson
import snappy
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, InstrumentationScope, KeyValue
from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord, LogsData

from wire.protobuf import varint

__all__ = ["Limits", "Push", "encode", "label_name"]


@dataclass(frozen=True, slots=True)
class Limits:
    """What one entry may be, under the names and with the defaults of Loki's `limits_config`; 0 ns = no limit."""

    max_line_size: int = 256 * 2**10
    max_label_value_length: int = 2048
    max_structured_metadata_size: int = 64 * 2**10
    max_structured_metadata_entries_count: int = 128
    reject_old_samples_max_age_ns: int = 168 * 3600 * 10**9
    creation_grace_period_ns: int = 600 * 10**9


@dataclass(frozen=True, slots=True, repr=False)
class Push:
    """One request body, compressed, and how many entries it carries."""

    body: bytes
    entries: int

    def __repr__(self) -> str:
        return f"Push({self.entries} entries, {len(self.body)} bytes)"


def encode(
    payload: bytes, labels: Mapping[str, str], limits: Limits, max_bytes: int, now_ns: int
) -> tuple[list[Push], Counter[str], Counter[str]]:
    """The pushes that carry a logs payload, entries of a stream in order of time; records left out; records shortened.

    `labels`: resource attribute key → label name. `max_bytes`: of a push before compression; a larger entry goes alone.
    `now_ns`: Unix time, the time of records that have none. The counts are by reason: `too_old` and `too_far_in_future`
    for records left out, `line_truncated` and `metadata_truncated` for records that are sent without a part of them.
    """
    dropped: Counter[str] = Counter()
    shortened: Counter[str] = Counter()
    streams: dict[str, list[tuple[int, bytes]]] = {}
    for resource_logs in LogsData.FromString(payload).resource_logs:
        selector, rest = _selector(resource_logs.resource.attributes, labels, limits)
        entries = streams.setdefault(selector, [])
        for scope_logs in resource_logs.scope_logs:
            shared = _shared(scope_logs.scope, rest)
            for record in scope_logs.log_records:
                time_ns = record.time_unix_nano or record.observed_time_unix_nano or now_ns
                if reason := _untimely(time_ns - now_ns, limits):
                    dropped[reason] += 1
                else:
                    entries.append((time_ns, _entry(time_ns, record, shared, limits, shortened)))
    return [_push(group) for group in _groups(streams, max_bytes)], dropped, shortened


def _untimely(ahead_ns: int, limits: Limits) -> str:
    if 0 < limits.reject_old_samples_max_age_ns < -ahead_ns:
        return "too_old"
    return "too_far_in_future" if 0 < limits.creation_grace_period_ns < ahead_ns else ""


# ---- names and values as text ----

_NOT_IN_NAMES = re.compile(r"[^A-Za-z0-9]+")


@lru_cache(maxsize=4096)
def label_name(key: str) -> str:
    """The name Loki makes of an attribute key: runs of anything but ASCII letters and digits become one `_`.

    One that begins with a digit gets `key_` before it. A name of underscores alone (from `日本`) would make Loki fail
    the whole push with a 500; it becomes `key_`.
    """
    name = _NOT_IN_NAMES.sub("_", key)
    if name in ("", "_"):
        return "key_"
    return f"key_{name}" if name[0].isdigit() else name


def _text(value: AnyValue) -> str:
    """A value as Loki shows it: strings as they are, bytes in base64, arrays and maps as JSON, an empty value as ''."""
    kind = value.WhichOneof("value")
    if kind == "string_value":
        return value.string_value
    return _json(value) if kind in ("array_value", "kvlist_value") else _scalar(value, kind)


def _scalar(value: AnyValue, kind: str | None) -> str:
    if kind == "int_value":
        return str(value.int_value)
    if kind == "bool_value":
        return "true" if value.bool_value else "false"
    if kind == "double_value":
        return _number(value.double_value)
    return b64encode(value.bytes_value).decode() if kind == "bytes_value" else ""


def _number(number: float) -> str:
    if number.is_integer() and abs(number) < 1e21:
        return str(int(number))
    return {"nan": "NaN", "inf": "Infinity", "-inf": "-Infinity"}.get(text := repr(number), text)


def _json(value: AnyValue) -> str:
    """Written piece by piece, because a dict would lose all but one of the values under a repeated key."""
    kind = value.WhichOneof("value")
    if kind == "kvlist_value":
        return "{" + ",".join(f"{_quote(pair.key)}:{_json(pair.value)}" for pair in value.kvlist_value.values) + "}"
    if kind == "array_value":
        return "[" + ",".join(map(_json, value.array_value.values)) + "]"
    if kind == "string_value":
        return _quote(value.string_value)
    text = _scalar(value, kind)
    if kind == "bytes_value" or text in ("NaN", "Infinity", "-Infinity"):
        return f'"{text}"'
    return text or "null"


def _quote(text: str) -> str:
    return orjson.dumps(text).decode()


_MARK = b" [truncated]"


def _shorten(text: bytes, limit: int) -> bytes:
    """At most `limit` bytes, cut between characters, the mark at the end."""
    mark = _MARK[:limit]
    return text[: limit - len(mark)].decode(errors="ignore").encode() + mark


# ---- labels ----

_ESCAPES = str.maketrans(
    {chr(code): f"\\x{code:02x}" for code in (*range(32), 127)}
    | {'"': '\\"', "\\": "\\\\", "\N{REPLACEMENT CHARACTER}": "?"}
)
"""As in a Go string. Loki answers 400 to a replacement character, even an escaped one."""


def _selector(attributes: Iterable[KeyValue], names: Mapping[str, str], limits: Limits) -> tuple[str, list[KeyValue]]:
    """The labels as LogQL selector text, sorted by name so that equal ones are one stream, and the other attributes."""
    labels: dict[str, str] = {}
    rest = []
    for attribute in attributes:
        name = names.get(attribute.key)
        text = "" if name is None or attribute.value.HasField("kvlist_value") else _text(attribute.value)
        if name is None or name in labels or not 0 < len(text.encode()) <= limits.max_label_value_length:
            rest.append(attribute)
        else:
            labels[name] = text.translate(_ESCAPES)
    pairs = sorted((labels or {"service_name": "unknown_service"}).items())
    return "{" + ",".join(f'{name}="{text}"' for name, text in pairs) + "}", rest


# ---- structured metadata ----

_FIELDS = frozenset({
    "observed_timestamp", "severity_number", "severity_text", "dropped_attributes_count", "flags", "trace_id",
    "span_id", "event_name", "scope_name", "scope_version",
})  # fmt: skip
"""Names that belong to fields of OTLP where a record has these."""


@dataclass(frozen=True, slots=True)
class _Shared:
    """Metadata that all records of a scope have: fields, attributes of scope and resource; all of it encoded."""

    fields: dict[str, str]
    attributes: dict[str, str]
    pairs: dict[str, str]
    encoded: bytes
    size: int


def _shared(scope: InstrumentationScope, resource_attributes: Iterable[KeyValue]) -> _Shared:
    fields = {name: text for name, text in (("scope_name", scope.name), ("scope_version", scope.version)) if text}
    attributes: dict[str, str] = {}
    _flatten(attributes, scope.attributes)
    _flatten(attributes, resource_attributes)
    pairs = dict(fields)
    for name, text in attributes.items():
        _add(pairs, name, text)
    return _Shared(fields, attributes, pairs, *_encode_pairs(pairs))


def _fields(record: LogRecord) -> dict[str, str]:
    """The fields of a record that are set; an id of zeros is none (OTLP)."""
    fields = {}
    if record.time_unix_nano and record.observed_time_unix_nano:
        fields["observed_timestamp"] = str(record.observed_time_unix_nano)
    if record.severity_number:
        fields["severity_number"] = str(int(record.severity_number))
    if record.severity_text:
        fields["severity_text"] = record.severity_text
    if record.dropped_attributes_count:
        fields["dropped_attributes_count"] = str(record.dropped_attributes_count)
    if record.flags:
        fields["flags"] = str(record.flags)
    if any(record.trace_id):
        fields["trace_id"] = record.trace_id.hex()
    if any(record.span_id):
        fields["span_id"] = record.span_id.hex()
    if record.event_name:
        fields["event_name"] = record.event_name
    return fields


def _flatten(pairs: dict[str, str], attributes: Iterable[KeyValue], prefix: str = "") -> None:
    for attribute in attributes:
        key = prefix + attribute.key
        value = attribute.value
        if value.HasField("kvlist_value"):
            _flatten(pairs, value.kvlist_value.values, key + "_")
        else:
            _add(pairs, label_name(key), _text(value))


def _add(pairs: dict[str, str], name: str, text: str) -> None:
    """Add a pair. Values under one name are joined with `;`; beside a field of OTLP the name gets `_attribute`.

    An empty value is left out: for Loki it is the same as none.
    """
    if name in _FIELDS and pairs.get(name, text) != text:
        name += "_attribute"
    held = pairs.get(name, text)
    if text:
        pairs[name] = text if held == text else f"{held};{text}"


def _metadata(record: LogRecord, shared: _Shared, limits: Limits, shortened: Counter[str]) -> bytes:
    own = _fields(record)
    _flatten(own, record.attributes)
    if own.keys().isdisjoint(shared.pairs):
        encoded, size = _encode_pairs(own)
        count = len(own) + len(shared.pairs)
        if _fits(count, size + shared.size, limits):
            return encoded + shared.encoded
    pairs = _fields(record) | shared.fields
    _flatten(pairs, record.attributes)
    for name, text in shared.attributes.items():
        _add(pairs, name, text)
    encoded, size = _encode_pairs(pairs)
    if _fits(len(pairs), size, limits):
        return encoded
    shortened["metadata_truncated"] += 1
    return _encode_pairs(_cut(pairs, limits))[0]


def _fits(count: int, size: int, limits: Limits) -> bool:
    return count <= limits.max_structured_metadata_entries_count and size <= limits.max_structured_metadata_size


_LONG = 1024
"""Values up to this many bytes are kept whole as long as longer ones can give way."""


def _cut(pairs: dict[str, str], limits: Limits) -> dict[str, str]:
    """The first pairs up to the count, fields before attributes; long values shortened, then the longest left out."""
    kept = {name: text.encode() for name, text in islice(pairs.items(), limits.max_structured_metadata_entries_count)}
    for name in sorted(kept, key=lambda name: len(kept[name]), reverse=True):
        excess = _size(kept) - limits.max_structured_metadata_size
        if excess <= 0 or len(kept[name]) <= _LONG:
            break
        kept[name] = _shorten(kept[name], max(len(kept[name]) - excess, _LONG))
    while _size(kept) > limits.max_structured_metadata_size:
        del kept[max(kept, key=lambda name: len(name) + len(kept[name]))]
    return {name: text.decode() for name, text in kept.items()}


def _size(pairs: Mapping[str, bytes]) -> int:
    """As Loki counts it: the bytes of names and values."""
    return sum(len(name) + len(text) for name, text in pairs.items())


# ---- protobuf ----
# PushRequest{1 streams{1 labels, 2 entries{1 timestamp{1 seconds, 2 nanos}, 2 line, 3 metadata{1 name, 2 value}}}}


def _encode_pairs(pairs: Mapping[str, str]) -> tuple[bytes, int]:
    """The metadata fields of an entry, and their size as Loki counts it."""
    parts = []
    size = 0
    for name, text in pairs.items():
        value = text.encode()
        head = _name_field(name)
        length = varint(len(value))
        parts.append(b"\x1a%b%b%b%b" % (varint(len(head) + len(length) + len(value)), head, length, value))
        size += len(name) + len(value)
    return b"".join(parts), size


@lru_cache(maxsize=4096)
def _name_field(name: str) -> bytes:
    """The name's field and the tag of the value's."""
    return b"\x0a" + varint(len(name)) + name.encode() + b"\x12"


def _entry(time_ns: int, record: LogRecord, shared: _Shared, limits: Limits, shortened: Counter[str]) -> bytes:
    seconds, nanos = divmod(time_ns, 10**9)
    time = b"\x08" + varint(seconds) + b"\x10" + varint(nanos)
    line = _text(record.body).encode()
    if len(line) > limits.max_line_size:
        shortened["line_truncated"] += 1
        line = _shorten(line, limits.max_line_size)
    metadata = _metadata(record, shared, limits, shortened)
    entry = b"".join((b"\x0a", varint(len(time)), time, b"\x12", varint(len(line)), line, metadata))
    return b"\x12" + varint(len(entry)) + entry


_FRAMING = 16
"""More than the tags and lengths around one stream."""


def _groups(streams: Mapping[str, list[tuple[int, bytes]]], max_bytes: int) -> Iterator[list[tuple[str, bytes]]]:
    """The entries with their selectors, in groups that each make one push of at most `max_bytes`."""
    group: list[tuple[str, bytes]] = []
    size = 0
    for selector, entries in streams.items():
        start = len(selector.encode()) + _FRAMING
        for _, entry in sorted(entries, key=itemgetter(0)):
            cost = len(entry) + (0 if group and group[-1][0] == selector else start)
            if group and size + cost > max_bytes:
                yield group
                group, size, cost = [], 0, len(entry) + start
            group.append((selector, entry))
            size += cost
    if group:
        yield group


def _push(group: list[tuple[str, bytes]]) -> Push:
    body: list[bytes] = []
    for selector, entries in groupby(group, key=itemgetter(0)):
        labels = selector.encode()
        stream = b"\x0a" + varint(len(labels)) + labels + b"".join(entry for _, entry in entries)
        body += (b"\x0a", varint(len(stream)), stream)
    return Push(snappy.compress(b"".join(body)), len(group))
