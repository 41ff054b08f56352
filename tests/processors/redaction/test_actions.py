"""Actions, through the whole processor: the same token everywhere, less exact values, what stays, what is only counted,
and what happens when an action cannot be done.
"""

import json
import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.proto.common.v1.common_pb2 import AnyValue
from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord
from opentelemetry.proto.metrics.v1.metrics_pb2 import Metric
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from pipeline.batch import Batch, Signal
from pipeline.component import Context
from processors.otlp_objects import any_value
from processors.redact_phi import RedactPhi, RedactPhiSettings
from processors.redaction.engine import Engine
from processors.redaction.generalize import GENERALIZE
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

KEY = "a synthetic key of more than 32 bytes"
PSEUDONYMS = {
    "packs": ["hipaa", "lgpd"],
    "pseudonym_keys": [{"epoch": 3, "key": KEY}],
    "overrides": {
        rule: {"action": "pseudonymize"} for rule in ("cpf", "patient_id", "path_ids", "email", "ssn", "br_patient_id")
    },
}
GENERAL = {
    "packs": ["hipaa"],
    "overrides": {rule: {"action": "generalize"} for rule in ("birth_date", "address", "address_keys", "ip_address")},
}
SSN = {"id": "ssn", "title": "SSN", "keys": ["ssn"], "patterns": [r"\b\d{3}-\d{2}-\d{4}\b"]}
NOTE = {"id": "note", "title": "Note", "keys": ["note"], "in_text": "never", "action": "truncate", "truncate_to": 12}

ENGINES: dict[str, Engine] = {}
"""Built once for each settings: compiling all rules takes half a second."""


def made(written: dict[str, Any]) -> tuple[RedactPhi, Context]:
    """A processor with these settings and counters of its own."""
    own = context("redact_phi")
    if str(written) not in ENGINES:
        ENGINES[str(written)] = RedactPhiSettings.model_validate(written).build(own)._engine
    return RedactPhi(own, ENGINES[str(written)]), own


made(PSEUDONYMS)


def attributes_after(attributes: dict[str, object], written: dict[str, Any]) -> dict[str, object]:
    """What becomes of a span's attributes."""
    (span,) = decoded_spans(made(written)[0].process(traces([Span(attributes=pairs(attributes))])))
    return {entry.key: value_of(entry.value) for entry in span.attributes}


def body_after(text: str, written: dict[str, Any]) -> str:
    (record,) = decoded_logs(made(written)[0].process(logs([LogRecord(body=AnyValue(string_value=text))])))
    return str(record.body.string_value)


def redacted(own: Context, rule: str, signal: Signal, action: str) -> float:
    labels = {"rule": rule, "signal": signal.value, "action": action}
    return own.telemetry.registry.get_sample_value("telescrub_redactions_total", labels) or 0


@given(st.integers(10**6, 10**10 - 1))
def test_same_person_same_token_everywhere(number: int) -> None:
    """Attributes of every type, JSON, JSON in JSON, running text, paths, in two packs' keys."""
    after = attributes_after(
        {
            "patient_id": str(number),
            "patientId": number,
            "patient": {"id": float(number)},
            "X-Patient-ID": [str(number)],
            "paciente_id": f"00{number}",
            "json": json.dumps({"patient_id": number, "inner": json.dumps({"patient": {"id": f"{number}"}})}),
            "text": f"lookup patient_id={number} failed",
            "url.path": f"/patients/{number}/records",
        },
        PSEUDONYMS,
    )
    token = after["patient_id"]
    assert re.fullmatch(r"patient_id_v3_[a-z2-7]{26}", str(token))
    assert after == {
        "patient_id": token,
        "patientId": token,
        "patient": {"id": token},
        "X-Patient-ID": token,
        "paciente_id": token,
        "json": json.dumps({"patient_id": token, "inner": json.dumps({"patient": {"id": token}})}),
        "text": f"lookup patient_id={token} failed",
        "url.path": f"/patients/{token}/records",
    }


