"""The `json_logs` receiver: JSON logs of any logger over HTTP, mapped to OpenTelemetry's log model.

`POST /` or `/v1/json` takes one object, an array of objects, or lines of JSON, whatever the Content-Type;
`docs/json_logs.md` says what becomes of them.
"""

import time
from collections.abc import Callable, Mapping
from contextlib import AsyncExitStack
from types import TracebackType
from typing import Any, Self

from aiohttp import web

from pipeline.batch import Batch, Signal
from pipeline.component import Consumer, Context, ReceiverSettings
from pipeline.serving.authentication import Client
from pipeline.serving.listening import Address
from receivers.admission import Place, client_of
from receivers.authentication import tenants_of
from receivers.door import Door
from receivers.http_server import HttpServerSettings, announced_bytes, expectation, read_body, serve
from receivers.intake import Intake
from receivers.status import Answer, answer_to
from receivers.tenant import TenantSettings
from wire.json_logs import to_otlp

__all__ = ["JsonLogs", "JsonLogsSettings"]

_PATHS = ("/", "/v1/json")


class JsonLogsSettings(TenantSettings, HttpServerSettings, ReceiverSettings):
    """Settings of the `json_logs` receiver."""

    endpoint: Address = "localhost:4319"
    """`host:port`, or with `transport: unix` the path of a socket. The port after OTLP's two."""

    def signals(self) -> frozenset[Signal]:
        return frozenset({Signal.LOGS})

    def build(self, context: Context, consumers: Mapping[Signal, Consumer]) -> "JsonLogs":
        return JsonLogs(self, Intake(context, "http", consumers))


class JsonLogs:
    """Entered: listens on `endpoint`; `port` is then the real one. `clock` gives nanoseconds since 1970."""

    def __init__(self, settings: JsonLogsSettings, intake: Intake, clock: Callable[[], int] = time.time_ns) -> None:
        self._settings, self._intake, self._clock = settings, intake, clock
        self._door = Door(settings, intake)
        self._stack = AsyncExitStack()
        self.port = 0

    async def __aenter__(self) -> Self:
        app = web.Application()
        for path in _PATHS:
            app.router.add_route("*", path, self._receive, expect_handler=expectation)
        app.router.add_route("*", "/{path:.*}", _not_found, expect_handler=expectation)
        listening = serve(app, self._settings, self._intake, self._door)
        self.port = (await self._stack.enter_async_context(listening)).port
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._stack.aclose()

    async def _receive(self, request: web.Request) -> web.Response:
        if request.method != "POST":
            return _error(405, "JSON logs are sent with POST", {"Allow": "POST"})
        if request.content_type == "application/x-protobuf":
            return _error(415, "this address takes JSON logs; send OTLP to an otlp receiver")
        try:
            address, size = client_of(request.remote), announced_bytes(request, self._settings)
            client = await self._door.gate.client(Signal.LOGS, address, lambda name: request.headers.getall(name, []))
            async with self._door.admitted(Signal.LOGS, client.name, size) as place:
                return web.json_response(await self._take(request, client, place))
        except Exception as error:
            return _failure(answer_to(error))

    async def _take(self, request: web.Request, client: Client, place: Place) -> dict[str, int]:
        """How many records were accepted, and how many of them are text that did not parse."""
        body = await self._intake.reading(Signal.LOGS, read_body(request, self._settings, place))
        tenants = tenants_of(client, request.headers.getall(self._settings.tenant_header, []))
        received = self._clock()
        unparsed = 0

        def read() -> Batch:
            nonlocal unparsed
            logs = to_otlp(body, received)
            unparsed = logs.parse_failures
            return self._settings.of_tenant(Batch.received(Signal.LOGS, logs.payload), tenants)

        accepted = await self._intake.take(Signal.LOGS, len(body), read)
        self._intake.context.telemetry.unparsed(self._intake.context.id, unparsed)
        return {"accepted": accepted, "unparsed": unparsed}


async def _not_found(request: web.Request) -> web.Response:
    return _error(404, f"JSON logs are sent to {' or '.join(_PATHS)}")


def _failure(answer: Answer) -> web.Response:
    return _error(answer.http_status, answer.message, answer.headers())


def _error(status: int, sentence: str, headers: Mapping[str, Any] | None = None) -> web.Response:
    return web.json_response({"error": sentence}, status=status, headers=headers)
