"""`attributes` against the Collector's documented semantics."""

import hashlib
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord, SeverityNumber
from opentelemetry.proto.metrics.v1.metrics_pb2 import Metric
from opentelemetry.proto.trace.v1.trace_pb2 import Span
from pydantic import ValidationError

from pipeline.batch import Batch, Signal
from processors.attributes import AttributesSettings
from tests.payloads import (
    context,
    decoded_logs,
    decoded_metrics,
    decoded_spans,
    logs,
    metrics,
    pairs,
    plain,
    traces,
)

Written = dict[str, object]


def run(batch: Batch, actions: Sequence[Written], **match: object) -> Batch:
    settings = AttributesSettings.model_validate({"actions": actions, **match})
    return settings.build(context("attributes")).process(batch)


def after(attributes: Written, *actions: Written) -> Written:
    """The attributes of a span after the actions."""
    return plain(decoded_spans(run(traces([Span(attributes=pairs(attributes))]), actions))[0].attributes)


def typed(attributes: Written) -> set[tuple[str, str, str]]:
    """Comparable, and telling 1 from 1.0 and from True."""
    return {(key, type(value).__name__, str(value)) for key, value in attributes.items()}


def act(action: str, key: str = "", **more: object) -> Written:
    return {"action": action, **({"key": key} if key else {}), **more}


@pytest.mark.parametrize(
    ("before", "action", "expected"),
    [
        ({}, act("insert", "a", value=1), {"a": 1}),
        ({"a": 0}, act("insert", "a", value=1), {"a": 0}),
        ({"b": "x"}, act("insert", "a", from_attribute="b"), {"a": "x", "b": "x"}),
        ({}, act("insert", "a", from_attribute="b"), {}),
        ({}, act("insert", "a", from_attribute="b", default_value="d"), {"a": "d"}),
        ({}, act("update", "a", value=1), {}),
        ({"a": "x"}, act("update", "a", value=1.5), {"a": 1.5}),
        ({"a": "x"}, act("UPSERT", "a", value=True), {"a": True}),
        ({}, act("upsert", "a", value=""), {"a": ""}),
        ({"a": 1, "ab": 2, "c": 3}, act("delete", "c", pattern="^a"), {}),
        ({"a": 1, "ba": 2, "c": 3}, act("delete", pattern="a"), {"c": 3}),
        ({"a": 1}, act("delete", "b"), {"a": 1}),
        ({"a": "x", "b": 1}, act("hash", "a"), {"a": hashlib.sha256(b"x").hexdigest(), "b": 1}),
        ({"a": True}, act("hash", pattern="."), {"a": hashlib.sha256(b"\x01").hexdigest()}),
        ({"a": -2}, act("hash", "a"), {"a": hashlib.sha256(b"\xfe" + b"\xff" * 7).hexdigest()}),
        ({"a": 1.0}, act("hash", "a"), {"a": hashlib.sha256(b"\0\0\0\0\0\0\xf0\x3f").hexdigest()}),
        ({"a": ["x"]}, act("hash", "a"), {"a": ""}),
        (
            {"u": "https://example.org/p?q=1", "host": "old"},
            act("extract", "u", pattern=r"^(?P<scheme>\w+)://(?P<host>[^/]+)(?P<port>:\d+)?"),
            {"u": "https://example.org/p?q=1", "scheme": "https", "host": "example.org", "port": ""},
        ),
        ({"u": "x"}, act("extract", "u", pattern=r"(?P<n>\d)"), {"u": "x"}),
        ({"u": 1}, act("extract", "u", pattern=r"(?P<n>\d)"), {"u": 1}),
        ({"a": "12"}, act("convert", "a", converted_type="int"), {"a": 12}),
        ({"a": "9223372036854775808"}, act("convert", "a", converted_type="int"), {"a": "9223372036854775808"}),
        ({"a": "1_0"}, act("convert", "a", converted_type="int"), {"a": "1_0"}),
        ({"a": -1.9}, act("convert", "a", converted_type="int"), {"a": -1}),
        ({"a": float("inf")}, act("convert", "a", converted_type="int"), {"a": float("inf")}),
        ({"a": True}, act("convert", "a", converted_type="int"), {"a": 1}),
        ({}, act("upsert", "b", from_attribute="c"), {}),
        ({"a": "1e3"}, act("convert", "a", converted_type="double"), {"a": 1000.0}),
        ({"a": "1e999"}, act("convert", "a", converted_type="double"), {"a": "1e999"}),
        ({"a": " 1"}, act("convert", "a", converted_type="double"), {"a": " 1"}),
        ({"a": 3}, act("convert", "a", converted_type="double"), {"a": 3.0}),
        ({"a": False}, act("convert", "a", converted_type="double"), {"a": 0.0}),
        ({"a": 200}, act("convert", "a", converted_type="string"), {"a": "200"}),
        ({"a": {"b": 1}}, act("convert", "a", converted_type="string"), {"a": '{"b":1}'}),
    ],
)
def test_one_action(before: Written, action: Written, expected: Written) -> None:
    """Each action does what the Collector documents; where that is nothing, the same batch is passed on."""
    batch = traces([Span(attributes=pairs(before))])
    result = run(batch, [action])
    assert typed(plain(decoded_spans(result)[0].attributes)) == typed(expected)
    assert (result is batch) == (typed(before) == typed(expected))


