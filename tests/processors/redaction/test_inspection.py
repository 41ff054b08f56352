"""Looking at what is about to leave: what redaction leaves is nothing, what it would take out is found."""

from dataclasses import replace

import pytest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue
from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from processors.redact_phi import RedactPhiSettings
from tests.payloads import context, logs, pairs, traces

KEY = "a key of the tests, of 32 bytes or more"
INSPECTION = RedactPhiSettings().inspector()
PSEUDONYMS = RedactPhiSettings.model_validate(
    {
        "overrides": {"ssn": {"action": "pseudonymize"}, "birth_date": {"action": "generalize"}},
        "pseudonym_keys": [{"epoch": 2, "key": KEY, "tenant": "north"}, {"epoch": 3, "key": KEY}],
    }
)


@pytest.mark.parametrize(
    ("attributes", "rules"),
    [
        ({"note": "mail to maria@example.org"}, {"email": 1}),
        ({"patient_id": "4471203"}, {"patient_id": 1}),
        ({"patient_id": 4471203}, {"patient_id": 1}),
        ({"user.maria@example.org": "x"}, {"email": 1}),
        ({"ssn": "[ssn] 536-90-4399"}, {"ssn": 1}),
    ],
)
def test_found(attributes: dict[str, object], rules: dict[str, int]) -> None:
    """By the rule that would have taken it out."""
    assert INSPECTION.findings(traces([Span(name="a", attributes=pairs(attributes))])) == rules


@pytest.mark.parametrize(
    "attributes",
    [
        {"patient_id": "[patient_id]", "url.path": "/patients/{id}/records"},
        {"note": "mail to [email], ssn=[ssn]", "http.route": "/patients/{id}"},
        {"done: [device_id].": "yes", "_ip_address_": "yes"},
        {"exception.message": "Key (cpf)=([cpf]) exists"},
        {"body": '{"ssn": "[ssn]", "n": 52998224725}', "count": 52998224725},
    ],
)
def test_what_redaction_leaves(attributes: dict[str, object]) -> None:
    """Placeholders, wherever they stand, are no findings."""
    assert INSPECTION.findings(traces([Span(name="a", attributes=pairs(attributes))])) == {}


def test_tokens_and_years() -> None:
    """What is pseudonymized and generalized, for whichever tenant, passes; what looks like it by chance does not."""
    processor, inspection = PSEUDONYMS.build(context("redact_phi")), PSEUDONYMS.inspector()
    record = LogRecord(body=AnyValue(string_value="ssn 536-90-4399"), attributes=pairs({"birth_date": "1985-02-03"}))
    for tenant in ("", "north", "south"):
        redacted = processor.process(replace(logs([record]), tenant=tenant))
        assert redacted is not None
        assert redacted.decode() != logs([record]).decode()
        assert inspection.findings(redacted) == {}
    assert inspection.findings(logs([record])) == {"ssn": 1, "birth_date": 1}


def test_rules_that_say_nothing() -> None:
    """Those that observe do not stop anything, and names that nobody listed pass."""
    settings = {"packs": [], "unknown_attributes": "allow_list", "overrides": {"path_ids": {"action": "observe"}}}
    inspection = RedactPhiSettings.model_validate(settings).inspector()
    assert inspection.findings(traces([Span(name="/patients/4471203", attributes=pairs({"le": "0.5"}))])) == {}


def test_over_budget() -> None:
    """What cannot be looked at is found."""
    inspection = RedactPhiSettings.model_validate({"max_value_bytes": 100}).inspector()
    record = LogRecord(body=AnyValue(string_value="a maria@example.org" * 20))
    assert inspection.findings(logs([record])) == {"over_budget": 1}
