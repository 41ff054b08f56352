"""Loki's push bodies, read back with a protobuf descriptor and a selector parser of the tests' own."""

import json
from collections import Counter
from collections.abc import Mapping
from typing import Any

import snappy
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from google.protobuf.timestamp_pb2 import Timestamp
from hypothesis import given, settings
from hypothesis import strategies as st
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, ArrayValue, KeyValue, KeyValueList
from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord, LogsData, ResourceLogs, ScopeLogs

from wire.loki import Limits, Push, encode, label_name

NOW = 1_700_000_000_000_000_000
LABELS = {"service.name": "service_name", "k8s.namespace.name": "k8s_namespace_name"}
DEFAULT = Limits()
TINY = Limits(
    max_line_size=64,
    max_label_value_length=16,
    max_structured_metadata_size=96,
    max_structured_metadata_entries_count=4,
)


def _push_request() -> Any:
    """The class of `logproto.PushRequest`, from Loki's `pkg/push/push.proto`."""
    file = descriptor_pb2.FileDescriptorProto(name="test_push.proto", package="logproto", syntax="proto3")
    file.dependency.append(Timestamp.DESCRIPTOR.file.name)
    shapes: dict[str, list[tuple[str, str, bool]]] = {
        "LabelPair": [("name", "", False), ("value", "", False)],
        "Entry": [
            ("timestamp", ".google.protobuf.Timestamp", False),
            ("line", "", False),
            ("structured_metadata", ".logproto.LabelPair", True),
        ],
        "Stream": [("labels", "", False), ("entries", ".logproto.Entry", True)],
        "PushRequest": [("streams", ".logproto.Stream", True)],
    }
    for name, fields in shapes.items():
        message = file.message_type.add(name=name)
        for number, (field, kind, repeated) in enumerate(fields, start=1):
            message.field.add(
                name=field,
                number=number,
                type=11 if kind else 9,
                type_name=kind or None,
                label=3 if repeated else 1,
            )
    pool = descriptor_pool.DescriptorPool()
    pool.AddSerializedFile(Timestamp.DESCRIPTOR.file.serialized_pb)
    pool.AddSerializedFile(file.SerializeToString())
    return message_factory.GetMessageClass(pool.FindMessageTypeByName("logproto.PushRequest"))


PushRequest = _push_request()

Entry = tuple[int, str, dict[str, str]]


def parse_selector(text: str) -> dict[str, str]:
    """`{a="b",c="d"}` → labels; fails on whatever Go's lexer of selectors would refuse."""
    assert text[0] == "{"
    assert text[-1] == "}"
    labels: dict[str, str] = {}
    rest = text[1:-1]
    while rest:
        name, rest = rest.split('="', 1)
        assert name.isascii()
        assert name.isidentifier()
        assert name not in labels
        value = ""
        while not rest.startswith('"'):
            assert rest[0].isprintable() or ord(rest[0]) > 127
            assert rest[0] != "\N{REPLACEMENT CHARACTER}"
            if rest.startswith("\\x"):
                value, rest = value + chr(int(rest[2:4], 16)), rest[4:]
            elif rest.startswith("\\"):
                assert rest[1] in '\\"'
                value, rest = value + rest[1], rest[2:]
            else:
                value, rest = value + rest[0], rest[1:]
        labels[name] = value
        assert rest[1:2] in ("", ",")
        rest = rest[2:]
    return labels


def read(body: bytes) -> list[tuple[dict[str, str], list[Entry]]]:
    """A push body as (labels, entries), each entry a time in ns, a line and its metadata."""
    request = PushRequest.FromString(snappy.uncompress(body))
    streams = []
    for stream in request.streams:
        entries: list[Entry] = []
        for entry in stream.entries:
            metadata = {pair.name: pair.value for pair in entry.structured_metadata}
            assert len(metadata) == len(entry.structured_metadata)
            entries.append((entry.timestamp.ToNanoseconds(), entry.line, metadata))
        streams.append((parse_selector(stream.labels), entries))
    return streams


def value(of: Any) -> AnyValue:
    match of:
        case None:
            return AnyValue()
        case bool():
            return AnyValue(bool_value=of)
        case str():
            return AnyValue(string_value=of)
        case int():
            return AnyValue(int_value=of)
        case float():
            return AnyValue(double_value=of)
        case bytes():
            return AnyValue(bytes_value=of)
        case list():
            return AnyValue(array_value=ArrayValue(values=map(value, of)))
        case _:
            return AnyValue(kvlist_value=KeyValueList(values=attributes(of)))


def attributes(of: Mapping[str, Any]) -> list[KeyValue]:
    return [KeyValue(key=key, value=value(held)) for key, held in of.items()]


