"""Rules are held to their examples, and what comes out to what the operator expects of it."""

import pytest

from config.load import Source, load
from pipeline.__main__ import catalogue
from rehearsal.checks import Verdict, verdicts_on_rules, verdicts_on_tests
from tests.rehearsal.configs import SSN, config
from tests.rehearsal.samples import POINT, SPAN

BADGE = r"{id: badge, title: Badge, patterns: ['BDG-\d+'], examples: {match: ['BDG 2'], no_match: [BDG-7]}}"


def of_tests(*cases: str) -> list[Verdict]:
    more = "tests:\n" + "".join(f"  - {case}\n" for case in cases)
    return list(verdicts_on_tests(config(SSN, more=more)))


def problems(case: str) -> tuple[str, ...]:
    [verdict] = of_tests(case)
    return verdict.problems


def test_examples_of_rules() -> None:
    """Each rule by itself; one without examples is told apart."""
    found = {verdict.name: verdict for verdict in verdicts_on_rules(config(SSN, BADGE))}
    assert found["ssn"] == Verdict("redact_phi", "ssn", "Social Security number", (), True)
    assert found["badge"] == Verdict(
        "redact_phi",
        "badge",
        "Badge",
        (
            "rule badge does not act on its example 'BDG 2'",
            "rule badge acts on its counterexample 'BDG-7'",
        ),
    )
    assert found["path_ids"].problems == ()
    assert not found["path_ids"].skipped


@pytest.mark.parametrize(
    "case",
    [
        "{name: a, input: visit of 536-90-4399, expect: {absent: [536-90-4399], present: ['visit of [ssn]']}}",
        "{name: a, pipeline: logs, input: {msg: 536-90-4399}, expect: {absent: [536-90-4399], dropped: false}}",
        f"{{name: a, pipeline: traces, input: {SPAN}, expect: {{present: ['visit of [ssn]']}}}}",
        f"{{name: a, input: {{traces: {SPAN}}}, expect: {{present: ['visit of [ssn]']}}}}",
        f"{{name: a, processor: redact_phi, input: {POINT}, expect: {{present: [clinic, north]}}}}",
    ],
)
def test_what_holds(case: str) -> None:
    """Text, a JSON log, OTLP, through a processor or a pipeline."""
    assert problems(case) == ()


@pytest.mark.parametrize(
    ("case", "problem"),
    [
        (
            "{name: a, input: hello, expect: {absent: [hell]}}",
            "'hell' must be absent, but this came out:\n  LogRecord.body = hello",
        ),
        (
            "{name: a, input: {k: hello}, expect: {present: [bye]}}",
            "'bye' must be present, but this came out:\n  LogRecord.attributes k = hello",
        ),
        (
            "{name: a, input: hello, expect: {dropped: true}}",
            "nothing must come out, but this did:\n  LogRecord.body = hello",
        ),
    ],
)
def test_what_does_not_hold(case: str, problem: str) -> None:
    """What was expected, and what came out instead."""
    assert problems(case) == (problem,)


FILTERED = """\
receivers: {otlp: {protocols: {http: }}}
processors:
  redact_phi: {packs: []}
  filter: {error_mode: ignore, logs: {log_record: ['true']}}
exporters: {debug: }
service: {pipelines: {logs: {receivers: [otlp], processors: [redact_phi, filter], exporters: [debug]}}}
tests:
  - {name: dropped, pipeline: logs, input: hello, expect: {dropped: true}}
  - {name: kept, pipeline: logs, input: hello, expect: {dropped: false}}
  - {name: present, pipeline: logs, input: hello, expect: {present: [hello]}}
  - {name: absent, pipeline: logs, input: hello, expect: {absent: [hello]}}
"""


def test_what_a_pipeline_drops() -> None:
    """A whole pipeline may drop it."""

    filtered = load([Source("c.yaml", FILTERED)], catalogue(), {})
    assert {verdict.name: verdict.problems for verdict in verdicts_on_tests(filtered)} == {
        "dropped": (),
        "kept": ("something must come out, but nothing did",),
        "present": ("'hello' must be present, but nothing came out",),
        "absent": (),
    }
