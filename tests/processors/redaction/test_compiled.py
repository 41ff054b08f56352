"""What was compiled once is loaded, unless somebody else could have written it or it is damaged."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from processors.redaction import compiled

LINES = [(rf"canary{number}[a-z]{{1,40}}\d{{{number}}}", 0) for number in range(1, 200)]


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An empty cache, and nothing in memory."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    compiled._dumped.cache_clear()
    yield tmp_path / "telescrub" / "patterns"
    compiled._dumped.cache_clear()


def finds() -> list[int]:
    """The expressions that match a text which the third is for."""
    found: list[int] = []
    compiled.database(LINES).scan(b"canary3x123", match_event_handler=lambda number, *_: found.append(number))
    return found


def again() -> list[int]:
    """The same, as another process would."""
    compiled._dumped.cache_clear()
    return finds()


def test_kept_for_the_user_alone(folder: Path) -> None:
    """One file, which is read the next time."""
    assert finds() == [2]
    [file] = folder.iterdir()
    assert (file.stat().st_mode & 0o777, folder.stat().st_mode & 0o777) == (0o600, 0o700)
    written = file.stat().st_mtime_ns
    assert again() == [2]
    assert [each.stat().st_mtime_ns for each in folder.iterdir()] == [written]


@pytest.mark.parametrize("content", [b"", b"x" * 500])
def test_damaged_file(folder: Path, content: bytes) -> None:
    """Is compiled anew, and mended."""
    finds()
    [file] = folder.iterdir()
    whole = file.read_bytes()
    file.write_bytes(whole[:-600] + content)
    assert again() == [2]
    assert file.read_bytes() == whole


def test_file_that_others_can_write(folder: Path) -> None:
    """Is not read: it could say that nothing is found."""
    finds()
    [file] = folder.iterdir()
    file.chmod(0o622)
    assert again() == [2]
    assert file.stat().st_mode & 0o777 == 0o600


def test_no_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A read-only or full disk costs time only."""
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    assert finds() == [2]


def test_old_files_give_way(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The cache does not grow with every change of the rules."""
    monkeypatch.setattr(compiled, "_MOST_FILES", 2)
    for first in range(4):
        compiled.database(LINES[first:])
    assert len(list(folder.iterdir())) == 2


def test_the_engine_sees_everything() -> None:
    """Also matches of a repetition that is empty, which some builds overlook."""
    found: list[int] = []
    made = compiled.compiled([("x[0-9]*y", 0)])
    made.scan(b"x yy0-09bby-xb9y xy", match_event_handler=lambda number, *_: found.append(number))
    assert found == [0]


@pytest.mark.parametrize("compiling", [compiled.compiled, compiled.database])
def test_a_blind_engine_is_refused(
    compiling: Callable[[list[compiled.Line]], object], monkeypatch: pytest.MonkeyPatch
) -> None:
    """For every use of it."""
    monkeypatch.setattr(compiled, "_sees_everything", lambda: False)
    with pytest.raises(RuntimeError, match="this build of hyperscan overlooks matches"):
        compiling(LINES)