@pytest.mark.parametrize("text", ["012.345.678-90", "012345678-90"])
def test_spellings_in_text_and_under_keys(text: str) -> None:
    """Leading zeros, separators, escapes."""
    token = attributes_after({"cpf": 1234567890}, PSEUDONYMS)["cpf"]
    assert body_after(f"CPF: {text}", PSEUDONYMS) == f"CPF: {token}"
    mail = attributes_after({"email": "Canary.One@example.org"}, PSEUDONYMS)["email"]
    assert body_after("to canary.one%40example.org sent", PSEUDONYMS) == f"to {mail} sent"


def test_several_values_and_maps() -> None:
    """Each value of a list has its token; a map, a truth value and what is no number are masked."""
    before = {"ssn": ["1", 2], "cpf": True, "patient_id": {"a": 1}, "email": float("nan")}
    one, two = (attributes_after({"ssn": value}, PSEUDONYMS)["ssn"] for value in (1, 2))
    assert attributes_after(before, PSEUDONYMS) == {
        "ssn": f"{one}, {two}",
        "cpf": "[cpf]",
        "patient_id": "[patient_id]",
        "email": "[email]",
    }


def test_tokens_twice_are_tokens_once() -> None:
    """A second Telescrub leaves the tokens of the first."""
    processor, own = made(PSEUDONYMS)
    attributes = {"cpf": 1234567890, "json": '{"patient_id": 5, "x": "patient_id=1-2"}', "url.path": "/patients/5"}
    record = LogRecord(body=AnyValue(string_value="CPF: 01234567890, patient_id=a@example.org"))
    once = processor.process(logs([record], attributes))
    assert once is not None
    counted = redacted(own, "cpf", Signal.LOGS, "pseudonymize")
    assert counted == 2
    assert processor.process(once) is once
    assert redacted(own, "cpf", Signal.LOGS, "pseudonymize") == counted


def test_tokens_are_no_labels() -> None:
    """On metric data points the attribute goes: a token has as many values as there are people."""
    metric = Metric(name="requests")
    point = metric.sum.data_points.add(attributes=pairs({"patient_id": 7, "route": "/x"}), as_int=1)
    point.exemplars.add(filtered_attributes=pairs({"ssn": 5, "zone": "a"}), as_int=1)
    processor, own = made(PSEUDONYMS)
    (after,) = decoded_metrics(processor.process(metrics([metric])))
    assert [entry.key for entry in after.sum.data_points[0].attributes] == ["route"]
    assert [entry.key for entry in after.sum.data_points[0].exemplars[0].filtered_attributes] == ["zone"]
    assert redacted(own, "patient_id", Signal.METRICS, "drop") == 1


def test_generalized_attributes() -> None:
    """Dates, ages, ZIP codes, addresses; what is not understood is masked, and counted as that."""
    processor, own = made(GENERAL)
    before = {
        "dob": "1980-03-05",
        "birthDate": 19790206,
        "birth_date": "05/03/1921",
        "patient_age": 45,
        "zip": 2139,
        "postal_code": "03601",
        "street": "12 Canary Lane",
        "latitude": 38.91234,
        "client.address": "203.0.113.7",
        "x_forwarded_for": ["203.0.113.7", "2001:db8:1:2::7"],
        "date_of_birth": "soon",
        "json": '{"dob": 19790206, "age": 3, "zip": "90210"}',
    }
    (span,) = decoded_spans(processor.process(traces([Span(attributes=pairs(before))])))
    assert {entry.key: value_of(entry.value) for entry in span.attributes} == {
        "dob": "1980",
        "birthDate": "1979",
        "birth_date": "90+",
        "patient_age": 45,
        "zip": "021",
        "postal_code": "000",
        "street": "[address]",
        "latitude": "[address_keys]",
        "client.address": "203.0.113.0/24",
        "x_forwarded_for": "203.0.113.0/24, 2001:db8:1::/48",
        "date_of_birth": "[birth_date]",
        "json": '{"dob": "1979", "age": 3, "zip": "902"}',
    }
    assert redacted(own, "birth_date", Signal.TRACES, "generalize") == 4
    assert redacted(own, "birth_date", Signal.TRACES, "mask") == 1


