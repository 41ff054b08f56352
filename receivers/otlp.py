"""The `otlp` receiver: OTLP over gRPC and HTTP, each on where its key is present under `protocols`."""

from collections.abc import Mapping
from contextlib import AsyncExitStack
from types import TracebackType
from typing import Any, Self

from pydantic import field_validator, model_validator

from config.settings import Settings
from pipeline.batch import Signal
from pipeline.component import Consumer, Context, ReceiverSettings
from receivers.intake import Intake
from receivers.otlp_grpc import OtlpGrpcServer, OtlpGrpcSettings
from receivers.otlp_http import OtlpHttpServer, OtlpHttpSettings

__all__ = ["Otlp", "OtlpSettings", "ProtocolSettings"]


class ProtocolSettings(Settings):
    """A protocol is on where its key is present, with or without settings of its own."""

    grpc: OtlpGrpcSettings | None = None
    """OTLP/gRPC, on localhost:4317 unless told otherwise."""
    http: OtlpHttpSettings | None = None
    """OTLP/HTTP, on localhost:4318 unless told otherwise."""

    @field_validator("grpc", "http", mode="before")
    @classmethod
    def _null_is_on(cls, value: Any) -> Any:
        return {} if value is None else value

    @model_validator(mode="after")
    def _one_at_least(self) -> Self:
        if self.grpc is None and self.http is None:
            raise ValueError("give at least one of grpc and http")
        return self


class OtlpSettings(ReceiverSettings):
    """Settings of the `otlp` receiver."""

    protocols: ProtocolSettings
    """Which of OTLP's transports to listen on."""

    def build(self, context: Context, consumers: Mapping[Signal, Consumer]) -> "Otlp":
        return Otlp(self.protocols, context, consumers)


class Otlp:
    """Both servers as one receiver."""

    def __init__(self, protocols: ProtocolSettings, context: Context, consumers: Mapping[Signal, Consumer]) -> None:
        self.grpc: OtlpGrpcServer | None = None
        self.http: OtlpHttpServer | None = None
        if protocols.grpc is not None:
            self.grpc = OtlpGrpcServer(protocols.grpc, Intake(context, "grpc", consumers))
        if protocols.http is not None:
            self.http = OtlpHttpServer(protocols.http, Intake(context, "http", consumers))
        self._stack = AsyncExitStack()

    async def __aenter__(self) -> Self:
        async with AsyncExitStack() as stack:
            for server in (self.grpc, self.http):
                if server is not None:
                    await stack.enter_async_context(server)
            self._stack = stack.pop_all()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._stack.aclose()
