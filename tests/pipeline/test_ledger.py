"""The audit ledger of a daemon within the test's own process."""

import asyncio
import errno
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import orjson
import pytest
import structlog
from opentelemetry.proto.trace.v1.trace_pb2 import Span
from structlog.testing import capture_logs

from audit.verify import verify
from config.load import Source, load
from config.model import Config
from pipeline.__main__ import catalogue
from pipeline.component import Ledger, Redacted
from pipeline.errors import Refused
from pipeline.ledger import AuditLedger
from pipeline.logs import logger
from pipeline.parts import Key
from pipeline.service import Service
from pipeline.telemetry import Telemetry
from processors.redact_phi import RedactPhiSettings
from processors.redaction.rules import digest
from tests.payloads import pairs, traces
from tests.pipeline.daemon import BASE, GONE, changed, running
from wire.signal import Signal

KEY = "a key of the tests, of 32 bytes or more"
RULES = RedactPhiSettings().effective_rules()
PHI = traces([Span(name="visit", attributes=pairs({"patient.ssn": "536-90-4399", "mail": "maria@example.org"}))])
SSN = Redacted("ssn", "mask", "Span.attributes")


def config(folder: Path, audit: str = "") -> Config:
    text = f"""
receivers: {{otlp: {{protocols: {{http: {{endpoint: "127.0.0.1:0"}}}}}}}}
processors: {{redact_phi: }}
exporters: {{debug: }}
service:
  telemetry: {{metrics: {{level: none}}}}
  audit: {{path: "{folder}/audit", key: "{KEY}", interval: 1h, {audit}}}
  pipelines:
    traces: {{receivers: [otlp], processors: [redact_phi], exporters: [debug]}}
    logs: {{receivers: [otlp], exporters: [debug], redaction: none, redaction_reason: made-up data}}
"""
    return load([Source("test.yaml", text)], catalogue())


def rows(folder: Path) -> list[dict[str, Any]]:
    """All rows, after a check of them."""
    assert verify([folder / "audit"], KEY.encode()).problems == []
    (file,) = (folder / "audit").glob("ledger-*.jsonl")
    return [orjson.loads(line) for line in file.read_bytes().splitlines()]


def ledger(folder: Path, audit: str = "") -> AuditLedger:
    made = config(folder, audit)
    assert made.service.audit is not None
    return AuditLedger(made.service.audit, made, Telemetry(), logger("error"))


def redacting(own: AuditLedger) -> Ledger:
    """As its processor has it."""
    return own.of(own._config, "redact_phi")


async def test_a_life(tmp_path: Path) -> None:
    """Start, rules in force, waived pipelines, what was redacted where, what was dropped, stop; never a value."""
    service = Service(config(tmp_path), logger("error"))
    async with service:
        context = replace(service._context(service.config, "redact_phi"), pipeline="traces")
        processor = RedactPhiSettings().build(context)
        processor.process(PHI)
        redacted = processor.process(PHI)
        service.telemetry.dropped("redact_phi", Signal.TRACES, "redaction_failed", 2)
    assert redacted is not None
    written = rows(tmp_path)
    assert [row["kind"] for row in written] == ["start", "config", "waiver", "redaction", "redaction", "drop", "stop"]
    start, rules, waiver, *redactions, drop, _ = written
    assert (start["chain"], start["found"]) == ("hmac-sha256", "new")
    assert (rules["component"], rules["pipelines"]) == ("redact_phi", ["traces"])
    assert rules["rules_digest"] == digest(RULES)
    assert {"ssn", "email"} <= {rule["id"] for rule in rules["rules"]}
    assert (waiver["pipeline"], waiver["reason"]) == ("logs", "made-up data")
    assert {(row["pipeline"], row["rule"], row["place"], row["count"], row["batches"]) for row in redactions} == {
        ("traces", "ssn", "Span.attributes", 2, 2),
        ("traces", "email", "Span.attributes", 2, 2),
    }
    assert {(row["version"] > 0, row["rules_digest"]) for row in redactions} == {(True, rules["rules_digest"])}
    assert (drop["component"], drop["reason"], drop["count"]) == ("redact_phi", "redaction_failed", 2)
    (file,) = (tmp_path / "audit").glob("ledger-*.jsonl")
    assert b"536-90" not in file.read_bytes()
    assert b"maria" not in file.read_bytes()