def test_generalized_text() -> None:
    """In running text the same."""
    text = "DOB: 1980-03-05, zip 90210, client_ip=203.0.113.7, born 03/05/80"
    assert body_after(text, GENERAL) == "DOB: 1980, zip 902, client_ip=203.0.113.0/24, born [birth_date]"


def test_truncated() -> None:
    """After the other rules, so that no cut hides anything from them; JSON is masked."""
    written = {"packs": [], "rules": [NOTE, SSN]}
    assert attributes_after({"note": "a long text without any"}, written) == {"note": "a long text "}
    assert attributes_after({"note": "short"}, written) == {"note": "short"}
    assert attributes_after({"note": "id 536-90-4399 seen"}, written) == {"note": "id [ssn] see"}
    assert attributes_after({"note": '{"ssn": 536904399}', "a": {"note": {"b": 1}}}, written) == {
        "note": "[note]",
        "a": {"note": "[note]"},
    }


def test_values_that_stay() -> None:
    """Of one rule or of all; only in full, and only if no other rule finds something in them."""
    address = {"id": "ip", "title": "IP", "keys": ["ip"], "keep_values": [r"10\..*"]}
    written = {"packs": [], "rules": [address, SSN], "keep_values": ["000-00-0000", "test-[a-z]+"]}
    before: dict[str, object] = {
        "ip": "10.0.0.7",
        "x": {"ip": ["10.0.0.7", "10.0.0.8"]},
        "y": {"ip": ["10.0.0.7", "192.0.2.1"]},
        "z": {"ip": "10.0.0.7 536-90-4399"},
        "w": {"ip": '10.{"ssn": 5}'},
        "ssn": "test-person",
        "a": "000-00-0000 and 000-00-0001, ip=10.0.0.7 ip=192.0.2.1",
    }
    assert attributes_after(before, written) == {
        "ip": "10.0.0.7",
        "x": {"ip": ["10.0.0.7", "10.0.0.8"]},
        "y": {"ip": "[ip]"},
        "z": {"ip": "[ip]"},
        "w": {"ip": "[ip]"},
        "ssn": "test-person",
        "a": "000-00-0000 and [ssn], ip=10.0.0.7 ip=[ip]",
    }


OBSERVED = {"packs": [], "rules": [{**SSN, "action": "observe"}], "keep_keys": ["kept"]}

made(OBSERVED)


@given(st.sampled_from(["ssn", "note", "kept"]), st.sampled_from(["536-90-4399", 536904399, ["536-90-4399"]]))
def test_observing_changes_nothing(key: str, value: object) -> None:
    """The very batch comes out."""
    metric = Metric(name="requests")
    metric.gauge.data_points.add(attributes=pairs({key: value}), as_int=1)
    processor, _ = made(OBSERVED)
    for batch in (
        traces([Span(name="536-90-4399", attributes=pairs({key: value}))], {key: value}),
        logs([LogRecord(body=any_value({key: value}))]),
        metrics([metric]),
    ):
        assert processor.process(batch) is batch


def test_observing_counts() -> None:
    """What the rule would have done."""
    processor, own = made(OBSERVED)
    processor.process(traces([Span(attributes=pairs({"ssn": 5, "kept": 6, "a": "x 536-90-4399", "b": 7}))]))
    assert redacted(own, "ssn", Signal.TRACES, "observe") == 2


def test_observing_hides_nothing_from_other_rules() -> None:
    """Neither by a key nor by a longer find."""
    greedy = {"id": "greedy", "title": "", "keys": ["note", "a.ssn"], "patterns": ["id .*"], "action": "observe"}
    written = {"packs": [], "rules": [greedy, SSN]}
    before: dict[str, object] = {"note": "id 536-90-4399", "a": {"ssn": 536904399}}
    assert attributes_after(before, written) == {"note": "id [ssn]", "a": {"ssn": "[ssn]"}}


ALLOWED = {"packs": [], "rules": [SSN], "unknown_attributes": "allow_list", "allowed_keys": ["a", "m", "m.in", "p.*"]}


