"""The writer: chained rows on disk, files that follow each other, and what it does when it finds something odd."""

import errno
import os
import stat
from pathlib import Path

import orjson
import pytest

from audit import rows
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


def test_moved_away_while_it_is_written(tmp_path: Path) -> None:
    """Rows are not written into a file that nobody can find."""
    writer = opened(tmp_path, Clock())
    only_file(tmp_path).rename(tmp_path / "elsewhere")
    with pytest.raises(OSError, match="was moved or removed while it was written"):
        writer.append([redaction()])
    writer.close()
