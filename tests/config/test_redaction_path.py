"""No way around redaction: every path to an exporter crosses it, or says why not."""

from dataclasses import replace
from typing import ClassVar

import pytest

from config.errors import ConfigError
from config.load import Source, load
from config.settings import Settings
from tests.config.models import CATALOGUE


class Redact(Settings):
    """A processor that redacts."""

    redacts: ClassVar[bool] = True
    rules: int = 1
    """How many rules."""


WITH_REDACTION = replace(CATALOGUE, processors={**CATALOGUE.processors, "redact": Redact})
COMPONENTS = """\
receivers: {otlp: {protocols: }}
processors: {scrub: , redact: }
exporters: {file: }
connectors: {count: , count/2: }
service:
  pipelines:
"""


def problems(pipelines: str) -> list[str]:
    try:
        load([Source("a.yaml", COMPONENTS + pipelines)], WITH_REDACTION, {})
    except ConfigError as error:
        return [str(each) for each in error.problems]
    return []


@pytest.mark.parametrize(
    "pipelines",
    [
        "    traces: {receivers: [otlp], processors: [scrub, redact], exporters: [file]}",
        "    traces: {receivers: [otlp], exporters: [file], redaction: none, redaction_reason: made-up data}",
        # redacted before the connector, or after it
        "    traces: {receivers: [otlp], processors: [redact], exporters: [count]}\n"
        "    logs: {receivers: [count], exporters: [file]}",
        "    traces: {receivers: [otlp], exporters: [count]}\n"
        "    logs: {receivers: [count], processors: [redact], exporters: [file]}",
    ],
)
def test_redacted(pipelines: str) -> None:
    """Redaction anywhere on the way is enough, and so is a reason for none."""
    assert problems(pipelines) == []


def test_not_redacted() -> None:
    """The exporter, its place, and both remedies."""
    assert problems("    traces: {receivers: [otlp], processors: [scrub], exporters: [file]}") == [
        "a.yaml:7:66: service::pipelines::traces::exporters::0: no processor redacts what goes to this exporter; "
        "add redact to the processors of traces, or say `redaction: none` there, with a `redaction_reason`"
    ]


@pytest.mark.parametrize(
    "pipelines",
    [
        # one of two ways into the connector is not redacted
        "    traces: {receivers: [otlp], processors: [redact], exporters: [count]}\n"
        "    metrics: {receivers: [otlp], exporters: [count]}\n"
        "    logs: {receivers: [count], exporters: [file]}",
        # two connectors, nothing on the way
        "    traces: {receivers: [otlp], exporters: [count]}\n"
        "    metrics: {receivers: [count], exporters: [count/2]}\n"
        "    logs: {receivers: [count/2], exporters: [file]}",
        # a reason holds for its own pipeline alone
        "    traces: {receivers: [otlp], exporters: [count], redaction: none, redaction_reason: made-up data}\n"
        "    logs: {receivers: [count], exporters: [file]}",
    ],
)
def test_around_through_connectors(pipelines: str) -> None:
    """Every way counts, not one of them."""
    (problem,) = problems(pipelines)
    assert "service::pipelines::logs::exporters::0: no processor redacts" in problem


def test_invalid_redaction_is_one_problem() -> None:
    """A redacting processor with a mistake in its settings is not also called missing."""
    text = COMPONENTS.replace("redact: ", "redact: {rules: many}")
    pipelines = "    traces: {receivers: [otlp], processors: [redact], exporters: [file]}"
    with pytest.raises(ConfigError) as caught:
        load([Source("a.yaml", text + pipelines)], WITH_REDACTION, {})
    assert [each.path for each in caught.value.problems] == ["processors::redact::rules"]
