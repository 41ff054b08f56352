"""The configuration that runs without a file: `default.yaml`, with real destinations for the ones the environment
names.
"""

from collections.abc import Mapping
from pathlib import Path

import yaml

from config.yaml_source import Source

__all__ = ["default_sources"]

_DEFAULT = Path(__file__).parent / "default.yaml"

_DESTINATIONS: tuple[tuple[str, str, str, dict[str, object]], ...] = (
    ("TELESCRUB_PROMETHEUS_URL", "metrics", "prometheus_remote_write", {"endpoint": "${env:TELESCRUB_PROMETHEUS_URL}"}),
    ("TELESCRUB_JAEGER_ENDPOINT", "traces", "jaeger", {"endpoint": "${env:TELESCRUB_JAEGER_ENDPOINT}"}),
    ("TELESCRUB_LOKI_URL", "logs", "loki", {"endpoint": "${env:TELESCRUB_LOKI_URL}"}),
)
"""Environment variable, the signal whose file it replaces, the exporter, its settings."""


def default_sources(environment: Mapping[str, str]) -> list[Path | Source]:
    """`default.yaml`, and over it a source for each destination named by an environment variable that is set."""
    overlay: dict[str, dict[str, object]] = {"exporters": {}}
    pipelines: dict[str, object] = {}
    for variable, signal, exporter, settings in _DESTINATIONS:
        if environment.get(variable):
            overlay["exporters"][exporter] = settings
            pipelines[signal] = {"exporters": [exporter]}
    if not pipelines:
        return [_DEFAULT]
    text = yaml.safe_dump({**overlay, "service": {"pipelines": pipelines}})
    return [_DEFAULT, Source("(the environment)", text)]