def logs(resource: Mapping[str, Any], *records: LogRecord, scope: Mapping[str, Any] | None = None) -> LogsData:
    scope_logs = ScopeLogs(log_records=records)
    scope_logs.scope.attributes.extend(attributes(scope or {}))
    one = ResourceLogs(scope_logs=[scope_logs])
    one.resource.attributes.extend(attributes(resource))
    return LogsData(resource_logs=[one])


def record(body: Any = "hello", time: int = NOW, **held: Any) -> LogRecord:
    return LogRecord(time_unix_nano=time, body=value(body), attributes=attributes(held.pop("attributes", {})), **held)


def sent(data: LogsData, limits: Limits = DEFAULT, max_bytes: int = 2**20) -> tuple[list[Push], Counter[str]]:
    """The pushes, and what was left out or shortened: no reason is both."""
    pushes, dropped, shortened = encode(data.SerializeToString(), LABELS, limits, max_bytes, NOW)
    assert not dropped.keys() & shortened.keys()
    return pushes, dropped + shortened


def only(data: LogsData, limits: Limits = DEFAULT) -> tuple[dict[str, str], Entry]:
    (push,), losses = sent(data, limits)
    assert losses == {}
    ((labels, (entry,)),) = read(push.body)
    return labels, entry


def test_record_becomes_an_entry() -> None:
    """Labels are the chosen resource attributes; everything else of the record is structured metadata."""
    one = record(
        time=NOW + 7,
        observed_time_unix_nano=NOW + 9,
        severity_number=17,
        severity_text="ERROR",
        dropped_attributes_count=2,
        flags=1,
        trace_id=bytes(range(16)),
        span_id=bytes(range(8)),
        event_name="login",
        attributes={"http.route": "/a", "retry": 3, "ok": True, "ratio": 0.5, "raw": b"\x00\xff", "tags": ["x", 1]},
    )
    resource = {
        "service.name": "portal",
        "k8s.namespace.name": "clinic",
        "service.instance.id": "i-1",
        "k8s.pod.name": "p",
    }
    data = logs(resource, one, scope={"scope.attribute": "s"})
    data.resource_logs[0].scope_logs[0].scope.name = "lib"
    data.resource_logs[0].scope_logs[0].scope.version = "1.2"

    assert only(data) == (
        {"service_name": "portal", "k8s_namespace_name": "clinic"},
        (
            NOW + 7,
            "hello",
            {
                "observed_timestamp": str(NOW + 9),
                "severity_number": "17",
                "severity_text": "ERROR",
                "dropped_attributes_count": "2",
                "flags": "1",
                "trace_id": "000102030405060708090a0b0c0d0e0f",
                "span_id": "0001020304050607",
                "event_name": "login",
                "http_route": "/a",
                "retry": "3",
                "ok": "true",
                "ratio": "0.5",
                "raw": "AP8=",
                "tags": '["x",1]',
                "scope_name": "lib",
                "scope_version": "1.2",
                "scope_attribute": "s",
                "service_instance_id": "i-1",
                "k8s_pod_name": "p",
            },
        ),
    )


def test_structured_body_is_json() -> None:
    """Maps and arrays become JSON in their own order, a repeated key keeps both values, text stays text."""
    body = value({"b": [1, 2.5, True, None], "a": {"text": 'say "é"\n', "raw": b"\x00"}, "nan": float("nan")})
    body.kvlist_value.values.extend(attributes({"a": -7.0}))
    _, (_, line, _) = only(logs({}, LogRecord(time_unix_nano=NOW, body=body)))
    assert line == r'{"b":[1,2.5,true,null],"a":{"text":"say \"é\"\n","raw":"AA=="},"nan":"NaN","a":-7}'
    assert only(logs({}, record("plain {text}")))[1][1] == "plain {text}"
    assert only(logs({}, record(None)))[1][1] == ""


def test_time_falls_back() -> None:
    """A record without a time has the time it was observed, or else that of receipt."""
    data = logs({}, record(time=0, observed_time_unix_nano=NOW - 5), record(time=0))
    (push,), _ = sent(data)
    assert read(push.body) == [
        ({"service_name": "unknown_service"}, [(NOW - 5, "hello", {}), (NOW, "hello", {})]),
    ]


def test_streams_are_joined_and_sorted() -> None:
    """Equal labels are one stream whatever resource they come from, and its entries stand in order of time."""
    data = logs({"service.name": "a", "host": "1"}, record("late", NOW + 2), record("early", NOW))
    data.MergeFrom(logs({"service.name": "b"}, record("other")))
    data.MergeFrom(logs({"host": "2", "service.name": "a"}, record("middle", NOW + 1)))
    (push,), _ = sent(data)
    assert push.entries == 4
    assert [(labels, [line for _, line, _ in entries]) for labels, entries in read(push.body)] == [
        ({"service_name": "a"}, ["early", "middle", "late"]),
        ({"service_name": "b"}, ["other"]),
    ]


