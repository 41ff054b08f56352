"""Anchors of the ledger through an exporter's queue."""

import asyncio
from pathlib import Path

import orjson
import pytest

from audit.anchors import anchors_in
from audit.verify import verify
from config.errors import ConfigError
from config.load import Source, load
from config.model import Config
from pipeline.__main__ import catalogue
from pipeline.anchors import Anchors
from pipeline.logs import logger
from pipeline.service import Service
from processors.redact_phi import RedactPhiSettings
from processors.redaction.rules import digest
from tests.payloads import logs
from tests.pipeline.test_router import destination

KEY = "a key of the tests, of 32 bytes or more"


def config(folder: Path, exporter: str = "file/anchors", more: str = "") -> Config:
    text = f"""
receivers: {{otlp: {{protocols: {{http: {{endpoint: "127.0.0.1:0"}}}}}}}}
processors: {{redact_phi: }}
exporters: {{debug: , file/anchors: {{path: "{folder}/{{signal}}.jsonl"}}, jaeger: }}
connectors: {{forward: }}
service:
  telemetry: {{metrics: {{level: none}}}}
  audit: {{path: "{folder}/audit", key: "{KEY}", anchors: {{exporter: {exporter}, interval: 1h}}}}
  pipelines:
    traces: {{receivers: [otlp], processors: [redact_phi], exporters: [debug]}}
"""
    return load([Source("test.yaml", text)], catalogue())


async def test_a_life(tmp_path: Path) -> None:
    """One at the start, one at the end, with the digest of the rules; the ledger holds the rows they name."""
    made = await asyncio.to_thread(config, tmp_path)
    assert [str(each) for each in made.warnings if "file/anchors" in str(each)] == []
    async with Service(made, logger("error")):
        pass
    text = (tmp_path / "logs.jsonl").read_text()
    anchors = anchors_in(text)
    assert anchors[0].sequence == 2
    assert verify([tmp_path / "audit"], KEY.encode(), anchors).problems == []
    first = orjson.loads(text.splitlines()[0])["resourceLogs"][0]
    body = orjson.loads(first["scopeLogs"][0]["logRecords"][0]["body"]["stringValue"])
    assert body["rules_digests"] == {"redact_phi": digest(RedactPhiSettings().effective_rules())}
    assert first["resource"]["attributes"][0] == {"key": "service.name", "value": {"stringValue": "telescrub"}}


async def test_a_ledger_that_was_written_anew(tmp_path: Path) -> None:
    """A whole, well-made ledger with the same key is not the one the anchors are of."""
    made = await asyncio.to_thread(config, tmp_path)
    async with Service(made, logger("error")):
        pass
    anchors = anchors_in((tmp_path / "logs.jsonl").read_text())
    (tmp_path / "audit").rename(tmp_path / "gone")
    async with Service(made, logger("error")):
        pass
    assert verify([tmp_path / "audit"], KEY.encode()).problems == []
    (problem,) = verify([tmp_path / "audit"], KEY.encode(), anchors).problems
    assert "with another mac: the ledger was written anew" in str(problem)


async def test_each_interval_and_a_full_queue(tmp_path: Path) -> None:
    """The task waits the interval between two; one that finds no room is left out."""
    made = await asyncio.to_thread(config, tmp_path)
    waits: list[float] = []
    place = destination("loki", size=2)
    tick = asyncio.Event()

    async def sleep(seconds: float) -> None:
        waits.append(seconds)
        if len(waits) == 3:
            tick.set()
            await asyncio.Event().wait()

    async with Service(made, logger("error")) as service:
        assert service.ledger is not None
        async with Anchors(service.ledger, place, 60.0, now_ns=lambda: 10**18, sleep=sleep):
            await tick.wait()
    assert waits == [60.0] * 3
    assert place.queue.left() == {logs([]).signal: 2}


@pytest.mark.parametrize(
    ("exporter", "problem"),
    [
        ("loki", "the exporter 'loki' is not defined under exporters; defined: debug, file/anchors, jaeger"),
        ("forward", "the exporter 'forward' is not defined under exporters; defined: debug, file/anchors, jaeger"),
        ("jaeger", "the exporter 'jaeger' handles traces, and this pipeline carries logs"),
    ],
)
def test_an_exporter_that_cannot_take_them(tmp_path: Path, exporter: str, problem: str) -> None:
    """Said at load, with the place."""
    with pytest.raises(ConfigError) as caught:
        config(tmp_path, exporter)
    assert [str(each).partition(": service::audit::anchors::exporter: ")[2] for each in caught.value.problems] == [
        problem
    ]
