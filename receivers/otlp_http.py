"""OTLP over HTTP: protobuf and JSON on one port, `POST /v1/<signal>`."""

import fnmatch
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from types import TracebackType
from typing import Self

import orjson
from aiohttp import web
from google.protobuf.json_format import MessageToDict
from pydantic import Field, model_validator

from config.settings import Settings
from pipeline.batch import Batch, Signal
from pipeline.errors import Rejected
from pipeline.serving.listening import Address, UrlPath
from receivers.admission import client_of
from receivers.authentication import tenants_of
from receivers.door import Door
from receivers.http_server import HttpServerSettings, announced_bytes, expectation, read_body, serve
from receivers.intake import Intake
from receivers.status import Answer, answer_to
from receivers.tenant import TenantSettings
from wire import otlp_json

__all__ = ["CorsSettings", "OtlpHttpServer", "OtlpHttpSettings"]

_PROTOBUF, _JSON = "application/x-protobuf", "application/json"


class CorsSettings(Settings):
    """Which web pages may send telemetry from a browser."""

    allowed_origins: list[str] = Field(min_length=1)
    """Origins such as `https://app.example.org`; `*` stands for any characters."""
    allowed_headers: list[str] = Field(default_factory=list)
    """Request headers allowed beside those every page may send and Content-Type; `*` allows all."""
    max_age: int = Field(default=7200, ge=0)
    """Seconds a browser may remember the answer to its preflight request."""


class OtlpHttpSettings(TenantSettings, HttpServerSettings):
    """Settings of `protocols: http:`."""

    endpoint: Address = "localhost:4318"
    """`host:port`, or with `transport: unix` the path of a socket."""
    cors: CorsSettings | None = None
    """Without it browsers are told nothing and so send nothing from other origins."""
    traces_url_path: UrlPath = "/v1/traces"
    """Where traces are posted."""
    metrics_url_path: UrlPath = "/v1/metrics"
    """Where metrics are posted."""
    logs_url_path: UrlPath = "/v1/logs"
    """Where logs are posted."""

    @model_validator(mode="after")
    def _one_path_each(self) -> Self:
        if len(set(self.paths().values())) < len(self.paths()):
            raise ValueError("two signals have the same path; give each its own")
        return self

    def paths(self) -> dict[Signal, str]:
        return {
            Signal.TRACES: self.traces_url_path,
            Signal.METRICS: self.metrics_url_path,
            Signal.LOGS: self.logs_url_path,
        }


class OtlpHttpServer:
    """Entered: listens on `endpoint`; `port` is then the real one."""

    def __init__(self, settings: OtlpHttpSettings, intake: Intake) -> None:
        self._settings, self._intake = settings, intake
        self._door = Door(settings, intake)
        self._stack = AsyncExitStack()
        self.port = 0

    async def __aenter__(self) -> Self:
        app = web.Application(middlewares=[_cors(self._settings.cors)])
        for signal, path in self._settings.paths().items():
            app.router.add_route("*", path, self._handler(signal), expect_handler=expectation)
        listening = serve(app, self._settings, self._intake, self._door)
        self.port = (await self._stack.enter_async_context(listening)).port
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._stack.aclose()

    def _handler(self, signal: Signal) -> Callable[[web.Request], Awaitable[web.Response]]:
        async def export(request: web.Request) -> web.Response:
            if request.method != "POST":
                return _plain(405, "405 method not allowed, supported: [POST]", {"Allow": "POST"})
            if request.content_type not in (_PROTOBUF, _JSON):
                return _plain(415, f"415 unsupported media type, supported: [{_JSON}, {_PROTOBUF}]")
            try:
                await self._take(signal, request)
            except Exception as error:
                return _failure(request.content_type, answer_to(error))
            body = b"{}" if request.content_type == _JSON else b""
            return web.Response(body=body, content_type=request.content_type)

        return export

    async def _take(self, signal: Signal, request: web.Request) -> None:
        address, size = client_of(request.remote), announced_bytes(request, self._settings)
        client = await self._door.gate.client(signal, address, lambda name: request.headers.getall(name, []))
        async with self._door.admitted(signal, client.name, size) as place:
            body = await self._intake.reading(signal, read_body(request, self._settings, place))
            read = _from_json if request.content_type == _JSON else Batch.received
            tenants = tenants_of(client, request.headers.getall(self._settings.tenant_header, []))
            await self._intake.take(signal, len(body), lambda: self._settings.of_tenant(read(signal, body), tenants))


def _from_json(signal: Signal, body: bytes) -> Batch:
    try:
        return Batch.received(signal, otlp_json.decode(signal, body))
    except otlp_json.MalformedJson as error:
        raise Rejected(str(error)) from None


def _plain(status: int, text: str, headers: dict[str, str] | None = None) -> web.Response:
    return web.Response(status=status, text=text, headers=headers)


def _failure(content_type: str, answer: Answer) -> web.Response:
    """A google.rpc.Status in the encoding of the request."""
    status = answer.status()
    body = orjson.dumps(MessageToDict(status)) if content_type == _JSON else status.SerializeToString()
    return web.Response(status=answer.http_status, body=body, content_type=content_type, headers=answer.headers())


_Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


def _cors(settings: CorsSettings | None):  # type: ignore[no-untyped-def]
    """Middleware that answers preflight requests and marks answers for allowed origins (Fetch standard, CORS
    protocol).
    """

    @web.middleware
    async def middleware(request: web.Request, handler: _Handler) -> web.StreamResponse:
        origin = request.headers.get("Origin")
        if settings is None or origin is None or not _allowed(settings, origin):
            return await handler(request)
        is_preflight = request.method == "OPTIONS" and "Access-Control-Request-Method" in request.headers
        response = web.Response(status=204) if is_preflight else await handler(request)
        response.headers["Access-Control-Allow-Origin"] = origin
        response.headers["Vary"] = "Origin"
        if is_preflight:
            response.headers["Access-Control-Allow-Methods"] = "POST"
            response.headers["Access-Control-Allow-Headers"] = _allowed_headers(settings, request)
            response.headers["Access-Control-Max-Age"] = str(settings.max_age)
        return response

    return middleware


def _allowed(settings: CorsSettings, origin: str) -> bool:
    return any(fnmatch.fnmatchcase(origin, pattern) for pattern in settings.allowed_origins)


def _allowed_headers(settings: CorsSettings, request: web.Request) -> str:
    if "*" in settings.allowed_headers:
        return request.headers.get("Access-Control-Request-Headers", "Content-Type")
    return ", ".join(["Content-Type", *settings.allowed_headers])
