"""What an acknowledgement costs with the queue on disk and in memory: latency from `consume` to its return, and CPU.

python -m bench.queue [FOLDER]

Requests go through the real router into the queue and are taken out again at once, as by a destination that answers
immediately. FOLDER should be on the disk that the queue will be on. Latencies depend on that disk; only ratios within
one run mean anything elsewhere.
"""

import asyncio
import resource
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import structlog
import uvloop
from rich.console import Console
from rich.table import Table

from bench.metrics import Healthy
from bench.payloads import spans
from pipeline.batch import Batch, Signal
from pipeline.component import Context
from pipeline.deadline import Deadline
from pipeline.errors import Refused
from pipeline.queues.file import QueueFile
from pipeline.queues.queue import Merge, Queue, QueueSettings
from pipeline.queues.storage import StorageSettings
from pipeline.router import Destination, Pipeline, Router
from pipeline.telemetry import Telemetry

_ITEMS = 100
_REQUESTS = 4000
_CONCURRENCY = (1, 8, 64)
_MERGE = Merge(size=8192, timeout=0.2)
_KEY = "5a" * 32


@dataclass(frozen=True, slots=True)
class Measured:
    """Of one run: latencies in seconds, sorted; CPU seconds; transactions."""

    latencies: list[float]
    cpu: float
    commits: float

    def quantile(self, share: float) -> float:
        return self.latencies[min(int(share * len(self.latencies)), len(self.latencies) - 1)]


@asynccontextmanager
async def _router(folder: Path | None, key: str | None) -> AsyncIterator[tuple[Router, Telemetry]]:
    telemetry, log = Telemetry(), structlog.get_logger()
    context = Context("bench", telemetry, log, Healthy(), Deadline(1.0))
    store = None
    if folder is not None:
        store = QueueFile(
            "bench", StorageSettings.model_validate({"directory": folder, "encryption_key": key}), telemetry, log
        )
    queue = Queue("bench", QueueSettings(), {Signal.TRACES: _MERGE}, store)
    async with queue, asyncio.TaskGroup() as group:
        senders = [group.create_task(_send(queue)) for _ in range(4)]
        yield Router([Pipeline([], [Destination(context, queue)])], asyncio.Lock()), telemetry
        queue.close()
        await asyncio.gather(*senders)


async def _send(queue: Queue) -> None:
    while (lease := await queue.take()) is not None:
        await queue.done(lease)


async def _measure(folder: Path | None, key: str | None, concurrency: int) -> Measured:
    payload = spans(_ITEMS)
    latencies: list[float] = []
    async with _router(folder, key) as (router, telemetry):

        async def client(requests: int) -> None:
            for _ in range(requests):
                started = time.perf_counter()
                try:
                    await router.consume(Batch(Signal.TRACES, payload, _ITEMS))
                except Refused:
                    await asyncio.sleep(0.01)
                latencies.append(time.perf_counter() - started)

        before = _cpu()
        await asyncio.gather(*(client(_REQUESTS // concurrency) for _ in range(concurrency)))
        cpu = _cpu() - before
        commits = telemetry.registry.get_sample_value("telescrub_queue_commit_seconds_count", {"exporter": "bench"})
    return Measured(sorted(latencies), cpu, commits or 0.0)


def _cpu() -> float:
    """User and system time of all threads: waiting for the disk is none."""
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


async def _main(parent: str | None) -> None:
    size = len(spans(_ITEMS))
    title = f"requests of {_ITEMS} spans, {size >> 10} KiB; {_REQUESTS} each"
    table = Table(
        "queue", "clients", "p50 ms", "p99 ms", "p99.9 ms", "CPU s per million items", "commits per put", title=title
    )
    for concurrency in _CONCURRENCY:
        for name, is_durable, key in (("memory", False, None), ("disk", True, None), ("disk, encrypted", True, _KEY)):
            with tempfile.TemporaryDirectory(dir=parent) as folder:
                found = await _measure(Path(folder) if is_durable else None, key, concurrency)
            quantiles = [f"{found.quantile(share) * 1e3:.2f}" for share in (0.5, 0.99, 0.999)]
            cpu = found.cpu / (len(found.latencies) * _ITEMS) * 1e6
            table.add_row(
                name, str(concurrency), *quantiles, f"{cpu:.2f}", f"{found.commits / len(found.latencies):.2f}"
            )
    Console(width=120).print(table)


if __name__ == "__main__":
    uvloop.run(_main(sys.argv[1] if len(sys.argv) > 1 else None))
