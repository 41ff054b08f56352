"""The power goes at any moment: all that was acknowledged is there, whole and in order.

A real process writes a queue file, and what it asks of the disk is recorded. Then the disk is put together as it may be
after a power cut in between, with what was not synced lost, torn or reordered. `TELESCRUB_POWER_CUTS` says how often.
"""

import os
import random
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.pipeline.queues.power_cut import Operation, after_power_cut, operations
from tests.pipeline.queues.told import Told, numbers_in

CUTS = int(os.environ.get("TELESCRUB_POWER_CUTS", "60"))
SEED = int(os.environ.get("TELESCRUB_POWER_CUT_SEED", "1"))
RECORDER = Path(__file__).parent / "recorder.c"


@pytest.fixture(scope="session")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Sequence[Operation]:
    """Everything the child asked of its disk, in order."""
    if shutil.which("gcc") is None or sys.platform != "linux":
        pytest.skip("needs gcc on Linux: what a process writes is recorded by a library that is preloaded")
    folder = tmp_path_factory.mktemp("power")
    library, files, record = folder / "recorder.so", folder / "files", folder / "record"
    files.mkdir()
    subprocess.run(["gcc", "-shared", "-fPIC", "-O1", "-o", library, RECORDER, "-ldl", "-lpthread"], check=True)
    child = [sys.executable, "-m", "tests.pipeline.queues.child"]
    command = [*child, str(files), str(files / "told"), str(SEED), "0", "300"]
    preloaded = {"LD_PRELOAD": str(library), "RECORD_FOLDER": str(files), "RECORD_LOG": str(record)}
    subprocess.run(command, check=True, env={**os.environ, **preloaded})
    return list(operations(record))


def told_before(done: Sequence[Operation], cut: int) -> Told:
    text = b"".join(each.data for each in done[:cut] if each.kind == "a")
    return Told.of(text.splitlines())


def test_the_recording_has_everything(recorded: Sequence[Operation]) -> None:
    """Files are made, written, synced, truncated and removed, and hundreds of acknowledgements stand in between."""
    kinds = [each.kind for each in recorded]
    assert {"a", "w", "s", "t", "c", "u"} <= set(kinds)
    assert kinds.count("a") > 300
    assert ("s", ".") in {(each.kind, each.name) for each in recorded}


def test_power_cuts(recorded: Sequence[Operation], tmp_path: Path) -> None:
    """0 lost, 0 back from the dead, in order, and never a file that has to be salvaged."""
    chance = random.Random(SEED)
    cuts = [chance.randrange(1, len(recorded) + 1) for _ in range(CUTS)]
    for number, (cut, files) in enumerate(after_power_cut(recorded, cuts, chance)):
        folder = tmp_path / str(number)
        folder.mkdir(mode=0o700)
        for name, content in files.items():
            (folder / name).write_bytes(content)
        found, damage = numbers_in(folder)
        assert (told_before(recorded, cut).broken(found), damage) == ({}, ""), f"cut after {cut} operations"
        shutil.rmtree(folder)


def test_the_disk_forgets(recorded: Sequence[Operation], tmp_path: Path) -> None:
    """The simulation would find a queue that does not sync: without syncs, acknowledged entries are lost."""
    without = [each for each in recorded if each.kind != "s" or each.name == "."]
    chance = random.Random(SEED)
    lost = 0
    for cut, files in after_power_cut(without, [len(without) // 3] * 4, chance):
        for name, content in files.items():
            (tmp_path / name).write_bytes(content)
        found, _ = numbers_in(tmp_path)
        lost += len(told_before(without, cut).broken(found).get("lost", []))
        for each in tmp_path.iterdir():
            each.unlink()
    assert lost > 0
