"""The daemon's own page: reports are for callers on the same machine."""

import aiohttp
import pytest

from pipeline.deadline import Deadline
from pipeline.self_metrics import _is_local, serve_self_metrics
from pipeline.telemetry import Telemetry


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


@pytest.mark.parametrize(
    ("address", "local"),
    [("127.0.0.1", True), ("::1", True), ("10.0.0.1", False), ("fe80::1%eth0", False), ("::", False), (None, False)],
)
def test_who_is_local(address: str | None, local: bool) -> None:
    """Loopback addresses alone; of a unix socket nothing is known."""
    assert _is_local(address) is local