def test_names() -> None:
    """Names are those Loki would make, and never one it refuses."""
    keys = ["http.method", "a..b", "_private", "1st", "日本", "__", "", "ünïcode"]
    assert [label_name(key) for key in keys] == [
        "http_method", "a_b", "_private", "key_1st", "key_", "key_", "key_", "_n_code",
    ]  # fmt: skip


def test_metadata_names_that_collide() -> None:
    """Values under one name are joined, equal ones stay one, fields of OTLP keep their name to themselves."""
    one = record(
        trace_id=b"\x01" * 16,
        attributes={"a.b": "1", "a_b": "2", "a": {"b": "2"}, "trace.id": "mine", "scope_name": "theirs", "empty": ""},
    )
    data = logs({"host.name": "node", "a-b": "3", "trace_id": "01" * 16}, one, scope={"host_name": "node"})
    data.resource_logs[0].scope_logs[0].scope.name = "lib"
    _, (_, _, metadata) = only(data)
    assert metadata == {
        "trace_id": "01" * 16,
        "trace_id_attribute": "mine",
        "scope_name": "lib",
        "scope_name_attribute": "theirs",
        "a_b": "1;2;2;3",
        "host_name": "node",
    }


def test_label_value_is_escaped() -> None:
    """Quotes, backslashes and control characters come back; the character Loki refuses becomes a question mark."""
    labels, _ = only(logs({"service.name": 'a"b\\c\n\t\x00\x7f é\N{REPLACEMENT CHARACTER}'}, record()))
    assert labels == {"service_name": 'a"b\\c\n\t\x00\x7f é?'}


def test_values_unfit_for_labels_are_metadata() -> None:
    """A value over the limit, a map and a repeated key are not lost: they become structured metadata."""
    data = logs({"service.name": "x" * 17, "k8s.namespace.name": {"deep": "y"}}, record())
    assert only(data, TINY) == (
        {"service_name": "unknown_service"},
        (NOW, "hello", {"service_name": "x" * 17, "k8s_namespace_name_deep": "y"}),
    )
    data = logs({"service.name": "first"}, record())
    data.resource_logs[0].resource.attributes.extend(attributes({"service.name": "second"}))
    assert only(data) == ({"service_name": "first"}, (NOW, "hello", {"service_name": "second"}))


def test_untimely_records_are_dropped() -> None:
    """What Loki would refuse for its time is left out and counted; at the edge it is sent; 0 turns it off."""
    week, grace = 168 * 3600 * 10**9, 600 * 10**9
    times = [NOW - week - 1, NOW - week, NOW + grace, NOW + grace + 1]
    data = logs({}, *(record(time=time) for time in times))
    (push,), losses = sent(data)
    assert [time for time, _, _ in read(push.body)[0][1]] == times[1:3]
    assert losses == {"too_old": 1, "too_far_in_future": 1}
    (push,), losses = sent(data, Limits(reject_old_samples_max_age_ns=0, creation_grace_period_ns=0))
    assert (push.entries, losses) == (4, {})


def test_nothing_to_send_is_no_push() -> None:
    """Loki answers 422 to a push without streams, so there is none."""
    assert sent(logs({"service.name": "a"})) == ([], Counter())
    assert sent(logs({}, record(time=1))) == ([], Counter(too_old=1))


def test_long_line_is_cut_between_characters() -> None:
    """A long line keeps its beginning, ends with a mark and is counted."""
    (push,), losses = sent(logs({}, record("é" * 40)), TINY)
    assert read(push.body)[0][1][0][1] == "é" * 26 + " [truncated]"
    assert losses == {"line_truncated": 1}


def test_long_metadata_is_cut_at_its_longest() -> None:
    """The longest value gives way, everything else stays whole; the record counts once."""
    limits = Limits(max_structured_metadata_size=3000)
    held = {"exception.stacktrace": "x" * 9000, "user.agent": "y" * 500}
    (push,), losses = sent(logs({"host": "h"}, record(trace_id=b"\x01" * 16, attributes=held)), limits)
    ((_, ((_, _, metadata),)),) = read(push.body)
    assert losses == {"metadata_truncated": 1}
    assert sum(len(name) + len(text) for name, text in metadata.items()) == 3000
    assert metadata.pop("exception_stacktrace").endswith("xxx [truncated]")
    assert metadata == {"trace_id": "01" * 16, "user_agent": "y" * 500, "host": "h"}


def test_too_many_pairs_leave_out_the_resource() -> None:
    """Fields and the record's own attributes come first."""
    one = record(severity_number=9, attributes={"a": 1, "b": 2})
    (push,), losses = sent(logs({"host": "h", "os": "o"}, one), TINY)
    assert read(push.body)[0][1][0][2] == {"severity_number": "9", "a": "1", "b": "2", "host": "h"}
    assert losses == {"metadata_truncated": 1}


