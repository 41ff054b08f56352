"""Sends rounds as applications do: OTLP over gRPC or HTTP, JSON logs over HTTP, with a bounded number of tries."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from random import uniform
from types import TracebackType
from typing import Self

import aiohttp
import grpc
from google.protobuf.message import Message
from google.rpc.error_details_pb2 import RetryInfo
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceResponse
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse

from demo.telemetry import Round
from pipeline.errors import Refused, Rejected
from wire.signal import Signal

__all__ = ["Sender"]

_TIMEOUT_SECONDS = 10.0
"""OTLP's default for one request."""
_RETRYABLE_CODES = (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED)
_RETRYABLE_STATUSES = (429, 502, 503, 504)


class Sender:
    """One application's connections to the daemon.

    `sent` and `refused` count items by signal, `retries` counts repeated requests.
    With `otlp_http_url` (`http://localhost:4318`) traces and metrics go over HTTP/protobuf instead of gRPC.
    """

    def __init__(
        self,
        grpc_endpoint: str = "localhost:4317",
        json_logs_url: str = "http://localhost:4319",
        *,
        otlp_http_url: str | None = None,
        attempts: int = 6,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._grpc_endpoint, self._json_logs_url, self._otlp_http_url = grpc_endpoint, json_logs_url, otlp_http_url
        self._attempts, self._sleep = attempts, sleep
        self._stack = AsyncExitStack()
        self.sent = dict.fromkeys(Signal, 0)
        self.refused = dict.fromkeys(Signal, 0)
        self.retries = 0

    async def __aenter__(self) -> Self:
        timeout = aiohttp.ClientTimeout(total=_TIMEOUT_SECONDS)
        self._session = await self._stack.enter_async_context(aiohttp.ClientSession(timeout=timeout))
        self._channel = await self._stack.enter_async_context(grpc.aio.insecure_channel(self._grpc_endpoint))
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._stack.aclose()

    async def send(self, one: Round) -> None:
        """Send all of a round, one request after the other; the outcome is in the counters."""
        items = one.items
        await self._deliver(Signal.TRACES, items[Signal.TRACES], lambda: self._otlp(Signal.TRACES, one.traces))
        await self._deliver(Signal.METRICS, items[Signal.METRICS], lambda: self._otlp(Signal.METRICS, one.metrics))
        for _, body in one.log_requests():
            await self._deliver(Signal.LOGS, body.count(b"\n"), lambda body=body: self._logs(body))  # type: ignore[misc]

    async def _deliver(self, signal: Signal, items: int, request: Callable[[], Awaitable[int]]) -> None:
        """Try until the daemon took it, said never, or was asked often enough; `request` gives the items rejected."""
        for attempt in range(self._attempts):
            try:
                rejected = await request()
            except Refused as refusal:
                if attempt + 1 < self._attempts:
                    self.retries += 1
                    await self._sleep(max(refusal.retry_after_seconds or 0.0, uniform(0.5, 1.0) * 0.2 * 2**attempt))
            except Rejected:
                break
            else:
                self.sent[signal] += items - rejected
                self.refused[signal] += rejected
                return
        self.refused[signal] += items

    async def _otlp(self, signal: Signal, message: Message) -> int:
        payload = message.SerializeToString()
        answer = await (
            self._over_grpc(signal, payload) if self._otlp_http_url is None else self._over_http(signal, payload)
        )
        if signal is Signal.TRACES:
            return ExportTraceServiceResponse.FromString(answer).partial_success.rejected_spans
        return ExportMetricsServiceResponse.FromString(answer).partial_success.rejected_data_points

    async def _over_grpc(self, signal: Signal, payload: bytes) -> bytes:
        call = self._channel.unary_unary(signal.method)
        try:
            answer: bytes = await call(payload, timeout=_TIMEOUT_SECONDS)
        except grpc.aio.AioRpcError as error:
            if error.code() in _RETRYABLE_CODES:
                hint = _retry_info(error.trailing_metadata())
                raise Refused(error.code().name, retry_after_seconds=hint) from None
            raise Rejected(error.code().name) from None
        return answer

    async def _over_http(self, signal: Signal, payload: bytes) -> bytes:
        return await self._post(f"{self._otlp_http_url}/v1/{signal.value}", payload, "application/x-protobuf")

    async def _logs(self, body: bytes) -> int:
        await self._post(f"{self._json_logs_url}/v1/json", body, "application/x-ndjson")
        return 0

    async def _post(self, url: str, body: bytes, content_type: str) -> bytes:
        try:
            async with self._session.post(url, data=body, headers={"Content-Type": content_type}) as response:
                answer = await response.read()
        except (aiohttp.ClientError, TimeoutError):
            raise Refused("no answer") from None
        if response.status in _RETRYABLE_STATUSES:
            hint = response.headers.get("Retry-After", "")
            raise Refused(f"status {response.status}", retry_after_seconds=float(hint) if hint.isdigit() else None)
        if response.status >= 300:
            raise Rejected(f"status {response.status}")
        return answer


def _retry_info(trailers: grpc.aio.Metadata) -> float | None:
    """Seconds from the bare RetryInfo in the trailers, as the Python SDK reads it."""
    for key, value in trailers or ():
        if key == "google.rpc.retryinfo-bin":
            delay = RetryInfo.FromString(value).retry_delay
            return float(delay.seconds + delay.nanos / 1e9)
    return None
