"""The OTLP/JSON codec: every rule by example, and ours against the protobuf library on random messages."""

import base64
import math
from collections.abc import Callable
from typing import Any

import orjson
import pytest
from google.protobuf import json_format
from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message
from hypothesis import given, settings
from hypothesis import strategies as st
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, ArrayValue, KeyValue, KeyValueList
from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord, LogsData
from opentelemetry.proto.metrics.v1.metrics_pb2 import (
    ExponentialHistogram,
    ExponentialHistogramDataPoint,
    Gauge,
    HistogramDataPoint,
    Metric,
    MetricsData,
    NumberDataPoint,
)
from opentelemetry.proto.trace.v1.trace_pb2 import Span, TracesData

from wire import otlp, schema
from wire.otlp_json import MalformedJson, decode, encode
from wire.signal import Signal

TRACE_ID = "5b8efff798038103d269b633813fc60c"
SPAN_ID = "eee19b7ec3c1b174"


def span_json(**fields: Any) -> bytes:
    return orjson.dumps({"resourceSpans": [{"scopeSpans": [{"spans": [fields]}]}]})


def span(**fields: Any) -> Span:
    """The span that a JSON span is read as."""
    data = TracesData.FromString(decode(Signal.TRACES, span_json(**fields)))
    return data.resource_spans[0].scope_spans[0].spans[0]


def value(tree: Any) -> AnyValue:
    """The attribute value that a JSON value is read as."""
    return span(attributes=[{"key": "k", "value": tree}]).attributes[0].value


def metric(**fields: Any) -> Metric:
    text = orjson.dumps({"resourceMetrics": [{"scopeMetrics": [{"metrics": [fields]}]}]})
    return MetricsData.FromString(decode(Signal.METRICS, text)).resource_metrics[0].scope_metrics[0].metrics[0]


def error(signal: Signal, text: bytes) -> str:
    with pytest.raises(MalformedJson) as caught:
        decode(signal, text)
    return str(caught.value)


def span_error(**fields: Any) -> str:
    """The sentence about a JSON span, without the place of the span."""
    place = "resourceSpans[0].scopeSpans[0].spans[0]."
    sentence = error(Signal.TRACES, span_json(**fields))
    assert sentence.startswith(place)
    return sentence.removeprefix(place)


# Reading


def test_empty_object() -> None:
    """An object without anything is an empty request."""
    assert decode(Signal.LOGS, b"{}") == b""


def test_whole_span() -> None:
    """Every kind of field of a span arrives in its field."""
    tree = {
        "traceId": TRACE_ID,
        "spanId": SPAN_ID.upper(),
        "parentSpanId": "",
        "traceState": "a=1",
        "flags": 257,
        "name": "GET /",
        "kind": 2,
        "startTimeUnixNano": "1544712660000000000",
        "endTimeUnixNano": 1544712661000000000,
        "attributes": [{"key": "k", "value": {"stringValue": "v"}}],
        "droppedAttributesCount": 1,
        "events": [{"timeUnixNano": "7", "name": "e", "attributes": []}],
        "links": [{"traceId": TRACE_ID, "spanId": SPAN_ID}],
        "status": {"code": 2, "message": "m"},
    }
    expected = Span(
        trace_id=bytes.fromhex(TRACE_ID),
        span_id=bytes.fromhex(SPAN_ID),
        trace_state="a=1",
        flags=257,
        name="GET /",
        kind=Span.SPAN_KIND_SERVER,
        start_time_unix_nano=1544712660000000000,
        end_time_unix_nano=1544712661000000000,
        attributes=[KeyValue(key="k", value=AnyValue(string_value="v"))],
        dropped_attributes_count=1,
        events=[Span.Event(time_unix_nano=7, name="e")],
        links=[Span.Link(trace_id=bytes.fromhex(TRACE_ID), span_id=bytes.fromhex(SPAN_ID))],
    )
    expected.status.code, expected.status.message = 2, "m"  # type: ignore[assignment]
    assert span(**tree) == expected


def test_snake_case_is_read() -> None:
    """Keys in the spelling of the .proto files are read too, as the Collector does."""
    text = b'{"resource_spans":[{"scope_spans":[{"spans":[{"trace_id":"%s"}]}]}]}' % TRACE_ID.encode()
    assert decode(Signal.TRACES, text) == decode(Signal.TRACES, span_json(traceId=TRACE_ID))


