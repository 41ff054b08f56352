"""`telescrub queue` and `telescrub deadletter`, for a daemon that runs and one that has stopped."""

import asyncio
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import orjson
import pytest
from typer.testing import CliRunner, Result

from config.load import Source, load
from pipeline.__main__ import app, catalogue
from pipeline.batch import Batch
from pipeline.logs import logger
from pipeline.queues.dead_letters import DeadLetters, DeadLetterSettings, letter_file
from pipeline.queues.file import QueueFile
from pipeline.queues.queue import Queue, QueueSettings
from pipeline.queues.storage import StorageSettings
from pipeline.service import Service
from tests.backends.process import free_port, get, wait_until
from tests.payloads import context, put_released
from tests.pipeline.sending.test_sender import spans

WIDE = {"COLUMNS": "200", "NO_COLOR": "1"}


def written(folder: Path, *, admin: int | None = None, endpoint: str = "http://127.0.0.1:9") -> Path:
    """A configuration whose queues are in a folder; nobody listens on port 9 (discard)."""
    text = f"""
receivers: {{otlp: {{protocols: {{http: {{endpoint: "127.0.0.1:0"}}}}}}}}
exporters:
  otlp_http: {{endpoint: "{endpoint}", retry_on_failure: {{initial_interval: 10ms, max_interval: 10ms}}}}
  file: {{path: "{folder}/{{signal}}.jsonl"}}
extensions: {{file_storage: {{directory: "{folder}/queue"}}}}
service:
  telemetry: {{metrics: {{level: none}}}}
  {f'admin: {{endpoint: "127.0.0.1:{admin}"}}' if admin else ""}
  shutdown_timeout: 5s
  pipelines:
    traces: {{receivers: [otlp], exporters: [otlp_http, file], redaction: none, redaction_reason: made-up data}}
"""
    path = folder / "config.yaml"
    path.write_text(text)
    return path


def run(*words: str, config: Path) -> Result:
    group, command, *options = words
    return CliRunner().invoke(app, [group, command, "--config", str(config), *options], env=WIDE)


async def fill(folder: Path, exporter: str, *batches: Batch) -> None:
    """Put batches into the queue of a daemon that has stopped."""
    made = context(exporter)
    store = QueueFile(exporter, StorageSettings(directory=folder / "queue"), made.telemetry, made.log)
    async with Queue(exporter, QueueSettings(), {}, store) as queue:
        for batch in batches:
            await put_released(queue, batch)


async def bury(folder: Path, exporter: str, batch: Batch, reason: str) -> None:
    made = context(exporter)
    store = letter_file(exporter, StorageSettings(directory=folder / "queue"), made.telemetry, made.log)
    async with DeadLetters(exporter, DeadLetterSettings(), store, made.telemetry, made.log) as letters:
        await letters.add(batch, reason, "the destination answered 400")


def rows(shown: str) -> list[list[str]]:
    """The cells of a table without its lines."""
    lines = [line for line in shown.splitlines() if line.startswith("│")]
    return [[cell.strip() for cell in line.strip("│").split("│")] for line in lines]


def test_listing(tmp_path: Path) -> None:
    """Files with how much is in them, and damaged ones."""
    config = written(tmp_path)
    assert run("queue", "list", config=config).output == "there are no queue files\n"
    asyncio.run(fill(tmp_path, "otlp_http", spans(3), spans(2)))
    asyncio.run(bury(tmp_path, "file", spans(7), "rejected"))
    (tmp_path / "queue" / "otlp_http.queue.damaged-20260101T000000Z").write_bytes(b"x" * 10)
    (tmp_path / "queue" / "loki%2Fa.queue").write_bytes(b"no database" * 100)
    size = f"{len(spans(3).payload) + len(spans(2).payload)}"
    first, *others = rows(run("queue", "list", config=config).output)
    assert first[:4] == ["file", "file.dead", "1", "7"]
    assert [row[:6] for row in others] == [
        ["loki/a", "loki%2Fa.queue", "?", "?", "?", ""],
        ["otlp_http", "otlp_http.queue", "2", "5", size, "0 s"],
        ["otlp_http", "otlp_http.queue.damaged-20260101T000000Z", "?", "?", "?", ""],
    ]
    assert rows(run("queue", "peek-counts", config=config).output) == [["otlp_http", "traces", "2", "5", size]]


def test_draining(tmp_path: Path) -> None:
    """What a stopped daemon left goes where it was to go; what is not taken stays, and the exit code says so."""
    config = written(tmp_path)
    asyncio.run(fill(tmp_path, "file", spans(3), spans(2)))
    asyncio.run(fill(tmp_path, "otlp_http", spans(4)))
    result = run("queue", "drain", "--patience", "0.3", config=config)
    assert (result.exit_code, "some destinations did not take what waits for them" in result.output) == (1, True)
    assert "otlp_http: 4 items are left in its queue" in result.output
    assert len((tmp_path / "traces.jsonl").read_bytes().splitlines()) == 2
    assert [row[0] for row in rows(run("queue", "peek-counts", config=config).output)] == ["otlp_http"]


