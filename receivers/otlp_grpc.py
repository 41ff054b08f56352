"""OTLP over gRPC: the Export method of the three services, on raw bytes."""

import asyncio
from contextlib import AsyncExitStack
from types import TracebackType
from typing import Any, Self

import grpc
from pydantic import field_validator

from config.tls import ServerTls
from pipeline.batch import Batch, Signal
from pipeline.errors import Refused, Rejected
from pipeline.serving.listening import Address
from receivers.admission import Place
from receivers.authentication import tenants_of
from receivers.door import Door
from receivers.grpc_listener import GrpcListener
from receivers.grpc_server import GrpcServerSettings, client_of_peer
from receivers.grpc_tls import server_credentials
from receivers.intake import Intake
from receivers.tenant import TenantSettings

__all__ = ["OtlpGrpcServer", "OtlpGrpcSettings"]


class OtlpGrpcSettings(TenantSettings, GrpcServerSettings):
    """Settings of `protocols: grpc:`."""

    endpoint: Address = "localhost:4317"
    """`host:port`, or with `transport: unix` the path of a socket."""

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
        self._door = Door(settings, intake)
        self._stack = AsyncExitStack()
        self.port = 0

    async def __aenter__(self) -> Self:
        settings, context = self._settings, self._intake.context

        async def start() -> GrpcListener:
            tls = settings.tls
            credentials = None
            if tls is not None:
                credentials = await asyncio.to_thread(server_credentials, tls, context.log.warning)
            return await GrpcListener(settings, context.deadline).start(settings, context, credentials)

        async with AsyncExitStack() as stack:
            listener = await stack.enter_async_context(context.sockets.kept(settings.listener_key(context), start))
            await stack.enter_async_context(listener.taken_by(self._take, context.deadline))
            self.port = listener.port
            self._stack = stack.pop_all()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._stack.aclose()

    async def _take(self, signal: Signal, context: Any) -> None:
        client = await self._door.gate.client(
            signal, client_of_peer(context.peer()), lambda name: self._metadata(context, name)
        )
        # gRPC tells nobody how large a message is before all of it is there.
        largest = self._settings.max_recv_msg_size_mib * 2**20
        async with self._door.admitted(signal, client.name, largest) as place:
            payload = await self._intake.reading(signal, self._read(context, place))
            place.settle(len(payload))
            tenants = tenants_of(client, self._metadata(context, self._settings.tenant_header))
            await self._intake.take(
                signal, len(payload), lambda: self._settings.of_tenant(Batch.received(signal, payload), tenants)
            )

    async def _read(self, context: Any, place: Place) -> bytes:
        """The one message of a request. Raises: `Rejected` if there is none, `Refused` if it takes too long."""
        seconds = self._settings.read_timeout
        try:
            async with place.reading(seconds):
                message = await context.read()
        except TimeoutError:
            raise Refused(
                f"the request did not come in time: it has {seconds:g} s, less while others wait; retry after 1 s",
                retry_after_seconds=1.0,
                reason="slow_client",
            ) from None
        if message is grpc.aio.EOF:
            raise Rejected("the request has no message")
        return bytes(message)

    def _metadata(self, context: Any, name: str) -> list[str]:
        """What the client says in the metadata of a name; nothing in that of none."""
        values = (value for key, value in context.invocation_metadata() if key == name.lower())
        return [value for value in values if isinstance(value, str)]
