"""Walking, changing and pruning decoded payloads."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.metrics.v1.metrics_pb2 import Metric
from opentelemetry.proto.trace.v1.trace_pb2 import ScopeSpans, Span

from pipeline.batch import Signal
from processors.otlp_objects import any_value, compile_pattern, find, points, prune, put, remove, remove_if, text_of
from tests.payloads import decoded_metrics, metrics, pairs, plain


@given(st.lists(st.booleans(), max_size=30))
def test_remove_if_keeps_the_others_in_order(flags: list[bool]) -> None:
    """Whatever is removed, the rest stays as it was."""
    spans = ScopeSpans(spans=[Span(name=str(number)) for number in range(len(flags))]).spans
    removed = remove_if(spans, lambda span: flags[int(span.name)])
    assert removed == sum(flags)
    assert [span.name for span in spans] == [str(number) for number, flag in enumerate(flags) if not flag]


def test_put_reaches_every_occurrence() -> None:
    """A key that a client sent twice is set in both places; nothing changed is said to be so."""
    span = Span(attributes=[*pairs({"a": 1}), *pairs({"a": 2}), *pairs({"b": 3})])
    assert put(span.attributes, "a", AnyValue(int_value=1))
    assert [entry.value.int_value for entry in span.attributes] == [1, 1, 3]
    assert not put(span.attributes, "a", AnyValue(int_value=1))
    assert put(span.attributes, "c", AnyValue(int_value=4))
    assert remove(span.attributes, "a".__eq__)
    assert not remove(span.attributes, "a".__eq__)
    assert plain(span.attributes) == {"b": 3, "c": 4}
    assert find(span.attributes, "a") is None


def test_prune_takes_empty_envelopes_out() -> None:
    """Metrics without points, then scopes, then resources."""
    full = Metric(name="full")
    full.gauge.data_points.add(as_int=1)
    batch = metrics([Metric(name="none"), full], [Metric(name="none")])
    message = batch.decode()
    prune(Signal.METRICS, message)
    assert message == metrics([full]).decode()
    assert [len(points(metric)) for metric in decoded_metrics(batch)] == [0, 1, 0]


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("text", "text"),
        (True, "true"),
        (-7, "-7"),
        (5.0, "5"),
        (0.1, "0.1"),
        (1e20, "100000000000000000000"),
        (1e21, "1e+21"),
        (1e-6, "0.000001"),
        (1e-7, "1e-7"),
        (float("nan"), "NaN"),
        (float("-inf"), "-Infinity"),
        ({"b": [1, "é", ""], "a": {"c": 2.5}}, '{"a":{"c":2.5},"b":[1,"é",""]}'),
    ],
)
def test_text_of_is_the_collectors(value: object, text: str) -> None:
    """Numbers as Go writes them, maps and lists as JSON with sorted keys."""
    assert text_of(any_value(value)) == text


def test_text_of_bytes_and_nothing() -> None:
    """Base64 and empty text."""
    assert text_of(AnyValue(bytes_value=b"\x00\xff")) == "AP8="
    assert text_of(AnyValue()) == ""


def test_any_value_keeps_types() -> None:
    """Types of the YAML value, nested."""
    nested = AnyValue()
    nested.kvlist_value.values.append(KeyValue(key="1", value=AnyValue(bool_value=True)))
    assert any_value({1: True}) == nested
    assert any_value([]).WhichOneof("value") == "array_value"
    with pytest.raises(ValueError, match="an attribute value is text, true or false, a number, a list or a map"):
        any_value(object())


@pytest.mark.parametrize("pattern", ["(", "[[:alpha:]]", "a(?i)b", "*", r"\p{L}"])
def test_patterns_read_differently_are_refused(pattern: str) -> None:
    """What does not compile, and what RE2 would understand in another way."""
    with pytest.raises(ValueError, match="this is not a regular expression Python's re module can take: "):
        compile_pattern(pattern)


def test_pattern_classes_are_ascii() -> None:
    """As in RE2."""
    assert compile_pattern(r"^\d$").search("٣") is None