def test_allow_list() -> None:
    """What nobody named is dropped, at any depth; what is allowed is scanned; what is kept is kept."""
    processor, own = made(ALLOWED)
    before = {
        "a": "x 536-90-4399",
        "secret": 1,
        "service.name": "portal",
        "m": {"in": 1, "out": 2, "a": 3},
        "p.any": [{"b": 1}],
        "ssn": 5,
    }
    batch = traces([Span(name="n", attributes=pairs(before))], {"host.id": "h", "a": 1})
    result: Any = processor.process(batch)
    envelope = result.decode().resource_spans[0]
    assert [entry.key for entry in envelope.resource.attributes] == ["a"]
    assert {entry.key: value_of(entry.value) for entry in envelope.scope_spans[0].spans[0].attributes} == {
        "a": "x [ssn]",
        "service.name": "portal",
        "m": {"in": 1},
        "p.any": [{"b": 1}],
    }
    assert redacted(own, "not_allowed", Signal.TRACES, "drop") == 5


def test_allow_list_of_bodies() -> None:
    """Structured bodies and bodies of JSON, by key."""
    tree = {"x": 1, "a": "ok", "Zorbla": {"a": 1}, "m": {"out": [1, 2], "in": 3, "on": 4}}
    body = any_value(tree)
    (record, text) = decoded_logs(
        made(ALLOWED)[0].process(
            logs([LogRecord(body=body), LogRecord(body=AnyValue(string_value=json.dumps(tree, indent=1)))])
        )
    )
    assert value_of(record.body) == {"a": "ok", "m": {"in": 3}}
    assert json.loads(text.body.string_value) == {"a": "ok", "m": {"in": 3}}


def test_allow_list_can_be_tried_out() -> None:
    """`observe` counts what it would drop."""
    written = {**ALLOWED, "overrides": {"not_allowed": {"action": "observe"}}}
    processor, own = made(written)
    batch = traces([Span(attributes=pairs({"b": 1, "a": 2}))])
    assert processor.process(batch) is batch
    assert redacted(own, "not_allowed", Signal.TRACES, "observe") == 1


def test_digest_is_said() -> None:
    """Of the rules as they are in effect, the overridden ones too."""
    plain, _ = made({"packs": [], "rules": [SSN]})
    same, _ = made({"packs": [], "rules": [dict(SSN)]})
    other, _ = made({"packs": [], "rules": [SSN], "overrides": {"ssn": {"action": "drop"}}})
    assert re.fullmatch("[0-9a-f]{64}", plain.rules_digest)
    assert plain.rules_digest == same.rules_digest
    assert plain.rules_digest != other.rules_digest
    assert (plain.key_epoch, made(PSEUDONYMS)[0].key_epoch) == (None, 3)


class Broken(Exception):
    """What a failing action raises; its text holds data."""


@pytest.mark.parametrize("attributes", [{"dob": "1979-02-06"}, {"note": "DOB: 1979-02-06"}, {"n": '{"dob": 19790206}'}])
def test_action_that_fails(attributes: dict[str, object], monkeypatch: pytest.MonkeyPatch) -> None:
    """The item goes, counted; the others stay."""

    def failing(text: str, is_number: bool, this_year: int) -> str:
        raise Broken(text)

    monkeypatch.setitem(GENERALIZE, "year", failing)
    processor, own = made(GENERAL)
    result = processor.process(traces([Span(name="a", attributes=pairs(attributes)), Span(name="b")]))
    assert [span.name for span in decoded_spans(result)] == ["b"]
    assert dropped(own, Signal.TRACES, "redaction_failed") == 1


@pytest.mark.parametrize("written", [PSEUDONYMS, GENERAL])
def test_unknown_value_type(written: dict[str, Any]) -> None:
    """The same for a value of a type that nobody knows."""
    message: Any = traces([Span(name="a", attributes=pairs({"dob": 1, "cpf": 1})), Span(name="b")]).decode()
    for entry in message.resource_spans[0].scope_spans[0].spans[0].attributes:
        entry.value.CopyFrom(AnyValue(string_value_strindex=4471203))
    processor, own = made(written)
    result = processor.process(Batch(Signal.TRACES, message.SerializeToString(), 2))
    assert [span.name for span in decoded_spans(result)] == ["b"]
    assert dropped(own, Signal.TRACES, "redaction_failed") == 1


