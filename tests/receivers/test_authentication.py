"""Who is let in, over every transport, on real sockets."""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import aiohttp
import grpc
import pytest
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from config.auth import AuthSettings
from extensions.bearer_token_auth import BearerTokenAuthSettings
from extensions.unentered import Unentered
from pipeline.batch import Batch, Signal
from pipeline.component import Context, Extension
from pipeline.errors import Refused
from pipeline.serving.authentication import Client, Forbidden, Values
from receivers.authentication import AuthenticatedSettings, Gate, tenants_of
from receivers.json_logs import JsonLogsSettings
from receivers.otlp import Otlp, OtlpSettings
from tests.payloads import context, traces
from tests.receivers.consuming import Consuming

TOKEN = "synthetic-token"
GOOD, WRONG = {"authorization": f"Bearer {TOKEN}"}, {"authorization": "Bearer synthetic-other"}
SPANS = traces([Span(name="GET /things")])
AUTH = {"auth": {"authenticator": "known"}}


class Known(Unentered):
    """Knows who names itself: `x-name` with the tenants of `x-tenants`; away if the name is `away`."""

    async def authenticate(self, values: Values) -> Client:
        (name,) = values("x-name")
        if name == "away":
            raise Refused("the issuer is away", retry_after_seconds=2.0)
        return Client(name, frozenset(values("x-tenants")))


class Tenants:
    """Keeps whose data it is given."""

    def __init__(self) -> None:
        self.seen: list[str] = []

    async def consume(self, batch: Batch) -> None:
        self.seen.append(batch.tenant)


def given(extension: Extension | None = None) -> Context:
    bearer = BearerTokenAuthSettings.model_validate({"token": TOKEN})
    return replace(context("otlp"), extensions={"known": extension or bearer.build(context("known"))})


@asynccontextmanager
async def otlp(made: Context, consumer: Any, **more: Any) -> AsyncIterator[Otlp]:
    protocol = {"endpoint": "127.0.0.1:0", **AUTH, **more}
    settings = OtlpSettings.model_validate({"protocols": {"grpc": protocol, "http": protocol}})
    async with settings.build(made, {Signal.TRACES: consumer}) as receiver:
        yield receiver


async def post(port: int, headers: Mapping[str, str], path: str = "/v1/traces") -> tuple[int, Mapping[str, str]]:
    kind = {"Content-Type": "application/x-protobuf"} if path != "/" else {}
    async with (
        aiohttp.ClientSession() as session,
        session.post(f"http://127.0.0.1:{port}{path}", data=SPANS.payload, headers={**kind, **headers}) as response,
    ):
        return response.status, dict(response.headers)


async def call(port: int, metadata: Mapping[str, str]) -> tuple[grpc.StatusCode, str]:
    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
        try:
            await channel.unary_unary(Signal.TRACES.method)(SPANS.payload, metadata=tuple(metadata.items()))
        except grpc.aio.AioRpcError as error:
            return error.code(), error.details() or ""
    return grpc.StatusCode.OK, ""


def refused(made: Context, reason: str) -> float | None:
    labels = {"component": "otlp", "signal": "traces", "reason": reason}
    return made.telemetry.registry.get_sample_value("telescrub_refused_requests_total", labels)


@pytest.mark.parametrize(
    ("headers", "sentence"),
    [
        ({}, "credentials are missing; send them in the header Authorization"),
        (WRONG, "the token is wrong"),
        ({"authorization": TOKEN}, "the header Authorization must be Bearer and credentials"),
    ],
)
async def test_strangers(headers: Mapping[str, str], sentence: str) -> None:
    """401 with a challenge, or UNAUTHENTICATED; nothing is accepted, everything is counted."""
    made, consumer = given(), Consuming()
    async with otlp(made, consumer) as receiver:
        assert receiver.http is not None
        assert receiver.grpc is not None
        status, answered = await post(receiver.http.port, headers)
        assert (status, answered["WWW-Authenticate"].split(",")[0]) == (401, 'Bearer realm="telescrub"')
        assert await call(receiver.grpc.port, headers) == (grpc.StatusCode.UNAUTHENTICATED, sentence)
    assert (consumer.payloads, refused(made, "unauthenticated")) == ([], 2)


async def test_known_clients() -> None:
    """Are let in."""
    consumer = Consuming()
    async with otlp(given(), consumer) as receiver:
        assert receiver.http is not None
        assert receiver.grpc is not None
        assert (await post(receiver.http.port, GOOD))[0] == 200
        assert (await call(receiver.grpc.port, GOOD))[0] is grpc.StatusCode.OK
    assert consumer.payloads == [SPANS.payload] * 2


