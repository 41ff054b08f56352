"""Whose data a request carries: the same for all transports."""

import aiohttp
import grpc
import pytest
from opentelemetry.proto.trace.v1.trace_pb2 import Span
from pydantic import ValidationError

from pipeline.batch import Batch, Signal
from pipeline.component import Context
from receivers.intake import Intake
from receivers.json_logs import JsonLogs, JsonLogsSettings
from receivers.otlp_grpc import OtlpGrpcServer, OtlpGrpcSettings
from receivers.otlp_http import OtlpHttpServer, OtlpHttpSettings
from tests.payloads import context, traces

SPANS = traces([Span(name="GET /things")])
HERE = {"endpoint": "127.0.0.1:0", "tenant_header": "X-Scope-OrgID"}
REFUSAL = "the header X-Scope-OrgID must name one tenant, in 1 to 150 letters, digits and ! - _ . * ' ( )"


class Tenants:
    """Keeps whose batches came."""

    def __init__(self) -> None:
        self.came: list[str] = []

    async def consume(self, batch: Batch) -> None:
        self.came.append(batch.tenant)


def failed(made: Context, transport: str, items: str) -> float | None:
    labels = {"receiver": made.id, "transport": transport}
    return made.telemetry.registry.get_sample_value(f"otelcol_receiver_failed_{items}", labels)


async def post(url: str, body: bytes, *tenants: str) -> tuple[int, str]:
    headers = [("Content-Type", "application/x-protobuf" if "traces" in url else "application/json")]
    sent = [*headers, *(("x-scope-orgid", tenant) for tenant in tenants)]
    async with aiohttp.ClientSession() as session, session.post(url, data=body, headers=sent) as response:
        return response.status, await response.text()


async def test_http() -> None:
    """The one header's value; none is nobody; what names nobody, or two, is answered 400 and counted."""
    made, tenants = context("otlp"), Tenants()
    settings = OtlpHttpSettings.model_validate(HERE)
    async with OtlpHttpServer(settings, Intake(made, "http", {Signal.TRACES: tenants})) as server:
        url = f"http://127.0.0.1:{server.port}/v1/traces"
        assert [(await post(url, SPANS.payload, *each))[0] for each in (["north"], [], ["south", "south"])] == [200] * 3
        for wrong in (["north", "south"], ["a b"], [""], ["x" * 151]):
            status, text = await post(url, SPANS.payload, *wrong)
            assert (status, REFUSAL in text) == (400, True)
    assert tenants.came == ["north", "", "south"]
    assert failed(made, "http", "spans") == 4


async def test_json_logs() -> None:
    """The same."""
    made, tenants = context("json_logs"), Tenants()
    settings = JsonLogsSettings.model_validate(HERE)
    async with JsonLogs(settings, Intake(made, "http", {Signal.LOGS: tenants})) as server:
        url = f"http://127.0.0.1:{server.port}/"
        assert [(await post(url, b"{}", *each))[0] for each in (["north"], [], ["a b"])] == [200, 200, 400]
    assert tenants.came == ["north", ""]


async def test_grpc() -> None:
    """The same, from metadata."""
    tenants = Tenants()
    settings = OtlpGrpcSettings.model_validate(HERE)
    async with (
        OtlpGrpcServer(settings, Intake(context("otlp"), "grpc", {Signal.TRACES: tenants})) as server,
        grpc.aio.insecure_channel(f"127.0.0.1:{server.port}") as channel,
    ):
        call = channel.unary_unary(Signal.TRACES.method)
        await call(SPANS.payload, metadata=[("x-scope-orgid", "north")])
        await call(SPANS.payload)
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await call(SPANS.payload, metadata=[("x-scope-orgid", "north"), ("x-scope-orgid", "south")])
    assert (caught.value.code(), caught.value.details()) == (grpc.StatusCode.INVALID_ARGUMENT, REFUSAL)
    assert tenants.came == ["north", ""]


async def test_nobody_asks() -> None:
    """Without the setting no header is looked at."""
    tenants = Tenants()
    settings = OtlpHttpSettings(endpoint="127.0.0.1:0")
    async with OtlpHttpServer(settings, Intake(context("otlp"), "http", {Signal.TRACES: tenants})) as server:
        status, _ = await post(f"http://127.0.0.1:{server.port}/v1/traces", SPANS.payload, "a b", "c")
    assert (status, tenants.came) == (200, [""])


def test_a_header_that_is_none() -> None:
    """Said at load."""
    with pytest.raises(ValidationError):
        OtlpHttpSettings.model_validate({"tenant_header": "X Scope"})
