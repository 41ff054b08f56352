"""A whole daemon within the test's own process: starting, flowing, stopping."""

import asyncio
from pathlib import Path

import aiohttp
import orjson
import pytest
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from config.load import Source, load
from config.model import Config
from pipeline.__main__ import catalogue
from pipeline.logs import logger
from pipeline.service import Service
from receivers.otlp import Otlp
from tests.payloads import traces

NOT_REDACTED = "redaction: none, redaction_reason: made-up data"
SPANS = traces([Span(name="GET /things"), Span(name="GET /others")])


async def config(folder: Path, processors: str = "[batch]", **pipelines: str) -> Config:
    own = "\n".join(f"    {name}: {body}" for name, body in pipelines.items())
    text = f"""
receivers:
  otlp: {{protocols: {{http: {{endpoint: "127.0.0.1:0"}}}}}}
processors:
  batch: {{timeout: 10s}}
  batch/now: {{timeout: 0s}}
  redact_phi:
exporters:
  file: {{path: "{folder}/{{signal}}.jsonl"}}
  otlp_http: {{endpoint: "http://127.0.0.1:9", retry_on_failure: {{max_elapsed_time: 1s, initial_interval: 100ms}}}}
connectors:
  forward:
service:
  telemetry: {{metrics: {{address: "127.0.0.1:0"}}}}
  shutdown_timeout: 5s
  pipelines:
{own or f"    traces: {{receivers: [otlp], processors: {processors}, exporters: [file], {NOT_REDACTED}}}"}
"""
    return await loaded("test.yaml", text)


async def loaded(name: str, text: str) -> Config:
    """Loading reads rule files, which would block the loop."""
    return await asyncio.to_thread(load, [Source(name, text)], catalogue())


def written(folder: Path) -> list[str]:
    """The names of the spans in the file."""
    lines = (folder / "traces.jsonl").read_bytes().splitlines()
    return [
        span["name"]
        for line in lines
        for resource in orjson.loads(line)["resourceSpans"]
        for scope in resource["scopeSpans"]
        for span in scope["spans"]
    ]


async def send(service: Service) -> int:
    receiver = service.graph.receivers["otlp"]
    assert isinstance(receiver, Otlp)
    assert receiver.http is not None
    url = f"http://127.0.0.1:{receiver.http.port}/v1/traces"
    headers = {"Content-Type": "application/x-protobuf"}
    async with aiohttp.ClientSession() as session, session.post(url, data=SPANS.payload, headers=headers) as answer:
        return answer.status


async def summary(service: Service) -> dict[str, list[dict[str, object]]]:
    url = f"http://127.0.0.1:{service.self_metrics_port}/metrics/summary"
    async with aiohttp.ClientSession() as session, session.get(url) as answer:
        read: dict[str, list[dict[str, object]]] = await answer.json()
    return read


async def test_from_socket_to_file(tmp_path: Path) -> None:
    """What was accepted is written when the daemon has stopped, although the batch timer had not run out."""
    async with Service(await config(tmp_path), logger("error")) as service:
        assert dict(service.problems()) == {}
        assert await send(service) == 200
    assert written(tmp_path) == ["GET /things", "GET /others"]


async def test_health_over_a_life() -> None:
    """Not ready before it has started, ready while it runs, not ready from the moment it begins to stop."""
    service = Service(await config(Path("unused")), logger("error"))
    assert service.problems() == {"service": "it is starting"}


async def test_self_metrics(tmp_path: Path) -> None:
    """The Collector's names, in Prometheus text and as JSON."""
    async with Service(await config(tmp_path), logger("error")) as service:
        await send(service)
        accepted = (await summary(service))["otelcol_receiver_accepted_spans"]
        url = f"http://127.0.0.1:{service.self_metrics_port}/metrics"
        async with aiohttp.ClientSession() as session, session.get(url) as answer:
            text = await answer.text()
    assert 'telescrub_unredacted_pipeline{pipeline="traces",reason="made-up data"} 1.0' in text
    labels = {"receiver": "otlp", "transport": "http"}
    assert accepted == [{"name": "otelcol_receiver_accepted_spans", "labels": labels, "value": 2}]
    assert 'otelcol_receiver_accepted_spans{receiver="otlp",transport="http"} 2.0' in text


async def test_connector(tmp_path: Path) -> None:
    """A pipeline fed by a connector, which is fed by another pipeline."""
    made = await config(
        tmp_path,
        traces="{receivers: [otlp], exporters: [forward]}",
        **{"traces/second": "{receivers: [forward], processors: [redact_phi, batch/now], exporters: [file]}"},
    )
    async with Service(made, logger("error")) as service:
        assert await send(service) == 200
    assert written(tmp_path) == ["GET /things", "GET /others"]


async def test_a_dead_destination_stops_nothing(tmp_path: Path) -> None:
    """One exporter cannot reach its destination; the other has everything, and the daemon stops within its deadline."""
    made = await config(tmp_path, traces=f"{{receivers: [otlp], exporters: [otlp_http, file], {NOT_REDACTED}}}")
    async with Service(made, logger("error")) as service:
        assert await send(service) == 200
    assert written(tmp_path) == ["GET /things", "GET /others"]


async def test_an_address_in_use(tmp_path: Path) -> None:
    """Starting fails as a whole, with the address in the sentence, and leaves nothing running."""
    async with Service(await config(tmp_path), logger("error")) as running:
        receiver = running.graph.receivers["otlp"]
        assert isinstance(receiver, Otlp)
        assert receiver.http is not None
        text = f"""
receivers:
  otlp: {{protocols: {{http: {{endpoint: "127.0.0.1:{receiver.http.port}"}}}}}}
exporters: {{debug: }}
service:
  telemetry: {{metrics: {{level: none}}}}
  pipelines: {{traces: {{receivers: [otlp], exporters: [debug], {NOT_REDACTED}}}}}
"""
        second = Service(await loaded("second.yaml", text), logger("error"))
        with pytest.raises(OSError, match=str(receiver.http.port)):
            await second.__aenter__()