def test_unknown_keys_are_ignored() -> None:
    """A key that is not in OTLP is passed over at every level, with all it holds."""
    text = b'{"x":[1],"resourceSpans":[{"y":{"z":null},"scopeSpans":[{"spans":[{"n":1e5,"name":"a"}]}]}]}'
    assert decode(Signal.TRACES, text) == decode(Signal.TRACES, span_json(name="a"))


def test_string_table_indices_are_unknown() -> None:
    """The indices of profiles mean nothing here."""
    assert value({"stringValueStrindex": 4}) == AnyValue()


def test_null_is_absent() -> None:
    """null leaves a field unset, whatever its kind."""
    assert span(name=None, attributes=None, status=None, traceId=None, kind=None) == Span()


def test_empty_values_are_kept() -> None:
    """A value that is missing, null or an empty object is the empty value, and its key is kept."""
    attributes = [{"key": "a"}, {"key": "b", "value": None}, {"key": "c", "value": {}}]
    assert list(span(attributes=attributes).attributes) == [
        KeyValue(key="a"),
        KeyValue(key="b"),
        KeyValue(key="c", value=AnyValue()),
    ]


def test_null_in_an_array_value() -> None:
    """null among the values of an array is the empty value."""
    assert value({"arrayValue": {"values": [None, {"boolValue": False}]}}) == AnyValue(
        array_value=ArrayValue(values=[AnyValue(), AnyValue(bool_value=False)])
    )


@pytest.mark.parametrize(
    ("tree", "expected"),
    [
        ({"stringValue": ""}, AnyValue(string_value="")),
        ({"boolValue": False}, AnyValue(bool_value=False)),
        ({"intValue": 42}, AnyValue(int_value=42)),
        ({"intValue": "-9223372036854775808"}, AnyValue(int_value=-(2**63))),
        ({"intValue": "0"}, AnyValue(int_value=0)),
        ({"doubleValue": 0}, AnyValue(double_value=0.0)),
        ({"doubleValue": "1.5e3"}, AnyValue(double_value=1500.0)),
        ({"doubleValue": "-Infinity"}, AnyValue(double_value=-math.inf)),
        ({"arrayValue": {}}, AnyValue(array_value=ArrayValue())),
        (
            {"kvlistValue": {"values": [{"key": "k", "value": {"intValue": "1"}}]}},
            AnyValue(kvlist_value=KeyValueList(values=[KeyValue(key="k", value=AnyValue(int_value=1))])),
        ),
        ({"bytesValue": "+/8="}, AnyValue(bytes_value=b"\xfb\xff")),
        ({"bytesValue": "-_8"}, AnyValue(bytes_value=b"\xfb\xff")),
        ({"bytesValue": ""}, AnyValue(bytes_value=b"")),
        ({"stringValue": "a", "intValue": None}, AnyValue(string_value="a")),
    ],
)
def test_any_value(tree: Any, expected: AnyValue) -> None:
    """Each member of AnyValue, set also when it holds its default."""
    assert value(tree) == expected


def test_nan_is_read() -> None:
    """The string "NaN" is not a number."""
    assert math.isnan(value({"doubleValue": "NaN"}).double_value)


def test_enum_spellings() -> None:
    """Enums are integers; names, decimal strings and numbers yet unknown are tolerated."""
    assert [span(kind=kind).kind for kind in (3, "SPAN_KIND_CLIENT", "3", 77)] == [3, 3, 3, 77]


def test_packed_numbers() -> None:
    """Lists of numbers, as strings or as numbers."""
    point = metric(histogram={"dataPoints": [{"bucketCounts": ["1", 2], "explicitBounds": [0.5], "sum": 0}]})
    assert point.histogram.data_points[0] == HistogramDataPoint(bucket_counts=[1, 2], explicit_bounds=[0.5], sum=0.0)


def test_signed_small_integers() -> None:
    """Scale and offset of exponential histograms are signed."""
    tree = {"dataPoints": [{"scale": -3, "positive": {"offset": "-5", "bucketCounts": ["300"]}}]}
    expected = ExponentialHistogramDataPoint(scale=-3)
    expected.positive.offset = -5
    expected.positive.bucket_counts.append(300)
    assert metric(exponentialHistogram=tree).exponential_histogram == ExponentialHistogram(data_points=[expected])


