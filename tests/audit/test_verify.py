"""`verify` finds whatever was done to a ledger, and says what it cannot find."""

import copy
import io
import os
from pathlib import Path

import pytest

from audit import rows
from audit.chain import Anchor, Chain, parse
from audit.chain import written as as_bytes
from audit.verify import Verdict, _Check, verify
from tests.audit.ledgers import KEY, Clock, only_file, opened, redaction, written


def sentences(verdict: Verdict) -> list[str]:
    return [f"{Path(problem.file).name}:{problem.line}: {problem.sentence}" for problem in verdict.problems]


def after(folder: Path, change: "list[int]", key: bytes | None = KEY) -> list[str]:
    """The problems of a ledger of six rows of which these remain, in this order."""
    file = only_file(written(folder, key))
    lines = file.read_bytes().splitlines(keepends=True)
    file.write_bytes(b"".join(lines[number - 1] for number in change))
    return sentences(verify([folder], key))


def test_a_whole_ledger(tmp_path: Path) -> None:
    """No problem, every row read, the end known."""
    verdict = verify([written(tmp_path)], KEY)
    assert (verdict.problems, verdict.gaps, verdict.rows) == ([], [], 6)
    assert verdict.end is not None
    assert verdict.end.sequence == 6


@pytest.mark.parametrize(
    ("left", "problems"),
    [
        ([1, 2, 4, 5, 6], ["ledger-000001.jsonl:3: row 3 is missing"]),
        (
            [1, 2, 4, 3, 5, 6],
            [
                "ledger-000001.jsonl:3: row 3 is missing",
                "ledger-000001.jsonl:4: row 3 stands here again or out of order; row 5 was expected",
                "ledger-000001.jsonl:5: row 4 is missing",
            ],
        ),
        (
            [1, 2, 3, 3, 4, 5, 6],
            ["ledger-000001.jsonl:4: row 3 stands here again or out of order; row 4 was expected"],
        ),
        (
            [1, 2, 3, 4],
            ["ledger.head:0: ledger.head names row 6, but the ledger ends with row 4: it is cut off"],
        ),
        ([2, 3, 4, 5, 6], ["ledger-000001.jsonl:1: row 1 is missing"]),
        (
            [],
            [
                "ledger:0: there is no row of a ledger here",
                "ledger.head:0: ledger.head names row 6, but the ledger ends with row 0: it is cut off",
            ],
        ),
    ],
    ids=["removed", "reordered", "duplicated", "cut off", "beheaded", "emptied"],
)
def test_rows_that_are_not_as_they_were(tmp_path: Path, left: list[int], problems: list[str]) -> None:
    """Each is named with its place."""
    assert after(tmp_path / "ledger", left) == problems


