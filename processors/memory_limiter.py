"""`memory_limiter`: turns senders away while the process uses too much memory, before the operating system ends it.

Put it first in every pipeline. Above the soft limit (limit − spike) requests are refused before they are read, so that
senders keep them and try again. Before that is decided, memory that nothing uses is given back.
`pipeline/serving/memory_limit.py` says what is measured.
"""

from pipeline.batch import Batch
from pipeline.component import Context, ProcessorSettings
from pipeline.serving.memory_limit import MemoryLimit, MemoryLimitSettings

__all__ = ["MemoryLimiter", "MemoryLimiterSettings"]


class MemoryLimiterSettings(MemoryLimitSettings, ProcessorSettings):
    """The Collector's `memory_limiter` processor."""

    def build(self, context: Context) -> "MemoryLimiter":
        return MemoryLimiter(MemoryLimit(context.id, self))


class MemoryLimiter:
    """Passes batches on as they are, or refuses them; receivers ask it before they read a request."""

    def __init__(self, limit: MemoryLimit) -> None:
        self._limit = limit

    def admit(self) -> None:
        """`pipeline.component.Guard`. Raises: `Refused` above the soft limit."""
        self._limit.admit()

    def process(self, batch: Batch) -> Batch:
        """The batch as it is. Raises: `Refused` above the soft limit."""
        self._limit.admit()
        return batch
