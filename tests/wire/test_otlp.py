"""Cleaning, splitting and splicing OTLP bytes: examples, and the protobuf library as the referee on random messages."""

import os

import pytest
from google.protobuf.message import DecodeError, Message
from hypothesis import given, settings
from hypothesis import strategies as st
from opentelemetry.proto.common.v1.common_pb2 import AnyValue
from opentelemetry.proto.trace.v1.trace_pb2 import TracesData

from tests.wire.test_otlp_json import messages
from wire import otlp, schema
from wire.protobuf import length_delimited
from wire.signal import Signal


def one_span(**fields: object) -> TracesData:
    data = TracesData()
    data.resource_spans.add().scope_spans.add().spans.add(**fields)
    return data


def nested(*levels: int, content: bytes) -> bytes:
    """`content` within length-delimited fields, outermost first."""
    for number in reversed(levels):
        content = length_delimited(number << 3 | 2, content)
    return content


def malformed(payload: bytes) -> str:
    with pytest.raises(otlp.Malformed) as caught:
        otlp.sanitize(Signal.TRACES, payload)
    return str(caught.value)


def test_the_kernels_run_as_asked() -> None:
    """TELESCRUB_UNCOMPILED=1: the kernels as Python. REQUIRE_COMPILED=1: compiled. Neither: what is installed."""
    uncompiled, compiled = (os.environ.get(name) == "1" for name in ("TELESCRUB_UNCOMPILED", "REQUIRE_COMPILED"))
    assert not (uncompiled and otlp.COMPILED)
    assert uncompiled or otlp.COMPILED or not compiled


@settings(max_examples=150, deadline=None)
@given(messages())
def test_canonical_bytes_stay(case: tuple[Signal, Message]) -> None:
    """What the protobuf library writes is clean already: the same bytes come back."""
    signal, message = case
    payload = message.SerializeToString()
    clean, _ = otlp.sanitize(signal, payload)
    assert clean is payload


@settings(max_examples=150, deadline=None)
@given(messages(), messages())
def test_joined_requests(first: tuple[Signal, Message], second: tuple[Signal, Message]) -> None:
    """Two requests joined as bytes hold the items of both."""
    (signal, one), (other, two) = first, second
    if signal is other:
        joined = one.SerializeToString() + two.SerializeToString()
        items = otlp.count(signal, one.SerializeToString()) + otlp.count(signal, two.SerializeToString())
        assert otlp.sanitize(signal, joined) == (joined, items)


def assert_malformed(signal: Signal, payload: bytes) -> None:
    assert not accepts(signal, payload)


def accepts(signal: Signal, payload: bytes) -> bool:
    try:
        schema.TYPES[signal].FromString(payload)
    except DecodeError:
        return False
    return True


@settings(max_examples=300, deadline=None)
@given(messages(), st.data())
def test_damaged_bytes(case: tuple[Signal, Message], data: st.DataObject) -> None:
    """However a payload is damaged: what comes out parses, has no unknown field, and says what the library reads."""
    signal, message = case
    payload = bytearray(message.SerializeToString())
    for _ in range(data.draw(st.integers(1, 3))):
        at = data.draw(st.integers(0, len(payload)))
        payload[at : at + data.draw(st.integers(0, 2))] = data.draw(st.binary(max_size=3))
    damaged = bytes(payload)
    try:
        clean, items = otlp.sanitize(signal, damaged)
    except otlp.Malformed as error:
        # Ids of the wrong length are the one thing the library takes and we do not.
        if " bytes; " not in str(error):
            assert_malformed(signal, damaged)
        return
    read, expected = schema.TYPES[signal].FromString(clean), schema.TYPES[signal].FromString(damaged)
    expected.DiscardUnknownFields()
    otlp._clear_string_indices(expected)
    assert read.SerializeToString(deterministic=True) == expected.SerializeToString(deterministic=True)
    assert otlp.sanitize(signal, clean) == (clean, items)


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=40))
def test_garbage(payload: bytes) -> None:
    """Random bytes are refused or cleaned, and never read past their end."""
    for signal in Signal:
        try:
            clean, _ = otlp.sanitize(signal, payload)
        except otlp.Malformed:
            continue
        assert accepts(signal, clean)