async def test_items_that_fail_closed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An item on which the engine fails is a row of its own: where, why, how many; the others are redacted as ever."""
    service = Service(config(tmp_path), logger("error"))
    async with service:
        processor = RedactPhiSettings().build(
            replace(service._context(service.config, "redact_phi"), pipeline="traces")
        )
        whole = processor._engine._text.redact

        def fails(text: bytes, *more: Any) -> bytes | None:
            if b"078-05-1120" in text:
                raise RuntimeError("078-05-1120")
            return whole(text, *more)

        monkeypatch.setattr(processor._engine._text, "redact", fails)
        spans = [Span(name="a", attributes=pairs({"note": note})) for note in ("ssn 078-05-1120", "x@example.org")]
        left = processor.process(traces(spans))
    assert left is not None
    assert left.items == 1
    drops = [row for row in rows(tmp_path) if row["kind"] == "drop"]
    assert [(row["component"], row["signal"], row["reason"], row["count"]) for row in drops] == [
        ("redact_phi", "traces", "redaction_failed", 1)
    ]


async def test_anchors_in_the_log(tmp_path: Path) -> None:
    """The log names the last row of the start and of the stop, for those who keep it elsewhere."""
    with capture_logs() as lines:
        made = config(tmp_path)
        assert made.service.audit is not None
        async with AuditLedger(made.service.audit, made, Telemetry(), structlog.get_logger()):
            pass
    written = rows(tmp_path)
    anchors = [(line["sequence"], line["mac"]) for line in lines if line["event"] == "ledger anchor"]
    assert anchors == [(3, written[2]["mac"]), (4, written[3]["mac"])]


def _full(file: int, data: bytes) -> int:
    raise OSError(errno.ENOSPC, "No space left on device")


async def test_a_full_disk_refuses(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What cannot be put on record does not pass; what was redacted before is written when there is room again."""
    async with ledger(tmp_path) as own:
        redacting(own).redacted("traces", "redact_phi", Signal.TRACES, b"before", {SSN: 1})
        with monkeypatch.context() as patched:
            patched.setattr(os, "write", _full)
            assert await asyncio.to_thread(own.flush) is False
            with pytest.raises(Refused, match="the audit ledger cannot be written; retry after 3600 s"):
                redacting(own).redacted("traces", "redact_phi", Signal.TRACES, b"lost?", {SSN: 1})
            assert own.problems() == {"audit": "the audit ledger cannot be written: No space left on device"}
        assert await asyncio.to_thread(own.flush) is True
        redacting(own).redacted("traces", "redact_phi", Signal.TRACES, b"after", {SSN: 1})
        assert own.problems() == {}
    assert [row["count"] for row in rows(tmp_path) if row["kind"] == "redaction"] == [1, 1]


async def test_a_full_disk_is_counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With `on_failure: count` data goes on, and the rows follow later."""
    async with ledger(tmp_path, "on_failure: count") as own:
        with monkeypatch.context() as patched:
            patched.setattr(os, "write", _full)
            assert await asyncio.to_thread(own.flush, {"kind": "anchor"}) is False
            redacting(own).redacted("traces", "redact_phi", Signal.TRACES, b"during", {SSN: 4})
            assert own.problems() == {}
        failures = own._telemetry.registry.get_sample_value("telescrub_ledger_failures_total")
        assert failures == 1
    assert [row["count"] for row in rows(tmp_path) if row["kind"] == "redaction"] == [4]


async def test_a_head_that_cannot_be_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is told once, and counted; nothing is refused, and no row is written twice."""
    with capture_logs() as lines:
        made = config(tmp_path)
        assert made.service.audit is not None
        async with AuditLedger(made.service.audit, made, Telemetry(), structlog.get_logger()) as own:
            with monkeypatch.context() as patched:
                patched.setattr(os, "pwrite", lambda *_: _full(0, b""))
                for _ in range(2):
                    redacting(own).redacted("traces", "redact_phi", Signal.TRACES, b"left", {SSN: 1})
                    assert await asyncio.to_thread(own.flush) is True
            assert own.problems() == {}
            assert own._telemetry.registry.get_sample_value("telescrub_ledger_failures_total") == 2
    told = [(line["log_level"], line["event"], line.get("problem")) for line in lines if "head" in line["event"]]
    assert told == [
        (
            "error",
            "ledger.head cannot be written: a cut-off end would not show; free space there, or check the folder",
            "No space left on device",
        ),
        ("info", "ledger.head is written again", None),
    ]
    assert [row["count"] for row in rows(tmp_path) if row["kind"] == "redaction"] == [1, 1]


async def test_a_second_daemon(tmp_path: Path) -> None:
    """It does not start, and the first one goes on."""
    async with ledger(tmp_path):
        with pytest.raises(OSError, match="another process writes the audit ledger"):
            async with ledger(tmp_path):
                pass
    assert rows(tmp_path)[-1]["kind"] == "stop"


async def test_written_while_it_runs(tmp_path: Path) -> None:
    """Rows do not wait for the end."""
    made = config(tmp_path)
    assert made.service.audit is not None
    often = made.service.audit.model_copy(update={"interval": 0.001})
    own = AuditLedger(often, made, Telemetry(), logger("error"))
    async with own:
        redacting(own).redacted("traces", "redact_phi", Signal.TRACES, b"left", {SSN: 1})
        while len(rows(tmp_path)) < 4:
            pass


