"""The `memory_limiter` extension: what receivers ask, that name it under `middlewares`, before they read a request.

A processor `memory_limiter` that stands first in a pipeline is asked in the same way without being named; the extension
serves receivers whose pipelines have none.
"""

from extensions.unentered import Unentered
from pipeline.component import Context, ExtensionSettings
from pipeline.serving.memory_limit import MemoryLimit, MemoryLimitSettings

__all__ = ["MemoryGuard", "MemoryGuardSettings"]


class MemoryGuardSettings(MemoryLimitSettings, ExtensionSettings):
    """The Collector's `memory_limiter` extension."""

    @property
    def guards(self) -> bool:
        """It can stand under `middlewares`."""
        return True

    def build(self, context: Context) -> "MemoryGuard":
        return MemoryGuard(MemoryLimit(context.id, self))


class MemoryGuard(Unentered):
    """Lets requests in while there is memory for them."""

    def __init__(self, limit: MemoryLimit) -> None:
        self._limit = limit

    def admit(self) -> None:
        """`pipeline.component.Guard`. Raises: `Refused` above the soft limit."""
        self._limit.admit()