async def test_json_logs() -> None:
    """The same door."""
    made, consumer = given(), Consuming()
    settings = JsonLogsSettings.model_validate({"endpoint": "127.0.0.1:0", **AUTH})
    async with settings.build(made, {Signal.LOGS: consumer}) as receiver:
        found = await post(receiver.port, {}, "/")
        assert (found[0], found[1]["WWW-Authenticate"]) == (401, 'Bearer realm="telescrub"')
        assert (await post(receiver.port, WRONG, "/"))[0] == 401
        assert consumer.payloads == []
        assert (await post(receiver.port, GOOD, "/"))[0] == 200
    assert len(consumer.payloads) == 1


async def test_before_the_body() -> None:
    """A stranger is told before anything of the body has come."""
    async with otlp(given(), Consuming()) as receiver:
        assert receiver.http is not None
        assert receiver.grpc is not None
        reader, writer = await asyncio.open_connection("127.0.0.1", receiver.http.port)
        writer.write(
            b"POST /v1/traces HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-protobuf\r\n"
            b"Content-Length: 1000000\r\n\r\n"
        )
        assert (await reader.readline()).startswith(b"HTTP/1.1 401 ")
        writer.close()
        async with grpc.aio.insecure_channel(f"127.0.0.1:{receiver.grpc.port}") as channel:
            silent = channel.stream_unary(Signal.TRACES.method)()
            assert await silent.code() is grpc.StatusCode.UNAUTHENTICATED


async def test_who_cannot_be_asked() -> None:
    """503 with the time to come again, or UNAVAILABLE: nobody is let in while it is not known who it is."""
    made, consumer = given(Known()), Consuming()
    async with otlp(made, consumer) as receiver:
        assert receiver.http is not None
        assert receiver.grpc is not None
        status, answered = await post(receiver.http.port, {"x-name": "away"})
        assert (status, answered["Retry-After"]) == (503, "2")
        assert await call(receiver.grpc.port, {"x-name": "away"}) == (
            grpc.StatusCode.UNAVAILABLE,
            "the issuer is away",
        )
    assert (consumer.payloads, refused(made, "authentication_unavailable")) == ([], 2)


async def test_nobody_sends_for_another_tenant() -> None:
    """A client with tenants of its own cannot write another into the header."""
    tenants = Tenants()
    async with otlp(given(Known()), tenants, tenant_header="X-Scope-OrgID") as receiver:
        assert receiver.http is not None
        assert receiver.grpc is not None
        one = {"x-name": "n", "x-tenants": "a"}
        assert (await post(receiver.http.port, one))[0] == 200
        assert (await post(receiver.http.port, {**one, "X-Scope-OrgID": "a"}))[0] == 200
        assert (await post(receiver.http.port, {**one, "X-Scope-OrgID": "b"}))[0] == 403
        assert await call(receiver.grpc.port, {**one, "x-scope-orgid": "b"}) == (
            grpc.StatusCode.PERMISSION_DENIED,
            "this client may not send for the tenant that the request names",
        )
        assert (await call(receiver.grpc.port, one))[0] is grpc.StatusCode.OK
        assert (await post(receiver.http.port, {"x-name": "n", "X-Scope-OrgID": "b"}))[0] == 200
    assert tenants.seen == ["a", "a", "a", "b"]


@pytest.mark.parametrize(
    ("own", "named", "expected"),
    [
        ((), (), []),
        ((), ("b",), ["b"]),
        (("a",), (), ["a"]),
        (("a",), ("a",), ["a"]),
        (("a", "b"), ("b",), ["b"]),
        (("a", "b"), (), "this client has several tenants; name one of them in the header for tenants"),
        (("a", "b"), ("c",), "this client may not send for the tenant that the request names"),
        (("a",), ("a", "c"), "this client may not send for the tenant that the request names"),
    ],
)
def test_tenants(own: Sequence[str], named: Sequence[str], expected: object) -> None:
    """What a client has and what it names."""
    client = Client("n", frozenset(own))
    if isinstance(expected, str):
        with pytest.raises(Forbidden, match=expected):
            tenants_of(client, named)
    else:
        assert list(tenants_of(client, named)) == expected


async def test_names() -> None:
    """Fairness goes by who it is and from where."""
    gate = Gate(AuthenticatedSettings(auth=AuthSettings(authenticator="known")), given(Known()))
    client = await gate.client(Signal.LOGS, "192.0.2.1", lambda name: {"x-name": ["n"]}.get(name, []))
    assert client == Client("n 192.0.2.1")
    assert await Gate(AuthenticatedSettings(), context("otlp")).client(Signal.LOGS, "a", lambda _: []) == Client("a")