def test_purging(tmp_path: Path) -> None:
    """It asks, and then forgets what waits before one exporter."""
    config = written(tmp_path)
    asyncio.run(fill(tmp_path, "file", spans(3)))
    asyncio.run(fill(tmp_path, "otlp_http", spans(4), spans(2)))
    assert run("queue", "purge", "--exporter", "otlp_http", config=config).exit_code == 1
    assert len(rows(run("queue", "peek-counts", config=config).output)) == 2
    result = run("queue", "purge", "--exporter", "otlp_http", "--yes", config=config)
    assert result.output == "otlp_http: 6 items are forgotten, 0 are being sent or cannot be read now\n"
    assert [row[0] for row in rows(run("queue", "peek-counts", config=config).output)] == ["file"]
    result = run("queue", "purge", "--exporter", "loki", "--yes", config=config)
    assert (result.exit_code, result.output) == (1, "there is no exporter loki, or it keeps nothing on disk\n")


def test_dead_letters(tmp_path: Path) -> None:
    """Listed by reason, put back into the queue by reason, let go when told so."""
    config = written(tmp_path)
    assert run("deadletter", "list", config=config).output == "there are no dead letters\n"
    asyncio.run(bury(tmp_path, "otlp_http", spans(3), "rejected"))
    asyncio.run(bury(tmp_path, "otlp_http", spans(2), "too_large"))
    listed = rows(run("deadletter", "list", config=config).output)
    assert [row[:5] for row in listed] == [
        ["otlp_http", "traces", "rejected", "1", "3"],
        ["otlp_http", "traces", "too_large", "1", "2"],
    ]
    result = run("deadletter", "replay", "--exporter", "otlp_http", "--reason", "rejected", config=config)
    assert (result.exit_code, result.stdout) == (0, "otlp_http: 1 letters, 3 items, are in the queue again\n")
    assert [row[:4] for row in rows(run("queue", "peek-counts", config=config).output)] == [
        ["otlp_http", "traces", "1", "3"]
    ]
    result = run("deadletter", "purge", "--yes", config=config)
    assert (result.exit_code, "otlp_http: 2 items are gone\n" in result.output) == (0, True)
    assert run("deadletter", "list", config=config).output == "there are no dead letters\n"


def beside_a_daemon(config: Path, do: Callable[[Service], Coroutine[Any, Any, None]]) -> None:
    loaded = load([Source("config.yaml", config.read_text())], catalogue())

    async def running() -> None:
        async with Service(loaded, logger()) as service:
            await do(service)

    asyncio.run(running())


def test_beside_a_running_daemon(tmp_path: Path) -> None:
    """Commands go to its admin endpoint; looking at files is always allowed."""
    config = written(tmp_path, admin=free_port())
    asyncio.run(bury(tmp_path, "file", spans(3), "rejected"))
    asyncio.run(bury(tmp_path, "otlp_http", spans(2), "rejected"))

    async def commands(service: Service) -> None:
        def told(*words: str) -> Result:
            return run(*words, config=config)

        listed = await asyncio.to_thread(told, "deadletter", "list")
        assert [row[:3] for row in rows(listed.output)] == [
            ["otlp_http", "traces", "rejected"],
            ["file", "traces", "rejected"],
        ]
        replayed = await asyncio.to_thread(told, "deadletter", "replay", "--exporter", "file")
        assert replayed.output == "file: 1 letters, 3 items, are in the queue again\n"
        await asyncio.to_thread(
            wait_until, lambda: (tmp_path / "traces.jsonl").stat().st_size, what="the replayed spans"
        )
        gone = await asyncio.to_thread(told, "deadletter", "purge", "--yes")
        assert gone.output == "otlp_http: 2 items are gone\nfile: 0 items are gone\n"
        await put_released(service.graph.queues["otlp_http"], spans(9))
        shown = await asyncio.to_thread(told, "queue", "peek-counts")
        assert rows(shown.output)[0][:4] == ["otlp_http", "traces", "1", "9"]
        seen = await asyncio.to_thread(get, f"http://localhost:{service.admin_port}/-/queues")
        assert (seen.status, seen.json()[0]["items_left"]) == (200, {"traces": 9})
        purged = await asyncio.to_thread(told, "queue", "purge", "--yes")
        assert purged.exit_code == 0
        missing = await asyncio.to_thread(told, "queue", "purge", "--yes", "--exporter", "loki")
        assert (missing.exit_code, missing.output[:30]) == (1, "there is no exporter loki, or ")

    beside_a_daemon(config, commands)
    [line] = (tmp_path / "traces.jsonl").read_bytes().splitlines()
    assert len(orjson.loads(line)["resourceSpans"][0]["scopeSpans"][0]["spans"]) == 3


@pytest.mark.parametrize(
    "words", [("queue", "drain"), ("queue", "purge", "--yes"), ("deadletter", "list"), ("deadletter", "replay")]
)
def test_a_running_daemon_without_admin(tmp_path: Path, words: tuple[str, ...]) -> None:
    """Its files are locked: nothing is done to them, and it is said why."""
    config = written(tmp_path)

    async def refused(service: Service) -> None:
        result = await asyncio.to_thread(lambda: run(*words, config=config))
        assert result.exit_code == 1
        assert "is in use by another process" in result.output
        assert words[-1] == "drain" or "through service::admin, which" in result.output

    beside_a_daemon(config, refused)
