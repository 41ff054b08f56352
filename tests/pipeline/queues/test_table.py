"""The file of a queue: what it takes to open it, and how it gets shorter."""

import os
from pathlib import Path

from pipeline.batch import Batch, Signal
from pipeline.queues.seal import Sealer
from pipeline.queues.table import Change, QueueTable

MIB = 2**20


def filled(path: Path, count: int) -> tuple[QueueTable, list[int]]:
    """A file with so many entries of 1 MiB, and their numbers."""
    table, sealer = QueueTable(path), Sealer(None, [])
    first = table.begin_run(b"")
    numbers = [first + each for each in range(1, count + 1)]
    for number in numbers:
        batch = Batch(Signal.TRACES, os.urandom(MIB), 1)
        table.commit([Change((), sealer.seal(number, batch, 0.0, 0.0))])
    return table, numbers


def test_space_is_given_back_in_steps(tmp_path: Path) -> None:
    """Of 1 MiB each; at the end the file is as short as it was."""
    path = tmp_path / "x.queue"
    QueueTable(path).close()
    before = path.stat().st_size
    table, numbers = filled(path, 8)
    table.commit([Change(numbers)])
    steps = 1
    while table.tidy():
        steps += 1
    assert steps <= 10
    assert (path.stat().st_size, path.with_name("x.queue-wal").stat().st_size) == (before, 0)
    table.close()


def test_space_that_is_not_worth_it(tmp_path: Path) -> None:
    """Nothing is done where less is unused than was asked for."""
    table, numbers = filled(tmp_path / "x.queue", 2)
    table.commit([Change(numbers)])
    assert table.tidy(4096)
    assert table.tidy(0)
    table.close()


def test_opening_writes_nothing(tmp_path: Path) -> None:
    """A file that is there is opened without a write, which a full disk would not allow."""
    path = tmp_path / "x.queue"
    table, _ = filled(path, 1)
    log = path.with_name("x.queue-wal")
    before = log.read_bytes()
    again = QueueTable(path)
    assert log.read_bytes() == before
    assert again.next_run() == 2 << QueueTable.run_bits
    again.close()
    table.close()
