"""Queues in files, for tests."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import structlog

from pipeline.batch import Batch, Signal
from pipeline.queues.file import QueueFile
from pipeline.queues.queue import Merge, Queue, QueueSettings
from pipeline.queues.storage import StorageSettings
from pipeline.telemetry import Telemetry

__all__ = ["Clock", "Kept", "batch", "drained", "kept"]


class Clock:
    def __init__(self, now: float = 0.0) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now


class Kept:
    """A queue in a file of a folder, what it dropped, and its telemetry."""

    def __init__(
        self,
        folder: Path,
        *,
        storage: dict[str, Any] | None = None,
        merge: Merge | None = None,
        clock: Callable[[], float] | None = None,
        wall: Callable[[], float] | None = None,
        **settings: Any,
    ) -> None:
        self.telemetry, self.dropped = Telemetry(), list[tuple[str, str, int]]()
        clock, wall = clock or Clock(), wall or Clock(1e9)
        made = StorageSettings.model_validate({"directory": folder, "reserve": 0, **(storage or {})})
        self.path = made.file("loki")
        self.file = QueueFile("loki", made, self.telemetry, structlog.get_logger(), clock=clock, wall=wall)
        merges = {} if merge is None else dict.fromkeys(Signal, merge)
        self.queue = Queue(
            "loki", QueueSettings.model_validate(settings), merges, self.file, drop=self._drop, clock=clock
        )

    def _drop(self, signal: Signal, reason: str, items: int) -> None:
        self.dropped.append((signal.value, reason, items))

    async def __aenter__(self) -> Queue:
        return await self.queue.__aenter__()

    async def __aexit__(self, *error: Any) -> None:
        await self.queue.__aexit__(None, None, None)

    def metric(self, name: str) -> float | None:
        return self.telemetry.registry.get_sample_value(name, {"exporter": "loki"})


def kept(folder: Path, **settings: Any) -> Kept:
    return Kept(folder, **settings)


def batch(name: str, items: int = 1, signal: Signal = Signal.TRACES, tenant: str = "") -> Batch:
    """A batch to be recognised by its payload; queues look at nothing but the sizes."""
    return Batch(signal, name.encode(), items, tenant)


async def drained(queue: Queue) -> list[str]:
    """Everything in the queue, as text, in the order in which it is handed out."""
    queue.close()
    out = []
    while (lease := await queue.take()) is not None:
        out.append(lease.batch.payload.decode())
        await queue.done(lease)
    return out
