"""The health check on a real socket."""

from collections.abc import Mapping
from dataclasses import replace

import aiohttp

from extensions.health_check import HealthCheckSettings
from tests.payloads import context


class Changing:
    def __init__(self) -> None:
        self.found: dict[str, str] = {}

    def problems(self) -> Mapping[str, str]:
        return self.found


async def test_ready_and_not() -> None:
    """200 when there is no problem, 503 with the problems otherwise."""
    health = Changing()
    settings = HealthCheckSettings(endpoint="127.0.0.1:0")
    async with (
        settings.build(replace(context("health_check"), health=health)) as check,
        aiohttp.ClientSession() as session,
    ):
        async with session.get(f"http://127.0.0.1:{check.port}/") as response:
            assert (response.status, await response.json()) == (200, {"status": "available", "problems": {}})
        health.found["loki"] = "it is draining before it stops"
        async with session.get(f"http://127.0.0.1:{check.port}/") as response:
            assert response.status == 503
            assert (await response.json())["problems"] == {"loki": "it is draining before it stops"}
