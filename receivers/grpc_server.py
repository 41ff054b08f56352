"""The gRPC side of a receiver: settings that become options of gRPC's C core."""

from urllib.parse import unquote

from pydantic import Field

from config.settings import Seconds, Settings
from pipeline.component import Context
from pipeline.serving.listening import Address, ListeningSettings
from receivers.admission import client_of
from receivers.door import DoorSettings

__all__ = [
    "EnforcementPolicy",
    "GrpcServerSettings",
    "KeepaliveSettings",
    "ServerParameters",
    "client_of_peer",
]


class ServerParameters(Settings):
    """When connections are looked after and ended."""

    max_connection_idle: Seconds = Field(default=0.0, ge=0)
    """Seconds without a request after which a connection is closed; 0 for never."""
    max_connection_age: Seconds = Field(default=0.0, ge=0)
    """Seconds after which a connection takes no more requests, give or take a tenth, so that a load balancer can spread
    clients anew; 0 for never."""
    max_connection_age_grace: Seconds = Field(default=0.0, ge=0)
    """Seconds that requests under way have left then; 0 for as long as they need."""
    time: Seconds = Field(default=7200.0, gt=0)
    """Seconds without a sign of life after which the client is asked for one; while no request is under way only with
    `permit_without_stream`."""
    timeout: Seconds = Field(default=20.0, gt=0)
    """Seconds to wait for that sign before the connection is closed."""


class EnforcementPolicy(Settings):
    """What clients may do to keep connections alive; who does more is disconnected."""

    min_time: Seconds = Field(default=300.0, gt=0)
    """Least seconds between a client's pings."""
    permit_without_stream: bool = False
    """Whether clients may ping while no request is under way."""


class KeepaliveSettings(Settings):
    """The Collector's `keepalive`, with its defaults, which are gRPC's."""

    server_parameters: ServerParameters = ServerParameters()
    """What the server does."""
    enforcement_policy: EnforcementPolicy = EnforcementPolicy()
    """What it lets clients do."""


class GrpcServerSettings(DoorSettings, ListeningSettings):
    """Settings of a receiver that speaks gRPC."""

    endpoint: Address
    """`host:port`, or with `transport: unix` the path of a socket."""
    max_recv_msg_size_mib: int = Field(default=20, ge=1, le=1024)
    """Largest message. The Collector stops at 4; OTLP 1.11 recommends up to 64; 20 is what OTLP/HTTP takes in both."""
    max_concurrent_streams: int = Field(default=100, ge=1)
    """Requests at once on one connection; more wait at the client."""
    max_connections: int = Field(default=4096, ge=1)
    """Connections at once; more are closed as they come. The process must be allowed as many open files
    (`ulimit -n`)."""
    keepalive: KeepaliveSettings = KeepaliveSettings()
    """How connections are kept alive and ended."""

    def listener_key(self, context: Context) -> tuple[str, ...]:
        """What receivers must have in common to have one server, one after the other."""
        owner = f"{context.id} grpc" if self.endpoint.endswith(":0") else ""
        tls = "" if self.tls is None else self.tls.model_dump_json()
        return ("grpc", self.endpoint, owner, tls, repr(self.options()))

    def options(self) -> list[tuple[str, int]]:
        """As gRPC's C core wants them (grpc/impl/channel_arg_names.h)."""
        ours, policy = self.keepalive.server_parameters, self.keepalive.enforcement_policy
        ends = {
            "grpc.max_connection_idle_ms": ours.max_connection_idle,
            "grpc.max_connection_age_ms": ours.max_connection_age,
            "grpc.max_connection_age_grace_ms": ours.max_connection_age_grace,
        }
        return [
            ("grpc.max_receive_message_length", self.max_recv_msg_size_mib * 2**20),
            ("grpc.max_concurrent_streams", self.max_concurrent_streams),
            ("grpc.max_allowed_incoming_connections", self.max_connections),
            # Else gRPC takes in most of a message that nobody has asked for: with 400 MiB of requests that waited, the
            # process grew by 326 MiB, and by 2 MiB without (2026-11-21).
            ("grpc.http2.bdp_probe", 0),
            ("grpc.server_handshake_timeout_ms", 20_000),
            ("grpc.so_reuseport", 1),
            ("grpc.keepalive_time_ms", _milliseconds(ours.time)),
            ("grpc.keepalive_timeout_ms", _milliseconds(ours.timeout)),
            ("grpc.keepalive_permit_without_calls", int(policy.permit_without_stream)),
            ("grpc.http2.min_ping_interval_without_data_ms", _milliseconds(policy.min_time)),
            *[(name, _milliseconds(seconds)) for name, seconds in ends.items() if seconds],
        ]


def _milliseconds(seconds: float) -> int:
    return max(round(seconds * 1000), 1)


def client_of_peer(peer: str) -> str:
    """Who a peer as gRPC names it stands for: `ipv4:127.0.0.1:54321`, `ipv6:%5B::1%5D:54321`, `unix:`."""
    return client_of(unquote(peer).partition(":")[2].rpartition(":")[0].strip("[]"))