def test_unknown_fields_are_removed() -> None:
    """A field that OTLP does not have would carry its content past every processor."""
    known = one_span(name="GET /things").SerializeToString()
    unknown = nested(1, 2, 2, 15, 9, content=b"536-90-4399")
    clean, items = otlp.sanitize(Signal.TRACES, known + unknown)
    assert items == 2
    assert b"536-90-4399" not in clean


def test_string_indices_are_removed() -> None:
    """The string-table indices of profiles mean nothing in a span and are taken out."""
    data = one_span(name="x")
    attribute = data.resource_spans[0].scope_spans[0].spans[0].attributes.add(key="k")
    attribute.key_strindex = 7
    attribute.value.string_value_strindex = 9
    clean, _ = otlp.sanitize(Signal.TRACES, data.SerializeToString())
    assert (
        TracesData.FromString(clean).resource_spans[0].scope_spans[0].spans[0].attributes[0].ListFields()[0][1] == "k"
    )
    assert b"\x07" not in clean
    assert b"\x09" not in clean


def test_value_before_its_key() -> None:
    """An attribute whose value comes first is put in order, so that whoever reads the key first is right to."""
    value = nested(2, content=AnyValue(string_value="v").SerializeToString())
    payload = nested(1, 2, 2, 9, content=value + nested(1, content=b"k"))
    clean, _ = otlp.sanitize(Signal.TRACES, payload)
    assert clean == nested(1, 2, 2, 9, content=nested(1, content=b"k") + value)


def test_a_singular_field_twice() -> None:
    """The last one counts, as for the protobuf library."""
    payload = nested(1, 2, 2, content=nested(5, content=b"first") + nested(5, content=b"second"))
    clean, _ = otlp.sanitize(Signal.TRACES, payload)
    assert clean == nested(1, 2, 2, content=nested(5, content=b"second"))


def test_bad_ids() -> None:
    """A trace id has 16 bytes, a span id 8, or none."""
    payload = one_span(trace_id=b"12345").SerializeToString()
    assert malformed(payload) == "Span.trace_id has 5 bytes; 16 are needed, or none"
    payload = one_span(span_id=b"123456789").SerializeToString()
    assert malformed(payload) == "Span.span_id has 9 bytes; 8 are needed, or none"


def test_invalid_utf8() -> None:
    """The sentence names the field and not its content."""
    payload = nested(1, 2, 2, content=nested(5, content=b"536-90-4399 \xff"))
    assert malformed(payload) == "Span.name is not valid UTF-8"


def test_an_unknown_field_deep_below() -> None:
    """The protobuf library takes unknown fields out to a depth of 64 messages; what is deeper is turned away."""
    content = length_delimited(15 << 3 | 2, b"x")
    for _ in range(40):
        content = nested(5, 1, content=content)
    assert (
        malformed(nested(1, 1, 1, 2, content=content))
        == "a field that is not OTLP's is nested too deeply to be taken out"
    )


def test_deep_nesting() -> None:
    """Values may be nested as deep as the protobuf library reads, and no deeper."""
    value = AnyValue(string_value="x").SerializeToString()
    for _ in range(200):
        value = nested(5, 1, content=value)
    payload = nested(1, 2, 2, 9, content=nested(1, content=b"k") + nested(2, content=value))
    assert malformed(payload) == "values are nested more than 100 messages deep"


@pytest.mark.parametrize("payload", [b"\x0a", b"\x0a\x7f", b"\x0a\xff\xff\xff\xff\xff\x01", b"\x09\x00", b"\x00\x00"])
def test_truncated_fields(payload: bytes) -> None:
    """Lengths that lead past the end, cut numbers and field number 0 are malformed."""
    assert malformed(payload)


def test_empty_payload() -> None:
    """No bytes are an empty request."""
    assert otlp.sanitize(Signal.TRACES, b"") == (b"", 0)


def items_of(signal: Signal, payload: bytes) -> list[bytes]:
    """Every item with everything around it, as payloads of one item."""
    return [part for part, _ in otlp.split(signal, payload, 2, 1, 0)]


