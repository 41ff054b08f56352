"""The egress check in a daemon: what a processor lets slip after redaction does not leave."""

import asyncio
from pathlib import Path
from typing import Any

import orjson
import pytest
from opentelemetry.proto.trace.v1.trace_pb2 import Span
from structlog.testing import capture_logs

from audit.verify import verify
from config.errors import ConfigError
from config.load import Source, load
from pipeline.__main__ import catalogue
from pipeline.batch import Batch, Signal
from pipeline.component import Encoded, ExporterSettings, Request
from pipeline.logs import logger
from pipeline.queues.queue import Merge, Queue
from pipeline.sending.egress import Findings, inspecting
from pipeline.sending.sender import Sender
from pipeline.service import Service
from tests.backends.process import wait_until
from tests.payloads import context, dropped, pairs, put_released, traces
from tests.pipeline.sending.test_sender import Scripted, sent, spans

CONFIG = """
receivers: {{otlp: {{protocols: {{http: {{endpoint: "127.0.0.1:0"}}}}}}}}
processors:
  redact_phi:
  attributes: {{actions: [{{key: copy, action: insert, from_attribute: {source}}}]}}
exporters:
  file: {{path: "{folder}/{{signal}}.jsonl", egress_check: true}}
connectors: {{forward: }}
service:
  telemetry: {{metrics: {{level: none}}}}
  audit: {{path: "{folder}/audit", interval: 1h}}
  pipelines:
    traces: {{receivers: [otlp], processors: [redact_phi], exporters: [forward]}}
    traces/2: {{receivers: [forward], processors: [attributes], exporters: [file]}}
"""


def only(bad: str) -> Any:
    """A check that finds spans of a name."""

    def findings(request: Request) -> Findings:
        names = [span.name for span in decoded(request)]
        return {"badge": names.count(bad)} if bad in names else {}

    return findings


def decoded(request: Request) -> list[Span]:
    message: Any = Batch(request.signal, request.body, request.items).decode()
    return [span for outer in message.resource_spans for scope in outer.scope_spans for span in scope.spans]


async def deliver(exporter: Scripted, batch: Batch, bad: str, settings: ExporterSettings | None = None) -> Any:
    made, settings = context("jaeger"), settings or ExporterSettings()
    queue = Queue("jaeger", settings.sending_queue, {})
    async with Sender(made, exporter, settings, queue, lambda batch: Merge(), check=only(bad)):
        await put_released(queue, batch)
    return made


async def test_the_rest_is_sent() -> None:
    """Of a batch only the item that was found is dropped, counted, and told without a value."""
    exporter = Scripted()
    with capture_logs() as lines:
        made = await deliver(exporter, spans(7), "span 3")
    names = [span.name for request in exporter.sent for span in decoded(request)]
    assert names == [f"span {number}" for number in (0, 1, 2, 4, 5, 6)]
    assert (sent(made), dropped(made, Signal.TRACES, "egress_check")) == (6, 1)
    value = made.telemetry.registry.get_sample_value
    assert value("telescrub_redactions_total", {"rule": "badge", "signal": "traces", "action": "stop"}) == 1
    (told,) = [line for line in lines if "egress" in line["event"]]
    assert (told["items"], told["rules"], told["log_level"]) == (1, "badge", "error")
    assert "span 3" not in str(lines)


class Halving(Scripted):
    """Makes two requests of a batch, and must not be given it again."""

    def encode(self, batch: Batch) -> Encoded:
        assert batch.items == 4
        halves = batch.split(max_items=2)
        return Encoded([Request(half.signal, half.payload, half.items) for half in halves], {"late": 1})


class OnceSettings(ExporterSettings):
    """Of an exporter that remembers what it has encoded."""

    encodes_once = True


async def test_an_exporter_that_encodes_once() -> None:
    """Its request is dropped as a whole, the others are sent."""
    exporter = Halving()
    made = await deliver(exporter, spans(4), "span 3", OnceSettings())
    assert [request.items for request in exporter.sent] == [2]
    assert (sent(made), dropped(made, Signal.TRACES, "egress_check")) == (2, 2)
    assert dropped(made, Signal.TRACES, "late") == 1


async def test_a_check_that_fails() -> None:
    """What cannot be looked at is not sent."""

    def fails(request: Request) -> Findings:
        raise ValueError("536-90-4399")

    made, settings, exporter = context("jaeger"), ExporterSettings(), Scripted()
    queue = Queue("jaeger", settings.sending_queue, {})
    async with Sender(made, exporter, settings, queue, lambda batch: Merge(), check=fails):
        await put_released(queue, spans(2))
    assert (exporter.sent, dropped(made, Signal.TRACES, "internal_error")) == ([], 2)


def loaded(folder: Path, source: str = "secret") -> Any:
    return load([Source("test.yaml", CONFIG.format(folder=folder, source=source))], catalogue())


async def test_a_daemon(tmp_path: Path) -> None:
    """A value that came back after redaction is stopped; rule and exporter are in the ledger, health stays."""
    config = await asyncio.to_thread(loaded, tmp_path)
    assert inspecting(config, "file")[Signal.TRACES] == ["redact_phi"]
    good, bad = Span(name="good"), Span(name="bad", attributes=pairs({"mail": "maria@example.org"}))
    async with Service(config, logger("error")) as service:
        queue = service.graph.queues["file"]
        batch = traces([good, bad])
        with queue.room(batch):
            await put_released(queue, batch)
        await asyncio.to_thread(wait_until, lambda: not queue.left(), seconds=10, what="an empty queue")
        assert service.problems() == {}
    lines = (tmp_path / "traces.jsonl").read_bytes()
    assert (b"good" in lines, b"maria" in lines, b"bad" in lines) == (True, False, False)
    assert verify([tmp_path / "audit"], None).problems == []
    (file,) = (tmp_path / "audit").glob("ledger-*.jsonl")
    rows = [orjson.loads(line) for line in file.read_bytes().splitlines()]
    (stop,) = [row for row in rows if row["kind"] == "redaction"]
    assert {key: stop[key] for key in ("pipeline", "component", "signal", "rule", "action", "place", "count")} == {
        "pipeline": "",
        "component": "file",
        "signal": "traces",
        "rule": "email",
        "action": "stop",
        "place": "request",
        "count": 1,
    }
    (in_force,) = [row for row in rows if row["kind"] == "config"]
    assert (stop["version"] > 0, stop["rules_digest"]) == (True, in_force["rules_digest"])
    (drop,) = [row for row in rows if row["kind"] == "drop"]
    assert (drop["component"], drop["reason"], drop["count"]) == ("file", "egress_check", 1)


def test_no_rules_to_check_by() -> None:
    """Said at load, with the place."""
    text = """
receivers: {otlp: {protocols: {http: }}}
exporters: {file: {egress_check: true}}
service:
  pipelines:
    traces: {receivers: [otlp], exporters: [file], redaction: none, redaction_reason: made-up data}
"""
    with pytest.raises(ConfigError) as caught:
        load([Source("test.yaml", text)], catalogue())
    assert [str(each) for each in caught.value.problems] == [
        "test.yaml:3:34: exporters::file::egress_check: no processor before this exporter has rules to check by; "
        "add redact_phi, or leave this out"
    ]
