"""A glance may say too often that something is there, and never too seldom."""

from hypothesis import given, settings
from hypothesis import strategies as st
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from processors.collector.glance import Glance
from processors.collector_redaction import CollectorRedactionSettings
from tests.payloads import context, pairs, traces
from wire.signal import Signal

WORDS = st.sampled_from(
    ["id", "token", "a.token", "user", "x4111x", "4111", "\u00e9", "%34111", '{"token": 4111}', "", "ok"]
)
VALUES = st.recursive(
    WORDS | st.integers(0, 9), lambda inner: st.lists(inner, max_size=2) | st.dictionaries(WORDS, inner, max_size=2)
)
RULES = st.sampled_from(
    [
        {"allow_all_keys": True, "blocked_values": [r"\b4111\b"]},
        {"allow_all_keys": True, "blocked_values": ["^4111$", "x[0-9]+"]},
        {"allow_all_keys": True, "blocked_values": ["^.$"]},
        {"allow_all_keys": True, "blocked_key_patterns": ["^token$"]},
        {"allowed_keys": ["id", "a.token"], "blocked_key_patterns": ["^user$"]},
        {"allowed_keys": ["id"], "ignored_keys": ["token"]},
    ]
)


@settings(max_examples=150, deadline=None)
@given(RULES, st.dictionaries(WORDS, VALUES, max_size=3), WORDS)
def test_what_would_change_is_never_clean(rules: dict[str, object], attributes: dict[str, object], name: str) -> None:
    """A processor with its glance does what one without does."""
    batch = traces([Span(name=name, attributes=pairs(attributes))])
    processor = CollectorRedactionSettings.model_validate(rules).build(context("redaction"))
    with_glance = processor.process(batch)
    processor._glance = None
    without = processor.process(batch)
    assert (with_glance and with_glance.payload) == (without and without.payload)


def test_clean_payloads_are_told() -> None:
    """Also where a pattern has anchors; characters that are no bytes cannot be told, nor logs."""
    batch = traces([Span(name="GET /a", attributes=pairs({"a": "x", "n": 5}))])
    keys = CollectorRedactionSettings(allow_all_keys=True)._keys()
    for patterns, told in (
        ([], True),
        ([r"\b4111\b"], True),
        (["[^@]+@x"], True),
        (["a.b"], False),
        (["\u00e9"], False),
    ):
        glance = Glance(keys, patterns, frozenset(), 32)
        assert glance.is_clean(Signal.TRACES, batch.payload) is told
    assert not Glance(keys, [], frozenset(), 32).is_clean(Signal.LOGS, b"")
    assert not Glance(keys, [], frozenset({"n"}), 32).is_clean(Signal.TRACES, batch.payload)
