"""Files that change while the daemon runs."""

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from config.reloading import Reloading, text_of


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


def test_put_right_where_it_cannot_be_seen(tmp_path: Path) -> None:
    """What could not be read is tried again, whether or not the file itself changes, as for its permissions. It is
    reported once, and again for another reason.
    """
    path, clock, said = tmp_path / "n", Clock(), list[str]()
    causes: list[OSError] = []

    def made() -> int:
        if causes:
            raise causes[0]
        return number(path)

    path.write_text("1")
    reloading = Reloading([path], made, 5.0, said.append, clock)
    write(path, "2")
    for cause in (PermissionError("denied"), PermissionError("denied"), OSError("too many open files")):
        causes[:] = [cause]
        clock.now += 5
        assert reloading.current() == 1
    rest = "what was read before stays in use until this is put right"
    assert said == [f"denied; {rest}", f"too many open files; {rest}"]
    causes.clear()
    assert reloading.current() == 1
    clock.now += 5
    assert (reloading.current(), len(said)) == (2, 2)


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


async def test_whoever_asks_may_give_up(tmp_path: Path) -> None:
    """Files are looked at for everybody, also when the request that it began with is gone before a thread was free."""
    path, clock, may_go_on = tmp_path / "n", Clock(), threading.Event()
    path.write_text("1")
    reloading = Reloading([path], lambda: number(path), 5.0, clock=clock)
    write(path, "2")
    clock.now = 5.0
    asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(1))
    async with asyncio.TaskGroup() as group:
        group.create_task(asyncio.to_thread(may_go_on.wait))
        asking = group.create_task(reloading.fresh())
        # Its first step, and that of the look.
        for _ in range(2):
            await asyncio.sleep(0)
        asking.cancel()
        await asyncio.wait([asking])
        may_go_on.set()
        await asyncio.to_thread(lambda: None)
        assert (asking.cancelled(), reloading.latest) == (True, 2)


def test_not_utf_8(tmp_path: Path) -> None:
    """The sentence names the file and quotes nothing of it."""
    path = tmp_path / "tokens"
    path.write_text("sécret")
    assert text_of(path) == "sécret"
    path.write_bytes("sécret".encode("latin-1"))
    with pytest.raises(ValueError, match=f"^{path} is not UTF-8$"):
        text_of(path)


def test_the_first_time(tmp_path: Path) -> None:
    """There is nothing to go on with: it fails."""
    with pytest.raises(FileNotFoundError):
        Reloading([tmp_path / "n"], lambda: number(tmp_path / "n"))
