"""What destinations over HTTP may answer, byte for byte, and what each exporter makes of it."""

import asyncio
import gzip
import ssl

import pytest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue
from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord
from opentelemetry.proto.metrics.v1.metrics_pb2 import Metric
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from exporters import EXPORTERS
from pipeline.batch import Batch
from pipeline.component import Exporter
from pipeline.errors import Refused, Rejected, TooLarge
from pipeline.sending.retry import RetrySettings
from tests.exporters.raw_server import raw_server
from tests.payloads import context, logs, metrics, traces
from tests.receivers.tls import Certificates

PHI = b"patient 536-90-4399"
HTTP = ("otlp_http", "loki", "prometheus_remote_write")


def point() -> Batch:
    metric = Metric(name="visits")
    metric.gauge.data_points.add(time_unix_nano=10**18, as_double=1)
    return metrics([metric])


BATCHES = {
    "otlp_http": traces([Span(name="GET /things")]),
    "loki": logs([LogRecord(body=AnyValue(string_value="a"), observed_time_unix_nano=10**18)]),
    "prometheus_remote_write": point(),
}


def made(name: str, url: str, **kind: object) -> Exporter:
    ageless = {"limits": {"reject_old_samples_max_age": "0s", "creation_grace_period": "0s"}} if name == "loki" else {}
    return EXPORTERS[name].model_validate({"endpoint": url, **ageless, **kind}).build(context(name))


async def answered(name: str, url: str, **kind: object) -> int | Exception:
    """What comes of one request: the items that were rejected, or what was raised."""
    exporter = made(name, url, **kind)
    async with exporter:
        *_, request = exporter.encode(BATCHES[name]).requests
        try:
            return await exporter.send(request)
        except (Refused, Rejected) as error:
            failure = error
    assert PHI.decode() not in f"{failure}{failure!r}"
    return failure


def answer(status: str, body: bytes = PHI, **headers: str) -> bytes:
    named = "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in headers.items())
    return f"HTTP/1.1 {status}\r\nContent-Length: {len(body)}\r\n{named}\r\n".encode() + body


@pytest.mark.parametrize("name", HTTP)
@pytest.mark.parametrize("status", [429, 500, 502, 503, 504])
async def test_not_now(name: str, status: int) -> None:
    """Sent again when the destination says; but 500 in OTLP, which is for good there."""
    async with raw_server(answer(f"{status} No", Retry_After="17")) as server:
        error = await answered(name, f"http://127.0.0.1:{server.port}")
    if (name, status) == ("otlp_http", 500):
        assert type(error) is Rejected
    else:
        assert isinstance(error, Refused)
        assert error.retry_after_seconds == 17.0
    assert str(error).startswith(f"the destination answered {status}")


@pytest.mark.parametrize(
    "hint", ["-5", "soon", "1e9999", "Thu, 01 Jan 1970 00:00:00 GMT", "٣", "NaN", "9" * 400], ids=lambda each: each[:9]
)
async def test_hints_that_are_none(hint: str) -> None:
    """No destination can stop an exporter, or its retries, by what it writes in Retry-After."""
    head = b"HTTP/1.1 503 No\r\nRetry-After: " + hint.encode()
    async with raw_server(head + b"\r\nContent-Length: 0\r\n\r\n") as server:
        error = await answered("otlp_http", f"http://127.0.0.1:{server.port}")
    assert isinstance(error, Refused)
    assert RetrySettings().delay(0, error.retry_after_seconds) <= 3600


@pytest.mark.parametrize(
    ("name", "kind"), [("otlp_http", TooLarge), ("loki", TooLarge), ("prometheus_remote_write", Rejected)]
)
async def test_too_large(name: str, kind: type[Exception]) -> None:
    """413 is for smaller pieces; remote-write has tried those itself."""
    async with raw_server(answer("413 Too Large")) as server:
        assert type(await answered(name, f"http://127.0.0.1:{server.port}")) is kind


@pytest.mark.parametrize("name", HTTP)
@pytest.mark.parametrize("status", ["301 Moved", "307 Moved", "308 Moved"])
async def test_redirects(name: str, status: str) -> None:
    """Nobody is led elsewhere: the other server is not asked."""
    async with raw_server(answer("200 OK")) as other:
        location = f"http://127.0.0.1:{other.port}/in"
        async with raw_server(answer(status, Location=location)) as server:
            assert type(await answered(name, f"http://127.0.0.1:{server.port}")) is Rejected
    assert other.connections == 0


