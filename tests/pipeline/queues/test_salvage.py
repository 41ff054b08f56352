"""A salvage that is interrupted is finished or done again; what a log holds is found without SQLite too."""

import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

from pipeline.queues.salvage import finish_salvage, salvage
from pipeline.queues.seal import Sealer
from pipeline.queues.table import Change, QueueTable
from pipeline.queues.wal import apply_log, is_log_damaged, log_of
from tests.pipeline.queues.stored import batch


def written(path: Path, count: int) -> QueueTable:
    table = QueueTable(path)
    for number in range(1, count + 1):
        table.commit([Change(added=Sealer().seal(number, batch(f"{number}"), 1e9, 0.0))])
    return table


def numbers(path: Path) -> list[int]:
    with closing(sqlite3.connect(path)) as connection:
        return [number for (number,) in connection.execute("SELECT number FROM entry ORDER BY number")]


def test_everything_is_kept_of_a_whole_file(tmp_path: Path) -> None:
    """Also what is in its log alone; the old file is still there, and nothing else."""
    path = tmp_path / "a.queue"
    table = written(tmp_path / "other", 20)
    shutil.copy(tmp_path / "other", path)
    shutil.copy(log_of(tmp_path / "other"), log_of(path))
    table.close()
    (tmp_path / "other").unlink()
    salvaged = salvage(path, Sealer())
    assert (salvaged.kept, list(salvaged.lost)) == (20, [])
    assert numbers(path) == list(range(1, 21))
    assert {each.name for each in tmp_path.iterdir()} == {path.name, salvaged.aside.name, log_of(salvaged.aside).name}


def test_interrupted_before_the_damaged_file_was_moved(tmp_path: Path) -> None:
    """The new file may lack something: it goes, and the damaged one stays to be salvaged again."""
    path = tmp_path / "a.queue"
    written(path, 3).close()
    written(tmp_path / "a.queue.new", 1).close()
    finish_salvage(path)
    assert numbers(path) == [1, 2, 3]
    assert not (tmp_path / "a.queue.new").exists()


def test_interrupted_after_the_damaged_file_was_moved(tmp_path: Path) -> None:
    """The new file is complete, and takes its place."""
    path = tmp_path / "a.queue"
    written(tmp_path / "a.queue.new", 3).close()
    finish_salvage(path)
    assert numbers(path) == [1, 2, 3]


def test_a_log_is_read_as_sqlite_reads_it(tmp_path: Path) -> None:
    """With its frames copied into the file by hand, the file has what SQLite finds."""
    table = written(tmp_path / "a.queue", 20)
    shutil.copy(tmp_path / "a.queue", tmp_path / "copy")
    apply_log(log_of(tmp_path / "a.queue"), tmp_path / "copy")
    assert not is_log_damaged(log_of(tmp_path / "a.queue"))
    table.close()
    assert numbers(tmp_path / "copy") == numbers(tmp_path / "a.queue") == list(range(1, 21))


def test_damage_in_a_log(tmp_path: Path) -> None:
    """A bad byte before the last transaction is damage; in the last one it is what a power cut leaves."""
    table = written(tmp_path / "a.queue", 20)
    content = log_of(tmp_path / "a.queue").read_bytes()
    table.close()
    for place, is_damaged in ((len(content) // 2, True), (len(content) - 10, False)):
        log = tmp_path / f"log{place}"
        log.write_bytes(content[:place] + bytes([content[place] ^ 1]) + content[place + 1 :])
        assert is_log_damaged(log) is is_damaged
