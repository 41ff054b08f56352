"""`memory_limiter` refuses batches, and requests before they are read, by a memory limit."""

import pytest

from pipeline.batch import Batch, Signal
from pipeline.component import Guard
from pipeline.errors import Refused
from pipeline.serving.memory_limit import MemoryLimit
from processors.memory_limiter import MemoryLimiter, MemoryLimiterSettings
from tests.payloads import context

BATCH = Batch(Signal.TRACES, b"", 0)


def limiter(used_mib: int) -> MemoryLimiter:
    settings = MemoryLimiterSettings(limit_mib=100)
    return MemoryLimiter(MemoryLimit("memory_limiter", settings, used=lambda: used_mib * 2**20))


def test_passes_batches_on() -> None:
    """As they are."""
    assert limiter(80).process(BATCH) is BATCH


def test_refuses() -> None:
    """Batches, and requests of which nothing is known yet, by the same limit."""
    tested = limiter(81)
    with pytest.raises(Refused, match="memory_limiter: the process uses 81 MiB of memory"):
        tested.process(BATCH)
    with pytest.raises(Refused, match="memory_limiter: the process uses 81 MiB of memory"):
        tested.admit()


def test_is_built_as_a_guard() -> None:
    """So that receivers ask it."""
    built = MemoryLimiterSettings(limit_percentage=100, spike_limit_percentage=1).build(context("memory_limiter"))
    assert isinstance(built, Guard)
    assert built.process(BATCH) is BATCH
