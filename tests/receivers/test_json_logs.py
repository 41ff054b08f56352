"""The json_logs receiver over real HTTP: what it takes, what it answers, what it counts."""

import gzip
import io
import json
import zlib
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import structlog
import zstandard
from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord, LogsData

from pipeline.batch import Batch, Signal
from pipeline.component import Context
from pipeline.deadline import Deadline
from pipeline.errors import Refused, Rejected
from pipeline.telemetry import Telemetry
from receivers import RECEIVERS
from receivers.intake import Intake
from receivers.json_logs import JsonLogs, JsonLogsSettings

NOW = 1_795_241_900_000_000_000


class Collected:
    """Keeps what it is given, or raises what it is told to."""

    def __init__(self) -> None:
        self.batches: list[Batch] = []
        self.error: Exception | None = None

    async def consume(self, batch: Batch) -> None:
        if self.error is not None:
            raise self.error
        self.batches.append(batch)

    def records(self) -> list[LogRecord]:
        data = [LogsData.FromString(batch.payload) for batch in self.batches]
        return [
            record
            for one in data
            for resource in one.resource_logs
            for scope in resource.scope_logs
            for record in scope.log_records
        ]

    def bodies(self) -> list[str]:
        return [record.body.string_value for record in self.records()]


class Ready:
    def problems(self) -> Mapping[str, str]:
        return {}


def context() -> Context:
    return Context("json_logs", Telemetry(), structlog.get_logger(), Ready(), Deadline(1.0))


