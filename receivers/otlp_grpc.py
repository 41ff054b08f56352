"""OTLP over gRPC: the Export method of the three services, on raw bytes."""

import asyncio
from collections.abc import Awaitable, Callable
from types import TracebackType
from typing import Any, Self

import grpc
from pydantic import Field, field_validator

from config.tls import ServerTls
from pipeline.batch import Batch, Signal
from pipeline.listening import Address, ListeningSettings, parse_address, remove_stale_socket, restrict_socket
from receivers.intake import Intake
from receivers.status import answer_to
from receivers.tenant import TenantSettings

__all__ = ["OtlpGrpcServer", "OtlpGrpcSettings"]


class OtlpGrpcSettings(TenantSettings, ListeningSettings):
    """Settings of `protocols: grpc:`."""

    endpoint: Address = "localhost:4317"
    """`host:port`, or with `transport: unix` the path of a socket."""
    max_recv_msg_size_mib: int = Field(default=20, ge=1, le=1024)
    """Largest message. The Collector stops at 4; OTLP 1.11 recommends up to 64; 20 is what OTLP/HTTP takes in both."""
    max_concurrent_streams: int = Field(default=100, ge=1)
    """Requests at once on one connection; more wait at the client."""

    @field_validator("tls")
    @classmethod
    def _grpc_chooses_the_version(cls, tls: ServerTls | None) -> ServerTls | None:
        if tls is not None and tls.min_version != "1.2":
            raise ValueError("gRPC takes TLS 1.2 and newer and cannot be told otherwise; leave min_version out")
        return tls


class OtlpGrpcServer:
    """Entered: listens on `endpoint`; `port` is then the real one."""

    def __init__(self, settings: OtlpGrpcSettings, intake: Intake) -> None:
        self._settings, self._intake = settings, intake
        self.port = 0

    async def __aenter__(self) -> Self:
        self._server = grpc.aio.server(options=self._options())
        for signal in Signal:
            method = grpc.unary_unary_rpc_method_handler(self._handler(signal))
            self._server.add_generic_rpc_handlers(
                (grpc.method_handlers_generic_handler(signal.service, {"Export": method}),)
            )
        self.port = await self._listen()
        await self._server.start()
        if self._settings.transport == "unix":
            await asyncio.to_thread(restrict_socket, self._settings.endpoint)
        return self

    def _options(self) -> list[tuple[str, int]]:
        return [
            ("grpc.max_receive_message_length", self._settings.max_recv_msg_size_mib * 2**20),
            ("grpc.max_concurrent_streams", self._settings.max_concurrent_streams),
            ("grpc.so_reuseport", 0),
        ]

    async def _listen(self) -> int:
        settings = self._settings
        address = await asyncio.to_thread(_target, settings)
        try:
            if settings.tls is None:
                return int(self._server.add_insecure_port(address))
            credentials = await asyncio.to_thread(_credentials, settings.tls)
            return int(self._server.add_secure_port(address, credentials))
        except RuntimeError:
            raise OSError(f"cannot listen on {settings.endpoint}; is another program using it?") from None

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._server.stop(self._intake.context.deadline.remaining())

    def _handler(self, signal: Signal) -> Callable[[bytes, Any], Awaitable[bytes]]:
        async def export(payload: bytes, context: Any) -> bytes:
            try:
                tenants = self._tenants(context)
                await self._intake.take(
                    signal,
                    len(payload),
                    lambda: self._settings.of_tenant(Batch.received(signal, payload), tenants),
                )
            except Exception as error:
                answer = answer_to(error)
                await context.abort(answer.code, answer.message, answer.trailers())
            # An Export…Response without partial_success: everything was taken.
            return b""

        return export

    def _tenants(self, context: Any) -> list[str]:
        """What the client says about its tenant."""
        name = self._settings.tenant_header.lower()
        return [value for key, value in context.invocation_metadata() if key == name] if name else []


def _target(settings: OtlpGrpcSettings) -> str:
    if settings.transport == "unix":
        remove_stale_socket(settings.endpoint)
        return f"unix:{settings.endpoint}"
    host, port = parse_address(settings.endpoint)
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _credentials(tls: ServerTls) -> grpc.ServerCredentials:
    """gRPC has a TLS of its own, at least 1.2. Raises: `OSError`, naming the file, for one that cannot be used."""
    tls.context()
    authorities = None if tls.client_ca_file is None else tls.client_ca_file.read_bytes()
    return grpc.ssl_server_credentials(
        [(tls.key_file.read_bytes(), tls.cert_file.read_bytes())],
        root_certificates=authorities,
        require_client_auth=authorities is not None,
    )