def test_over_budget_with_every_action() -> None:
    """A value that is too large to be looked at goes, whatever its rule does."""
    text = "x" * 200 + " 536-90-4399"
    for action in ({"action": "pseudonymize"}, {"keep_values": [".+"]}, {"action": "drop"}):
        written = {
            "packs": [],
            "rules": [SSN],
            "overrides": {"ssn": action},
            "max_value_bytes": 100,
            "pseudonym_keys": [{"epoch": 3, "key": KEY}],
        }
        assert body_after(text, written) == "[unreadable]"


def test_engine_without_a_key() -> None:
    """Is not built, even where the settings were not asked."""
    settings = RedactPhiSettings.model_validate(PSEUDONYMS)
    with pytest.raises(ValueError, match="a rule pseudonymizes, but there is no key"):
        Engine(settings.effective_rules(), 100, 4)


def test_bytes_batch() -> None:
    """Bytes that are no payload drop the batch with every action."""
    for written in (PSEUDONYMS, GENERAL, OBSERVED, ALLOWED):
        processor, own = made(written)
        assert processor.process(Batch(Signal.LOGS, b"\x0a\xff\xff", 1)) is None
        assert dropped(own, Signal.LOGS, "redaction_failed") == 1


@pytest.mark.parametrize(
    ("written", "problem"),
    [
        (
            {"overrides": {"cpf": {"action": "pseudonymize"}, "ssn": {"action": "pseudonymize"}}},
            "ssn, cpf cannot be pseudonymized without a key; give one, such as "
            "pseudonym_keys: [{epoch: 1, key: '${env:TELESCRUB_PSEUDONYM_KEY}'}]",
        ),
        (
            {"pseudonym_keys": [{"epoch": 1, "key": KEY}, {"epoch": 1, "key": KEY + "2"}]},
            "two keys have the same epoch; a new key needs a higher one",
        ),
        ({"pseudonym_keys": [{"epoch": 1, "key": "SECRET"}]}, "the key has less than 32 bytes"),
        ({"overrides": {"cfp": {"action": "drop"}}}, "overrides.cfp: there is no rule of this id"),
        (
            {"overrides": {"cpf": {"action": "generalize"}}},
            "overrides.cpf: action generalize needs to know what to make of a value, such as generalize: year",
        ),
        (
            {"overrides": {"ssn": {"action": "truncate", "truncate_to": 4}}},
            "overrides.ssn: action truncate is for whole values: give the rule keys and in_text: never only",
        ),
        (
            {"overrides": {"query_parameters": {"action": "truncate", "truncate_to": 4}}},
            "overrides.query_parameters: a part of an identifier is one under 45 CFR 164.514: mask, pseudonymize",
        ),
        (
            {"overrides": {"query_parameters": {"action": "truncate"}}},
            "overrides.query_parameters: action truncate needs truncate_to, the number of characters that stay",
        ),
        (
            {"overrides": {"sql_literals": {"action": "pseudonymize"}}},
            "overrides.sql_literals: the action pseudonymize cannot be done to literals; they are masked",
        ),
        (
            {"overrides": {"ssn": {"action": "keep"}}},
            "overrides.ssn: a rule that keeps takes keys and keep_values; patterns, cues and paths are for others",
        ),
        ({"allowed_keys": ["a"]}, "allowed_keys do nothing without unknown_attributes: allow_list"),
        ({"keep_values": ["(a"]}, "the pattern engine does not take this"),
        ({"overrides": {"ssn": {"keep_values": ["(?<=a)b"]}}}, "the pattern engine does not take this"),
    ],
)
def test_what_cannot_be_done_is_refused(written: dict[str, object], problem: str) -> None:
    """At load, with a sentence, without the key."""
    with pytest.raises(ValueError, match=re.escape(problem)) as caught:
        RedactPhiSettings.model_validate(written)
    assert KEY not in str(caught.value)
    assert "SECRET" not in str(caught.value)
