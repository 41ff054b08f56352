"""The condition language: what it reads, how it compares, and what it says about mistakes."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, InstrumentationScope
from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord, SeverityNumber
from opentelemetry.proto.metrics.v1.metrics_pb2 import HistogramDataPoint, Metric, NumberDataPoint
from opentelemetry.proto.resource.v1.resource_pb2 import Resource
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status

from pipeline.batch import Signal
from processors.condition_paths import Scene
from processors.conditions import parse_condition
from tests.payloads import pairs

SPAN = Span(
    name="GET /health",
    kind=Span.SPAN_KIND_SERVER,
    status=Status(code=Status.STATUS_CODE_ERROR, message="late"),
    attributes=pairs(
        {
            "text": "abc",
            "int": 200,
            "double": 2.5,
            "yes": True,
            "list": [1, 2],
            "map": {"inner": {"deep": "x"}},
            'q"\\': "quoted",
            "empty": "",
        }
    ),
)
SCENE = Scene(
    Resource(attributes=pairs({"service.name": "shop"})),
    InstrumentationScope(name="tracer", version="1.0"),
    SPAN,
    Span.Event(name="exception"),
)


def holds(text: str) -> bool:
    return parse_condition(text, Signal.TRACES, "spanevent" if text.startswith("span.") else "span").test(SCENE)


@pytest.mark.parametrize(
    "text",
    [
        'name == "GET /health"',
        'span.name == "GET /health" and name == "exception"',
        "kind == SPAN_KIND_SERVER",
        "kind == 2",
        "status.code == STATUS_CODE_ERROR",
        'status.message == "late"',
        'attributes["text"] == "abc"',
        'attributes["text"] < "abd"',
        '"abb" < attributes["text"]',
        'attributes["int"] >= 200 and attributes["int"] <= 200.0',
        'attributes["int"] == 200.0',
        'attributes["int"] > -1',
        'attributes["double"] == 2.5 and attributes["double"] > .5',
        'attributes["yes"] == true',
        'attributes["yes"] > false',
        'attributes["missing"] == nil',
        'attributes["int"] != nil',
        'attributes["missing"] != "x"',
        'attributes["empty"] == ""',
        'attributes["map"]["inner"]["deep"] == "x"',
        'attributes["map"]["inner"]["none"] == nil',
        'attributes["text"]["inner"] == nil',
        'attributes["q\\"\\\\"] == "quoted"',
        'attributes["list"] != nil',
        'attributes["list"] != attributes["list"]',
        'attributes["int"] != "200"',
        'resource.attributes["service.name"] == "shop"',
        'instrumentation_scope.name == "tracer" and scope.version == "1.0"',
        'IsMatch(name, "^GET .*th$")',
        'IsMatch(attributes["int"], "^20")',
        'IsMatch(attributes["yes"], "true")',
        'IsMatch(attributes["double"], "2\\\\.5")',
        'IsMatch(attributes["map"], "\\"deep\\":\\"x\\"")',
        'not IsMatch(attributes["missing"], "")',
        "not false",
        "true",
        "not not true",
        "false or true and true",
        "not (true and false)",
        "not false and true",
        "(false or (true))",
        "true == true",
    ],
)
def test_conditions_that_hold(text: str) -> None:
    """Each is true of the example span, and its negation is not."""
    assert holds(text)
    assert text.startswith("span.") or not holds(f"not ({text})")


@pytest.mark.parametrize(
    "text",
    [
        'attributes["int"] == "200"',
        'attributes["text"] > 1',
        'attributes["yes"] == 1',
        'attributes["missing"] < 1',
        'attributes["missing"] <= nil',
        "nil <= nil",
        'attributes["list"] == nil',
        'attributes["list"] > nil',
        "true and false or false",
    ],
)
def test_types_that_do_not_fit_are_unequal(text: str) -> None:
    """A comparison of different types is false, whatever the operator, except for !=."""
    assert not holds(text)


def test_fields_of_logs() -> None:
    """Body, severity and event name; the body with keys."""
    record = LogRecord(
        severity_number=SeverityNumber.SEVERITY_NUMBER_INFO, severity_text="INFO", event_name="e", time_unix_nano=5
    )
    record.body.string_value = "started"

    def of_record(text: str) -> bool:
        return parse_condition(text, Signal.LOGS, "log").test(Scene(Resource(), InstrumentationScope(), record))

    assert of_record('body == "started" and severity_number < SEVERITY_NUMBER_WARN and severity_text == "INFO"')
    assert of_record('log.event_name == "e" and time_unix_nano == 5 and observed_time_unix_nano == 0')
    record.body.kvlist_value.values.extend(pairs({"level": "debug"}))
    assert of_record('body["level"] == "debug" and IsMatch(body, "debug") and body != nil')
    record.body.CopyFrom(AnyValue())
    assert of_record("body == nil")


def test_fields_of_metrics() -> None:
    """Of the metric and of points of different kinds; what a kind has not is nil."""
    metric = Metric(name="m", unit="s", description="d")
    metric.sum.is_monotonic = True
    metric.sum.aggregation_temporality = 2  # type: ignore[assignment]

    def of_point(text: str, point: object, of: Metric = metric) -> bool:
        condition = parse_condition(text, Signal.METRICS, "datapoint")
        return condition.test(Scene(Resource(), InstrumentationScope(), of, point))

    number = NumberDataPoint(as_int=3, attributes=pairs({"k": "v"}))
    assert of_point('metric.name == "m" and metric.unit == "s" and metric.description == "d"', number)
    assert of_point("metric.type == METRIC_DATA_TYPE_SUM and metric.is_monotonic == true", number)
    assert of_point("metric.aggregation_temporality == AGGREGATION_TEMPORALITY_CUMULATIVE", number)
    assert of_point('value_int == 3 and value_double == nil and count == nil and attributes["k"] == "v"', number)
    assert of_point("value_int == nil and count == 4 and sum == nil", HistogramDataPoint(count=4), Metric())
    assert of_point("metric.type == METRIC_DATA_TYPE_NONE and metric.is_monotonic == nil", number, Metric())


def test_a_condition_without_context_finds_its_own() -> None:
    """It is about the innermost thing that a path names."""
    for text, needs_part in (
        ('resource.attributes["a"] == nil', False),
        ('span.name == "a" and scope.name == "b"', False),
        ('span.name == "a" and spanevent.name == "b"', True),
        ("true", False),
    ):
        assert parse_condition(text, Signal.TRACES).needs_part is needs_part


SPAN_FIELDS = (
    'attributes["key"], end_time_unix_nano, kind, name, start_time_unix_nano, status.code, status.message, trace_state'
)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", 'at character 1: a path, "text", number, true, false or nil is missing before the end'),
        ("name", "at character 5: a comparison (==, !=, <, <=, >, >=) is missing before the end"),
        ('name = "x"', "at character 6: = means nothing here"),
        ('name == "x', "at character 9: this text has no closing quote"),
        ('name == "\\d"', "at character 9: this text has a backslash that escapes nothing; write two for a backslash"),
        ('nmae == "x"', f"at character 1: span has no field nmae; it has {SPAN_FIELDS}"),
        ('true and span.foo == "x"', f"at character 10: span has no field foo; it has {SPAN_FIELDS}"),
        ("attributes == nil", 'at character 1: attributes needs a key: attributes["key"]'),
        ("attributes[0] == nil", 'at character 12: a key in double quotes is missing here, as in attributes["key"]'),
        ('name["x"] == nil', "at character 1: name has no keys"),
        ('attributes["x" == 1', "at character 16: ] is missing before =="),
        ("Len(name) > 1", 'at character 1: there is no function Len; the only one is IsMatch(path, "regex")'),
        ("true and set(name)", 'at character 10: there is no function set; the only one is IsMatch(path, "regex")'),
        ("IsMatch(name, 1)", "at character 15: IsMatch needs a regular expression in double quotes here"),
        (
            'IsMatch(name, "(")',
            "at character 15: this is not a regular expression Python's re module can take: "
            "missing ), unterminated subpattern at position 0",
        ),
        (
            "kind == SPAN_KIND_SERVR",
            "at character 9: there is no constant SPAN_KIND_SERVR; constants are SPAN_KIND_…, STATUS_CODE_…, "
            "SEVERITY_NUMBER_…, METRIC_DATA_TYPE_… or AGGREGATION_TEMPORALITY_…",
        ),
        ("(true", "at character 6: ) is missing before the end"),
        ("true false", "at character 6: false is too much; join conditions with and, or"),
        ("true and", 'at character 9: a path, "text", number, true, false or nil is missing before the end'),
        ("kind == or", 'at character 9: a path, "text", number, true, false or nil is missing before or'),
        ('spanevent.name == "x"', "at character 1: a condition on a span cannot look into a spanevent"),
    ],
)
def test_mistakes_are_located(text: str, sentence: str) -> None:
    """With the character where it goes wrong and what is valid there."""
    with pytest.raises(ValueError) as caught:  # noqa: PT011 - the whole text is compared
        parse_condition(text, Signal.TRACES, "span")
    assert str(caught.value) == sentence


def test_bare_fields_need_a_context() -> None:
    """In the newer form every path says what it belongs to."""
    with pytest.raises(ValueError) as caught:  # noqa: PT011 - the whole text is compared
        parse_condition('name == "x"', Signal.METRICS)
    assert str(caught.value) == (
        "at character 1: say what name belongs to; "
        "paths are resource.…, scope.…, instrumentation_scope.…, metric.…, datapoint.…"
    )


PIECES = [
    "name",
    '"x"',
    "1",
    "(",
    ")",
    "and",
    "or",
    "not",
    "==",
    "<",
    'attributes["a"]',
    "nil",
    "true",
    "IsMatch",
    ",",
    "[",
    "?",
]


@given(st.lists(st.sampled_from(PIECES), max_size=8))
def test_any_text_parses_or_is_refused(pieces: list[str]) -> None:
    """Nothing but a sentence comes out of a mistake, and what parses evaluates."""
    try:
        condition = parse_condition(" ".join(pieces), Signal.TRACES, "span")
    except ValueError as error:
        assert str(error).startswith("at character ")  # noqa: PT017 - either outcome is right
    else:
        assert condition.test(SCENE) in (True, False)
