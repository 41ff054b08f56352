"""`redact_phi`: nothing planted comes out of any place, nothing else is changed, and what fails does not pass."""

import json
from typing import Any

import pytest
from google.protobuf.message import Message
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord
from opentelemetry.proto.metrics.v1.metrics_pb2 import Metric
from opentelemetry.proto.trace.v1.trace_pb2 import Span
from pydantic import ValidationError
from structlog.testing import capture_logs

from pipeline.batch import Batch, Signal
from pipeline.component import Context
from processors.otlp_objects import any_value
from processors.redact_phi import RedactPhi, RedactPhiSettings
from processors.redaction.engine import Engine
from tests.payloads import (
    context,
    decoded_logs,
    decoded_metrics,
    decoded_spans,
    dropped,
    logs,
    metrics,
    pairs,
    traces,
    value_of,
)
from tests.processors.redaction.planting import PLACES, Place, planted

SSN = "536-90-4399"
SSN_RULE = {"id": "ssn", "title": "SSN", "patterns": [r"\b\d{3}-\d{2}-\d{4}\b"]}
ALL_PLACES = [(signal, place) for signal in Signal for place in PLACES[signal]]
CLEAN = {
    "service.name": "portal",
    "http.route": "/patients/{id}",
    "url.path": "/patients/search",
    "http.response.status_code": 200,
    "app.version": "1.2.3.4",
    "build": "20240503101500",
    "block": "blk_-1608999687919862906",
    "trace": "0af7651916cd43dd8448eb211c80319c",
    "uuid": "8f14e45f-ceea-467f-9575-1c2d3e4f5a6b",
    "epoch": 1700000000,
    "ratio": 0.25,
    "note": "patient id missing",
    "json": '{"status": "ok", "took": 12, "patient_id": null}',
    "db.query.text": "SELECT name FROM visits WHERE id = $1",
    "empty": "",
}


ENGINES: dict[str, Engine] = {}
"""Built once for each settings: compiling all rules takes half a second."""


def made(**written: object) -> tuple[RedactPhi, Context]:
    """A processor with these settings and counters of its own."""
    own = context("redact_phi")
    if str(written) not in ENGINES:
        ENGINES[str(written)] = RedactPhiSettings.model_validate(written).build(own)._engine
    return RedactPhi(own, ENGINES[str(written)]), own


PROCESSOR, _ = made()


def attributes_after(attributes: dict[str, object], **written: object) -> dict[str, object]:
    """What becomes of a span's attributes."""
    processor = made(**written)[0] if written else PROCESSOR
    (span,) = decoded_spans(processor.process(traces([Span(attributes=pairs(attributes))])))
    return {entry.key: value_of(entry.value) for entry in span.attributes}


def body_after(text: str) -> str:
    (record,) = decoded_logs(PROCESSOR.process(logs([LogRecord(body=AnyValue(string_value=text))])))
    return str(record.body.string_value)


def redacted(own: Context, rule: str, signal: Signal, action: str = "mask") -> float:
    labels = {"rule": rule, "signal": signal.value, "action": action}
    return own.telemetry.registry.get_sample_value("telescrub_redactions_total", labels) or 0


def place_id(value: Signal | Place) -> str:
    return value.value if isinstance(value, Signal) else ".".join(field.name for field in value)


def is_attribute_of_point(place: Place) -> bool:
    return any("DataPoint." in field.full_name or "Exemplar." in field.full_name for field in place)


@pytest.mark.parametrize(("signal", "place"), ALL_PLACES, ids=place_id)
def test_no_place_is_forgotten(signal: Signal, place: Place) -> None:
    """In every text-bearing place of the descriptors an SSN gives way to its placeholder, or the attribute goes."""
    batch = planted(signal, [place], f"id {SSN} seen".encode())
    result = PROCESSOR.process(batch)
    assert result is not None
    assert SSN.encode() not in result.payload
    if is_attribute_of_point(place):
        assert b"seen" not in result.payload
        return
    assert result.decode() == planted(signal, [place], b"id [ssn] seen").decode()