def test_integer_point() -> None:
    """asInt is 64 bits with a sign."""
    assert metric(gauge={"dataPoints": [{"asInt": "-7"}]}).gauge == Gauge(data_points=[NumberDataPoint(as_int=-7)])


# Errors

INT64 = "an integer from -9223372036854775808 to 9223372036854775807 is needed, as a number or a decimal string"
UINT64 = "an integer from 0 to 18446744073709551615 is needed, as a number or a decimal string"
UINT32 = "an integer from 0 to 4294967295 is needed, as a number or a decimal string"
INT32 = "an integer from -2147483648 to 2147483647 is needed, as a number or a decimal string"
DOUBLE = 'a number is needed, or one of the strings "NaN", "Infinity" and "-Infinity"'


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ({"traceId": "abc"}, "traceId: an id of 32 hexadecimal digits is needed"),
        ({"traceId": "W47/95gDgQPSabYzgT/GDA=="}, "traceId: an id of 32 hexadecimal digits is needed"),
        ({"traceId": "5b8efff7980381 3d269b633813fc60 "}, "traceId: an id of 32 hexadecimal digits is needed"),
        ({"traceId": 5}, "traceId: an id of 32 hexadecimal digits is needed"),
        ({"spanId": "é" * 16}, "spanId: an id of 16 hexadecimal digits is needed"),
        ({"parentSpanId": TRACE_ID}, "parentSpanId: an id of 16 hexadecimal digits is needed"),
        ({"links": [{}, {"spanId": "zz"}]}, "links[1].spanId: an id of 16 hexadecimal digits is needed"),
        ({"startTimeUnixNano": 1.5e18}, f"startTimeUnixNano: {UINT64}"),
        ({"startTimeUnixNano": 1.0}, f"startTimeUnixNano: {UINT64}"),
        ({"startTimeUnixNano": -1}, f"startTimeUnixNano: {UINT64}"),
        ({"startTimeUnixNano": "18446744073709551616"}, f"startTimeUnixNano: {UINT64}"),
        ({"startTimeUnixNano": "9" * 5000}, f"startTimeUnixNano: {UINT64}"),
        ({"startTimeUnixNano": " 1"}, f"startTimeUnixNano: {UINT64}"),
        ({"startTimeUnixNano": "٣"}, f"startTimeUnixNano: {UINT64}"),
        ({"startTimeUnixNano": True}, f"startTimeUnixNano: {UINT64}"),
        ({"flags": 2**32}, f"flags: {UINT32}"),
        ({"droppedEventsCount": -1}, f"droppedEventsCount: {UINT32}"),
        ({"kind": "SPAN_KIND_OTHER"}, f"kind: {INT32}"),
        ({"kind": 2.0}, f"kind: {INT32}"),
        ({"kind": 2**31}, f"kind: {INT32}"),
        ({"name": 7}, "name: a string is needed"),
        ({"name": ["a"]}, "name: a string is needed"),
        ({"status": []}, "status: an object is needed"),
        ({"attributes": {"536-90-4399": "x"}}, "attributes: an array is needed"),
        ({"attributes": [{}, "536-90-4399"]}, "attributes[1]: an object is needed"),
        ({"attributes": [None]}, "attributes[0]: an object is needed"),
        ({"traceId": "", "trace_id": ""}, "traceId: only one value may be given here, in one spelling of its key"),
    ],
)
def test_bad_spans(fields: dict[str, Any], sentence: str) -> None:
    """What a field cannot hold is refused with its place, and without the value."""
    assert span_error(**fields) == sentence


