"""The Loki exporter against a server that records every byte."""

from collections.abc import AsyncIterator
from types import SimpleNamespace
from typing import Any

import pytest
import structlog
from aiohttp import web
from aiohttp.test_utils import TestServer
from pydantic import ValidationError

from exporters import EXPORTERS
from exporters.loki import Loki, LokiLimits, LokiSettings
from pipeline.batch import Batch, Signal
from pipeline.component import Context, Request
from pipeline.deadline import Deadline
from pipeline.errors import Refused, Rejected, TooLarge
from pipeline.telemetry import Telemetry
from tests.wire.test_loki import NOW, logs, read, record

_PUSH = "/loki/api/v1/push"
_TOTAL = "user 'fake', total ignored: {} out of {} for stream: {{a=\"b\"}}"


class Server:
    """Records pushes and answers with what it is told to."""

    def __init__(self) -> None:
        self.pushes: list[tuple[dict[str, str], bytes]] = []
        self.answer: dict[str, Any] = {"status": 204}
        application = web.Application()
        application.router.add_post(_PUSH, self._push)
        self.server = TestServer(application)

    async def _push(self, request: web.Request) -> web.Response:
        self.pushes.append((dict(request.headers), await request.read()))
        return web.Response(**self.answer)

    @property
    def url(self) -> str:
        return str(self.server.make_url("/"))


@pytest.fixture
async def server() -> AsyncIterator[Server]:
    one = Server()
    async with one.server:
        yield one


def context(telemetry: Telemetry | None = None) -> Context:
    health = SimpleNamespace(problems=dict)
    return Context("loki", telemetry or Telemetry(), structlog.get_logger(), health, Deadline(10.0))


def exporter(telemetry: Telemetry | None = None, **settings: Any) -> Loki:
    return Loki(LokiSettings(**settings), context(telemetry), now_ns=lambda: NOW)


def batch(*times: int) -> Batch:
    data = logs({"service.name": "portal"}, *(record(f"line {time - NOW}", time) for time in times))
    return Batch(Signal.LOGS, data.SerializeToString(), len(times))


async def send(server: Server, items: int = 3, **answer: Any) -> int:
    """The outcome of one push that the server answers with `answer`."""
    server.answer = answer
    async with exporter(endpoint=server.url) as loki:
        return await loki.send(Request(Signal.LOGS, b"body", items))


async def test_push_arrives(server: Server) -> None:
    """A batch becomes one push with the tenant and the configured headers."""
    settings: dict[str, Any] = {"endpoint": server.url, "tenant_id": "clinic-1", "headers": {"X-Extra": "yes"}}
    async with exporter(**settings) as loki:
        (request,) = loki.encode(batch(NOW + 1, NOW)).requests
        assert repr(request) == f"Request(logs, 2 items, {len(request.body)} bytes)"
        assert await loki.send(request) == 0
    ((headers, body),) = server.pushes
    assert headers["Content-Type"] == "application/x-protobuf"
    assert headers["X-Scope-OrgID"] == "clinic-1"
    assert headers["X-Extra"] == "yes"
    assert "Content-Encoding" not in headers
    assert read(body) == [({"service_name": "portal"}, [(NOW, "line 0", {}), (NOW + 1, "line 1", {})])]


def test_losses_are_counted() -> None:
    """What Loki cannot take is left out of the requests and counted by reason."""
    telemetry = Telemetry()
    loki = exporter(telemetry, endpoint="http://localhost:3100")
    encoded = loki.encode(batch(1, NOW, NOW + 10**15))
    assert [request.items for request in encoded.requests] == [1]
    assert encoded.dropped == {"too_old": 1, "too_far_in_future": 1}
    assert loki.encode(batch(2)).requests == []


def test_shortened_records_are_counted() -> None:
    """A record that is sent without a part of it is no loss, but it is said."""
    telemetry = Telemetry()
    loki = exporter(telemetry, endpoint="http://localhost:3100", limits={"max_line_size": 1024})
    encoded = loki.encode(Batch(Signal.LOGS, logs({}, record("x" * 1025)).SerializeToString(), 1))
    assert (len(encoded.requests), encoded.dropped) == (1, {})
    labels = {"component": "loki", "signal": "logs", "reason": "line_truncated"}
    assert telemetry.registry.get_sample_value("telescrub_shortened_items_total", labels) == 1


def test_large_batch_is_split() -> None:
    """Pushes stay under `max_request_bytes`, which is also what the sender should join up to."""
    loki = exporter(endpoint="http://localhost:3100", max_request_bytes="64KiB")
    data = logs({}, *(record("x" * 30000, NOW + place) for place in range(5)))
    requests = loki.encode(Batch(Signal.LOGS, data.SerializeToString(), 5)).requests
    assert [request.items for request in requests] == [2, 2, 1]
    assert loki.max_request_bytes == 65536


@pytest.mark.parametrize("status", [429, 499, 500, 502, 503, 504])
async def test_answers_worth_a_retry(server: Server, status: int) -> None:
    """Rate limits and failures of the server are refusals, with the hint if there is one."""
    with pytest.raises(Refused, match=rf"^the destination answered {status}$") as caught:
        await send(server, status=status, headers={"Retry-After": "7"})
    assert caught.value.retry_after_seconds == 7.0