@pytest.mark.parametrize(("signal", "place"), ALL_PLACES, ids=place_id)
def test_json_in_no_place_is_forgotten(signal: Signal, place: Place) -> None:
    """The same for a key within JSON text."""
    result = PROCESSOR.process(planted(signal, [place], b'{"patientId": 4471203, "n": 1}'))
    assert result is not None
    assert b"4471203" not in result.payload


@pytest.mark.parametrize("value", [4471203, 4471203.5, True, "u-4471203", ["4471203", 1], {"a": {"b": 4471203}}])
@pytest.mark.parametrize(
    "key", ["patient_id", "patientId", "patient-id", "patient.id", "PATIENT_ID", "http.request.header.x-patient-id"]
)
def test_key_rule_masks_every_type(key: str, value: object) -> None:
    """In every spelling of the key, the value becomes the placeholder, whatever its type."""
    assert attributes_after({key: value, "n": 1}) == {key: "[patient_id]", "n": 1}


def test_bytes_under_a_key() -> None:
    """Bytes, too."""
    span = Span(attributes=[KeyValue(key="mrn", value=AnyValue(bytes_value=b"\xff981234"))])
    (after,) = decoded_spans(PROCESSOR.process(traces([span])))
    assert value_of(after.attributes[0].value) == "[mrn]"


def test_keys_within_values() -> None:
    """Nested keys are read with those around them."""
    value = {"patient": {"id": 5, "ward": "3B", "visits": [{"dob": "1980-03-05"}, {"ok": True}]}}
    expected = {"patient": {"id": "[patient_id]", "ward": "3B", "visits": [{"dob": "[birth_date]"}, {"ok": True}]}}
    assert attributes_after({"event": value}) == {"event": expected}


def test_clean_data_is_the_same_batch() -> None:
    """Nothing to redact: the very object comes out."""
    for batch in (
        traces([Span(name="GET /patients/{id}", trace_id=b"5" * 16, attributes=pairs(CLEAN))], CLEAN),
        logs([LogRecord(body=any_value(CLEAN), attributes=pairs(CLEAN))]),
    ):
        assert PROCESSOR.process(batch) is batch


def test_twice_is_once() -> None:
    """What is redacted stays as it is."""
    text = f'{{"ssn": "{SSN}", "a": "x@example.org"}}'.encode()
    once = PROCESSOR.process(planted(Signal.LOGS, PLACES[Signal.LOGS], text))
    assert once is not None
    assert PROCESSOR.process(once) is once


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (f"lookup of {SSN} failed", "lookup of [ssn] failed"),
        ("GET /patients/12345/records", "GET /patients/{id}/records"),
        ("GET /x?patient_id=4471203&page=2", "GET /x?patient_id=[patient_id]&page=2"),
        ("mail to a.canary%40example.org sent", "mail to [email] sent"),
        ("MRN 00981234 merged", "MRN [mrn] merged"),
        ('got {"patientId": "447", "x": 1} back', 'got {"patientId": "[patient_id]", "x": 1} back'),
        ("DOB 03/05/1980, SSN 536904399", "DOB [birth_date], SSN [ssn]"),
        ("çã 529.982.247-25 é", "çã [cpf] é"),
        ("call (212) 555-0143 or +55 11 91234-5678", "call [phone] or [phone]"),
    ],
)
def test_text(text: str, expected: str) -> None:
    """Only what falls under a rule changes."""
    assert body_after(text) == expected


def test_json_text_keeps_its_form() -> None:
    """White space, repeated keys, big numbers and escapes elsewhere stay as they were."""
    text = '{ "big": 123456789012345678901234567890.10,\n "a": "x@example.org", "a": "\\u0041", "ssn" : 536904399 }'
    assert body_after(text) == text.replace("x@example.org", "[email]").replace("536904399", '"[ssn]"')


