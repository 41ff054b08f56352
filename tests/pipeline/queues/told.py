"""What a `child` told, and whether a queue file keeps what that promises."""

import asyncio
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from pipeline.queues.queue import Merge
from tests.pipeline.queues.stored import drained, kept

__all__ = ["Told", "numbers_in"]


@dataclass
class Told:
    """Numbers that were acknowledged, and of those the ones that were being, or had been, forgotten."""

    put: set[int] = field(default_factory=set)
    taking: set[int] = field(default_factory=set)
    done: set[int] = field(default_factory=set)

    @classmethod
    def of(cls, lines: Iterable[bytes]) -> "Told":
        told = cls()
        for line in lines:
            word, number = line.decode().split()
            getattr(told, word).add(int(number))
        return told

    def broken(self, found: list[int]) -> dict[str, list[int]]:
        """What is not as it was promised, by what it is; empty if all is well."""
        wrong = {
            "lost": sorted(self.put - self.taking - set(found)),
            "came again": sorted(self.done & set(found)),
            "out of order": [] if found == sorted(set(found)) else found,
        }
        return {what: numbers for what, numbers in wrong.items() if numbers}


def numbers_in(folder: Path) -> tuple[list[int], str]:
    """What a queue file hands out, which is then empty, and what was found damaged."""

    async def numbers() -> tuple[list[int], str]:
        made = kept(folder, merge=Merge(size=100))
        async with made as queue:
            out = [int(each) for text in await drained(queue) for each in re.findall(r"(\d+) x+", text)]
        return out, queue.damage or "".join(reason for _, reason, _ in made.dropped)

    return asyncio.run(numbers())
