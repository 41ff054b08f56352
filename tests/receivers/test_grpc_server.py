"""What gRPC's core is told, and who its peers are."""

import pytest
from pydantic import ValidationError

from receivers.grpc_server import GrpcServerSettings, client_of_peer


def options(**written: object) -> dict[str, int]:
    return dict(GrpcServerSettings.model_validate({"endpoint": "localhost:0", **written}).options())


def test_default_options() -> None:
    """Connections live for ever, pings are as gRPC and the Collector have them."""
    assert options() == {
        "grpc.max_receive_message_length": 20 * 2**20,
        "grpc.max_concurrent_streams": 100,
        "grpc.max_allowed_incoming_connections": 4096,
        "grpc.http2.bdp_probe": 0,
        "grpc.server_handshake_timeout_ms": 20_000,
        "grpc.so_reuseport": 1,
        "grpc.keepalive_time_ms": 7_200_000,
        "grpc.keepalive_timeout_ms": 20_000,
        "grpc.keepalive_permit_without_calls": 0,
        "grpc.http2.min_ping_interval_without_data_ms": 300_000,
    }


def test_keepalive() -> None:
    """The Collector's keys, in milliseconds."""
    server = {
        "max_connection_idle": "11s",
        "max_connection_age": "12s",
        "max_connection_age_grace": "13s",
        "time": "30s",
        "timeout": "5s",
    }
    policy = {"min_time": "10s", "permit_without_stream": True}
    told = options(keepalive={"server_parameters": server, "enforcement_policy": policy})
    assert {name: value for name, value in told.items() if value != options().get(name)} == {
        "grpc.max_connection_idle_ms": 11_000,
        "grpc.max_connection_age_ms": 12_000,
        "grpc.max_connection_age_grace_ms": 13_000,
        "grpc.keepalive_time_ms": 30_000,
        "grpc.keepalive_timeout_ms": 5_000,
        "grpc.keepalive_permit_without_calls": 1,
        "grpc.http2.min_ping_interval_without_data_ms": 10_000,
    }


@pytest.mark.parametrize("key", ["read_buffer_size", "write_buffer_size"])
def test_what_cannot_be_set(key: str) -> None:
    """gRPC's core has no such buffers; a key that would do nothing is not taken."""
    with pytest.raises(ValidationError, match="Extra inputs are not permitted"):
        options(**{key: 4096})


@pytest.mark.parametrize(
    ("peer", "client"),
    [
        ("ipv4:192.0.2.7:54321", "192.0.2.7"),
        ("ipv6:%5B2001:db8:1:2:3:4:5:6%5D:54321", "2001:db8:1:2::"),
        ("ipv6:[::1]:54321", "::"),
        ("unix:", ""),
    ],
)
def test_peers(peer: str, client: str) -> None:
    """By address, as over HTTP."""
    assert client_of_peer(peer) == client
