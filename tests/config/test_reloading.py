"""Files that change while the daemon runs."""

from pathlib import Path

import pytest

from config.reloading import Reloading


class Clock:
    """Seconds that pass when they are told to."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def number(path: Path) -> int:
    """What the file says; the error says nothing of it."""
    try:
        return int(path.read_text())
    except ValueError:
        raise ValueError(f"{path.name} holds no number") from None


def write(path: Path, text: str) -> None:
    """Replace a file as Kubernetes and careful people do: another file takes its name."""
    new = path.with_suffix(".new")
    new.write_text(text)
    new.replace(path)


def test_looked_at_now_and_then(tmp_path: Path) -> None:
    """A change is seen after the interval, and not before."""
    path, clock = tmp_path / "n", Clock()
    path.write_text("1")
    reloading = Reloading([path], lambda: number(path), 5.0, clock=clock)
    write(path, "2")
    assert reloading.current() == 1
    clock.now = 4.9
    assert reloading.current() == 1
    clock.now = 5.0
    assert reloading.current() == 2


def test_broken_files_change_nothing(tmp_path: Path) -> None:
    """What cannot be used is reported once, what was before stays, and what is put right is taken."""
    path, clock, said = tmp_path / "n", Clock(), list[str]()
    path.write_text("1")
    reloading = Reloading([path], lambda: number(path), 5.0, said.append, clock)
    write(path, "secret")
    for _ in range(3):
        clock.now += 5
        assert reloading.current() == 1
    assert said == ["n holds no number; what was read before stays in use until this is put right"]
    path.unlink()
    clock.now += 5
    assert reloading.current() == 1
    assert said[1:] == [
        f"[Errno 2] No such file or directory: '{path}'; what was read before stays in use until this is put right"
    ]
    path.write_text("3")
    clock.now += 5
    assert (reloading.current(), len(said)) == (3, 2)


def test_never(tmp_path: Path) -> None:
    """An interval of 0 is for files that are read once."""
    path, clock = tmp_path / "n", Clock()
    path.write_text("1")
    reloading = Reloading([path], lambda: number(path), 0.0, clock=clock)
    write(path, "2")
    clock.now = 1e9
    assert reloading.current() == 1
    assert reloading.look() == 2


async def test_beside_the_loop(tmp_path: Path) -> None:
    """`fresh` is `current` for coroutines."""
    path, clock = tmp_path / "n", Clock()
    path.write_text("1")
    reloading = Reloading([path], lambda: number(path), 5.0, clock=clock)
    write(path, "2")
    assert await reloading.fresh() == 1
    clock.now = 5.0
    assert await reloading.fresh() == 2


def test_the_first_time(tmp_path: Path) -> None:
    """There is nothing to go on with: it fails."""
    with pytest.raises(FileNotFoundError):
        Reloading([tmp_path / "n"], lambda: number(tmp_path / "n"))
