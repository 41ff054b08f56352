"""The extension `memory_limiter` is a guard that receivers can name."""

import asyncio

import pytest

from config.errors import ConfigError
from config.load import load
from config.yaml_source import Source
from extensions.memory_limiter import MemoryGuard, MemoryGuardSettings
from pipeline.__main__ import catalogue
from pipeline.component import Guard
from pipeline.errors import Refused
from pipeline.serving.memory_limit import MemoryLimit
from tests.payloads import context


async def test_is_built_as_a_guard() -> None:
    """It has nothing to start, and lets requests in while there is memory."""
    settings = MemoryGuardSettings(limit_percentage=100, spike_limit_percentage=1)
    built = await asyncio.to_thread(settings.build, context("memory_limiter"))
    assert isinstance(built, Guard)
    async with built as entered:
        entered.admit()


def test_refuses() -> None:
    """In the words of the processor."""
    limit = MemoryLimit("memory_limiter/2", MemoryGuardSettings(limit_mib=10), used=lambda: 9 * 2**20)
    with pytest.raises(Refused, match="memory_limiter/2: the process uses 9 MiB of memory and refuses"):
        MemoryGuard(limit).admit()


CONFIG = """\
receivers: {otlp: {protocols: {http: {middlewares: [{id: %s}]}}}}
processors: {redact_phi: }
exporters: {debug: }
extensions: {memory_limiter: {limit_percentage: 80}, memory_limiter/2: {limit_percentage: 80}, health_check: }
service:
  extensions: [memory_limiter, health_check]
  pipelines: {traces: {receivers: [otlp], processors: [redact_phi], exporters: [debug]}}
"""


@pytest.mark.parametrize(
    ("named", "problem"),
    [
        (
            "memory_limter",
            "the extension 'memory_limter' is not defined under extensions; did you mean 'memory_limiter'?",
        ),
        ("memory_limiter/2", "the extension 'memory_limiter/2' is defined, but service::extensions does not name it"),
        ("health_check", "the extension 'health_check' cannot turn requests away, which is asked of it here; those"),
    ],
)
def test_middlewares_that_are_none(named: str, problem: str) -> None:
    """A receiver names extensions that are there, run, and can do it; anything else has its line and column."""
    with pytest.raises(ConfigError) as caught:
        load([Source("a.yaml", CONFIG % named)], catalogue(), {})
    place = "a.yaml:1:58: receivers::otlp::protocols::http::middlewares::0::id: "
    assert str(caught.value).startswith(place + problem)


def test_middlewares() -> None:
    """The example of the documentation."""
    load([Source("a.yaml", CONFIG % "memory_limiter")], catalogue(), {})