def test_json_in_json_in_json() -> None:
    """However often it is encoded."""
    text = json.dumps({"patient_id": 4471203, "note": "é ok"})
    for _ in range(4):
        text = json.dumps({"inner": text, "n": 1})
    after: Any = body_after(text)
    assert "4471203" not in after
    for _ in range(4):
        after = json.loads(after)["inner"]
    assert json.loads(after) == {"patient_id": "[patient_id]", "note": "é ok"}


def test_quoted_json_text() -> None:
    """A text that is itself one JSON string is read."""
    assert body_after(json.dumps(json.dumps({"mrn": 1234}))) == json.dumps('{"mrn": "[mrn]"}')


def test_sql() -> None:
    """Literals go, the shape stays."""
    after = attributes_after({"db.query.text": "SELECT a FROM t WHERE n = 'Quxington' AND w IN (3, 4)"})
    assert after == {"db.query.text": "SELECT a FROM t WHERE n = ? AND w IN (?, ?)"}


def test_key_that_holds_something() -> None:
    """The key is redacted; if another attribute has the new key already, the later one goes."""
    before = {"user.maria@example.com": 1, "user.joao@example.com": 2, SSN: 3, "patients.12345.status": "ok"}
    assert attributes_after(before) == {"[email]": 1, "[ssn]": 3, "patients.{id}.status": "ok"}
    assert attributes_after({"[ssn]": "x", SSN: 2}) == {"[ssn]": "[ssn]"}


def test_metric_labels_go() -> None:
    """On points and exemplars the attribute is dropped: a mask would be as wrong as the value."""
    metric = Metric(name="requests")
    point = metric.sum.data_points.add(attributes=pairs({"user_id": 7, "route": "/x", "note": SSN, SSN: "x"}), as_int=1)
    point.exemplars.add(filtered_attributes=pairs({"email": "x@example.org", "zone": "a"}), as_int=1)
    processor, own = made()
    (after,) = decoded_metrics(processor.process(metrics([metric])))
    assert [entry.key for entry in after.sum.data_points[0].attributes] == ["route"]
    assert [entry.key for entry in after.sum.data_points[0].exemplars[0].filtered_attributes] == ["zone"]
    assert redacted(own, "ssn", Signal.METRICS, "drop") == 2
    assert redacted(own, "user_id", Signal.METRICS, "drop") == 1


def test_redactions_are_counted() -> None:
    """By rule, signal and action."""
    processor, own = made()
    processor.process(logs([LogRecord(body=AnyValue(string_value=f"{SSN} {SSN}"), attributes=pairs({"ssn": 1}))]))
    assert redacted(own, "ssn", Signal.LOGS) == 3


def test_rules_of_ones_own() -> None:
    """A rule of the settings is used, and takes the place of one with its id."""
    badge = {"id": "badge", "title": "Badge", "keys": ["badge"], "patterns": [r"\bBDG-\d{4}\b"], "action": "drop"}
    ids = {"id": "path_ids", "title": "Gadgets", "placeholder": "*", "paths": ["gadgets"]}
    before = {"badge": 1, "a": "x", "b": "see BDG-1234", "c": "/gadgets/17/patients/17"}
    assert attributes_after(before, packs=[], rules=[badge, ids]) == {"a": "x", "c": "/gadgets/*/patients/17"}


def test_rule_file(tmp_path: Any) -> None:
    """A pack in a file is used."""
    path = tmp_path / "own.yaml"
    path.write_text("pack: own\nrules:\n  - {id: badge, title: Badge, keys: [badge]}\n")
    assert attributes_after({"badge": 1}, packs=[], rule_files=[path]) == {"badge": "[badge]"}


