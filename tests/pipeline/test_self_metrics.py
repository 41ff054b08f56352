"""The daemon's own page: reports are for callers on the same machine, and not for web pages there."""

from pathlib import Path

import aiohttp
import pytest

from config.tls import ServerTls
from extensions.bearer_token_auth import BearerTokenAuthSettings
from pipeline.deadline import Deadline
from pipeline.self_metrics import _is_local, serve_self_metrics
from pipeline.telemetry import Telemetry
from tests.authority import Authority
from tests.payloads import context


async def test_reports() -> None:
    """All of a sort, by component and pipeline; none of a sort that nobody offers."""
    telemetry = Telemetry()
    telemetry.report("sizes", "a", "metrics", lambda: {"x": 1})
    telemetry.report("sizes", "a", "metrics/2", lambda: {"x": 2})
    async with (
        serve_self_metrics(telemetry, "127.0.0.1", 0, Deadline(1.0)) as port,
        aiohttp.ClientSession(f"http://127.0.0.1:{port}") as session,
    ):

        async def told(sort: str) -> object:
            async with session.get(f"/reports/{sort}") as answer:
                return await answer.json()

        assert await told("sizes") == [
            {"component": "a", "pipeline": "metrics", "report": {"x": 1}},
            {"component": "a", "pipeline": "metrics/2", "report": {"x": 2}},
        ]
        assert await told("others") == []


async def test_for_known_readers_over_tls(tmp_path: Path) -> None:
    """With an authenticator nothing is shown to others, and with TLS not in plain text; under whatever name the machine
    is known."""
    authority = Authority(tmp_path)
    tls = ServerTls.model_validate(authority.issue("server"))
    known = BearerTokenAuthSettings.model_validate({"token": "synthetic-token"}).build(context("known"))
    async with (
        serve_self_metrics(Telemetry(), "127.0.0.1", 0, Deadline(1.0), tls=tls, authenticator=known) as port,
        aiohttp.ClientSession(
            f"https://localhost:{port}", connector=aiohttp.TCPConnector(ssl=authority.client())
        ) as session,
    ):
        for path in ("/metrics", "/metrics/summary", "/reports/sizes"):
            async with session.get(path) as answer:
                assert (answer.status, answer.headers["WWW-Authenticate"]) == (401, 'Bearer realm="telescrub"')
                assert await answer.text() == "credentials are missing; send them in the header Authorization\n"
            headers = {"Authorization": "Bearer synthetic-token", "Host": "telescrub.example"}
            async with session.get(path, headers=headers) as answer:
                assert answer.status == 200
        async with aiohttp.ClientSession() as plain:
            with pytest.raises(aiohttp.ClientError):
                await plain.get(f"http://localhost:{port}/metrics")


@pytest.mark.parametrize(
    "headers",
    [{"Host": "attacker.example"}, {"Host": "attacker.example:8888"}, {"Origin": "null"}, {"Sec-Fetch-Site": "none"}],
)
async def test_web_pages_read_no_report(headers: dict[str, str]) -> None:
    """Also not those of a domain whose name its owner lets point to this machine. The numbers are no secret there."""
    telemetry = Telemetry()
    telemetry.report("sizes", "a", "metrics", lambda: {"x": 1})
    async with (
        serve_self_metrics(telemetry, "127.0.0.1", 0, Deadline(1.0)) as port,
        aiohttp.ClientSession(f"http://127.0.0.1:{port}", headers=headers) as session,
    ):
        async with session.get("/reports/sizes") as answer:
            assert answer.status == 403
            assert "x" not in await answer.json()
        async with session.get("/metrics") as answer:
            assert answer.status == 200


@pytest.mark.parametrize(
    ("address", "local"),
    [("127.0.0.1", True), ("::1", True), ("10.0.0.1", False), ("fe80::1%eth0", False), ("::", False), (None, False)],
)
def test_who_is_local(address: str | None, local: bool) -> None:
    """Loopback addresses alone; of a unix socket nothing is known."""
    assert _is_local(address) is local