def test_pushes_stay_under_the_size() -> None:
    """A payload becomes as many pushes as needed; an entry over the size goes alone."""
    records = [record("x" * size, NOW + place) for place, size in enumerate([300, 300, 5000, 300, 300])]
    pushes, _ = sent(logs({"service.name": "a"}, *records), max_bytes=1000)
    assert [push.entries for push in pushes] == [2, 1, 2]
    assert repr(pushes[1]) == f"Push(1 entries, {len(pushes[1].body)} bytes)"


_KEYS = st.sampled_from(
    ["service.name", "k8s.namespace.name", "a.b", "a_b", "trace_id", "flags", "日本", "9", ""]
) | st.text(max_size=9)
_LEAVES = (
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats()
    | st.text(max_size=80)
    | st.binary(max_size=9)
)
_VALUES = st.recursive(
    _LEAVES, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_KEYS, inner, max_size=3), max_leaves=6
)
_ATTRIBUTES = st.dictionaries(_KEYS, _VALUES, max_size=6)
_RECORDS = st.builds(
    record,
    _VALUES,
    st.integers(NOW - 2**50, NOW + 2**41) | st.just(0),
    attributes=_ATTRIBUTES,
    severity_number=st.integers(0, 24),
    trace_id=st.sampled_from([b"", bytes(16), b"\x01" * 16]),
)


@st.composite
def _logs(draw: st.DrawFn) -> LogsData:
    records = draw(st.lists(_RECORDS, max_size=4))
    return logs(draw(_ATTRIBUTES), *records, scope=draw(_ATTRIBUTES))


def joined(parts: list[LogsData]) -> LogsData:
    whole = LogsData()
    for part in parts:
        whole.MergeFrom(part)
    return whole


@settings(max_examples=150, deadline=None)
@given(st.lists(_logs(), max_size=3), st.sampled_from([Limits(), TINY]), st.sampled_from([200, 2**20]))
def test_nothing_is_lost_uncounted(parts: list[LogsData], limits: Limits, max_bytes: int) -> None:
    """Whatever comes in: it is sent or counted, within every limit, in order, and reads back."""
    data = joined(parts)
    records = sum(len(scope.log_records) for one in data.resource_logs for scope in one.scope_logs)
    pushes, losses = sent(data, limits, max_bytes)
    entries = 0
    for push in pushes:
        streams = read(push.body)
        assert push.entries == sum(len(held) for _, held in streams) > 0
        assert push.entries == 1 or len(snappy.uncompress(push.body)) <= max_bytes
        entries += push.entries
        for labels, held in streams:
            assert labels
            assert all(0 < len(text.encode()) <= max(limits.max_label_value_length, 16) for text in labels.values())
            assert held == sorted(held, key=lambda entry: entry[0])
            for time, line, metadata in held:
                assert -limits.reject_old_samples_max_age_ns <= time - NOW <= limits.creation_grace_period_ns
                assert len(line.encode()) <= limits.max_line_size
                assert len(metadata) <= limits.max_structured_metadata_entries_count
                size = sum(len(name) + len(text.encode()) for name, text in metadata.items())
                assert size <= limits.max_structured_metadata_size
                assert all(name == label_name(name) and text for name, text in metadata.items())
    assert entries + losses["too_old"] + losses["too_far_in_future"] == records


def _texts(held: Any) -> set[str]:
    """Every text leaf that must be found again in an entry."""
    if isinstance(held, dict):
        return {text for inner in held.values() for text in _texts(inner)}
    return {held} if isinstance(held, str) else set()


@settings(max_examples=100, deadline=None)
@given(_ATTRIBUTES, _ATTRIBUTES, _ATTRIBUTES)
def test_every_text_arrives(resource: dict[str, Any], scope: dict[str, Any], own: dict[str, Any]) -> None:
    """Within the limits every text of an attribute is in a label or in the metadata, whatever names collide."""
    labels, (_, _, metadata) = only(logs(resource, record(attributes=own), scope=scope))
    arrived = "\n".join([*labels.values(), *metadata.values()])
    for text in _texts(resource) | _texts(scope) | _texts(own):
        assert text in arrived or text.replace("\N{REPLACEMENT CHARACTER}", "?") in arrived


_PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(max_size=9),
    lambda inner: st.dictionaries(st.text(max_size=5), inner, max_size=3),
)


@settings(max_examples=100, deadline=None)
@given(_PLAIN)
def test_body_json_reads_back(body: Any) -> None:
    """A map as a body is JSON that says the same."""
    _, (_, line, _) = only(logs({}, record({"body": body})))
    assert json.loads(line) == {"body": body}
