"""A process that puts into a queue file and takes out of it, and says so, until it is killed.

python -m tests.pipeline.queues.child FOLDER TOLD SEED FIRST [PUTS]

Lines in TOLD: `put N` when N has been acknowledged, `taking N` before it is forgotten, `done N` afterwards. Numbers
rise from FIRST. After PUTS of them, with two restarts of the queue in between, it ends.
"""

import asyncio
import os
import random
import sys
from pathlib import Path

from pipeline.queues import file, queue, table
from pipeline.queues.queue import Queue
from tests.payloads import put_released
from tests.pipeline.queues.stored import batch, kept


class Child:
    """Puts by several tasks at once, one task that takes."""

    def __init__(self, told: int, seed: int, first: int) -> None:
        self._told, self._random, self._next = told, random.Random(seed), first

    def tell(self, word: str, number: int) -> None:
        os.write(self._told, f"{word} {number}\n".encode())

    async def run(self, folder: Path, puts: int) -> None:
        async with kept(folder) as waiting, asyncio.TaskGroup() as group:
            taking = group.create_task(self._take(waiting))
            async with asyncio.TaskGroup() as putting:
                for _ in range(4):
                    putting.create_task(self._put(waiting, puts // 4))
            taking.cancel()

    async def _put(self, waiting: Queue, puts: int) -> None:
        for _ in range(puts):
            number = self._next
            self._next += 1
            size = self._random.choice((10, 500, 5_000, 40_000))
            await put_released(waiting, batch(f"{number} " + "x" * size))
            self.tell("put", number)
            if self._random.random() < 0.1:
                await asyncio.sleep(0.01)

    async def _take(self, waiting: Queue) -> None:
        while (lease := await waiting.take()) is not None:
            number = int(lease.batch.payload.split()[0])
            if self._random.random() < 0.2:
                await waiting.put_back(lease)
                await asyncio.sleep(0.002)
                continue
            self.tell("taking", number)
            await waiting.done(lease)
            self.tell("done", number)


def main(folder: str, told: str, seed: str, first: str, puts: str = "1000000") -> None:
    # Small, so that everything happens in a short time.
    table._PRAGMAS += ("wal_autocheckpoint = 20",)
    file._IDLE_SECONDS = 0.005
    queue._WINDOW_BYTES = 50_000
    telling = os.open(told, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    child = Child(telling, int(seed), int(first))
    for _ in range(3):
        asyncio.run(child.run(Path(folder), int(puts) // 3))


if __name__ == "__main__":
    main(*sys.argv[1:])
