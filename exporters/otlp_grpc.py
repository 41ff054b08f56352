"""The `otlp_grpc` exporter: OTLP over gRPC, the batch's own bytes."""

import asyncio
from types import TracebackType
from typing import Any, Self

import grpc
from google.protobuf.message import DecodeError
from google.rpc.error_details_pb2 import RetryInfo
from google.rpc.status_pb2 import Status
from pydantic import Field, field_validator

from config.settings import ByteSize, Seconds, Secret
from config.tls import ClientTls
from exporters.otlp_answer import rejected_items
from pipeline.batch import Batch, Signal
from pipeline.component import Context, Encoded, ExporterSettings, Request
from pipeline.errors import Refused, Rejected, TooLarge, Unsupported

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
        return OtlpGrpc(self)


class OtlpGrpc:
    """One channel to one destination."""

    def __init__(self, settings: OtlpGrpcExporterSettings) -> None:
        self._settings = settings
        self.max_request_bytes = settings.max_request_bytes
        self._metadata = tuple((name.lower(), value.get_secret_value()) for name, value in settings.headers.items())

    async def __aenter__(self) -> Self:
        self._channel = await self._open()
        self._calls = {signal: self._channel.unary_unary(signal.method) for signal in Signal}
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._channel.close()

    async def _open(self) -> Any:
        settings, tls = self._settings, self._settings.tls
        gzip = settings.compression == "gzip"
        compression = grpc.Compression.Gzip if gzip else grpc.Compression.NoCompression
        target = settings.endpoint.removeprefix("http://").removeprefix("https://")
        if tls.insecure or settings.endpoint.startswith("http://"):
            return grpc.aio.insecure_channel(target, compression=compression)
        options = [("grpc.ssl_target_name_override", tls.server_name_override)] if tls.server_name_override else None
        credentials = await asyncio.to_thread(_credentials, tls)
        return grpc.aio.secure_channel(target, credentials, options=options, compression=compression)

    def encode(self, batch: Batch) -> Encoded:
        """The batch as it is."""
        return Encoded([Request(batch.signal, batch.payload, batch.items)])

    async def send(self, request: Request) -> int:
        """Raises: see `pipeline.component.Exporter.send`."""
        try:
            answer = await self._calls[request.signal](
                request.body, timeout=self._settings.timeout, metadata=self._metadata
            )
        except grpc.aio.AioRpcError as error:
            raise _judge(error) from None
        return rejected_items(request.signal, answer)


def _credentials(tls: ClientTls) -> grpc.ChannelCredentials:
    """Raises: `OSError`, naming the file, for one that cannot be used."""
    tls.context()
    return grpc.ssl_channel_credentials(
        root_certificates=tls.ca_file and tls.ca_file.read_bytes(),
        private_key=tls.key_file and tls.key_file.read_bytes(),
        certificate_chain=tls.cert_file and tls.cert_file.read_bytes(),
    )


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