def test_keep_keys_and_path_words() -> None:
    """Keys can be kept and collections named."""
    written = {"packs": [], "rules": [SSN_RULE], "keep_keys": ["ssn", "a.*"], "path_words": ["gadgets"]}
    before: dict[str, object] = {"ssn": SSN, "a.b": SSN, "c": SSN, "p": "/gadgets/17"}
    assert attributes_after(before, **written) == {"ssn": SSN, "a.b": SSN, "c": "[ssn]", "p": "/gadgets/{id}"}


def test_packs_can_be_chosen() -> None:
    """Without `hipaa` an SSN is a number; the base pack is always on."""
    assert attributes_after({"ssn": 1, "cpf": 1, "p": "/patients/1"}, packs=["lgpd"]) == {
        "ssn": 1,
        "cpf": "[cpf]",
        "p": "/patients/{id}",
    }


@pytest.mark.parametrize(
    ("written", "problem"),
    [
        ({"packs": ["gdpr"]}, "there is no pack gdpr; there are hipaa, lgpd, secrets"),
        (
            {"rule_files": ["/nowhere/own.yaml"]},
            "/nowhere/own.yaml: the file cannot be read: No such file or directory",
        ),
        ({"rules": [{"id": "x", "title": "X", "patterns": ["(a"]}]}, "the pattern engine does not take this"),
        ({"rules": [{"id": "x", "title": "X"}]}, "the rule looks for nothing"),
    ],
)
def test_bad_settings_are_refused(written: dict[str, object], problem: str) -> None:
    """At start, with a sentence."""
    with pytest.raises(ValidationError, match=problem.replace("(", r"\(")):
        RedactPhiSettings.model_validate(written)


def test_too_deep_values_go() -> None:
    """What is nested deeper than allowed is replaced, and counted."""
    nested: object = SSN
    for _ in range(6):
        nested = [nested]
    processor, own = made(packs=[], rules=[SSN_RULE], max_depth=4)
    (span,) = decoded_spans(processor.process(traces([Span(attributes=pairs({"a": nested, "b": "[" * 9 + "]" * 9}))])))
    assert [value_of(entry.value) for entry in span.attributes] == [[[[["[unreadable]"]]]], "[unreadable]"]
    assert redacted(own, "over_budget", Signal.TRACES, "drop") == 2


def test_too_large_values_go() -> None:
    """A value over the limit is replaced if there is something in it."""
    processor, own = made(packs=[], rules=[SSN_RULE], max_value_bytes=100)
    batch = logs([LogRecord(body=AnyValue(string_value=text)) for text in ("x" * 200, "x" * 200 + f" {SSN}")])
    bodies = [record.body.string_value for record in decoded_logs(processor.process(batch))]
    assert bodies == ["x" * 200, "[unreadable]"]
    assert redacted(own, "over_budget", Signal.LOGS, "drop") == 1


class Broken(Exception):
    """What a failing rule raises; its text holds data."""