@pytest.mark.parametrize(
    ("tree", "sentence"),
    [
        ({"intValue": 1.5}, f"intValue: {INT64}"),
        ({"intValue": 2**63}, f"intValue: {INT64}"),
        ({"boolValue": "true"}, "boolValue: true or false is needed"),
        ({"doubleValue": "1_0"}, f"doubleValue: {DOUBLE}"),
        ({"doubleValue": "1e999"}, f"doubleValue: {DOUBLE}"),
        ({"doubleValue": "nan"}, f"doubleValue: {DOUBLE}"),
        ({"doubleValue": False}, f"doubleValue: {DOUBLE}"),
        ({"bytesValue": "a"}, "bytesValue: a base64 string is needed"),
        ({"bytesValue": "a b="}, "bytesValue: a base64 string is needed"),
        ({"bytesValue": 1}, "bytesValue: a base64 string is needed"),
        ({"arrayValue": {"values": [{}, 7]}}, "arrayValue.values[1]: an object is needed"),
        (
            {"stringValue": "a", "intValue": 1},
            "intValue: only one value may be given here, in one spelling of its key",
        ),
    ],
)
def test_bad_values(tree: Any, sentence: str) -> None:
    """The same for attribute values."""
    assert span_error(attributes=[{"key": "k", "value": tree}]) == f"attributes[0].value.{sentence}"


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (b"", "this is not JSON in UTF-8: it cannot be read at line 1, column 1"),
        (b'{"resourceLogs":\n nope}', "this is not JSON in UTF-8: it cannot be read at line 2, column 2"),
        (b'{"x":"\xff"}', "this is not JSON in UTF-8: it cannot be read at line 1, column 1"),
        (b'{"x":"\\ud800"}', "this is not JSON in UTF-8: it cannot be read at line 1, column 7"),
        (b'{"x":NaN}', "this is not JSON in UTF-8: it cannot be read at line 1, column 6"),
        (b"[]", "the body: an object is needed"),
        (b"null", "the body: an object is needed"),
        (b'{"resourceLogs":{}}', "resourceLogs: an array is needed"),
    ],
)
def test_bad_bodies(text: bytes, sentence: str) -> None:
    """A body that is not JSON or not an object."""
    assert error(Signal.LOGS, text) == sentence


def test_error_holds_nothing_of_the_body() -> None:
    """The parser's own error, which quotes the body, is not chained to ours."""
    with pytest.raises(MalformedJson) as caught:
        decode(Signal.LOGS, b'{"ssn":"536-90-4399"')
    assert (caught.value.__cause__, caught.value.__context__) == (None, None)


# Size and depth


def nested(levels: int) -> bytes:
    inner = b'{"arrayValue":{"values":[' * levels + b"{}" + b"]}}" * levels
    return b'{"resourceLogs":[{"scopeLogs":[{"logRecords":[{"body":%s}]}]}]}' % inner


def test_depth_limit() -> None:
    """64 messages within one another pass, 65 do not: five lead to the body, then two for each array."""
    assert decode(Signal.LOGS, nested(29))
    expected = "the data is nested more than 64 messages deep; send it flatter"
    assert (error(Signal.LOGS, nested(30)), error(Signal.LOGS, nested(300))) == (expected, expected)


@pytest.mark.parametrize("unit", [b"[", b'{"a":', b'{"resourceLogs":['])
@pytest.mark.parametrize("levels", [1_000, 100_000])
def test_extreme_nesting(unit: bytes, levels: int) -> None:
    """However deep, the answer is an error or an ignored key, never a crash."""
    closing = b"".join({b"[": b"]", b"{": b"}"}[bytes([byte])] for byte in reversed(unit) if byte in b"[{")
    text = b'{"unknown":' + unit * levels + b"1" + closing * levels + b"}"
    outcome: bytes | str
    try:
        outcome = decode(Signal.LOGS, text)
    except MalformedJson as wrong:
        outcome = str(wrong).partition(":")[0]
    assert outcome in (b"", "this is not JSON in UTF-8")


def test_ten_megabytes() -> None:
    """One value of 10 MB passes whole."""
    text = "x" * 10_000_000
    tree = {"resourceLogs": [{"scopeLogs": [{"logRecords": [{"body": {"stringValue": text}}]}]}]}
    data = LogsData.FromString(decode(Signal.LOGS, orjson.dumps(tree)))
    assert data.resource_logs[0].scope_logs[0].log_records[0].body.string_value == text


# Writing


