"""The JSON Schema says what `load` accepts."""

import json
from typing import Any

import pytest
import yaml

from config.schema import schema
from tests.config.json_schema import errors, undescribed
from tests.config.models import CATALOGUE

SCHEMA = schema(CATALOGUE)

GOOD = """
receivers:
  otlp: {protocols: {grpc: }}
  otlp/clinic:
    protocols:
      grpc: {max_size: 4MiB, streams: "${env:STREAMS}", tls: {cert_file: a, key_file: b, min_version: 1.2}}
processors:
exporters:
  files:
  loki/a: {endpoint: 12, verify: "${V}", compression: "${C}", timeout: "${T}", headers: {a: 1}, password: 7}
  loki/b: {endpoint: x, labels: all, tls: }
service:
  pipelines:
    logs/clinic: {receivers: [otlp/clinic], processors: , exporters: [files]}
  telemetry: {logs: {level: INFO}, metrics: {address: "localhost:1"}}
  shutdown_timeout: 1m30s
"""


def wrong(text: str) -> list[str]:
    return errors(SCHEMA, yaml.safe_load(text))


def test_it_is_json() -> None:
    """The schema is plain data, of the draft it names, and every reference in it leads somewhere."""
    text = json.dumps(SCHEMA)
    assert SCHEMA["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    references = {part.split('"')[0] for part in text.split('"$ref": "#/$defs/')[1:]}
    assert references <= set(SCHEMA["$defs"])


def test_good_file() -> None:
    """References, empty sections, aliases and texts that look like numbers are valid."""
    assert wrong(GOOD) == []


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("procesors: ", ": no procesors"),
        ("receivers: {otpl: }", "/receivers: no otpl"),
        ("receivers: {otlp/: }", "/receivers: no otlp/"),
        ("receivers: {otlp: {protocols: {grcp: }}}", "/receivers/otlp/protocols: no grcp"),
        ("exporters: {loki: {}}", "/exporters/loki: endpoint is missing"),
        ("exporters: {files: {path: [a]}}", "/exporters/files/path: not ['string', 'number', 'boolean']"),
        ("service: {pipelines: {trace: {receivers: [a], exporters: [b]}}}", "/service/pipelines: no trace"),
        (
            "service: {pipelines: {logs: {receivers: [], exporters: [b]}}}",
            "/service/pipelines/logs/receivers: minItems",
        ),
        (
            "service: {pipelines: {logs: {receivers: [a], exporters: [b]}}, shutdown_timeout: 5x}",
            "/service/shutdown_timeout: none of the alternatives",
        ),
    ],
)
def test_bad_files(text: str, error: str) -> None:
    """An editor marks what `load` would refuse."""
    assert error in wrong(text)


def test_everything_is_described() -> None:
    """Every key of every section has its description, for the editor to show."""
    assert undescribed(SCHEMA) == []


def test_both_spellings_share_a_definition() -> None:
    """An alias is valid with and without a name, by the canonical type's settings."""
    exporters: dict[str, Any] = SCHEMA["properties"]["exporters"]
    assert exporters["properties"]["files"] == exporters["properties"]["file"] == {"$ref": "#/$defs/File"}
    assert exporters["patternProperties"]["^files/.+$"] == {"$ref": "#/$defs/File"}
