"""Pseudonyms per tenant: no token joins two tenants, and without a key nothing passes."""

from dataclasses import replace
from typing import Any

import pytest
from opentelemetry.proto.trace.v1.trace_pb2 import Span
from structlog.testing import capture_logs

from pipeline.batch import Signal
from processors.redact_phi import RedactPhi, RedactPhiSettings
from tests.payloads import context, decoded_spans, dropped, pairs, plain, traces
from tests.processors.test_redact_phi_ledger import Recording

KEY = "a key of the tests, of 32 bytes or more, number "
RULES = [{"id": "visit", "title": "Visit", "keys": ["visit"], "action": "pseudonymize"}]


def key(epoch: int, tenant: str = "", number: int = 1) -> dict[str, object]:
    return {"epoch": epoch, "key": f"{KEY}{number}", **({"tenant": tenant} if tenant else {})}


def built(*keys: dict[str, object], rules: list[dict[str, Any]] = RULES, ledger: Recording | None = None) -> RedactPhi:
    settings = RedactPhiSettings.model_validate({"packs": [], "rules": rules, "pseudonym_keys": keys})
    return settings.build(replace(context("redact_phi"), ledger=ledger or Recording()))


def token(processor: RedactPhi, tenant: str, value: str = "V-12345678") -> str:
    """What takes the place of a value in a tenant's span."""
    batch = replace(traces([Span(name="a", attributes=pairs({"visit": value}))]), tenant=tenant)
    (span,) = decoded_spans(processor.process(batch))
    return str(plain(span.attributes)["visit"])


def test_no_token_joins_two_tenants() -> None:
    """The same value has another token in each, also where two have equal epochs."""
    processor = built(key(1, "north"), key(1, "south", 2), key(4, number=3))
    tokens = [token(processor, tenant) for tenant in ("north", "south", "", "north")]
    assert (len(set(tokens)), tokens[0]) == (3, tokens[3])
    assert [each.split("_")[1] for each in tokens] == ["v1", "v1", "v4", "v1"]


def test_a_key_without_tenant_is_for_all_others() -> None:
    """Those that have none of their own, and data of nobody."""
    processor = built(key(1, "north"), key(1, number=2))
    assert token(processor, "east") == token(processor, "") != token(processor, "north")


def test_rotation_of_one_tenant() -> None:
    """The newest key makes tokens, those of the one before pass, and no other tenant notices."""
    before, after = (
        built(key(1, "north"), key(1, "south", 2)),
        built(key(1, "north"), key(2, "north", 3), key(1, "south", 2)),
    )
    old = token(before, "north")
    assert token(after, "north", old) == old
    assert token(after, "north").startswith("visit_v2_")
    assert token(after, "south") == token(before, "south")
    assert token(after, "south", token(after, "north")) != token(after, "north")


def test_without_a_key_nothing_passes() -> None:
    """The batch is dropped and counted; no log line, metric or row of the ledger names the tenant."""
    ledger = Recording()
    with capture_logs() as lines:
        processor = built(key(1, "north"), ledger=ledger)
        for tenant in ("tenant-x", "", "tenant-x"):
            batch = replace(traces([Span(name="a", attributes=pairs({"visit": "V-1"}))] * 2), tenant=tenant)
            assert processor.process(batch) is None
        token(processor, "north")
    assert dropped(processor._context, Signal.TRACES, "no_pseudonym_key") == 6
    assert [line["event"] for line in lines if line["log_level"] == "error"] == [
        "a batch was dropped: pseudonym_keys has no key for its tenant; further ones are only counted"
    ]
    metrics = [sample for metric in processor._context.telemetry.registry.collect() for sample in metric.samples]
    assert not any(name in f"{lines}{metrics}{ledger.told}" for name in ("tenant-x", "north"))
    assert ([each.epoch for told in ledger.told for each in told[4]]) == ["1"]


def test_keys_that_no_rule_needs() -> None:
    """Nothing is dropped where nothing is pseudonymized."""
    processor = built(key(1, "north"), rules=[{**RULES[0], "action": "mask"}])
    assert token(processor, "south") == "[visit]"


def test_two_keys_of_one_epoch() -> None:
    """Refused for one tenant, and only there."""
    built(key(1, "north"), key(1, "south", 2), key(1, number=3))
    with pytest.raises(ValueError, match="two keys have the same epoch; a new key needs a higher one"):
        built(key(1, "north"), key(1, "north", 2))