def test_written_text_of_a_span() -> None:
    """camelCase, integer enums, hexadecimal ids, 64-bit integers as strings; defaults left out unless in a oneof."""
    data = TracesData()
    one = data.resource_spans.add().scope_spans.add().spans.add()
    one.trace_id, one.span_id = bytes.fromhex(TRACE_ID), bytes.fromhex(SPAN_ID)
    one.kind, one.start_time_unix_nano, one.flags = 2, 1544712660000000000, 1  # type: ignore[assignment]
    one.status.SetInParent()
    for key, content in {
        "s": AnyValue(string_value=""),
        "b": AnyValue(bool_value=False),
        "i": AnyValue(int_value=0),
        "d": AnyValue(double_value=math.nan),
        "y": AnyValue(bytes_value=b"\xfb\xff"),
        "e": AnyValue(),
    }.items():
        one.attributes.add(key=key, value=content)
    one.attributes.add(key="n")
    assert encode(Signal.TRACES, data.SerializeToString()).decode() == (
        '{"resourceSpans":[{"scopeSpans":[{"spans":[{"traceId":"5b8efff798038103d269b633813fc60c",'
        '"spanId":"eee19b7ec3c1b174","kind":2,"startTimeUnixNano":"1544712660000000000","attributes":['
        '{"key":"s","value":{"stringValue":""}},{"key":"b","value":{"boolValue":false}},'
        '{"key":"i","value":{"intValue":"0"}},{"key":"d","value":{"doubleValue":"NaN"}},'
        '{"key":"y","value":{"bytesValue":"+/8="}},{"key":"e","value":{}},{"key":"n"}],'
        '"status":{},"flags":1}]}]}]}'
    )


def test_written_text_of_a_histogram() -> None:
    """Lists of numbers, and fields with presence that hold their default."""
    data = MetricsData()
    one = data.resource_metrics.add().scope_metrics.add().metrics.add(name="m")
    one.histogram.data_points.add(count=3, bucket_counts=[1, 2], explicit_bounds=[0.5], sum=0.0, max=math.inf)
    one.histogram.aggregation_temporality = 2  # type: ignore[assignment]
    assert encode(Signal.METRICS, data.SerializeToString()).decode() == (
        '{"resourceMetrics":[{"scopeMetrics":[{"metrics":[{"name":"m","histogram":{"dataPoints":[{"count":"3",'
        '"sum":0.0,"bucketCounts":["1","2"],"explicitBounds":[0.5],"max":"Infinity"}],"aggregationTemporality":2}}]}]}]}'
    )


def test_unknown_fields_are_not_written() -> None:
    """Fields that OTLP does not have, and the indices of profiles, stay out of the text."""
    payload = LogRecord(body=AnyValue(string_value_strindex=3)).SerializeToString() + b"\xf8\x01\x07"
    data = bytes([10, len(payload) + 4, 18, len(payload) + 2, 18, len(payload)]) + payload
    assert encode(Signal.LOGS, data) == b'{"resourceLogs":[{"scopeLogs":[{"logRecords":[{"body":{}}]}]}]}'


def test_deepest_payload_is_written() -> None:
    """The deepest payload that protobuf parses is also written."""
    payload = decode(Signal.LOGS, nested(47), max_depth=100)
    assert decode(Signal.LOGS, encode(Signal.LOGS, payload), max_depth=100) == payload


# Against the protobuf library

DOUBLES = st.floats(allow_nan=False) | st.just(math.nan)
SCALARS: dict[int, st.SearchStrategy[Any]] = {
    FieldDescriptor.TYPE_DOUBLE: DOUBLES,
    FieldDescriptor.TYPE_FIXED64: st.integers(0, 2**64 - 1),
    FieldDescriptor.TYPE_UINT64: st.integers(0, 2**64 - 1),
    FieldDescriptor.TYPE_SFIXED64: st.integers(-(2**63), 2**63 - 1),
    FieldDescriptor.TYPE_INT64: st.integers(-(2**63), 2**63 - 1),
    FieldDescriptor.TYPE_FIXED32: st.integers(0, 2**32 - 1),
    FieldDescriptor.TYPE_UINT32: st.integers(0, 2**32 - 1),
    FieldDescriptor.TYPE_SINT32: st.integers(-(2**31), 2**31 - 1),
    FieldDescriptor.TYPE_BOOL: st.booleans(),
    FieldDescriptor.TYPE_STRING: st.text(max_size=6),
    FieldDescriptor.TYPE_BYTES: st.binary(max_size=6),
    FieldDescriptor.TYPE_ENUM: st.integers(0, 5),
}
ID_SIZES = {"trace_id": 16, "span_id": 8, "parent_span_id": 8}


