"""The health check on a real socket."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import Any

import aiohttp
import pytest
from pydantic import ValidationError

from extensions.health_check import HealthCheckSettings
from pipeline.telemetry import Status, Telemetry
from tests.payloads import context


@dataclass
class Daemon:
    """A daemon whose health changes, and the address of its health check."""

    telemetry: Telemetry
    found: dict[str, str] = field(default_factory=dict)
    url: str = ""

    def problems(self) -> Mapping[str, str]:
        return self.found

    async def get(self, path: str) -> tuple[int, Any]:
        async with aiohttp.ClientSession() as session, session.get(self.url + path) as response:
            return response.status, await response.json()


@asynccontextmanager
async def daemon(path: str = "/") -> AsyncIterator[Daemon]:
    made = context("health_check")
    told = Daemon(made.telemetry)
    settings = HealthCheckSettings(endpoint="127.0.0.1:0", path=path)
    async with settings.build(replace(made, health=told)) as check:
        told.url = f"http://127.0.0.1:{check.port}"
        yield told


@pytest.mark.parametrize("path", ["/", "/readyz"])
async def test_ready_and_not(path: str) -> None:
    """200 when there is no problem, 503 with the problems otherwise."""
    async with daemon() as told:
        assert await told.get(path) == (200, {"status": "available", "problems": {}, "components": {}})
        told.found["service"] = "it is draining before it stops"
        status, body = await told.get(path)
    assert (status, body["status"]) == (503, "unavailable")
    assert body["problems"] == {"service": "it is draining before it stops"}


@pytest.mark.parametrize(
    ("path", "problem"),
    [
        ("health", "a path begins with a slash, such as /health"),
        ("", "a path begins with a slash, such as /health"),
        ("/{health", "braces are not possible in this path"),
    ],
)
def test_a_path_that_is_none(path: str, problem: str) -> None:
    """It is refused when it is read, not when it is to be served."""
    with pytest.raises(ValidationError, match=problem):
        HealthCheckSettings(path=path)


async def test_components() -> None:
    """Each with its status; one that is degraded is said, and keeps no traffic away."""
    statuses = {"loki": Status("ok"), "jaeger": Status("degraded", "the queue has 99 of 100 requests")}
    async with daemon() as told:
        for component in statuses:
            told.telemetry.status(component, lambda component=component: statuses[component])  # type: ignore[misc]
        assert await told.get("/") == (
            200,
            {
                "status": "degraded",
                "problems": {},
                "components": {
                    "loki": {"status": "ok", "message": ""},
                    "jaeger": {"status": "degraded", "message": "the queue has 99 of 100 requests"},
                },
            },
        )
        statuses["loki"] = Status("failed", "it is gone")
        status, body = await told.get("/readyz")
    assert (status, body["status"], body["problems"]) == (503, "unavailable", {"loki": "it is gone"})


async def test_alive() -> None:
    """The process is not to be started anew for what is wrong elsewhere, nor while it starts or drains."""
    async with daemon() as told:
        told.found["service"] = "it is starting"
        told.telemetry.status("loki", lambda: Status("failed", "it is gone"))
        assert await told.get("/livez") == (200, {"status": "alive"})


async def test_a_path_of_its_own() -> None:
    """As in the Collector; the others stay."""
    async with daemon("/health/status") as told:
        assert [(await told.get(path))[0] for path in ("/health/status", "/readyz", "/livez")] == [200, 200, 200]
