"""Records of a processor in a file: complete after a stop and after a kill, never half."""

import errno
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
import structlog

from pipeline.component import Ending, Record
from pipeline.state import StateFile

RECORDS: list[Record] = [["source", "ab", 7, 1.5], ["output", "cd", None]]


def file(folder: Path) -> StateFile:
    return StateFile(folder, "metrics/a drop_labels/b", structlog.get_logger())


def left(folder: Path) -> tuple[list[Record], Ending]:
    records, ending = file(folder).read()
    return list(records), ending


def written(folder: Path) -> Path:
    (found,) = folder.glob("*.state")
    return found


def killed(folder: Path) -> StateFile:
    """A file that was written to and not ended."""
    state = file(folder)
    assert state.read()[1] is Ending.CLEAN
    state.rewrite(RECORDS[:1])
    state.append(RECORDS[1:])
    state.append([])
    return state


def test_nothing_is_clean(tmp_path: Path) -> None:
    """The first start."""
    assert left(tmp_path / "new" / "folder") == ([], Ending.CLEAN)


def test_a_stop_in_order(tmp_path: Path) -> None:
    """All records, for the daemon's user alone, in a file named after pipeline and component."""
    state = killed(tmp_path)
    state.rewrite(RECORDS * 1000, ended=True)
    state.close()
    assert left(tmp_path) == (RECORDS * 1000, Ending.CLEAN)
    assert written(tmp_path).name == "metrics%2Fa%20drop_labels%2Fb.state"
    assert written(tmp_path).stat().st_mode & 0o777 == 0o600


def test_a_kill(tmp_path: Path) -> None:
    """Whole lines count; one that was cut off had no consequences."""
    killed(tmp_path)
    assert left(tmp_path) == (RECORDS, Ending.KILLED)
    text = written(tmp_path).read_bytes()
    written(tmp_path).write_bytes(text[:-3])
    assert left(tmp_path) == (RECORDS[:1], Ending.KILLED)


def test_the_machine_started_anew(tmp_path: Path) -> None:
    """What was not synced may be missing."""
    killed(tmp_path)
    head, rest = written(tmp_path).read_bytes().split(b"\n", 1)
    written(tmp_path).write_bytes(head + b"x\n" + rest)
    assert left(tmp_path) == (RECORDS, Ending.CRASHED)


@pytest.mark.parametrize("damage", [b"something else\n", b"telescrub-state 1 x\n0000 [[1]]\n0000 [[2]]\n"])
def test_a_damaged_file_is_moved_aside(tmp_path: Path, damage: bytes, capsys: pytest.CaptureFixture[str]) -> None:
    """It is said, and the next start finds nothing."""
    killed(tmp_path)
    written(tmp_path).write_bytes(damage)
    assert left(tmp_path) == ([], Ending.CRASHED)
    assert "damaged; it was moved aside" in capsys.readouterr().out
    assert left(tmp_path) == ([], Ending.CLEAN)
    assert [each.read_bytes() for each in tmp_path.glob("*.damaged")] == [damage]


def test_it_is_written_anew_when_long(tmp_path: Path) -> None:
    """After 16 MiB at the earliest."""
    state = killed(tmp_path)
    assert not state.is_long
    state.append([["x" * 2**20]] * 17)
    assert state.is_long
    state.rewrite(RECORDS)
    assert not state.is_long
    state.close()


@pytest.mark.parametrize("written_bytes", [0, 20])
def test_a_full_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, written_bytes: int) -> None:
    """Nothing is appended to half a line; what is missing is told until all could be written anew."""
    state, room, write = killed(tmp_path), [written_bytes], os.write

    def full(file: int, data: bytes) -> int:
        if not (most := room.pop() if room else 0):
            raise OSError(errno.ENOSPC, "No space left on device")
        return write(file, bytes(data)[:most])

    with monkeypatch.context() as patched:
        patched.setattr(os, "write", full)
        with pytest.raises(OSError, match="No space"):
            state.append([["output", "ef", 1]])
    assert state.is_long
    state.append([["output", "ef", 2]])
    assert left(tmp_path) == (RECORDS, Ending.CRASHED)
    state.rewrite([*RECORDS, ["output", "ef", 3]])
    assert not state.is_long
    state.append([["output", "ef", 4]])
    assert left(tmp_path) == ([*RECORDS, ["output", "ef", 3], ["output", "ef", 4]], Ending.KILLED)
    state.close()


def test_a_folder_can_be_tried(tmp_path: Path) -> None:
    """Before anything depends on it; nothing is left in it, nor taken away of what is being written anew there."""
    StateFile(tmp_path / "new", "all x", structlog.get_logger()).check()
    assert list((tmp_path / "new").iterdir()) == []
    state = killed(tmp_path)

    def meanwhile() -> Iterator[Record]:
        state.check()
        yield RECORDS[0]

    state.rewrite(meanwhile())
    state.close()
    assert left(tmp_path) == (RECORDS[:1], Ending.KILLED)
    (tmp_path / "file").touch()
    with pytest.raises(NotADirectoryError):
        StateFile(tmp_path / "file" / "state", "all x", structlog.get_logger()).check()
