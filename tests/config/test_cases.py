"""The section `tests`: what may stand there, and every problem with its place."""

import pytest
from google.protobuf.message import Message

from config.cases import Case, otlp_signal
from config.errors import ConfigError
from config.load import Source, load
from pipeline.__main__ import catalogue
from wire import otlp
from wire.signal import Signal

HEAD = """\
receivers: {otlp: {protocols: {http: }}}
processors: {redact_phi: , redact_phi/b: , drop_labels: {labels: [a]}}
exporters: {debug: }
service:
  pipelines:
    logs: {receivers: [otlp], processors: [redact_phi], exporters: [debug]}
    traces: {receivers: [otlp], processors: [redact_phi/b], exporters: [debug]}
    metrics: {receivers: [otlp], processors: [redact_phi, drop_labels], exporters: [debug]}
tests:
"""


def problems(case: str, head: str = HEAD) -> str:
    with pytest.raises(ConfigError) as caught:
        load([Source("c.yaml", f"{head}  - {case}\n")], catalogue(), {})
    return str(caught.value)


def test_good_ones() -> None:
    """In their order."""
    cases = "  - {name: a, processor: redact_phi/b, input: x, expect: {absent: [x]}}\n"
    cases += "  - {name: b, pipeline: logs, input: {ssn: 536904399}, expect: {dropped: false}}\n"
    config = load([Source("c.yaml", HEAD + cases)], catalogue(), {})
    assert [case.name for case in config.tests] == ["a", "b"]
    assert load([Source("c.yaml", HEAD)], catalogue(), {}).tests == ()


@pytest.mark.parametrize(
    ("case", "problem"),
    [
        (
            "{name: a, processor: redact_ph, input: x, expect: {absent: [x]}}",
            "c.yaml:10:26: tests::0::processor: there is no processor 'redact_ph'; did you mean 'redact_phi'? "
            "Valid: drop_labels, redact_phi, redact_phi/b",
        ),
        (
            "{name: a, processor: drop_labels, input: x, expect: {absent: [x]}}",
            "c.yaml:10:26: tests::0::processor: this processor does not redact; "
            "those that redact: redact_phi, redact_phi/b",
        ),
        (
            "{name: a, pipeline: log, input: x, expect: {absent: [x]}}",
            "c.yaml:10:25: tests::0::pipeline: there is no pipeline 'log'; did you mean 'logs'? "
            "Valid: logs, metrics, traces",
        ),
        (
            "{name: a, pipeline: traces, input: x, expect: {absent: [x]}}",
            "c.yaml:10:25: tests::0::pipeline: the input is logs, and this pipeline carries traces",
        ),
        (
            "{name: a, input: x, expect: {absent: [x]}}",
            "c.yaml:10:5: tests::0: it is not clear what is tested; give a processor or a pipeline; "
            "those that redact: redact_phi, redact_phi/b",
        ),
        (
            "{name: a, pipeline: logs, processor: redact_phi, input: x, expect: {absent: [x]}}",
            "c.yaml:10:5: tests::0: processor and pipeline exclude each other; remove one",
        ),
        (
            "{name: a, pipeline: logs, input: x, expect: }",
            "c.yaml:10:41: tests::0::expect: nothing is expected; give absent, present or dropped",
        ),
        (
            "{name: a, pipeline: logs, input: x, expect: {absent: ['']}}",
            "c.yaml:10:50: tests::0::expect::absent: an empty text stands everywhere; give one with characters",
        ),
        (
            "{name: a, pipeline: logs, input: x, expect: {dropped: true, absent: [x]}}",
            "c.yaml:10:41: tests::0::expect: of what is dropped nothing is left to look at; "
            "remove absent and present, or dropped",
        ),
        (
            "{name: a, pipeline: traces, input: {traces: {resourceSpans: 7}}, expect: {absent: [x]}}",
            "c.yaml:10:33: tests::0::input: resourceSpans: an array is needed",
        ),
        (
            "{name: a, pipeline: traces, input: {traces: {resourceLogs: []}}, expect: {absent: [x]}}",
            "c.yaml:10:33: tests::0::input: under traces OTLP/JSON of that signal is expected, "
            "which begins with resource…",
        ),
        (
            "{name: a, pipeline: traces, input: {resourceSpans: []}, expect: {absent: [x]}}",
            "c.yaml:10:33: tests::0::input: this holds no span, data point or log record",
        ),
        (
            "{pipeline: logs, input: x, expct: {}}",
            "c.yaml:10:5: tests::0: the key 'expect' is required and missing\n"
            "c.yaml:10:5: tests::0: the key 'name' is required and missing\n"
            "c.yaml:10:32: tests::0::expct: there is no key 'expct'; did you mean 'expect'? "
            "Valid: expect, input, name, pipeline, processor",
        ),
    ],
)
def test_problems(case: str, problem: str) -> None:
    """With line, column, path and the remedy."""
    assert problems(case) == problem


def test_the_section_is_a_list() -> None:
    """Anything else is told."""
    with pytest.raises(ConfigError) as caught:
        load([Source("c.yaml", HEAD.replace("tests:", "tests: {a: 1}"))], catalogue(), {})
    assert str(caught.value) == "c.yaml:9:1: tests: a list is expected here, not a map"


@pytest.mark.parametrize(
    ("given", "signal", "holds"),
    [
        ("a line", Signal.LOGS, b"a line"),
        ({"msg": "a line"}, Signal.LOGS, b"a line"),
        ({"resourceSpans": [{"scopeSpans": [{"spans": [{"name": "GET"}]}]}]}, Signal.TRACES, b"GET"),
        ({"traces": {"resource_spans": [{"scope_spans": [{"spans": [{"name": "GET"}]}]}]}}, Signal.TRACES, b"GET"),
    ],
)
def test_input_as_otlp(given: object, signal: Signal, holds: bytes) -> None:
    """A text is a body, a map a JSON log or OTLP."""
    case = Case.model_validate({"name": "a", "input": given, "expect": {"dropped": False}})
    found, payload = case.payload()
    assert found is signal
    assert holds in payload
    assert isinstance(otlp.decode(signal, payload), Message)


def test_signal_by_the_outermost_key() -> None:
    """Two of them make no OTLP."""
    assert otlp_signal({"resourceMetrics": []}) is Signal.METRICS
    assert otlp_signal({"resourceMetrics": [], "resourceLogs": []}) is None
    assert otlp_signal({"msg": "x"}) is None
    assert otlp_signal([]) is None