async def test_a_reload(tmp_path: Path) -> None:
    """What was redacted before is by the rules before; then the rules that are in force. A failed one is a row, too."""
    before = config(tmp_path)
    after = replace(
        before,
        processors={"redact_phi": RedactPhiSettings(packs=("hipaa",))},
        service=before.service.model_copy(update={"pipelines": {"traces": before.service.pipelines["traces"]}}),
    )
    service = Service(before, logger("error"))
    async with service:
        service.graph.parts[Key("processors", "redact_phi", "traces")].thing.processor.process(PHI)
        await service.reload(after)
        service.graph.parts[Key("processors", "redact_phi", "traces")].thing.processor.process(PHI)
        assert service.ledger is not None
        await asyncio.to_thread(service.ledger.not_reloaded, 3)
    first, second, *redactions = [row for row in rows(tmp_path) if "rules_digest" in row]
    written = rows(tmp_path)
    kinds = [row["kind"] for row in written]
    assert kinds == [
        "start",
        "config",
        "waiver",
        *["redaction"] * 2,
        "reload",
        "config",
        *["redaction"] * 2,
        "reload",
        "stop",
    ]
    assert written[5]["changed"] == {
        "changed": ["processors::redact_phi"],
        "new": [],
        "removed": ["service::pipelines::logs"],
    }
    assert (written[5]["outcome"], written[9]["outcome"], written[9]["problems"]) == ("done", "failed", 3)
    assert [row["rules_digest"] for row in written[3:5]] == [written[1]["rules_digest"]] * 2
    assert [row["rules_digest"] for row in written[7:9]] == [written[6]["rules_digest"]] * 2
    assert written[1]["rules_digest"] != written[6]["rules_digest"]
    assert (first, second, len(redactions)) == (written[1], written[3], 4)


@pytest.mark.parametrize("stays", [True, False], ids=["changed", "gone"])
async def test_what_a_reload_has_replaced(tmp_path: Path, stays: bool) -> None:
    """A processor that still finishes its work is on record with its own rules, not with those in force by now."""
    before = config(tmp_path)
    after = replace(before, processors={"redact_phi": RedactPhiSettings(packs=("hipaa",))})
    if not stays:
        pipelines = {"logs": before.service.pipelines["logs"]}
        after = replace(after, service=before.service.model_copy(update={"pipelines": pipelines}))
    async with ledger(tmp_path) as own:
        old = own.of(before, "redact_phi")
        await asyncio.to_thread(own.reloaded, after, {})
        old.redacted("traces", "redact_phi", Signal.TRACES, b"by the old", {SSN: 1})
        own.of(after, "redact_phi").redacted("traces", "redact_phi", Signal.TRACES, b"by the new", {SSN: 1})
    written = [row for row in rows(tmp_path) if row["kind"] == "redaction"]
    versions = {rule.id: rule.version for rule in RULES}
    digests = [digest(RULES), digest(RedactPhiSettings(packs=("hipaa",)).effective_rules())]
    assert [(row["version"], row["rules_digest"]) for row in written] == [(versions["ssn"], each) for each in digests]


async def test_a_receiver_that_goes_with_its_rules(tmp_path: Path) -> None:
    """What still comes to it is redacted by the rules it had, while others are in force, and is on record so."""
    ends = {"processors": ["redact_phi"], "exporters": ["file"]}
    before = changed(
        BASE,
        {
            "receivers::otlp/second": BASE["receivers"]["otlp"],
            "processors::redact_phi": {},
            "service::audit": {"path": "FOLDER/audit", "key": KEY},
            "service::pipelines::traces": {"receivers": ["otlp"], **ends},
            "service::pipelines::traces/second": {"receivers": ["otlp/second"], **ends},
        },
    )
    gone = {"receivers::otlp/second": GONE, "service::pipelines::traces/second": GONE}
    async with running(tmp_path, before) as daemon:
        second = daemon.service.graph.routers["otlp/second", Signal.TRACES]
        observing = {"overrides": {"ssn": {"action": "observe"}}}
        await daemon.write(changed(before, {**gone, "processors::redact_phi": observing}))
        assert (await daemon.reloads.reload()).problems == ()
        await second.consume(PHI)
        await daemon.service.settle()
    written = rows(tmp_path)
    first, second_rules = (row["rules_digest"] for row in written if row["kind"] == "config")
    assert first != second_rules
    late = [row for row in written if row["kind"] == "redaction" and row["rule"] == "ssn"]
    assert [(row["pipeline"], row["action"], row["rules_digest"]) for row in late] == [("traces/second", "mask", first)]


async def test_the_rules_of_an_egress_check(tmp_path: Path) -> None:
    """What an exporter stops is on record with the rules of the processors before it."""
    made = config(tmp_path)
    checking = made.exporters["debug"].model_copy(update={"egress_check": True})
    async with ledger(tmp_path) as own:
        by = own.of(replace(made, exporters={"debug": checking}), "debug")
        by.redacted("", "debug", Signal.TRACES, b"", {Redacted("ssn", "stop", "request"): 1})
    (row,) = (row for row in rows(tmp_path) if row["kind"] == "redaction")
    assert (row["component"], row["version"] > 0, row["rules_digest"]) == ("debug", True, digest(RULES))