BROKEN = {
    "closed at once": b"",
    "no HTTP": b"\x16\x03\x01 SSH-2.0-" + PHI + b"\r\n\r\n",
    "half a status line": b"HTTP/1.1 2",
    "a status that is none": b"HTTP/1.1 abc OK\r\n\r\n",
    "headers without end": b"HTTP/1.1 200 OK\r\nX: " + b"x" * 100_000,
    "half a body": b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n" + PHI,
    "half a chunk": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nff\r\n" + PHI,
    "a body that is not gzip": answer("200 OK", Content_Encoding="gzip"),
}


@pytest.mark.parametrize("name", HTTP)
@pytest.mark.parametrize("then", ["close", "reset"])
@pytest.mark.parametrize("broken", BROKEN)
async def test_broken_answers(name: str, broken: str, then: str) -> None:
    """An answer that is not whole is none: it is sent again, whatever had arrived."""
    async with raw_server(BROKEN[broken], then=then) as server:
        error = await answered(name, f"http://127.0.0.1:{server.port}", timeout="5s")
    assert isinstance(error, Refused)
    assert str(error).startswith("no answer: ")


@pytest.mark.parametrize("name", HTTP)
@pytest.mark.parametrize("says", [b"", b"HTTP/1.1 200 OK\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n1"])
async def test_silence(name: str, says: bytes) -> None:
    """A destination that never answers, or never to the end, costs `timeout` and no more."""
    async with raw_server(says, then="silence") as server:
        error = await answered(name, f"http://127.0.0.1:{server.port}", timeout="50ms")
    assert isinstance(error, Refused)
    assert str(error) == "no answer within 0.05 s"


async def test_reset_in_the_middle_of_a_request() -> None:
    """While the body is being sent: it is sent again."""
    large = traces([Span(name="x" * 30_000_000)])
    async with raw_server(then="reset") as server:
        exporter = made("otlp_http", f"http://127.0.0.1:{server.port}", compression="none", max_request_bytes="64MiB")
        async with exporter:
            [request] = exporter.encode(large).requests
            with pytest.raises(Refused, match=r"^no answer: "):
                await exporter.send(request)


@pytest.mark.parametrize("name", HTTP)
async def test_an_answer_without_end(name: str) -> None:
    """No more of an answer is read than an answer can have; 2xx is what it says."""
    endless = b"HTTP/1.1 200 OK\r\nContent-Length: 99999999\r\n\r\n" + PHI * 300_000
    async with raw_server(endless, then="silence") as server:
        outcome = await answered(name, f"http://127.0.0.1:{server.port}", timeout="20s")
    assert outcome == 0


async def test_a_bomb_in_an_answer() -> None:
    """Nor of what a small answer becomes."""
    bomb = gzip.compress(bytes(64 * 2**20))
    async with raw_server(answer("200 OK", bomb, Content_Encoding="gzip")) as server:
        assert await answered("otlp_http", f"http://127.0.0.1:{server.port}", timeout="20s") == 0


@pytest.mark.parametrize("name", HTTP)
async def test_tls_fails(name: str, certificates: Certificates) -> None:
    """No TLS there, or a certificate that nobody vouches for: sent again, as both can be put right."""
    paths = certificates.server()
    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    await asyncio.to_thread(tls.load_cert_chain, paths["cert_file"], paths["key_file"])
    async with raw_server(answer("200 OK")) as plain:
        assert isinstance(await answered(name, f"https://localhost:{plain.port}"), Refused)
    async with raw_server(answer("200 OK"), tls=tls) as server:
        url = f"https://localhost:{server.port}"
        assert isinstance(await answered(name, url), Refused)
        assert server.connections == 0
        trusted = await answered(name, url, tls=certificates.client())
        assert not isinstance(trusted, Refused)


@pytest.mark.parametrize("name", HTTP)
async def test_a_name_that_is_not_there(name: str) -> None:
    """The domain `invalid` has no names (RFC 6761)."""
    assert isinstance(await answered(name, "http://destination.invalid:1"), Refused)
