"""The gather kernel: every text-bearing place is found, nothing else, and nothing is read outside of the payload."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValueList
from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from pipeline.batch import Signal
from tests.payloads import logs, pairs, traces
from tests.processors.redaction.planting import PLACES, Place, planted
from wire import otlp, schema
from wire.redact import DEEP_JSON, DEEP_VALUE, INSPECT, KEEP, KEY, KEY_HIT, RULE, SCAN, Gather, Hit, unescape

ALL_PLACES = [(signal, place) for signal in Signal for place in PLACES[signal]]
EVERY_PLACE = pytest.mark.parametrize(
    ("signal", "place"), ALL_PLACES, ids=lambda value: value if isinstance(value, str) else name_of(value)
)
NOT_JSON = [b'{"a":"x"', b"[INFO] x", b'{"a" "x"}', b'{"a":"x"} tail', b"{", b'["', b'["\\', b"[1,]", b"{a}"]
REASONS = (
    "the payload ends within a field",
    "the payload ends within a number",
    "a field is longer than the payload",
    "the payload has an unknown field",
)


def gather(codes: dict[bytes, int] | None = None, otherwise: int = INSPECT, max_depth: int = 32) -> Gather:
    """A kernel whose keys have these codes by their path."""
    return Gather(lambda path, key: otherwise, codes or {}, max_depth)


def walked(text: bytes, **options: Any) -> list[tuple[bytes, int]]:
    """What is found in a text that stands alone: content and code."""
    kernel = gather(**options)
    kernel.walk_text(text, INSPECT)
    return [(text[hit.start : hit.end], hit.code) for hit in kernel.hits([])]


def attribute(value: object, code: int, key: str = "k", **options: Any) -> tuple[bytes, list[Hit]]:
    """The payload of a span with one attribute, and the hits in it."""
    payload = traces([Span(attributes=pairs({key: value}))]).payload
    kernel = gather({b"tracer": SCAN, key.encode(): code}, SCAN, **options)
    kernel.walk(payload, schema.ROOT[Signal.TRACES])
    return payload, kernel.hits([])


def name_of(place: Place) -> str:
    return ".".join(field.name for field in place)


@EVERY_PLACE
def test_every_place_is_found(signal: Signal, place: Place) -> None:
    """The text of each place that the descriptors know is in the buffer, or is a key that the kernel asks about."""
    asked: list[bytes] = []

    def decide(path: bytes, key: bytes) -> int:
        asked.append(key)
        return SCAN

    kernel = Gather(decide, {}, 32)
    length = kernel.walk(planted(signal, [place], b"a canary").payload, schema.ROOT[signal])
    texts = kernel.scanned(length).split(b"\n")
    assert b"a canary" in (asked if place[-1].name == "key" else texts)


def test_ids_are_not_text() -> None:
    """Trace and span ids, times and counts are never gathered."""
    span = Span(trace_id=b"t" * 16, span_id=b"s" * 8, parent_span_id=b"p" * 8, start_time_unix_nano=2**60, name="n")
    kernel = gather()
    length = kernel.walk(traces([span]).payload, schema.ROOT[Signal.TRACES])
    assert kernel.scanned(length) == b"tracer\n1.0\nn\n"


def test_match_leads_to_its_leaf() -> None:
    """The end of a match in the buffer gives the leaf, its place, and the attribute that holds it."""
    payload = traces([Span(name="first", attributes=pairs({"k": "second", "l": "third"}))]).payload
    kernel = gather(otherwise=SCAN)
    length = kernel.walk(payload, schema.ROOT[Signal.TRACES])
    text = kernel.scanned(length)
    (hit,) = kernel.hits([text.index(b"second") + 3])
    assert payload[hit.start : hit.end] == b"second"
    assert payload[hit.owner : hit.owner + 1] == b"\x4a"
    assert schema.FIELDS[divmod(hit.place, schema.WIDTH)].full_name.endswith("Span.attributes")


@pytest.mark.parametrize("value", [7, -1, 1.5, True, "text", b"bytes", ["a", 1], {"a": {"b": 1}}])
def test_key_rule_takes_the_whole_value(value: object) -> None:
    """The hit is the content of the AnyValue, whatever it holds."""
    payload, hits = attribute(value, RULE + 3)
    expected = pairs({"k": value})[0].value.SerializeToString()
    assert [(payload[hit.start : hit.end], hit.code) for hit in hits] == [(expected, RULE + 3)]


@pytest.mark.parametrize("value", ["", [], {}, b""])
def test_nothing_under_a_key_is_nothing(value: object) -> None:
    """An empty value says nothing and stays."""
    assert attribute(value, RULE)[1] == []


def test_kept_value_is_not_gathered() -> None:
    """Nested keys of a kept value are decided on by themselves."""
    assert attribute("text", KEEP)[1] == []
    assert attribute({"n": "text"}, KEEP)[1] == []


def test_key_that_holds_something() -> None:
    """The key is a hit of its own, and its value is still looked at."""
    payload, hits = attribute("text", INSPECT | KEY_HIT)
    assert [(payload[hit.start : hit.end], hit.code) for hit in hits] == [(b"k", KEY), (b"text", INSPECT)]


def test_nested_keys_have_a_path() -> None:
    """`a: {b: 1}` is decided on as `a.b`."""
    payload = attribute({"b": 1}, SCAN, key="a")[0]
    kernel = gather({b"a": SCAN, b"a.b": RULE}, SCAN)
    kernel.walk(payload, schema.ROOT[Signal.TRACES])
    assert [hit.code for hit in kernel.hits([])] == [RULE]


def test_deep_values_are_hits() -> None:
    """What is nested deeper than allowed is not walked, and is a hit as a whole."""
    assert [hit.code for hit in attribute([[[["text"]]]], SCAN, max_depth=2)[1]] == [DEEP_VALUE]


def test_json_strings_are_rows() -> None:
    """Strings of a JSON text are leaves, under their keys; numbers are not, and white space does not matter."""
    text = b' {"a": "x", "b": [ "y" , 1, null, {"c":"z"}], "d": true, "e": -1.5e+3}\n'
    assert walked(text) == [(b"x", INSPECT), (b"y", INSPECT), (b"z", INSPECT)]


@pytest.mark.parametrize(
    ("value", "found"),
    [("1", b"1"), ("[1, 2]", b"[1, 2]"), ('{"b": "c"}', b'{"b": "c"}'), ('"x"', b'"x"'), ("true", b"true")],
)
def test_json_value_under_a_key_rule(value: str, found: bytes) -> None:
    """The whole value, with its quotes or brackets; nothing within it is looked at."""
    assert walked(f'{{"a":{value}}}'.encode(), codes={b"a": RULE}) == [(found, RULE)]


@pytest.mark.parametrize("value", ["null", '""', "[]", "{}"])
def test_empty_json_value_under_a_key_rule(value: str) -> None:
    """There is nothing to hide."""
    assert walked(f'{{"a":{value}}}'.encode(), codes={b"a": RULE}) == []


def test_json_number_of_two_or_four_digits() -> None:
    """Is not taken for an empty value."""
    assert walked(b'{"a":12,"a":1234,"a":-1}', codes={b"a": RULE}) == [(b"12", RULE), (b"1234", RULE), (b"-1", RULE)]


def test_repeated_json_keys_are_both_seen() -> None:
    """A parser keeps the last; the first leaves just as well."""
    assert walked(b'{"a":"x","a":"y"}') == [(b"x", INSPECT), (b"y", INSPECT)]


def test_escaped_json_string_is_a_hit() -> None:
    """It must be decoded to be looked at."""
    kernel = gather(otherwise=SCAN)
    text = rb'{"a":"\u0041","b":"plain"}'
    kernel.walk_text(text)
    assert [(text[hit.start : hit.end], hit.escaped, hit.container) for hit in kernel.hits([])] == [
        (rb"\u0041", True, (0, len(text)))
    ]


@pytest.mark.parametrize("text", NOT_JSON)
def test_not_json(text: bytes) -> None:
    """A text that only looks like JSON is one leaf."""
    assert walked(text) == [(text, INSPECT)]


def test_deep_json_is_a_hit() -> None:
    """As a whole, with a bounded stack."""
    text = b"[" * 100_000
    assert walked(text) == [(text, DEEP_JSON)]


def test_many_rows() -> None:
    """The table grows."""
    text = json.dumps([str(number) for number in range(5000)]).encode()
    assert [content for content, _ in walked(text)] == [str(number).encode() for number in range(5000)]


def strings_of(value: Any) -> list[str]:
    if isinstance(value, str):
        return [value] if value else []
    if isinstance(value, dict):
        value = list(value.values())
    return [text for inner in value for text in strings_of(inner)] if isinstance(value, list) else []


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda children: st.lists(children) | st.dictionaries(st.text(), children),
    max_leaves=12,
)


@given(st.lists(JSON) | st.dictionaries(st.text(), JSON), st.booleans(), st.sampled_from([None, 1]))
def test_json_like_the_library(value: Any, ascii_only: bool, indent: int | None) -> None:
    """Every string of every JSON text is found, once and in order."""
    text = json.dumps(value, ensure_ascii=ascii_only, indent=indent).encode("utf-8", "replace")
    assert [unescape(content).decode() for content, _ in walked(text)] == strings_of(json.loads(text))


def outcome(payload: bytes, signal: Signal) -> str:
    """Why the walk of a payload stopped; nothing if it went through."""
    try:
        gather().walk(payload, schema.ROOT[signal])
    except ValueError as problem:
        return str(problem)
    return ""


@given(st.binary(max_size=200), st.sampled_from(list(Signal)))
def test_garbage_ends(payload: bytes, signal: Signal) -> None:
    """Bytes that are no payload make the walk stop, with an error or without."""
    assert outcome(payload, signal) in ("", *REASONS)


@given(st.data())
def test_cut_payload_ends(data: st.DataObject) -> None:
    """So does a payload that is cut or bent."""
    signal, place = data.draw(st.sampled_from(ALL_PLACES))
    payload = bytearray(planted(signal, [place], b'{"a": "canary"}').payload)
    payload[data.draw(st.integers(0, len(payload) - 1))] = data.draw(st.integers(0, 255))
    cut = data.draw(st.integers(0, len(payload)))
    assert outcome(bytes(payload[:cut]), signal) in ("", *REASONS)


def test_failure_of_decide_is_raised() -> None:
    """Nothing is passed over in silence."""

    def decide(path: bytes, key: bytes) -> int:
        raise LookupError

    with pytest.raises(LookupError):
        Gather(decide, {}, 32).walk_text(b'{"a":1}')


def test_clean_payload_has_no_hits() -> None:
    """Known keys are not asked about again."""
    asked: list[bytes] = []
    known: dict[bytes, int] = {}

    def decide(path: bytes, key: bytes) -> int:
        asked.append(path)
        known[path] = SCAN
        return SCAN

    kernel = Gather(decide, known, 32)
    batch = logs([LogRecord(attributes=pairs({"k": "text"})), LogRecord(attributes=pairs({"k": 'other {"'}))])
    assert otlp.sanitize(Signal.LOGS, batch.payload)[0] == batch.payload
    kernel.walk(batch.payload, schema.ROOT[Signal.LOGS])
    assert (kernel.hits([]), asked) == ([], [b"k"])


def test_many_keys_keep_their_codes() -> None:
    """More keys than the table has slots, asked for in turn: none gets the code of another."""
    known: dict[bytes, int] = {}

    def decide(path: bytes, key: bytes) -> int:
        known[path] = RULE + int(path[4:])
        return known[path]

    kernel = Gather(decide, known, 32)
    keys = {f"key.{number}": "x" for number in range(6_000)}
    payload = logs([LogRecord(attributes=pairs(keys)), LogRecord(attributes=pairs(keys))]).payload
    kernel.walk(payload, schema.ROOT[Signal.LOGS])
    assert [hit.code - RULE for hit in kernel.hits([])] == [*range(6_000), *range(6_000)]


@pytest.mark.parametrize(
    "text",
    [
        b'{"resourceType": "Patient", "id": "x"}',
        b'{"id": "x", "meta": {"a": [1, {"b": 2}]}, "resourceType": "Patient"}',
        b'[{"id": "x", "resourceType" : "Patient"}]',
    ],
)
def test_type_of_a_resource_is_in_the_path(text: bytes) -> None:
    """Wherever FHIR's `resourceType` stands in an object, all of its keys are under it."""
    asked: list[bytes] = []

    def decide(path: bytes, key: bytes) -> int:
        asked.append(path)
        return SCAN

    Gather(decide, {}, 32).walk_text(text)
    assert b"Patient.id" in asked
    assert b"id" not in asked


def test_type_of_a_structured_resource_is_in_the_path() -> None:
    """The same for the pairs of a KeyValueList."""
    asked: list[bytes] = []

    def decide(path: bytes, key: bytes) -> int:
        asked.append(path)
        return SCAN

    body = AnyValue(kvlist_value=KeyValueList(values=pairs({"id": "x", "resourceType": "Patient"})))
    payload = logs([LogRecord(body=body)]).payload
    Gather(decide, {}, 32).walk(payload, schema.ROOT[Signal.LOGS])
    assert asked == [b"Patient.id", b"Patient.resourceType"]
