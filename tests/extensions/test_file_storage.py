"""`file_storage` in a whole daemon: exporters' queues are where it says, and what waits survives the daemon."""

import asyncio
from pathlib import Path

import aiohttp
import pytest
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from config.errors import ConfigError
from config.load import Source, load
from pipeline.__main__ import catalogue
from pipeline.logs import logger
from pipeline.service import Service
from receivers.otlp import Otlp
from tests.payloads import traces

CONFIG = """
receivers:
  otlp: {{protocols: {{http: {{endpoint: "127.0.0.1:0"}}}}}}
exporters:
  otlp_http: {{endpoint: "http://127.0.0.1:9", sending_queue: {{storage: {storage}}}}}
  debug:
extensions:
  file_storage/fast: {{directory: "{folder}/fast"}}
  health_check: {{endpoint: "127.0.0.1:0"}}
service:
  extensions: [file_storage/fast]
  telemetry: {{metrics: {{level: none}}}}
  shutdown_timeout: 1s
  pipelines:
    traces: {{receivers: [otlp], exporters: [otlp_http, debug], redaction: none, redaction_reason: made-up data}}
"""


def source(folder: Path, storage: str) -> Source:
    return Source("a.yaml", CONFIG.format(folder=folder, storage=storage))


async def test_over_a_restart(tmp_path: Path) -> None:
    """What the destination did not take is there when the daemon starts again."""
    config = await asyncio.to_thread(load, [source(tmp_path, "file_storage/fast")], catalogue())
    async with Service(config, logger("error", "json")) as service:
        receiver = service.graph.receivers["otlp"]
        assert isinstance(receiver, Otlp)
        assert receiver.http is not None
        body = traces([Span(name="GET /things")]).payload
        headers = {"Content-Type": "application/x-protobuf"}
        url = f"http://127.0.0.1:{receiver.http.port}/v1/traces"
        async with aiohttp.ClientSession() as session, session.post(url, data=body, headers=headers) as answer:
            assert answer.status == 200
    assert names(tmp_path / "fast") >= {"otlp_http.queue"}
    async with Service(config, logger("error", "json")) as service:
        assert service.graph.queues["otlp_http"].size == 1
        assert not service.graph.queues["debug"].is_durable


def names(folder: Path) -> set[str]:
    return {each.name for each in folder.iterdir()}


@pytest.mark.parametrize(
    ("storage", "sentence"),
    [
        (
            "file_storage/fats",
            "the extension 'file_storage/fats' is not defined under extensions; did you mean 'file_storage/fast'? "
            "Defined: file_storage/fast, health_check; `none` is a queue in memory",
        ),
        (
            "health_check",
            "the extension 'health_check' does not store queues; file_storage/fast does, "
            "and `none` is a queue in memory",
        ),
    ],
)
def test_a_storage_that_is_none(tmp_path: Path, storage: str, sentence: str) -> None:
    """Told where it stands, and what there is instead."""
    with pytest.raises(ConfigError) as caught:
        load([source(tmp_path, storage)], catalogue())
    assert str(caught.value) == f"a.yaml:5:72: exporters::otlp_http::sending_queue::storage: {sentence}"