def test_every_single_bit(tmp_path: Path) -> None:
    """A ledger with any one bit of any row changed is found out.

    What stands before the changed row is checked once, and what stands after it only if the row itself passes; one bit
    in a hundred is changed in the file as well.
    """
    folder = written(tmp_path, KEY, max_bytes=1)
    files = sorted(folder.glob("ledger-*.jsonl"))
    assert len(files) == 4
    undetected = []
    before = _Check(Chain(KEY), set())
    for file in files:
        whole = file.read_bytes()
        start = 0
        for row in whole.splitlines(keepends=True):
            for bit in range(start * 8, (start + len(row)) * 8):
                changed = bytearray(whole)
                changed[bit // 8] ^= 1 << bit % 8
                if not fails(copy.deepcopy(before), file, bytes(changed[start:])):
                    undetected.append((file.name, bit))
                if bit % 100 == 0:
                    file.write_bytes(changed)
                    assert verify([folder], KEY).problems, (file.name, bit)
                    file.write_bytes(whole)
            before.line(file, 1, row)
            start += len(row)
    assert undetected == []
    assert before.verdict.problems == []
    assert (before.verdict.rows, verify([folder], KEY).problems) == (9, [])


def fails(check: _Check, file: Path, rest: bytes) -> bool:
    """Whether a check that goes on with the rest of a file finds anything."""
    for number, line in enumerate(io.BytesIO(rest), 1):
        check.line(file, number, line)
        if check.verdict.problems:
            return True
    return False


def test_every_single_bit_of_the_head(tmp_path: Path) -> None:
    """The same for the file that says where the ledger ends."""
    folder = written(tmp_path)
    head = folder / "ledger.head"
    whole = head.read_bytes()
    for bit in range(len(whole) * 8):
        changed = bytearray(whole)
        changed[bit // 8] ^= 1 << bit % 8
        head.write_bytes(changed)
        problems = sentences(verify([folder], KEY))
        assert problems == ["ledger.head:0: the file was changed, or sealed with another key"], bit


@pytest.mark.parametrize("left", range(0, 2000, 7))
def test_cut_off_anywhere(tmp_path: Path, left: int) -> None:
    """A file that lacks any part of its end is found out."""
    file = only_file(written(tmp_path))
    whole = file.read_bytes()
    if left < len(whole):
        file.write_bytes(whole[:left])
        assert verify([tmp_path], KEY).problems


def test_a_file_is_missing(tmp_path: Path) -> None:
    """One in the middle leaves a hole; without the first, the rest still checks."""
    folder = written(tmp_path, max_bytes=1)
    files = sorted(folder.glob("ledger-*.jsonl"))
    assert sentences(verify(files[1:], KEY)) == [
        "ledger-000002.jsonl:1: the ledger begins with row 3; the rows before are not here"
    ]
    files[1].unlink()
    assert sentences(verify([folder], KEY)) == ["ledger-000003.jsonl:1: rows 3 to 5 are missing"]


def test_the_head_is_missing(tmp_path: Path) -> None:
    """Then the end is not proven."""
    (written(tmp_path) / "ledger.head").unlink()
    missing = "ledger.head:0: the file is missing; that the ledger is not cut off cannot be told from it"
    assert sentences(verify([tmp_path], KEY)) == [missing]


def test_old_copies(tmp_path: Path) -> None:
    """An old state of ledger and head together passes, but not before an anchor that was kept elsewhere."""
    writer = opened(tmp_path, Clock())
    old = {path: path.read_bytes() for path in tmp_path.iterdir()}
    writer.append([redaction()])
    anchor = writer.end
    writer.close()
    assert verify([tmp_path], KEY, [anchor]).problems == []
    for path, content in old.items():
        path.write_bytes(content)
    assert verify([tmp_path], KEY).problems == []
    cut = f"{tmp_path.name}:0: an anchor names row 3, but the ledger ends with row 2: it is cut off"
    assert sentences(verify([tmp_path], KEY, [anchor])) == [cut]


def test_written_anew_without_a_key(tmp_path: Path) -> None:
    """Whoever writes a ledger without a key anew passes, and the verdict says so; an anchor shows it."""
    folder = written(tmp_path, None)
    file = only_file(folder)
    lines = [parse(line) for line in file.read_bytes().splitlines(keepends=True)]
    chain, previous, anew, anchor = Chain(None), "0" * 64, b"", Anchor(0, "")
    for line in lines:
        assert line is not None
        line = chain.line(previous, {**line.row, "count": 0})
        previous, anchor = line.mac, Anchor(line.sequence, "e" * 64)
        anew += as_bytes(line)
    file.write_bytes(anew)
    (folder / "ledger.head").unlink()
    verdict = verify([file], None)
    assert verdict.problems == []
    assert "does not prove that nobody with access to the files wrote the ledger anew" in verdict.limits[0]
    written_anew = f"{file.name}:0: an anchor names row 6 with another mac: the ledger was written anew"
    assert sentences(verify([file], None, [anchor])) == [written_anew]


def test_the_wrong_key(tmp_path: Path) -> None:
    """A ledger with a key is not checked without, nor one without with a key; a wrong key fits no row."""
    keyed, plain = written(tmp_path / "keyed"), written(tmp_path / "plain", None)
    assert sentences(verify([keyed], None)) == [
        "ledger-000001.jsonl:1: this ledger has a key, without which it cannot be checked; give service.audit.key"
    ]
    (problem,) = verify([plain], KEY).problems
    assert problem.sentence.startswith("a key was given, but the first row says that the ledger has none")
    assert len(verify([keyed], b"another key of at least 32 bytes, for sure").problems) == 7


def test_a_killed_daemon(tmp_path: Path) -> None:
    """A run without its end is a gap, and no problem."""
    clock = Clock()
    opened(tmp_path, clock).close()
    opened(tmp_path, clock).close()
    verdict = verify([tmp_path], KEY)
    assert verdict.problems == []
    assert [str(gap) for gap in verdict.gaps] == [
        "the run whose last row is of 2026-03-02T06:01:00.000000Z was not stopped in order; the next began at "
        "2026-03-02T06:02:00.000000Z; what it redacted after that row is not in the ledger"
    ]


def test_cut_off_while_the_daemon_was_down(tmp_path: Path) -> None:
    """A restart does not wash it away: the row of the next start says what was found."""
    file = only_file(written(tmp_path))
    lines = file.read_bytes().splitlines(keepends=True)
    file.write_bytes(b"".join(lines[:4]))
    writer = opened(tmp_path, Clock())
    writer.append([rows.stop()])
    writer.close()
    assert sentences(verify([tmp_path], KEY)) == [
        "ledger-000001.jsonl:5: when the daemon started here, rows before this one had been cut off"
    ]


def test_not_a_ledger(tmp_path: Path) -> None:
    """Any other file gives problems, and not endless ones."""
    file = tmp_path / "ledger-000001.jsonl"
    file.write_bytes(os.urandom(20_000) + b"\n" * 500)
    verdict = verify([file], None)
    assert len(verdict.problems) == 101
    assert verdict.problems[-1].sentence == "100 problems; the rest was not read"


def test_anchors_as_text() -> None:
    """As the command line takes them."""
    anchor = Anchor(12, "0f" * 32)
    assert Anchor.parse(str(anchor)) == anchor
    with pytest.raises(ValueError, match="an anchor is written sequence:mac"):
        Anchor.parse("12:abc")


def test_a_changed_begin(tmp_path: Path) -> None:
    """A first row whose `previous` is no MAC is a problem, and not the end of the check."""
    file = only_file(written(tmp_path))
    lines = file.read_bytes().splitlines(keepends=True)[2:]
    lines[0] = b'{"previous":"' + b"z" * 64 + b'",' + lines[0][1:]
    file.write_bytes(b"".join(lines))
    assert sentences(verify([tmp_path], KEY))[0] == "ledger-000001.jsonl:1: rows 1 to 2 are missing"