def fill(message: Message, draw: Callable[[st.SearchStrategy[Any]], Any], depth: int) -> None:
    """Set some fields of a message, at random, to something; deeper than `depth` only scalars."""
    for field in message.DESCRIPTOR.fields:
        chosen = draw(st.sampled_from([False, True, True]))
        if not chosen or field.name.endswith("_strindex") or (field.message_type and depth == 0):
            continue
        if field.message_type and field.is_repeated:
            for _ in range(draw(st.integers(0, 2))):
                fill(getattr(message, field.name).add(), draw, depth - 1)
        elif field.message_type:
            getattr(message, field.name).SetInParent()
            fill(getattr(message, field.name), draw, depth - 1)
        elif field.is_repeated:
            getattr(message, field.name).extend(draw(st.lists(SCALARS[field.type], max_size=3)))
        else:
            size = ID_SIZES.get(field.name)
            strategy = SCALARS[field.type] if size is None else st.binary(min_size=size, max_size=size) | st.just(b"")
            setattr(message, field.name, draw(strategy))


@st.composite
def messages(draw: st.DrawFn) -> tuple[Signal, Message]:
    """A signal and a message of it with one resource and scope, and below them anything."""
    signal = draw(st.sampled_from(Signal))
    message = schema.TYPES[signal]()
    # Their first field is the list of resources, whose second is the list of scopes.
    resource = getattr(message, message.DESCRIPTOR.fields_by_number[1].name).add()
    scope = getattr(resource, resource.DESCRIPTOR.fields_by_number[2].name).add()
    fill(scope, draw, 6)
    return signal, message


def swap_ids(tree: Any, swap: Callable[[str], str]) -> Any:
    if isinstance(tree, list):
        return [swap_ids(element, swap) for element in tree]
    if isinstance(tree, dict):
        ids = ("traceId", "spanId", "parentSpanId")
        return {key: swap(content) if key in ids else swap_ids(content, swap) for key, content in tree.items()}
    return tree


def same(signal: Signal, one: Message, other: Message) -> bool:
    """Equality by bytes, since NaN does not equal itself."""
    return one.SerializeToString(deterministic=True) == other.SerializeToString(deterministic=True)


@settings(max_examples=150, deadline=None)
@given(messages())
def test_there_and_back(case: tuple[Signal, Message]) -> None:
    """Reading what was written gives the same message, which is clean OTLP."""
    signal, message = case
    payload = decode(signal, encode(signal, message.SerializeToString()))
    assert same(signal, schema.TYPES[signal].FromString(payload), message)
    assert otlp.sanitize(signal, payload)[0] == payload


@settings(max_examples=150, deadline=None)
@given(messages())
def test_reading_what_protobuf_writes(case: tuple[Signal, Message]) -> None:
    """The protobuf library's JSON, its base64 ids made hexadecimal, is read as the same message."""
    signal, message = case
    tree = swap_ids(json_format.MessageToDict(message), lambda text: base64.b64decode(text).hex().upper())
    assert same(signal, schema.TYPES[signal].FromString(decode(signal, orjson.dumps(tree))), message)


@settings(max_examples=150, deadline=None)
@given(messages())
def test_protobuf_reads_what_we_write(case: tuple[Signal, Message]) -> None:
    """The protobuf library reads our JSON, its ids made base64, as the same message, and would write the same."""
    signal, message = case
    tree = orjson.loads(encode(signal, message.SerializeToString()))
    swapped = swap_ids(tree, lambda text: base64.b64encode(bytes.fromhex(text)).decode())
    assert same(signal, json_format.ParseDict(swapped, schema.TYPES[signal]()), message)
    assert swapped == json_format.MessageToDict(message, use_integers_for_enums=True)


@settings(max_examples=100, deadline=None)
@given(st.sampled_from(Signal), messages(), st.data())
def test_damaged_json(signal: Signal, case: tuple[Signal, Message], data: st.DataObject) -> None:
    """Text with a piece cut out or of another signal gives clean OTLP or `MalformedJson`, nothing else."""
    text = encode(case[0], case[1].SerializeToString())
    start = data.draw(st.integers(0, len(text)))
    damaged = text[:start] + text[start + data.draw(st.integers(0, 8)) :]
    try:
        payload = decode(signal, damaged)
    except MalformedJson:
        return
    otlp.sanitize(signal, payload)