def test_actions_run_in_order() -> None:
    """A later action sees what an earlier one did."""
    assert after({"a": "7"}, act("insert", "b", from_attribute="a"), act("delete", "a"), act("hash", "a")) == {"b": "7"}


def test_both_of_a_doubled_key_are_reached() -> None:
    """What a client sent twice is deleted and hashed twice."""
    batch = traces([Span(attributes=[*pairs({"a": "x"}), *pairs({"a": "y"})])])
    assert len(decoded_spans(run(batch, [act("delete", "a")]))[0].attributes) == 0
    hashed = decoded_spans(run(batch, [act("hash", "a")]))[0].attributes
    assert [len(entry.value.string_value) for entry in hashed] == [64, 64]


def test_records_and_points_of_every_kind() -> None:
    """Log records and the data points of all five kinds of metric."""
    assert plain(decoded_logs(run(logs([LogRecord()]), [act("insert", "a", value=1)]))[0].attributes) == {"a": 1}
    kinds = ("gauge", "sum", "histogram", "exponential_histogram", "summary")
    made = [Metric(name=kind) for kind in kinds]
    for kind, metric in zip(kinds, made, strict=True):
        getattr(metric, kind).data_points.add()
    result = decoded_metrics(run(metrics(made), [act("insert", "a", value=1)]))
    assert [
        plain(getattr(metric, kind).data_points[0].attributes) for kind, metric in zip(kinds, result, strict=True)
    ] == [{"a": 1}] * 5


SPANS = [
    Span(name="GET /a", kind=Span.SPAN_KIND_SERVER, attributes=pairs({"n": 1, "s": "x"})),
    Span(name="GET /b", kind=Span.SPAN_KIND_CLIENT, attributes=pairs({"n": 2})),
]