@pytest.mark.parametrize(
    ("status", "message"),
    [
        (
            260,
            "Loki answered 260: ingestion is blocked for this tenant; see block_ingestion_until in its limits_config",
        ),
        (
            401,
            "Loki answered 401: it wants to know who is sending; set tenant_id, or an Authorization header in headers",
        ),
        (403, "Loki answered 403: this sender may not push to this tenant; check headers and tenant_id"),
        (422, "Loki answered 422: it found no stream in the request"),
        (418, "the destination answered 418"),
    ],
)
async def test_answers_that_are_final(server: Server, status: int, message: str) -> None:
    """They are not sent again, and the sentence says what to look at, never what the server wrote."""
    with pytest.raises(Rejected) as caught:
        await send(server, status=status, text="SSN 536-90-4399")
    assert str(caught.value) == message


async def test_too_large_push(server: Server) -> None:
    """413 says that smaller pieces may pass."""
    with pytest.raises(TooLarge, match=r"^the destination answered 413$"):
        await send(server, status=413)


async def test_partly_stored_push(server: Server) -> None:
    """Where Loki says how many of the push it ignored, so many are rejected."""
    assert await send(server, status=400, text="entry ... ignored,\n" + _TOTAL.format(2, 3)) == 2
    assert await send(server, status=200) == 0


@pytest.mark.parametrize(
    "text",
    [
        "error parsing labels of SSN 536-90-4399",
        _TOTAL.format(1, 2),
        _TOTAL.format(0, 3),
        _TOTAL.format(4, 3),
        _TOTAL.format(1, 3) + "\n" + _TOTAL.format(3, 3),
        _TOTAL.format(1, "9" * 5000),
    ],
)
async def test_unclear_400_rejects_all(server: Server, text: str) -> None:
    """A number that is not about exactly this push is not believed, and no text is quoted."""
    with pytest.raises(Rejected) as caught:
        await send(server, status=400, text=text)
    assert str(caught.value) == (
        "Loki answered 400 to a push of 3 entries and may have stored some of them;"
        " its metric loki_discarded_samples_total has the reason"
    )


async def test_loki_that_is_away() -> None:
    """No answer is a refusal."""
    async with exporter(endpoint="http://localhost:1") as loki:
        with pytest.raises(Refused, match=r"^no answer: ClientConnectorError$"):
            await loki.send(Request(Signal.LOGS, b"", 1))


@pytest.mark.parametrize(
    ("written", "used"),
    [
        ("http://loki:3100", "http://loki:3100/loki/api/v1/push"),
        ("http://loki:3100/", "http://loki:3100/loki/api/v1/push"),
        ("https://loki.example.org/loki/api/v1/push", "https://loki.example.org/loki/api/v1/push"),
        ("https://gateway.example.org/logs", "https://gateway.example.org/logs"),
    ],
)
def test_endpoints(written: str, used: str) -> None:
    """A bare address is completed, any path is taken as it is."""
    assert LokiSettings(endpoint=written).endpoint == used


def problem(**settings: Any) -> str:
    with pytest.raises(ValidationError) as caught:
        LokiSettings(**{"endpoint": "http://loki:3100"} | settings)
    (error,) = caught.value.errors()
    return error["msg"]


@pytest.mark.parametrize("tenant", ["a|b", ".", "..", "a b", "é", "x" * 151])
def test_bad_tenant(tenant: str) -> None:
    """Loki's own rules for a tenant are checked at the start."""
    assert problem(tenant_id=tenant) == (
        "Value error, a tenant is 1 to 150 letters, digits and ! - _ . * ' ( ), and not . or .. alone; one per exporter"
    )


def test_bad_settings() -> None:
    """Each says what is allowed."""
    assert problem(endpoint="loki:3100") == (
        "Value error, this is not an address of Loki; write it like http://loki:3100"
    )
    assert problem(labels=["a.b", "a_b"]) == (
        "Value error, two of the labels get the same name, because every . becomes _; keep one of them"
    )
    assert problem(labels=[f"a{number}" for number in range(16)]) == (
        "Value error, Loki allows 15 labels beside service_name, and these are more;"
        " leave the others to structured metadata"
    )
    assert problem(labels=["a" * 1025]) == "Value error, a label name is over 1024 bytes"
    assert problem(tenant_id="a", headers={"x-scope-orgid": "b"}) == (
        "Value error, tenant_id and the header X-Scope-OrgID say the same thing; give one of them"
    )


def test_settings_are_in_the_table() -> None:
    """`loki` takes logs alone, builds, and its limits are Loki's defaults."""
    settings = LokiSettings(endpoint="http://loki:3100")
    assert EXPORTERS["loki"] is LokiSettings
    assert settings.signals() == {Signal.LOGS}
    assert isinstance(settings.build(context()), Loki)
    limits = LokiLimits.model_validate({"reject_old_samples_max_age": "1h", "max_line_size": "1MiB"}).of_an_entry()
    assert (limits.reject_old_samples_max_age_ns, limits.max_line_size) == (3600 * 10**9, 2**20)
