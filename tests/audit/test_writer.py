"""The writer: chained rows on disk, files that follow each other, and what it does when it finds something odd."""

import errno
import os
import stat
from pathlib import Path

import orjson
import pytest

from audit import rows
from audit.chain import Chain
from audit.head import HEAD_NAME, read_head
from audit.verify import verify
from audit.writer import Found, Writer
from tests.audit.ledgers import KEY, Clock, only_file, opened, redaction, written


def kinds(folder: Path) -> list[list[str]]:
    """The kinds of rows, by file."""
    return [
        [orjson.loads(line)["kind"] for line in file.read_bytes().splitlines()]
        for file in sorted(folder.glob("ledger-*.jsonl"))
    ]


def test_a_row(tmp_path: Path) -> None:
    """What stands in a file, and nothing else."""
    line = only_file(written(tmp_path)).read_bytes().splitlines()[2]
    row = orjson.loads(line)
    assert len(row.pop("mac")) == 64
    assert row == {
        "time": "2026-03-02T06:02:00.000000Z",
        "sequence": 3,
        "kind": "redaction",
        "pipeline": "traces",
        "component": "redact_phi",
        "signal": "traces",
        "rule": "ssn",
        "action": "mask",
        "place": "Span.attributes",
        "epoch": "",
        "version": 2,
        "count": 3,
        "batches": 2,
        "digest": "b" * 64,
        "rules_digest": "d" * 64,
    }


def test_only_for_the_owner(tmp_path: Path) -> None:
    """Nobody else may read the folder or a file in it."""
    folder = written(tmp_path / "audit")
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in (folder, *folder.iterdir())}
    assert modes == {"audit": 0o700, "ledger-000001.jsonl": 0o600, "ledger.head": 0o600}


def test_files_follow_each_other(tmp_path: Path) -> None:
    """A full file is followed by one that begins with where the last one ended."""
    folder = written(tmp_path, max_bytes=1)
    assert kinds(folder) == [
        ["start", "config"],
        ["anchor", "redaction", "redaction"],
        ["anchor", "drop"],
        ["anchor", "stop"],
    ]
    assert verify([folder], KEY).problems == []


def test_over_restarts(tmp_path: Path) -> None:
    """The chain goes on, also where a run ended right after a file was full."""
    clock = Clock()
    for _ in range(3):
        writer = opened(tmp_path, clock, max_bytes=1)
        writer.append([rows.stop()])
        writer.close()
    verdict = verify([tmp_path], KEY)
    assert (verdict.problems, verdict.gaps) == ([], [])


def test_a_torn_row(tmp_path: Path) -> None:
    """What a crash left of a row is cut off and counted; the chain goes on after the last whole row."""
    file = only_file(written(tmp_path))
    with file.open("ab") as torn:
        torn.write(b'{"time":"2026')
    writer = opened(tmp_path, Clock())
    assert writer.found == Found("whole", 13)
    writer.close()
    assert verify([tmp_path], KEY).problems == []


def test_a_torn_first_row_of_a_file(tmp_path: Path) -> None:
    """The same where the new file holds nothing else."""
    writer = opened(tmp_path, Clock())
    end = writer.end
    writer.close()
    (tmp_path / "ledger-000002.jsonl").write_bytes(b'{"time"')
    writer = Writer(tmp_path, KEY, 2**20, Clock())
    assert (writer.end, writer.found) == (end, Found("whole", 7))
    writer.append([rows.stop()])
    writer.close()
    assert kinds(tmp_path) == [["start", "config"], ["anchor", "stop"]]
    assert verify([tmp_path], KEY).problems == []


@pytest.mark.parametrize(
    ("head", "state"),
    [(None, "head missing"), (b"", "head missing"), (b'{"sequence":6}\n', "head changed")],
)
def test_the_head_was_touched(tmp_path: Path, head: bytes | None, state: str) -> None:
    """The next run says so."""
    path = written(tmp_path) / "ledger.head"
    path.unlink() if head is None else path.write_bytes(head)
    writer = Writer(tmp_path, KEY, 2**20)
    assert writer.found.state == state
    writer.close()


def test_another_end(tmp_path: Path) -> None:
    """A ledger whose last row is not the one the head names."""
    first, second = tmp_path / "first", written(tmp_path / "second")
    writer = opened(first, Clock("2026-04-01T00:00:00Z"))
    writer.append([redaction(), redaction(), redaction(), rows.stop()])
    writer.close()
    (first / "ledger.head").write_bytes((second / "ledger.head").read_bytes())
    writer = Writer(first, KEY, 2**20)
    assert writer.found.state == "end changed"
    writer.close()


def test_one_writer_only(tmp_path: Path) -> None:
    """A second one is turned away with a sentence."""
    first = opened(tmp_path, Clock())
    with pytest.raises(OSError, match=f"another process writes the audit ledger in {tmp_path}"):
        Writer(tmp_path, KEY, 2**20)
    first.close()
    Writer(tmp_path, KEY, 2**20).close()


def test_another_key(tmp_path: Path) -> None:
    """A ledger keeps its key."""
    written(tmp_path)
    with pytest.raises(OSError, match=r"was changed, or made with another service\.audit\.key"):
        Writer(tmp_path, None, 2**20)


