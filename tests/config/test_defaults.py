"""The configuration that runs without a file, and the destinations the environment names."""

import pytest

from config.defaults import default_sources
from config.load import load
from pipeline.__main__ import catalogue

NAMED = {
    "TELESCRUB_PROMETHEUS_URL": "http://localhost:9090/api/v1/write",
    "TELESCRUB_JAEGER_ENDPOINT": "localhost:14317",
    "TELESCRUB_LOKI_URL": "http://localhost:3100",
}


def exporters(environment: dict[str, str]) -> dict[str, list[str]]:
    config = load(default_sources(environment), catalogue(), environment)
    return {name: pipeline.exporters for name, pipeline in config.service.pipelines.items()}


def test_files_by_default() -> None:
    """Without names everything goes to files; an empty variable names nothing."""
    files = {"traces": ["file"], "metrics": ["file"], "logs": ["file"]}
    assert exporters({}) == files
    assert exporters(dict.fromkeys(NAMED, "")) == files


@pytest.mark.parametrize(
    ("variable", "signal", "exporter"),
    [
        ("TELESCRUB_PROMETHEUS_URL", "metrics", "prometheus_remote_write"),
        ("TELESCRUB_JAEGER_ENDPOINT", "traces", "jaeger"),
        ("TELESCRUB_LOKI_URL", "logs", "loki"),
    ],
)
def test_a_named_destination(variable: str, signal: str, exporter: str) -> None:
    """It takes the place of the file for its own signal alone."""
    others = {name: ["file"] for name in ("traces", "metrics", "logs")}
    assert exporters({variable: NAMED[variable]}) == {**others, signal: [exporter]}


def test_all_named() -> None:
    """Three real destinations."""
    expected = {"traces": ["jaeger"], "metrics": ["prometheus_remote_write"], "logs": ["loki"]}
    assert exporters(NAMED) == expected
