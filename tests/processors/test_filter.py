"""`filter` drops what fulfils a condition, counts it, and nothing else."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord, SeverityNumber
from opentelemetry.proto.metrics.v1.metrics_pb2 import Metric
from opentelemetry.proto.trace.v1.trace_pb2 import Span
from pydantic import ValidationError

from pipeline.batch import Signal
from pipeline.component import Context
from processors.condition_paths import Scene
from processors.conditions import Condition
from processors.filter import Filter, FilterSettings
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
)

SEVERITIES = SeverityNumber.values()[:4]


def made(**written: object) -> tuple[Filter, Context]:
    own = context("filter")
    return FilterSettings.model_validate(written).build(own), own


def gauge(name: str, *values: int) -> Metric:
    metric = Metric(name=name)
    for value in values:
        metric.gauge.data_points.add(as_int=value, attributes=pairs({"v": value}))
    return metric


@pytest.mark.parametrize(
    "written",
    [
        {"trace_conditions": ['span.name == "a"', 'span.name == "c"']},
        {"error_mode": "propagate", "traces": {"span": ['name == "a" or name == "c"']}},
        {"trace_conditions": ['span.name == "a"'], "traces": {"span": ['name == "c"']}},
    ],
)
def test_spans_are_dropped_and_counted(written: dict[str, object]) -> None:
    """In both forms; conditions are ORed."""
    tested, own = made(**written)
    result = tested.process(traces([Span(name=name) for name in "abcd"]))
    assert [span.name for span in decoded_spans(result)] == ["b", "d"]
    assert result is not None
    assert result.items == 2
    assert dropped(own, Signal.TRACES, "filtered") == 2


def test_nothing_dropped_passes_the_same_batch() -> None:
    """And so does a signal without conditions."""
    tested, own = made(trace_conditions=['span.name == "x"'])
    spans, records = traces([Span(name="a")]), logs([LogRecord()])
    assert tested.process(spans) is spans
    assert tested.process(records) is records
    assert dropped(own, Signal.TRACES, "filtered") == 0


def test_nothing_left_is_no_batch() -> None:
    """Not an empty request."""
    tested, own = made(log_conditions=["log.severity_number < SEVERITY_NUMBER_INFO"])
    assert tested.process(logs([LogRecord(severity_number=SeverityNumber.SEVERITY_NUMBER_DEBUG), LogRecord()])) is None
    assert dropped(own, Signal.LOGS, "filtered") == 2


@pytest.mark.parametrize(
    "written",
    [
        {"trace_conditions": ['resource.attributes["env"] == "test"']},
        {"traces": {"resource": ['attributes["env"] == "test"']}},
    ],
)
def test_whole_resources_are_dropped(written: dict[str, object]) -> None:
    """A condition on the resource takes all its items."""
    tested, _ = made(**written)
    assert tested.process(traces([Span(), Span()], {"env": "test"})) is None
    batch = traces([Span()], {"env": "live"})
    assert tested.process(batch) is batch


@pytest.mark.parametrize(
    "written",
    [
        {"trace_conditions": ['spanevent.name == "noise" and span.name == "a"']},
        {"traces": {"spanevent": ['name == "noise" and span.name == "a"']}},
    ],
)
def test_span_events_are_dropped(written: dict[str, object]) -> None:
    """The span stays; events are counted by a reason of their own, since they are no items."""
    events = [Span.Event(name=name) for name in ("noise", "exception", "noise")]
    tested, own = made(**written)
    result = decoded_spans(tested.process(traces([Span(name="a", events=events), Span(name="b", events=events)])))
    assert [[event.name for event in span.events] for span in result] == [
        ["exception"],
        ["noise", "exception", "noise"],
    ]
    assert dropped(own, Signal.TRACES, "filtered_span_events") == 2
    assert dropped(own, Signal.TRACES, "filtered") == 0


def test_metrics_and_points_are_dropped() -> None:
    """A metric counts as its points; one that loses all its points goes too."""
    tested, own = made(
        metrics={"metric": ['name == "gone"'], "datapoint": ["value_int > 2"]},
        metric_conditions=['metric.name == "b" and datapoint.attributes["v"] == 1'],
    )
    result = decoded_metrics(tested.process(metrics([gauge("gone", 1, 2), gauge("a", 1, 2, 3)], [gauge("b", 1, 3)])))
    assert [(metric.name, [point.as_int for point in metric.gauge.data_points]) for metric in result] == [("a", [1, 2])]
    assert dropped(own, Signal.METRICS, "filtered") == 5


def test_an_error_drops() -> None:
    """Fail closed: what cannot be judged does not pass, whatever error_mode says."""
    tested, own = made(error_mode="ignore")

    def broken(scene: Scene) -> bool:
        raise ZeroDivisionError("536-90-4399")

    tested._conditions[Signal.LOGS].append(Condition(broken, needs_part=False))
    assert tested.process(logs([LogRecord()])) is None
    assert dropped(own, Signal.LOGS, "filter_failed") == 1


def test_mistakes_are_settings_errors_at_their_place() -> None:
    """Each with the path to the condition."""
    with pytest.raises(ValidationError) as caught:
        FilterSettings.model_validate(
            {
                "traces": {"span": ["true", 'name = "x"']},
                "log_conditions": ['body == "x"'],
                "metric_conditions": [{"context": "metric", "conditions": ['name == "x"']}],
            }
        )
    assert [(error["loc"], error["msg"]) for error in caught.value.errors()] == [
        (
            ("metric_conditions", 0),
            "Value error, write a condition as text with full paths, such as span.name; "
            "groups with a context are not supported",
        ),
        (
            ("log_conditions", 0),
            "Value error, at character 1: say what body belongs to; "
            "paths are resource.…, scope.…, instrumentation_scope.…, log.…",
        ),
        (("traces", "span", 1), "Value error, at character 6: = means nothing here"),
    ]


@given(st.lists(st.tuples(st.sampled_from("ab"), st.integers(0, 3)), min_size=1, max_size=12), st.integers(0, 3))
def test_what_does_not_match_is_never_dropped(made_of: list[tuple[str, int]], limit: int) -> None:
    """The records left are exactly those that do not fulfil the condition, in order and unchanged."""
    records = [
        LogRecord(severity_number=SEVERITIES[number], severity_text=text, attributes=pairs({"index": index}))
        for index, (text, number) in enumerate(made_of)
    ]
    tested, own = made(log_conditions=[f'log.severity_text == "a" and log.severity_number >= {limit}'])
    expected = [record for record in records if not (record.severity_text == "a" and record.severity_number >= limit)]
    assert decoded_logs(tested.process(logs(records))) == expected
    assert dropped(own, Signal.LOGS, "filtered") == len(records) - len(expected)