def break_on(processor: RedactPhi, text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Make the redaction of one text fail."""
    engine = processor._engine
    redact = engine._text.redact

    def failing(content: bytes, *rest: Any) -> bytes | None:
        if text.encode() in content:
            raise Broken(content)
        return redact(content, *rest)

    monkeypatch.setattr(engine._text, "redact", failing)


def test_item_that_fails_is_dropped(monkeypatch: pytest.MonkeyPatch) -> None:
    """And counted; the other items pass."""
    processor, own = made()
    break_on(processor, "078-05-1120", monkeypatch)
    spans = [
        Span(name="a", attributes=pairs({"mail": "x@example.org"})),
        Span(name="b", attributes=pairs({"mail": "x@example.org", "note": "078-05-1120", "more": SSN})),
        Span(name="c", attributes=pairs({"note": SSN})),
    ]
    result = processor.process(traces(spans))
    assert result is not None
    assert result.items == 2
    assert [(span.name, value_of(span.attributes[0].value)) for span in decoded_spans(result)] == [
        ("a", "[email]"),
        ("c", "[ssn]"),
    ]
    assert dropped(own, Signal.TRACES, "redaction_failed") == 1


def test_last_item_that_fails_leaves_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """An empty batch does not go on."""
    processor, own = made()
    break_on(processor, SSN, monkeypatch)
    assert processor.process(traces([Span(name=SSN)])) is None
    assert dropped(own, Signal.TRACES, "redaction_failed") == 1


def test_failure_outside_of_items_drops_the_batch(monkeypatch: pytest.MonkeyPatch) -> None:
    """A resource belongs to all items. Neither the log nor anything else says what was in it."""
    processor, own = made()
    break_on(processor, SSN, monkeypatch)
    with capture_logs() as lines:
        assert processor.process(traces([Span(name="a"), Span(name="b")], {"note": SSN})) is None
    assert dropped(own, Signal.TRACES, "redaction_failed") == 2
    assert lines == [{"event": "a batch was dropped: its redaction failed", "error": "Broken", "log_level": "error"}]


@pytest.mark.parametrize("part", ["_gather", "_patterns", "_names"])
def test_failure_of_any_part_drops_the_batch(part: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever breaks, nothing passes."""
    processor, own = made()
    monkeypatch.setattr(processor._engine, part, None)
    assert processor.process(traces([Span(name="a", attributes=pairs({"k": "v"}))])) is None
    assert dropped(own, Signal.TRACES, "redaction_failed") == 1


def test_bytes_that_are_no_payload_drop_the_batch() -> None:
    """A payload that is not clean does not pass."""
    processor, own = made()
    assert processor.process(Batch(Signal.LOGS, b"\x0a\xff\xff", 1)) is None
    assert dropped(own, Signal.LOGS, "redaction_failed") == 1


CANARIES = st.sampled_from(
    [SSN, "canary.one@example.org", "529.982.247-25", "(212) 555-0143", "4111111111111111", "AKIAABCDEFGHIJKLMNOP"]
)
AROUND = st.text(st.characters(codec="utf-8", exclude_categories=["Cs", "Nd", "Lu", "Ll", "Cc"]), max_size=8)


@given(st.sampled_from(ALL_PLACES), CANARIES, AROUND, AROUND)
def test_canary_never_comes_out(chosen: tuple[Signal, Place], canary: str, before: str, after: str) -> None:
    """Whatever stands around it, wherever it is; and the rest of the message is what protobuf says it should be."""
    signal, place = chosen
    result = PROCESSOR.process(planted(signal, [place], f"{before} {canary} {after}".encode()))
    assert result is not None
    assert canary.encode() not in result.payload
    assert result.payload == Batch.encode(signal, result.decode()).payload


PLAIN = st.recursive(
    st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.text('abc {}[]":,\\\n é', max_size=20),
    lambda children: st.lists(children, max_size=4) | st.dictionaries(st.sampled_from("klm"), children, max_size=3),
    max_leaves=10,
)


@given(st.dictionaries(st.sampled_from(["a", "b", "service.name", "note"]), PLAIN))
def test_clean_data_is_byte_equal(attributes: dict[str, object]) -> None:
    """Numbers, texts, JSON and what only looks like it."""
    batch = traces([Span(name="n", attributes=pairs(attributes))], attributes)
    assert PROCESSOR.process(batch) is batch


@given(st.dictionaries(st.sampled_from(["a", "ssn", "patient_id"]), PLAIN))
def test_only_keys_under_rules_change(attributes: dict[str, object]) -> None:
    """The other attributes are byte-equal."""

    def others(message: Message) -> list[bytes]:
        (span,) = message.resource_spans[0].scope_spans[0].spans  # type: ignore[attr-defined]
        return [entry.SerializeToString() for entry in span.attributes if entry.key == "a"]

    batch = traces([Span(name="n", attributes=pairs(attributes))])
    result = PROCESSOR.process(batch)
    assert result is not None
    assert others(result.decode()) == others(batch.decode())