class Served:
    """A receiver that listens, with a client."""

    def __init__(
        self, receiver: JsonLogs, client: aiohttp.ClientSession, into: Collected, telemetry: Telemetry
    ) -> None:
        self.receiver, self.client, self.into, self.telemetry = receiver, client, into, telemetry

    async def post(self, body: bytes, path: str = "/", **headers: str) -> tuple[int, Any]:
        """Status and JSON of the answer to a POST."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        async with self.client.post(self.url(path), data=io.BytesIO(body), headers=named) as response:
            return response.status, await response.json()

    def url(self, path: str) -> str:
        return f"http://localhost:{self.receiver.port}{path}"

    def counted(self) -> dict[str, float]:
        """Log records by outcome."""
        labels = {"receiver": "json_logs", "transport": "http"}
        found = {
            outcome: self.telemetry.registry.get_sample_value(f"otelcol_receiver_{outcome}_log_records", labels)
            for outcome in ("accepted", "refused", "failed")
        }
        return {outcome: value for outcome, value in found.items() if value is not None}


@asynccontextmanager
async def serving(**changes: Any) -> AsyncIterator[Served]:
    into, about = Collected(), context()
    settings = JsonLogsSettings.model_validate({"endpoint": "localhost:0", **changes})
    intake = Intake(about, "http", {Signal.LOGS: into})
    async with JsonLogs(settings, intake, clock=lambda: NOW) as receiver, aiohttp.ClientSession() as client:
        yield Served(receiver, client, into, about.telemetry)


def test_table_and_defaults() -> None:
    """The receiver is in the table, takes logs alone and listens on localhost with a limit of 20 MiB."""
    settings = RECEIVERS["json_logs"]()
    assert isinstance(settings, JsonLogsSettings)
    assert settings.signals() == {Signal.LOGS}
    assert (settings.endpoint, settings.tls, settings.max_request_body_size) == ("localhost:4319", None, 20 * 2**20)


async def test_stop_without_start() -> None:
    """Leaving what was never entered does nothing."""
    receiver = JsonLogsSettings().build(context(), {})
    await receiver.__aexit__(None, None, None)


@pytest.mark.parametrize("path", ["/", "/v1/json"])
async def test_one_object(path: str) -> None:
    """An object is one record, mapped, with the time it was received."""
    async with serving() as served:
        line = b'{"time":"2026-11-21T03:17:44Z","level":"warn","msg":"slot taken","room":3}'
        assert await served.post(line, path) == (200, {"accepted": 1, "unparsed": 0})
    [record] = served.into.records()
    assert (record.body.string_value, record.severity_text, record.severity_number) == ("slot taken", "warn", 13)
    assert (record.time_unix_nano, record.observed_time_unix_nano) == (1_795_231_064 * 10**9, NOW)
    assert [(pair.key, pair.value.int_value) for pair in record.attributes] == [("room", 3)]
    assert served.counted() == {"accepted": 1}


async def test_lines_with_garbage() -> None:
    """A line that is no JSON is taken as text and said to be."""
    async with serving() as served:
        body = b'{"msg":"1"}\r\n\r\nnot json\r\n{"msg":"2"}\r\n'
        assert await served.post(body) == (200, {"accepted": 3, "unparsed": 1})
    assert served.into.bodies() == ["1", "not json", "2"]


@pytest.mark.parametrize("body", [b"", b"\r\n", b"[]"])
async def test_nothing(body: bytes) -> None:
    """A body without a record is fine."""
    async with serving() as served:
        assert await served.post(body) == (200, {"accepted": 0, "unparsed": 0})


def deflated(body: bytes) -> bytes:
    return zlib.compress(body)


@pytest.mark.parametrize(
    ("encoding", "compress"),
    [("gzip", gzip.compress), ("deflate", deflated), ("zstd", zstandard.compress), ("identity", bytes)],
)
async def test_encodings(encoding: str, compress: Any) -> None:
    """Compressed bodies, and any Content-Type that shippers send."""
    async with serving() as served:
        body = compress(b'[{"msg":"1"},{"msg":"2"}]')
        answer = await served.post(body, Content_Encoding=encoding, Content_Type="application/stream+json")
    assert answer == (200, {"accepted": 2, "unparsed": 0})
    assert served.into.bodies() == ["1", "2"]


async def test_broken_encoding() -> None:
    """An encoding that is unknown, or not what it says, is answered 400 and counted."""
    async with serving() as served:
        assert await served.post(b"x", Content_Encoding="br") == (
            400,
            {"error": "this Content-Encoding is not supported; use gzip, deflate, zstd or none"},
        )
        assert await served.post(b"no gzip", Content_Encoding="gzip") == (400, {"error": "the body is not valid gzip"})
        assert served.counted() == {"failed": 2}


async def test_too_large() -> None:
    """The limit counts what is sent and what that becomes."""
    async with serving(max_request_body_size=1000) as served:
        assert await served.post(b"x" * 1001) == (
            413,
            {"error": "the body is larger than 1000 bytes; send smaller requests"},
        )
        assert await served.post(gzip.compress(b"x" * 100_000), Content_Encoding="gzip") == (
            413,
            {"error": "the body is larger than 1000 bytes once decompressed; send smaller requests"},
        )
    assert served.into.batches == []


async def test_refused() -> None:
    """A full queue is 503 with whole seconds to wait, counted as refused."""
    async with serving() as served:
        served.into.error = Refused("exporter loki has 200 batches waiting", retry_after_seconds=1.2)
        async with served.client.post(served.url("/"), data=b'{"msg":"1"}\n{"msg":"2"}') as response:
            assert (response.status, response.headers["Retry-After"]) == (503, "2")
            assert await response.json() == {"error": "exporter loki has 200 batches waiting"}
        assert served.counted() == {"refused": 2}
        served.into.error = None
        assert await served.post(b'{"msg":"1"}') == (200, {"accepted": 1, "unparsed": 0})


async def test_rejected() -> None:
    """What a pipeline rejects is 400."""
    async with serving() as served:
        served.into.error = Rejected("no")
        assert await served.post(b'{"msg":"1"}') == (400, {"error": "no"})
        assert served.counted() == {"failed": 1}


async def test_wrong_requests() -> None:
    """Another method, another path, OTLP: each gets a sentence that says what is right."""
    async with serving() as served:
        async with served.client.get(served.url("/v1/json")) as response:
            assert (response.status, response.headers["Allow"]) == (405, "POST")
            assert await response.json() == {"error": "JSON logs are sent with POST"}
        assert await served.post(b"{}", "/v1/logs") == (404, {"error": "JSON logs are sent to / or /v1/json"})
        assert await served.post(b"", Content_Type="application/x-protobuf") == (
            415,
            {"error": "this address takes JSON logs; send OTLP to an otlp receiver"},
        )


async def test_large_body() -> None:
    """A body of 10 MB, which is read beside the event loop, arrives whole and in order."""
    lines = [{"msg": f"{number}", "text": "x" * 10_000} for number in range(1000)]
    async with serving() as served:
        body = "\n".join(json.dumps(line) for line in lines).encode()
        assert await served.post(body) == (200, {"accepted": 1000, "unparsed": 0})
    assert served.into.bodies() == [line["msg"] for line in lines]


async def test_unix_socket(tmp_path: Path) -> None:
    """The endpoint may be the path of a unix socket."""
    path = str(tmp_path / "logs.sock")
    async with (
        serving(endpoint=path, transport="unix") as served,
        aiohttp.ClientSession(connector=aiohttp.UnixConnector(path)) as client,
        client.post("http://localhost/", data=b'{"msg":"1"}') as response,
    ):
        assert await response.json() == {"accepted": 1, "unparsed": 0}
    assert served.into.bodies() == ["1"]


async def test_nothing_is_logged(capsys: pytest.CaptureFixture[str]) -> None:
    """Nothing of a body reaches our own log, however bad the body."""
    async with serving() as served:
        for body in (b'{"ssn":"536-90-4399"', b'{"ssn":"536-90-4399"}', b'\xff"536-90-4399"'):
            await served.post(body)
        await served.post(b"536-90-4399", Content_Encoding="gzip")
    assert "536-90-4399" not in repr(served.into.batches)
    assert capsys.readouterr() == ("", "")
