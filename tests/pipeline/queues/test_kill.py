"""`kill -9` at any moment: nothing acknowledged is lost, nothing forgotten comes again, and the order is kept.

`TELESCRUB_KILLS` says how often.
"""

import os
import random
import subprocess
import sys
from pathlib import Path

from tests.pipeline.queues.told import Told, numbers_in

ROUNDS = int(os.environ.get("TELESCRUB_KILLS", "4"))


def test_kill(tmp_path: Path) -> None:
    """Killed after a random number of lines, again and again, in the same folder."""
    chance = random.Random(1)
    first = 0
    for round_number in range(ROUNDS):
        lines = told_until_killed(tmp_path, round_number, first, chance.randrange(1, 400))
        told = Told.of(lines)
        found, damage = numbers_in(tmp_path)
        assert (told.broken(found), damage) == ({}, "")
        first = max([first, *told.put, *found]) + 1000


def told_until_killed(folder: Path, seed: int, first: int, lines: int) -> list[bytes]:
    """Run the child until it has told so many lines; all it told."""
    command = [sys.executable, "-m", "tests.pipeline.queues.child", str(folder), "/dev/stdout", str(seed), str(first)]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as child:
        assert child.stdout is not None
        told = [child.stdout.readline() for _ in range(lines)]
        child.kill()
        told += child.stdout.readlines()
    return [line for line in told if line.endswith(b"\n")]
