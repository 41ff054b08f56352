"""gRPC servers that outlive receivers: the next one of the same endpoint takes the requests over."""

import asyncio
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Self

import grpc

from pipeline.batch import Signal
from pipeline.component import Context
from pipeline.deadline import Deadline
from pipeline.errors import Refused
from pipeline.serving.listening import ListeningSettings
from pipeline.serving.sockets import move_socket, parse_address, remove_socket
from receivers.grpc_methods import server
from receivers.grpc_server import GrpcServerSettings
from receivers.status import answer_to

__all__ = ["GrpcListener", "Take"]

Take = Callable[[Signal, Any], Awaitable[None]]
"""Takes a request of a signal, by its gRPC context. Raises: what is wrong with it."""


@dataclass(eq=False, slots=True)
class _Taker:
    """One of the receivers that have a server, one after the other, and its requests that are under way."""

    take: Take
    tasks: set["asyncio.Task[Any]"] = field(default_factory=set)
    is_over: bool = False

    async def run(self, signal: Signal, context: Any) -> None:
        task = asyncio.current_task()
        assert task is not None
        self.tasks.add(task)
        try:
            await self.take(signal, context)
        except asyncio.CancelledError:
            if not self.is_over:
                raise
            # gRPC would leave the client without an answer.
            task.uncancel()
            raise _stops() from None
        finally:
            self.tasks.discard(task)

    async def finish(self, deadline: Deadline) -> None:
        """Wait for the requests under way; at the deadline end them."""
        if self.tasks:
            _, late = await asyncio.wait(self.tasks, timeout=deadline.remaining())
            self.is_over = True
            for task in late:
                task.cancel()
            await asyncio.gather(*late, return_exceptions=True)


def _stops() -> Refused:
    return Refused("the receiver stops; retry after 1 s", retry_after_seconds=1.0)


class GrpcListener:
    """A gRPC server that outlives receivers: the next one of the same endpoint takes its requests over, and clients
    notice nothing. Stopping and starting servers instead would end some requests with CANCELLED and refuse connections
    for a moment.
    """

    def __init__(self, settings: GrpcServerSettings, deadline: Deadline) -> None:
        # As a stream, of one message: so it is read when the request has been let in, not before.
        methods = {signal.service: grpc.stream_unary_rpc_method_handler(self._exporting(signal)) for signal in Signal}
        self._server = server(methods, settings.options())
        self._deadline = deadline
        self._stack = AsyncExitStack()
        self._takers: list[_Taker] = []
        self._changed = asyncio.Event()
        self._is_closed = False
        self.port = 0

    async def start(
        self, settings: GrpcServerSettings, context: Context, credentials: grpc.ServerCredentials | None
    ) -> Self:
        """Raises: `OSError` for an address that cannot be used."""

        def bind(address: str) -> int:
            if credentials is None:
                return int(self._server.add_insecure_port(address))
            return int(self._server.add_secure_port(address, credentials))

        async with AsyncExitStack() as stack:
            self.port = await stack.enter_async_context(_bound(settings, context, bind))
            await self._server.start()
            self._stack = stack.pop_all()
        return self

    def _exporting(self, signal: Signal) -> Callable[[Any, Any], Awaitable[bytes]]:
        async def export(messages: Any, context: Any) -> bytes:
            try:
                await self._take(signal, context)
            except Exception as error:
                answer = answer_to(error)
                await context.abort(answer.code, answer.message, answer.trailers())
            # An Export…Response without partial_success: everything was taken.
            return b""

        return export

    async def _take(self, signal: Signal, context: Any) -> None:
        while not self._takers and not self._is_closed:
            self._changed.clear()
            await self._changed.wait()
        if not self._takers:
            raise _stops()
        await self._takers[-1].run(signal, context)

    @asynccontextmanager
    async def taken_by(self, take: Take, deadline: Deadline) -> AsyncIterator[None]:
        """Let a receiver have the requests that come from now on, until another one has them. When left, its own have
        been answered.
        """
        self._takers.append(taker := _Taker(take))
        self._deadline = deadline
        self._changed.set()
        try:
            yield
        finally:
            self._takers.remove(taker)
            await taker.finish(deadline)

    async def close(self) -> None:
        """Take no more connections and requests."""
        self._is_closed = True
        self._changed.set()
        await self._server.stop(self._deadline.remaining())
        await self._stack.aclose()


@asynccontextmanager
async def _bound(settings: ListeningSettings, context: Context, bind: Callable[[str], int]) -> AsyncIterator[int]:
    """Bind a server with `bind`, which takes gRPC's form of an address; gives the port (0 for a unix socket)."""
    if settings.transport == "unix":
        # gRPC removes what it finds at a path, and when it stops what it bound: so it is given one of its own.
        apart = f"{settings.endpoint}.{secrets.token_hex(4)}"
        _bind(settings, bind, f"unix:{apart}")
        inode = await asyncio.to_thread(move_socket, apart, settings.endpoint)
        try:
            yield 0
        finally:
            await asyncio.to_thread(remove_socket, settings.endpoint, inode)
    else:
        host, _ = parse_address(settings.endpoint)
        async with context.sockets.reserved(settings.endpoint, f"{context.id} grpc") as port:
            yield _bind(settings, bind, f"[{host}]:{port}" if ":" in host else f"{host}:{port}")


def _bind(settings: ListeningSettings, bind: Callable[[str], int], address: str) -> int:
    try:
        return bind(address)
    except RuntimeError:
        raise OSError(f"cannot listen on {settings.endpoint}; is another program using it?") from None
