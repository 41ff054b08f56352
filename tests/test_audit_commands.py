"""`telescrub audit` on a ledger that a daemon wrote."""

import asyncio
from pathlib import Path

import orjson
from typer.testing import CliRunner

from config.load import Source, load
from pipeline.__main__ import app, catalogue
from pipeline.logs import logger
from pipeline.service import Service


def written(folder: Path) -> Path:
    """The ledger of a daemon that started and stopped."""
    text = f"""
receivers: {{json_logs: {{endpoint: "127.0.0.1:0"}}}}
processors: {{redact_phi: }}
exporters: {{debug: }}
service:
  telemetry: {{metrics: {{level: none}}}}
  audit: {{path: {folder}/audit}}
  pipelines: {{logs: {{receivers: [json_logs], processors: [redact_phi], exporters: [debug]}}}}
"""

    config = load([Source("a.yaml", text)], catalogue())

    async def run() -> None:
        async with Service(config, logger("error")):
            pass

    asyncio.run(run())
    return folder / "audit"


def test_verify(tmp_path: Path) -> None:
    """Exit 0 for a ledger as it was written, 1 and the place for one that was changed."""
    ledger = written(tmp_path)
    result = CliRunner().invoke(app, ["audit", "verify", str(ledger)])
    assert (result.exit_code, ", 0 problems, 0 gaps; end " in result.output) == (0, True)
    (file,) = ledger.glob("*.jsonl")
    file.chmod(0o600)
    file.write_bytes(file.read_bytes().replace(b'"start"', b'"stop"', 1))
    result = CliRunner().invoke(app, ["audit", "verify", str(ledger)])
    assert result.exit_code == 1
    assert f"{file}:1: " in result.output


def test_verify_against_a_file_of_anchors(tmp_path: Path) -> None:
    """Anchors of this ledger prove it; one of another finds it written anew; a file without any is refused."""
    ledger = written(tmp_path)
    (file,) = ledger.glob("*.jsonl")
    last = orjson.loads(file.read_bytes().splitlines()[-1])
    for mac, sequence, code, said in (
        (last["mac"], last["sequence"], 0, ", 0 problems,"),
        ("0" * 64, last["sequence"], 1, "the ledger was written anew"),
        (last["mac"], 99, 1, "it is cut off"),
    ):
        anchors = tmp_path / "anchors"
        anchors.write_text(f'{{"line":"{{\\"sequence\\":{sequence},\\"mac\\":\\"{mac}\\"}}"}}\n')
        result = CliRunner().invoke(app, ["audit", "verify", str(ledger), "--anchors", str(anchors)])
        assert (result.exit_code, said in result.output) == (code, True)
    anchors.write_text("none")
    result = CliRunner().invoke(app, ["audit", "verify", str(ledger), "--anchors", str(anchors)])
    assert (result.exit_code, "there is no anchor in this file" in result.output) == (1, True)


def test_report(tmp_path: Path) -> None:
    """A page, a table, JSON; a time that is none is refused with a sentence."""
    ledger = written(tmp_path)
    page = CliRunner().invoke(app, ["audit", "report", str(ledger)])
    assert (page.exit_code, page.output.lower().startswith("<!doctype html>")) == (0, True)
    assert CliRunner().invoke(app, ["audit", "report", str(ledger), "--format", "csv"]).output.startswith("kind,")
    wrong = CliRunner().invoke(app, ["audit", "report", str(ledger), "--from", "yesterday"])
    assert wrong.exit_code == 1


def test_no_ledger(tmp_path: Path) -> None:
    """Without a configured ledger the folder has to be named."""
    config = tmp_path / "a.yaml"
    config.write_text(
        "receivers: {json_logs: }\nprocessors: {redact_phi: }\nexporters: {debug: }\n"
        "service: {pipelines: {logs: {receivers: [json_logs], processors: [redact_phi], exporters: [debug]}}}\n"
    )
    result = CliRunner().invoke(app, ["audit", "verify", "--config", str(config)])
    assert result.exit_code == 1
    assert "the configuration has no service::audit; name the ledger's folder" in result.output