@pytest.mark.parametrize(
    ("match", "names"),
    [
        ({"include": {"match_type": "strict", "span_names": ["GET /a"]}}, ["GET /a"]),
        ({"exclude": {"match_type": "strict", "span_names": ["GET /a"]}}, ["GET /b"]),
        ({"include": {"match_type": "regexp", "span_names": ["/b$", "/c"]}}, ["GET /b"]),
        ({"include": {"match_type": "strict", "span_names": ["GET"]}}, []),
        ({"include": {"match_type": "strict", "services": ["shop"]}}, ["GET /a", "GET /b"]),
        ({"include": {"match_type": "regexp", "services": ["^sho$"]}}, []),
        ({"include": {"match_type": "strict", "span_kinds": ["SPAN_KIND_CLIENT"]}}, ["GET /b"]),
        ({"include": {"match_type": "strict", "attributes": [{"key": "n", "value": 1}]}}, ["GET /a"]),
        ({"include": {"match_type": "strict", "attributes": [{"key": "n", "value": "1"}]}}, []),
        (
            {"include": {"match_type": "regexp", "attributes": [{"key": "n", "value": "^[12]$"}, {"key": "s"}]}},
            ["GET /a"],
        ),
        ({"include": {"match_type": "strict", "resources": [{"key": "service.name"}, {"key": "gone"}]}}, []),
        ({"include": {"match_type": "strict", "libraries": [{"name": "x"}, {"name": "tracer"}]}}, ["GET /a", "GET /b"]),
        ({"include": {"match_type": "strict", "libraries": [{"name": "tracer", "version": ""}]}}, []),
        (
            {
                "include": {"match_type": "regexp", "span_names": ["GET"]},
                "exclude": {"match_type": "strict", "attributes": [{"key": "s", "value": "x"}]},
            },
            ["GET /b"],
        ),
    ],
)
def test_include_and_exclude(match: Written, names: list[str]) -> None:
    """Included first, excluded then; all properties must fit."""
    batch = traces(SPANS, {"service.name": "shop"})
    result = decoded_spans(run(batch, [act("insert", "touched", value=True)], **match))
    assert [span.name for span in result if "touched" in plain(span.attributes)] == names


def test_matching_log_records() -> None:
    """By body, severity text and severity number."""
    records = [
        LogRecord(severity_number=SeverityNumber.SEVERITY_NUMBER_INFO, severity_text="INFO"),
        LogRecord(severity_number=SeverityNumber.SEVERITY_NUMBER_ERROR, severity_text="ERROR"),
        LogRecord(),
    ]
    records[0].body.string_value = "started"
    records[1].body.int_value = 5

    def touched(**match: object) -> list[int]:
        result = decoded_logs(
            run(logs(records), [act("insert", "t", value=1)], include={"match_type": "regexp", **match})
        )
        return [index for index, record in enumerate(result) if record.attributes]

    assert touched(log_bodies=["start", "5"]) == [0]
    assert touched(log_severity_texts=["^ERR"]) == [1]
    assert touched(log_severity_number={"min": 10}) == [1]
    assert touched(log_severity_number={"min": 9, "match_undefined": True}) == [0, 1, 2]


def test_matching_metrics() -> None:
    """By name, and by attributes of the point."""
    made = [Metric(name="a"), Metric(name="b")]
    for metric in made:
        metric.gauge.data_points.add(attributes=pairs({"x": 1}))
        metric.gauge.data_points.add()
    match = {"match_type": "strict", "metric_names": ["b"], "attributes": [{"key": "x"}]}
    result = decoded_metrics(run(metrics(made), [act("upsert", "x", value=2)], include=match))
    assert [[plain(point.attributes) for point in metric.gauge.data_points] for metric in result] == [
        [{"x": 1}, {}],
        [{"x": 2}, {}],
    ]


def test_signals_follow_the_match() -> None:
    """What only spans have makes a processor for traces."""

    def signals(**match: object) -> frozenset[Signal]:
        written = {"actions": [act("delete", "a")], "include": {"match_type": "strict", **match}}
        return AttributesSettings.model_validate(written).signals()

    assert signals(services=["a"]) == frozenset(Signal)
    assert signals(span_names=["a"]) == {Signal.TRACES}
    assert signals(log_bodies=["a"]) == {Signal.LOGS}
    assert signals(metric_names=["a"]) == {Signal.METRICS}


