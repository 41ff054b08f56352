"""Certificates of gRPC servers that change while they run."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import grpc
import pytest

from config.tls import ServerTls
from pipeline.batch import Signal
from receivers.grpc_tls import server_credentials
from receivers.intake import Intake
from receivers.otlp_grpc import OtlpGrpcServer, OtlpGrpcSettings
from tests.authority import Authority
from tests.payloads import context
from tests.receivers.consuming import Consuming


@asynccontextmanager
async def server(tls: dict[str, Any]) -> AsyncIterator[int]:
    settings = OtlpGrpcSettings.model_validate({"endpoint": "127.0.0.1:0", "tls": {**tls, "reload_interval": "1ns"}})
    async with OtlpGrpcServer(settings, Intake(context("otlp"), "grpc", {Signal.TRACES: Consuming()})) as listening:
        yield listening.port


async def is_served(port: int, trusted: Authority, pair: dict[str, str] | None = None) -> bool:
    """Whether the server and a client take each other."""
    files = trusted.grpc_client(pair)
    async with grpc.aio.secure_channel(f"localhost:{port}", files) as channel:
        try:
            await channel.unary_unary(Signal.TRACES.method)(b"")
        except grpc.aio.AioRpcError as error:
            if error.code() is not grpc.StatusCode.UNAVAILABLE:
                raise
            return False
    return True


async def test_new_certificates(tmp_path: Path) -> None:
    """The next connection gets them; broken files change nothing."""
    old, new = Authority(tmp_path, "old"), Authority(tmp_path, "new")
    async with server(old.issue("server")) as port:
        assert (await is_served(port, old), await is_served(port, new)) == (True, False)
        new.issue("server")
        assert (await is_served(port, old), await is_served(port, new)) == (False, True)
        new.spoil("server")
        assert (await is_served(port, old), await is_served(port, new)) == (False, True)


async def test_new_authorities(tmp_path: Path) -> None:
    """Clients of an authority that is no longer named are refused."""
    ours, theirs = Authority(tmp_path, "ours"), Authority(tmp_path, "theirs")
    one, other = ours.issue("one"), theirs.issue("other")
    async with server({**ours.issue("server"), "client_ca_file": str(ours.file)}) as port:
        assert (await is_served(port, ours, one), await is_served(port, ours, other)) == (True, False)
        ours.trust(theirs)
        assert (await is_served(port, ours, one), await is_served(port, ours, other)) == (False, True)


async def test_client_certificates_expire(tmp_path: Path) -> None:
    """A certificate of the right authority is refused when its time is over; so is having none."""
    ours = Authority(tmp_path)
    async with server({**ours.issue("server"), "client_ca_file": str(ours.file)}) as port:
        assert await is_served(port, ours, ours.issue("one"))
        assert not await is_served(port, ours, ours.issue("one", days=-1))
        assert not await is_served(port, ours)


def test_files_that_are_no_use(tmp_path: Path) -> None:
    """Are told by their names at once, which gRPC would do when somebody connects."""
    ours = Authority(tmp_path)
    tls = ServerTls.model_validate(ours.issue("server"))
    ours.spoil("server")
    with pytest.raises(OSError, match="are not a certificate and its key in PEM"):
        server_credentials(tls, print)