def test_a_full_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Half a row is taken back, and the next attempt goes on as though nothing had been."""
    writer = opened(tmp_path, Clock())
    before, real = only_file(tmp_path).read_bytes(), os.write
    calls = []

    def full(file: int, data: memoryview) -> int:
        calls.append(len(data))
        if len(calls) > 1:
            raise OSError(errno.ENOSPC, "No space left on device")
        return real(file, data[:10])

    with monkeypatch.context() as patched:
        patched.setattr(os, "write", full)
        with pytest.raises(OSError, match="No space left"):
            writer.append([redaction()])
    assert only_file(tmp_path).read_bytes() == before
    writer.append([redaction()])
    writer.close()
    assert verify([tmp_path], KEY).problems == []


def test_a_further_file_cannot_be_opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each attempt says why, until it can; then the rows go on as though nothing had been."""

    def no_more(*_: object) -> int:
        raise OSError(errno.EMFILE, "Too many open files")

    writer = opened(tmp_path, Clock(), max_bytes=1)
    with monkeypatch.context() as patched:
        patched.setattr(os, "open", no_more)
        for _ in range(2):
            with pytest.raises(OSError, match="Too many open files"):
                writer.append([redaction()])
    writer.append([redaction()])
    writer.close()
    assert kinds(tmp_path) == [["start", "config"], ["anchor", "redaction"]]
    assert verify([tmp_path], KEY).problems == []


def test_the_head_cannot_be_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The rows are on disk and are not to be written again; the head follows with the next ones."""

    def broken(*_: object) -> int:
        raise OSError(errno.EIO, "Input/output error")

    writer = opened(tmp_path, Clock())
    before = writer.end
    with monkeypatch.context() as patched:
        patched.setattr(os, "pwrite", broken)
        writer.append([redaction()])
    assert (writer.end.sequence, str(writer.head_failure)) == (3, "[Errno 5] Input/output error")
    assert read_head(tmp_path, writer.chain) == before
    assert verify([tmp_path], KEY).problems == []
    writer.append([rows.stop()])
    writer.close()
    assert (writer.head_failure, read_head(tmp_path, writer.chain)) == (None, writer.end)
    assert kinds(tmp_path) == [["start", "config", "redaction", "stop"]]


class Disk:
    """What is left of a folder if the power goes: the files it was synced with, as they were when they were synced."""

    def __init__(self, folder: Path) -> None:
        self._folder, self._sync = folder, os.fsync
        self._names: list[str] = []
        self._texts: dict[str, bytes] = {}
        self.states: list[dict[str, bytes]] = []

    def fsync(self, file: int) -> None:
        self._sync(file)
        if stat.S_ISDIR(os.fstat(file).st_mode):
            self._names = [path.name for path in self._folder.iterdir()]
        else:
            (path,) = (each for each in self._folder.iterdir() if each.stat().st_ino == os.fstat(file).st_ino)
            self._texts[path.name] = path.read_bytes()
        self.states.append({name: self._texts.get(name, b"") for name in self._names})


def test_a_power_cut(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whenever the power goes, nobody is accused of anything; and what was appended is there."""
    disk = Disk(tmp_path / "audit")
    with monkeypatch.context() as patched:
        patched.setattr(os, "fsync", disk.fsync)
        folder = written(tmp_path / "audit", max_bytes=1)
    for number, state in enumerate(disk.states):
        left = tmp_path / str(number)
        left.mkdir()
        for name, text in state.items():
            (left / name).write_bytes(text)
        has_rows = any(text for name, text in state.items() if name != HEAD_NAME)
        if has_rows:
            assert verify([left], KEY).problems == []
        writer = opened(left, Clock())
        writer.close()
        assert writer.found == Found("whole" if has_rows else "new", 0)
        assert verify([left], KEY).problems == []
    files = {path.name: path.read_bytes() for path in folder.iterdir()}
    assert disk.states[-1] | {HEAD_NAME: b""} == files | {HEAD_NAME: b""}


def test_a_power_cut_after_the_head_was_made_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """That it had been missing is said once."""
    (written(tmp_path) / HEAD_NAME).unlink()
    disk = Disk(tmp_path)
    monkeypatch.setattr(os, "fsync", disk.fsync)
    writer = opened(tmp_path, Clock())
    end = writer.end
    writer.close()
    (tmp_path / HEAD_NAME).write_bytes(disk.states[-1][HEAD_NAME])
    assert (writer.found.state, read_head(tmp_path, Chain(KEY))) == ("head missing", end)


def test_a_power_cut_while_the_head_grows(tmp_path: Path) -> None:
    """Of a text that is longer than the one before, the disk may have only the text or only the size."""
    chain, heads = Chain(KEY), []
    writer = opened(tmp_path, Clock())
    for count in (7, 1):
        writer.append([redaction()] * count)
        heads.append((writer.end, (tmp_path / HEAD_NAME).read_bytes()))
    writer.close()
    (ninth, before), (tenth, after) = heads
    assert (ninth.sequence, tenth.sequence, len(after) - len(before)) == (9, 10, 1)
    for text, end in ((after[: len(before)], tenth), (before + b"\0", ninth), (b"\0" * len(after), "missing")):
        (tmp_path / HEAD_NAME).write_bytes(text)
        assert read_head(tmp_path, chain) == end


def test_a_folder_that_cannot_be_synced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Some network file systems have no such thing; a ledger is written there all the same."""
    sync = os.fsync

    def files_only(file: int) -> None:
        if stat.S_ISDIR(os.fstat(file).st_mode):
            raise OSError(errno.EINVAL, "Invalid argument")
        sync(file)

    monkeypatch.setattr(os, "fsync", files_only)
    assert verify([written(tmp_path, max_bytes=1)], KEY).problems == []


def test_moved_away_while_it_is_written(tmp_path: Path) -> None:
    """Rows are not written into a file that nobody can find."""
    writer = opened(tmp_path, Clock())
    only_file(tmp_path).rename(tmp_path / "elsewhere")
    with pytest.raises(OSError, match="was moved or removed while it was written"):
        writer.append([redaction()])
    writer.close()
