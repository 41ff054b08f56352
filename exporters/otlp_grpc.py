"""The `otlp_grpc` exporter: OTLP over gRPC, the batch's own bytes."""

from types import TracebackType
from typing import Self

import grpc
from google.protobuf.message import DecodeError
from google.rpc.error_details_pb2 import RetryInfo
from google.rpc.status_pb2 import Status
from multidict import CIMultiDict
from pydantic import Field, field_validator

from config.auth import AuthSettings
from config.settings import ByteSize, Seconds, Secret
from config.tls import ClientTls
from exporters.otlp_answer import rejected_items
from exporters.otlp_grpc_channel import Channel, Line
from pipeline.batch import Batch
from pipeline.component import Context, Encoded, ExporterSettings, Request
from pipeline.errors import Refused, Rejected, TooLarge, Unsupported
from pipeline.serving.authentication import HeaderSource, header_source

__all__ = ["OtlpGrpc", "OtlpGrpcExporterSettings"]

_RETRYABLE = {
    grpc.StatusCode.CANCELLED,
    grpc.StatusCode.DEADLINE_EXCEEDED,
    grpc.StatusCode.ABORTED,
    grpc.StatusCode.OUT_OF_RANGE,
    grpc.StatusCode.UNAVAILABLE,
    grpc.StatusCode.DATA_LOSS,
}
"""OTLP 1.11, OTLP/gRPC Response, Failures; RESOURCE_EXHAUSTED too, but only with RetryInfo."""


class OtlpGrpcExporterSettings(ExporterSettings):
    """Settings of `otlp_grpc`, with the Collector's keys."""

    endpoint: str
    """`host:port`; a leading `http://` or `https://` is understood as in the Collector, as plain text or TLS."""
    headers: dict[str, Secret] = Field(default_factory=dict)
    """Sent as gRPC metadata with every request; values are secrets."""
    timeout: Seconds = Field(default=5.0, gt=0)
    """For one attempt."""
    tls: ClientTls = ClientTls()
    """TLS is on unless `insecure: true` or the endpoint says `http://`."""
    auth: AuthSettings | None = None
    """Where credentials come from: the id of an extension. UNAUTHENTICATED then means that they are to be put right,
    and what was sent waits until they are."""
    compression: str = Field(default="gzip", pattern="^(gzip|none)$")
    """`gzip` or `none`."""
    max_request_bytes: ByteSize = Field(default=4_000_000, ge=1000)
    """Larger batches are split: gRPC servers take 4 MiB unless told otherwise (OTLP servers before 1.11, gRPC's own
    default).
    """

    @field_validator("tls")
    @classmethod
    def _grpc_has_its_own_tls(cls, tls: ClientTls) -> ClientTls:
        if tls.insecure_skip_verify or tls.min_version != "1.2":
            raise ValueError(
                "gRPC always verifies and takes TLS 1.2 and newer; leave insecure_skip_verify and min_version out"
            )
        return tls

    def build(self, context: Context) -> "OtlpGrpc":
        return OtlpGrpc(self, context)


class OtlpGrpc:
    """One channel to one destination."""

    def __init__(self, settings: OtlpGrpcExporterSettings, context: Context) -> None:
        self._settings = settings
        self.max_request_bytes = settings.max_request_bytes
        self._channel = Channel(settings.endpoint, settings.tls, settings.compression, context.log.warning)
        self._source = header_source(context, settings.auth)
        self._headers = {name: value.get_secret_value() for name, value in settings.headers.items()}

    async def __aenter__(self) -> Self:
        await self._channel.open()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._channel.close()

    def encode(self, batch: Batch) -> Encoded:
        """The batch as it is."""
        return Encoded([Request(batch.signal, batch.payload, batch.items)])

    async def send(self, request: Request) -> int:
        """Raises: see `pipeline.component.Exporter.send`."""
        async with self._channel.line() as line:
            try:
                answer = await self._ask(line, request)
            except grpc.aio.AioRpcError as error:
                raise _judge(error) from None
        return rejected_items(request.signal, answer)

    async def _ask(self, line: Line, request: Request) -> bytes:
        """Raises: `grpc.aio.AioRpcError`; `Refused` for credentials that cannot be had or are not taken."""
        if self._source is None:
            return await self._call(line, request, CIMultiDict(self._headers))
        return await self._ask_authorized(self._source, line, request)

    async def _ask_authorized(self, source: HeaderSource, line: Line, request: Request) -> bytes:
        """With the credentials of an extension; once more with new ones where the destination does not know them."""
        for _ in range(2):
            headers = CIMultiDict(self._headers)
            await source.authorize(headers)
            try:
                return await self._call(line, request, headers)
            except grpc.aio.AioRpcError as error:
                if error.code() is not grpc.StatusCode.UNAUTHENTICATED:
                    raise
            if not await source.renew(headers):
                break
        raise Refused(
            "the destination answered UNAUTHENTICATED: it does not take the credentials of auth::authenticator"
        )

    async def _call(self, line: Line, request: Request, headers: CIMultiDict[str]) -> bytes:
        metadata = tuple((name.lower(), value) for name, value in headers.items())
        answer: bytes = await line.calls[request.signal](
            request.body, timeout=self._settings.timeout, metadata=metadata
        )
        return answer


def _judge(error: grpc.aio.AioRpcError) -> Refused | Rejected:
    """The code alone is quoted: a destination's message may echo data."""
    code, message = error.code(), f"the destination answered {error.code().name}"
    hint = _retry_delay(error)
    if code in _RETRYABLE or (code is grpc.StatusCode.RESOURCE_EXHAUSTED and hint is not None):
        return Refused(message, retry_after_seconds=hint)
    if code is grpc.StatusCode.RESOURCE_EXHAUSTED:
        return TooLarge(message)
    return Unsupported(message) if code is grpc.StatusCode.UNIMPLEMENTED else Rejected(message)


def _retry_delay(error: grpc.aio.AioRpcError) -> float | None:
    """Seconds from RetryInfo, in either of the trailers servers put it in; None without one."""
    trailers = dict(error.trailing_metadata() or ())
    try:
        if bare := trailers.get("google.rpc.retryinfo-bin"):
            return _seconds(RetryInfo.FromString(bare))
        for detail in Status.FromString(trailers.get("grpc-status-details-bin", b"")).details:
            info = RetryInfo()
            if detail.Unpack(info):
                return _seconds(info)
    except DecodeError:
        pass
    return None


def _seconds(info: RetryInfo) -> float:
    return int(info.retry_delay.ToNanoseconds()) / 1e9