@pytest.mark.parametrize(
    ("action", "sentence"),
    [
        (act("insert", value=1), "insert needs key: the attribute to set"),
        (act("insert", "a"), "insert needs value, from_attribute or default_value"),
        (act("update", "a", value=1, from_attribute="b"), "update takes value or from_attribute, not both"),
        (
            act("upsert", "a", value=1, pattern="x"),
            "upsert does not use pattern; it uses key, value, from_attribute, default_value",
        ),
        (
            act("insert", "a", from_context="x"),
            "no client metadata is kept with the data, so from_context cannot work; use value or from_attribute",
        ),
        (act("delete"), "delete needs key or pattern: the attributes to act on"),
        (act("delete", "a", value=1), "delete does not use value; it uses key, pattern"),
        (
            act("hash", pattern="("),
            "this is not a regular expression Python's re module can take: "
            "missing ), unterminated subpattern at position 0",
        ),
        (act("extract", "a"), "extract needs key and pattern: the attribute to read and what to look for in it"),
        (
            act("extract", "a", pattern="(?P<x>.)(.)"),
            "extract needs groups with names in its pattern, (?P<name>...): they are the attributes to set",
        ),
        (act("convert", "a"), "convert needs key and converted_type (int, double or string)"),
    ],
)
def test_impossible_actions_are_refused(action: Written, sentence: str) -> None:
    """With what is wrong and what to write."""
    with pytest.raises(ValidationError) as caught:
        AttributesSettings.model_validate({"actions": [action]})
    assert [error["msg"] for error in caught.value.errors()] == [f"Value error, {sentence}"]


def test_impossible_matches_are_refused() -> None:
    """Nothing to match, a bad pattern, a pattern that is no text."""
    for match, sentence in (
        ({}, "nothing to match is given; give services, span_names, attributes, resources or another property"),
        (
            {"span_names": ["*"]},
            "this is not a regular expression Python's re module can take: nothing to repeat at position 0",
        ),
        (
            {"attributes": [{"key": "a", "value": 1}]},
            "with match_type regexp the value of an attribute is a pattern and must be text; quote it",
        ),
    ):
        written = {"actions": [act("delete", "a")], "exclude": {"match_type": "regexp", **match}}
        with pytest.raises(ValidationError) as caught:
            AttributesSettings.model_validate(written)
        assert [error["msg"] for error in caught.value.errors()] == [f"Value error, {sentence}"]


KEYS = st.sampled_from(["a", "b", "c"])
VALUES = st.one_of(st.integers(-5, 5), st.booleans(), st.sampled_from(["", "x", "12"]))
SETTING = st.sampled_from(["insert", "update", "upsert"])
ACTIONS = st.one_of(
    st.builds(lambda name, key, value: act(name, key, value=value), SETTING, KEYS, VALUES),
    st.builds(lambda name, key, other: act(name, key, from_attribute=other), SETTING, KEYS, KEYS),
    st.builds(lambda key: act("delete", key), KEYS),
    st.builds(lambda keys: act("delete", pattern=f"[{''.join(keys)}]"), st.sets(KEYS, min_size=1)),
)


def model(attributes: Written, action: Written) -> Written:
    """What an action does, said with a dictionary."""
    result = dict(attributes)
    key = str(action.get("key", ""))
    if action["action"] == "delete":
        pattern = str(action.get("pattern", ""))
        return {name: value for name, value in result.items() if name != key and name not in pattern}
    value = action["value"] if "value" in action else attributes.get(str(action["from_attribute"]))
    allowed = {"insert": key not in result, "update": key in result, "upsert": True}[str(action["action"])]
    if value is not None and allowed:
        result[key] = value
    return result


@given(st.dictionaries(KEYS, VALUES), st.lists(ACTIONS, min_size=1, max_size=6))
def test_actions_follow_the_model(attributes: Written, actions: list[Written]) -> None:
    """Any sequence of actions does what the dictionary model does."""
    expected = attributes
    for action in actions:
        expected = model(expected, action)
    assert typed(after(attributes, *actions)) == typed(expected)
