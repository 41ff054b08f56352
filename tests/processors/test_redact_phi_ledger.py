"""What `redact_phi` puts on record in the audit ledger."""

from collections.abc import Mapping
from dataclasses import replace

import pytest
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from pipeline.batch import Batch
from pipeline.component import Redacted
from pipeline.errors import Refused
from processors.redact_phi import RedactPhi, RedactPhiSettings
from tests.payloads import context, pairs, traces
from wire.signal import Signal

SETTINGS = {
    "rules": [
        {"id": "badge", "title": "Badge", "keys": ["badge"]},
        {"id": "visit", "title": "Visit", "keys": ["visit"], "action": "pseudonymize"},
    ],
    "packs": [],
    "pseudonym_keys": [{"epoch": 3, "key": "a key of the tests, of 32 bytes or more"}],
}


class Recording:
    """A ledger that keeps what it is told; refuses if it is told to."""

    def __init__(self, refuses: bool = False) -> None:
        self.refuses = refuses
        self.told: list[tuple[str, str, Signal, bytes, dict[Redacted, int]]] = []

    def redacted(
        self, pipeline: str, component: str, signal: Signal, payload: bytes, counts: Mapping[Redacted, int]
    ) -> None:
        if self.refuses:
            raise Refused("the ledger cannot be written")
        self.told.append((pipeline, component, signal, payload, dict(counts)))


def built(ledger: Recording) -> RedactPhi:
    own = replace(context("redact_phi"), ledger=ledger, pipeline="traces/clinic")
    return RedactPhiSettings.model_validate(SETTINGS).build(own)


def batch(**attributes: object) -> Batch:
    return traces([Span(name="a", attributes=pairs(attributes))])


def test_what_left_and_why() -> None:
    """Rule, action, place, the epoch of a pseudonym's key, and the bytes that are left."""
    ledger = Recording()
    left = built(ledger).process(batch(badge="B-1", visit="V-2"))
    assert left is not None
    counts = {
        Redacted("badge", "mask", "Span.attributes"): 1,
        Redacted("visit", "pseudonymize", "Span.attributes", "3"): 1,
    }
    assert ledger.told == [("traces/clinic", "redact_phi", Signal.TRACES, left.payload, counts)]


def test_nothing_passes_a_ledger_that_refuses() -> None:
    """Not even what has nothing to redact: it would not be known that it had not."""
    processor = built(Recording(refuses=True))
    for each in (batch(badge="B-1"), batch(colour="green")):
        with pytest.raises(Refused):
            processor.process(each)
    assert processor._context.telemetry.registry.get_sample_value("telescrub_redactions_total") is None
