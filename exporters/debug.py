"""One log line per batch with its counts, for seeing that data flows. Never what is in it."""

from types import TracebackType
from typing import Literal, Self

import orjson

from pipeline.batch import Batch
from pipeline.component import Context, Encoded, ExporterSettings, Request
from pipeline.queues.queue import QueueSettings

__all__ = ["Debug", "DebugSettings"]


class DebugQueue(QueueSettings):
    """The queue before the log."""

    storage: str = "none"
    """What waits is in memory: a line with counts, for those who watch, is nobody's data."""


class DebugSettings(ExporterSettings):
    """Settings of the `debug` exporter."""

    verbosity: Literal["basic", "normal", "detailed"] = "basic"
    """Taken so that a Collector's file works, but all three show counts only: there `normal` and `detailed` print the
    data, and a log that was left on that way has leaked PHI."""

    sending_queue: DebugQueue = DebugQueue()
    """The queue before the log."""

    def content(self, request: Request) -> Batch:
        """Nothing: its requests are counts."""
        return Batch(request.signal, b"", request.items)

    def build(self, context: Context) -> "Debug":
        return Debug(context)


class Debug:
    """Its destination is the daemon's own log, and a request is the numbers for one line of it."""

    max_request_bytes = 0

    def __init__(self, context: Context) -> None:
        self._log = context.log

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        pass

    def encode(self, batch: Batch) -> Encoded:
        resources = sum(len(repeated) for _, repeated in batch.decode().ListFields())
        counts = {"items": batch.items, "bytes": len(batch.payload), "resources": resources}
        return Encoded([Request(batch.signal, orjson.dumps(counts), batch.items)])

    async def send(self, request: Request) -> int:
        self._log.info("batch", signal=request.signal.value, **orjson.loads(request.body))
        return 0