@settings(max_examples=150, deadline=None)
@given(messages(), st.integers(1, 4), st.sampled_from([0, 1, 60, 300]))
def test_split(case: tuple[Signal, Message], max_items: int, max_bytes: int) -> None:
    """Nothing is lost, doubled or reordered, whatever the limits; parts keep to them unless a single item does not."""
    signal, message = case
    payload = message.SerializeToString()
    items = otlp.count(signal, payload)
    parts = otlp.split(signal, payload, items, max_items, max_bytes)
    assert [count for _, count in parts] == [otlp.count(signal, part) for part, _ in parts]
    assert sum(count for _, count in parts) == items
    assert all(
        count <= max_items and (count == 1 or not max_bytes or len(part) <= max_bytes) for part, count in parts
    ) or (len(parts) == 1 and items <= max_items and len(payload) <= max_bytes)
    if items > 1:
        assert [one for part, _ in parts for one in items_of(signal, part)] == items_of(signal, payload)


def test_split_keeps_the_envelopes() -> None:
    """Every part has the resource, the scope and the schema URLs of its items."""
    data = TracesData()
    resource = data.resource_spans.add(schema_url="https://example.org/schema")
    resource.resource.attributes.add(key="service.name").value.string_value = "records-api"
    scope = resource.scope_spans.add()
    scope.scope.name = "tracer"
    for number in range(3):
        scope.spans.add(name=f"span {number}")
    parts = otlp.split(Signal.TRACES, data.SerializeToString(), 3, 2)
    read = [TracesData.FromString(part).resource_spans[0] for part, _ in parts]
    assert [[span.name for span in each.scope_spans[0].spans] for each in read] == [["span 0", "span 1"], ["span 2"]]
    assert all(each.schema_url == "https://example.org/schema" for each in read)
    assert all(each.resource == resource.resource and each.scope_spans[0].scope.name == "tracer" for each in read)


def find(payload: bytes, content: bytes) -> tuple[int, int]:
    start = payload.index(content)
    return start, start + len(content)


def test_splice_text() -> None:
    """A longer and a shorter text: every length around them is mended."""
    payload = one_span(name="GET /patients/12345", trace_state="a=b").SerializeToString()
    edits = [(*find(payload, b"a=b"), b""), (*find(payload, b"GET /patients/12345"), b"x" * 300)]
    expected = one_span(name="x" * 300).SerializeToString()
    spliced = otlp.splice(Signal.TRACES, payload, edits)
    assert TracesData.FromString(spliced) == TracesData.FromString(expected)


@pytest.mark.parametrize("before", [1, 127, 128, 16_383, 16_384])
@pytest.mark.parametrize("after", [1, 100, 127, 128, 16_300, 16_383, 16_384, 2_097_152])
def test_splice_mends_lengths(before: int, after: int) -> None:
    """Lengths around an edit take more or fewer bytes than before; what follows moves along."""
    payload = one_span(name="x" * before, trace_state="a=b").SerializeToString()
    spliced = otlp.splice(Signal.TRACES, payload, [(*find(payload, b"x" * before), b"y" * after)])
    assert spliced == one_span(name="y" * after, trace_state="a=b").SerializeToString()


def test_splice_removes_a_field() -> None:
    """An edit from a tag to the end of its field takes the field out."""
    data = one_span(name="x")
    span = data.resource_spans[0].scope_spans[0].spans[0]
    span.attributes.add(key="keep").value.int_value = 1
    span.attributes.add(key="drop").value.int_value = 2
    payload = data.SerializeToString()
    start, end = find(payload, nested(9, content=span.attributes[1].SerializeToString()))
    del span.attributes[1]
    assert otlp.splice(Signal.TRACES, payload, [(start, end, b"")]) == data.SerializeToString()


def test_splice_changes_a_value() -> None:
    """An edit over an AnyValue's whole content changes its type too."""
    data = one_span(name="x")
    span = data.resource_spans[0].scope_spans[0].spans[0]
    span.attributes.add(key="patient_id").value.int_value = 4471203
    payload = data.SerializeToString()
    start, end = find(payload, span.attributes[0].value.SerializeToString())
    masked = AnyValue(string_value="[mrn]").SerializeToString()
    span.attributes[0].value.string_value = "[mrn]"
    assert otlp.splice(Signal.TRACES, payload, [(start, end, masked)]) == data.SerializeToString()


def test_splice_refuses_half_a_leaf() -> None:
    """An edit that covers neither a leaf nor whole fields would break the message."""
    payload = one_span(name="abcdef").SerializeToString()
    start, _ = find(payload, b"abcdef")
    with pytest.raises(ValueError, match="an edit must cover the whole content of a leaf"):
        otlp.splice(Signal.TRACES, payload, [(start + 1, start + 3, b"")])
