"""Bytes of a queue file go bad: never a crash, what can be read comes out as it was and in order, the rest is told.

`TELESCRUB_FLIPS` says for how many files.
"""

import asyncio
import os
import random
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from pipeline.batch import Signal
from pipeline.queues.queue import Merge
from tests.payloads import put_released
from tests.pipeline.queues.stored import Clock, batch, drained, kept

SEEDS = int(os.environ.get("TELESCRUB_FLIPS", "120"))
ENTRIES = 60
KEYS = {"encryption_key": "11" * 32}


def name(number: int) -> str:
    return f"{number:03} " + "x" * (number % 7 * 900)


@pytest.fixture(scope="module", params=["plain", "encrypted"])
def killed(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> tuple[Path, dict[str, str]]:
    """The files as a killed daemon leaves them: half of the entries in the file, half in its log."""
    storage = KEYS if request.param == "encrypted" else {}
    running, left = tmp_path_factory.mktemp("running"), tmp_path_factory.mktemp("left") / "files"

    async def put(first: int, last: int) -> None:
        async with kept(running, storage=storage) as queue:
            for number in range(first, last):
                await put_released(queue, batch(name(number)))
            if last == ENTRIES:
                await asyncio.to_thread(shutil.copytree, running, left)

    asyncio.run(put(0, ENTRIES // 2))
    asyncio.run(put(ENTRIES // 2, ENTRIES))
    return left, storage


def flip(path: Path, chance: random.Random) -> None:
    content = bytearray(path.read_bytes())
    for _ in range(chance.choice((1, 1, 2, 10, 100))):
        content[chance.randrange(len(content))] ^= 1 << chance.randrange(8)
    path.write_bytes(content)


def overwrite(path: Path, chance: random.Random) -> None:
    content = bytearray(path.read_bytes())
    start = chance.randrange(len(content))
    length = chance.choice((512, 4096, 20_000))
    content[start : start + length] = chance.randbytes(len(content[start : start + length]))
    path.write_bytes(content)


def cut(path: Path, chance: random.Random) -> None:
    with path.open("r+b") as file:
        file.truncate(chance.randrange(path.stat().st_size))


@pytest.mark.parametrize("suffix", ["", "-wal"])
@pytest.mark.parametrize(("damage", "share"), [(flip, 1.0), (overwrite, 0.25), (cut, 0.25)])
def test_damage(
    killed: tuple[Path, dict[str, str]],
    damage: Callable[[Path, random.Random], None],
    share: float,
    suffix: str,
    tmp_path: Path,
) -> None:
    """Whatever was damaged, and wherever."""
    left, storage = killed
    for seed in range(max(1, int(SEEDS * share / 4))):
        folder = tmp_path / f"files{seed}"
        shutil.copytree(left, folder)
        damage(folder / f"loki.queue{suffix}", random.Random(seed))
        out, dropped, told = asyncio.run(read(folder, storage))
        assert out == sorted(out)
        assert set(out) <= {name(number) for number in range(ENTRIES)}
        is_told = told or ENTRIES - len(out) <= dropped
        # A log that is bad from some place to its end looks as one does when the power goes.
        assert is_told or (suffix == "-wal" and out == [name(number) for number in range(len(out))])
        shutil.rmtree(folder)


async def read(folder: Path, storage: dict[str, str]) -> tuple[list[str], int, str]:
    """What comes out, how many items are counted as lost, and what is told."""
    made = kept(folder, storage=storage, merge=Merge(size=20))
    async with made as queue:
        out = [each for text in await drained(queue) for each in re.findall(r"\d{3} x*", text)]
        assert (queue.size, dict(queue.left())) == (0, {})
        assert {reason for _, reason, _ in made.dropped} <= {"corrupt"}
        assert {signal for signal, _, _ in made.dropped} <= {Signal.TRACES.value}
    return out, sum(items for _, _, items in made.dropped), queue.damage


FLOAT, KEY_OF_NOTHING = 7, 12
"""How SQLite writes the types of two columns: a number, and no bytes (sqlite.org/fileformat2.html, section 2.1)."""


@pytest.mark.parametrize(
    ("was", "becomes", "come"),
    [(FLOAT, 28, ["0", "2"]), (FLOAT, 29, ["0", "2"]), (KEY_OF_NOTHING, 0, ["0", "1", "2"])],
    ids=["the time is bytes", "the time is text", "the key is NULL"],
)
async def test_a_column_is_of_another_type(tmp_path: Path, was: int, becomes: int, come: list[str]) -> None:
    """Which SQLite does not see: the entry counts as damaged, unless what it says is certain nevertheless."""
    made = kept(tmp_path, wall=Clock(1e9 + 0.5))
    async with made as queue:
        for number in range(3):
            await put_released(queue, batch(f"{number} of three"))
    content = bytearray(made.path.read_bytes())
    types = content.rindex(b"traces", 0, content.index(b"1 of three")) - 10
    content[types + content[types:].index(was)] = becomes
    made.path.write_bytes(content)
    async with kept(tmp_path, wall=Clock(1e9 + 0.5)) as queue:
        assert [each[0] for each in await drained(queue)] == come
