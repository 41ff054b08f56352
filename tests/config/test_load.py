"""Whole configurations, good and bad."""

from pathlib import Path

import pytest

from config.errors import ConfigError
from config.load import Source, load
from config.model import Config
from config.settings import Secret
from tests.config.models import CATALOGUE, File, Loki, Otlp, Scrub

GOOD = """\
receivers:
  otlp:
    protocols: {grpc: }
  otlp/clinic: {protocols: }
processors:
  scrub:
exporters:
  files: {path: "${env:DIRECTORY:-out}/traces"}
  loki: {endpoint: http://localhost, password: "${env:PASSWORD}"}
extensions:
  health_check:
service:
  extensions: [health_check]
  pipelines:
    traces: {receivers: [otlp, otlp/clinic], processors: [scrub], exporters: [files]}
    logs/clinic: {receivers: [otlp/clinic], exporters: [files, loki]}
"""


def loaded(*texts: str, **environment: str) -> Config:
    return load(
        [Source(f"{name}.yaml", text) for name, text in zip("abc", texts, strict=False)], CATALOGUE, environment
    )


def problems(*texts: str, **environment: str) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        loaded(*texts, **environment)
    assert str(caught.value) == "\n".join(map(str, caught.value.problems))
    return str(caught.value).split("\n")


def test_a_good_one() -> None:
    """Components keep the ids the operator wrote; an alias gets the canonical model."""
    config = loaded(GOOD, PASSWORD="hunter2")
    protocols = Otlp.model_validate({"protocols": {}})
    assert config.receivers == {"otlp": protocols, "otlp/clinic": protocols}
    assert config.processors == {"scrub": Scrub()}
    assert config.exporters == {
        "files": File(path="out/traces"),
        "loki": Loki(endpoint="http://localhost", password=Secret("hunter2")),
    }
    assert list(config.extensions) == config.service.extensions == ["health_check"]
    assert list(config.service.pipelines) == ["traces", "logs/clinic"]
    assert config.warnings == ()
    assert "hunter2" not in repr(config)


def test_merging_sources() -> None:
    """Later sources add to maps and replace the rest; null wipes."""
    config = loaded(
        GOOD,
        "exporters: {loki: {endpoint: http://example.org}}\nprocessors:\n",
        "service: {pipelines: {traces: {processors: }}}\nreceivers: {otlp/clinic: {protocols: {grpc: {streams: 9}}}}",
        PASSWORD="hunter2",
    )
    assert config.exporters["loki"] == Loki(endpoint="http://example.org", password=Secret("hunter2"))
    assert config.processors == {}
    assert config.service.pipelines["traces"].processors == []
    assert config.receivers["otlp/clinic"] == Otlp.model_validate({"protocols": {"grpc": {"streams": 9}}})


def test_places_after_merging() -> None:
    """Each problem is in the file its value came from."""
    assert problems(GOOD, "exporters:\n  loki:\n    timeout: 5\n", PASSWORD="x") == [
        "b.yaml:3:14: exporters::loki::timeout: a duration needs a unit, such as 200ms, 5s or 1m30s"
    ]


def test_files_and_references_to_files(tmp_path: Path) -> None:
    """Files are read; `${file:…}` starts from the file it stands in."""
    (tmp_path / "main.yaml").write_text(GOOD)
    (tmp_path / "secrets").mkdir()
    (tmp_path / "secrets" / "password").write_text("12345\n")
    (tmp_path / "secrets" / "over.yaml").write_text("exporters: {loki: {password: '${file:password}'}}\n")
    config = load([tmp_path / "main.yaml", tmp_path / "secrets" / "over.yaml"], CATALOGUE, {"PASSWORD": "x"})
    assert config.exporters["loki"] == Loki(endpoint="http://localhost", password=Secret("12345"))


BAD = """\
receivers:
  otlp:
    protocols:
      grpc: {endpiont: localhost:4317}
  oltp:
  otlp/: {protocols: }
procesors:
exporters:
  loki:
    endpoint: http://localhost
    timeout: ${env:TIMEOUT}
service:
  pipelines:
    logs:
      receivers: [otlp]
      exporters: [loki, lokki]
    trace: {receivers: [], exporters: [loki]}
"""


def test_every_problem_at_once() -> None:
    """All that is wrong is told, in the order of the file."""
    assert problems(BAD) == [
        "a.yaml:4:14: receivers::otlp::protocols::grpc::endpiont: there is no key 'endpiont'; "
        "did you mean 'endpoint'? Valid: endpoint, max_size, streams, tls",
        "a.yaml:5:3: receivers::oltp: there is no receiver 'oltp'; did you mean 'otlp'? Valid: otlp",
        "a.yaml:6:3: receivers::otlp/: a name is missing after the /",
        "a.yaml:7:1: procesors: there is no section 'procesors'; did you mean 'processors'? "
        "Valid: connectors, exporters, extensions, processors, receivers, service, tests",
        "a.yaml:11:14: exporters::loki::timeout: the environment variable TIMEOUT is not set; "
        "set it or give a default, ${env:TIMEOUT:-default}",
        "a.yaml:16:25: service::pipelines::logs::exporters::1: the exporter 'lokki' is not defined "
        "under exporters or connectors; did you mean 'loki'? Defined: loki",
        "a.yaml:17:5: service::pipelines::trace: there is no signal 'trace'; "
        "did you mean 'traces'? Valid: logs, metrics, traces",
        "a.yaml:17:13: service::pipelines::trace::receivers: this is too short; the least number of entries is 1",
    ]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "a.yaml:1:1: the section 'service' is required and missing"),
        ("[]", "a.yaml:1:1: a map of sections is expected here, not a list"),
        ("service:", "a.yaml:1:1: service: the key 'pipelines' is required and missing"),
        (
            "service: {pipelines: }",
            "a.yaml:1:11: service::pipelines: this is too short; the least number of entries is 1",
        ),
        ("service: {pipelines: [a]}", "a.yaml:1:11: service::pipelines: a map is expected here, not a list"),
    ],
)
def test_missing_parts(text: str, problem: str) -> None:
    """A configuration without anything to run says what is missing."""
    assert problems(text) == [problem]


def test_sections_that_are_not_maps() -> None:
    """A section holds components by id."""
    assert problems(GOOD, "exporters: [loki]", PASSWORD="x")[-1] == (
        "b.yaml:1:1: exporters: a map of components is expected here, not a list"
    )


def test_unreadable_sources_are_all_there_is() -> None:
    """A source that cannot be parsed is told alone: what it would have said is unknown."""
    assert problems(BAD, "a: [", "b: 'x") == [
        "a.yaml:11:14: exporters::loki::timeout: the environment variable TIMEOUT is not set; "
        "set it or give a default, ${env:TIMEOUT:-default}",
        "b.yaml:1:5: a value or the closing bracket is missing before this",
        "c.yaml:1:4: this quote is not closed",
    ]


def test_no_sources() -> None:
    """Nothing to load is a problem like any other."""
    assert problems() == ["(no configuration):1:1: the section 'service' is required and missing"]
