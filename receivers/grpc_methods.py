"""A server of `grpc.aio` that a client cannot stop.

`grpc.aio` ends a server as soon as somebody asks it for a method whose name is not UTF-8 (1.85.1, found by fuzzing on
2026-11-21): the loop that takes requests decodes the names of those that it did not expect, and dies of the error. Here
it takes only requests for methods that are registered; others stay in gRPC's core, to which names are bytes.
"""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

import grpc
from grpc._cython import cygrpc
from grpc.aio import _server

__all__ = ["server"]

_OF_OTHERS = {
    "opentelemetry.proto.collector.profiles.v1development.ProfilesService": ("Export",),
    "grpc.health.v1.Health": ("Check", "Watch"),
    "grpc.reflection.v1.ServerReflection": ("ServerReflectionInfo",),
    "grpc.reflection.v1alpha.ServerReflection": ("ServerReflectionInfo",),
}
"""Methods by service that clients of OTLP servers ask for and that are not here: they are told so at once. Whoever asks
for any other method gets no answer, until the core has a thousand of these requests and turns more of them away."""


class _Server(cygrpc.AioServer):  # type: ignore[misc]
    """Asks the core for no request whose method it does not know."""

    def _make_request_call_future(self, method: bytes | None) -> Any:
        if method is None:
            return asyncio.get_running_loop().create_future()
        return super()._make_request_call_future(method)


async def _unimplemented(messages: Any, context: Any) -> None:
    await context.abort(grpc.StatusCode.UNIMPLEMENTED, "this method is not here")


def server(services: Mapping[str, grpc.RpcMethodHandler], options: Sequence[tuple[str, Any]]) -> Any:
    """A `grpc.aio.Server` of services that have one method, `Export`, by their names."""
    made: Any = grpc.aio.server()
    made._server = _Server(made._loop, None, (), (), _server._augment_channel_arguments(options, None), None)
    for service, names in _OF_OTHERS.items():
        handler = grpc.stream_unary_rpc_method_handler(_unimplemented)
        made.add_registered_method_handlers(service, dict.fromkeys(names, handler))
    for service, handler in services.items():
        made.add_registered_method_handlers(service, {"Export": handler})
    return made
