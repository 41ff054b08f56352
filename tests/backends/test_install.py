"""The installer: complete or not at all, once, and clear about what is missing."""

from __future__ import annotations

import threading
import time
from pathlib import Path

import pytest

from tests.backends import install
from tests.backends.install import InstallError, Program
from tests.backends.require import backend


class Toy:
    """A program that is made by writing a file, and counts how often."""

    def __init__(self) -> None:
        self.times_made = 0
        self.error: Exception | None = None

    def make(self, _program: Program, folder: Path) -> None:
        self.times_made += 1
        (folder / "toy").write_text("half of it")
        time.sleep(0.05)
        if self.error:
            raise self.error
        (folder / "toy").write_text("all of it")


@pytest.fixture
def toy(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Toy:
    """An empty cache and a toy as the only program."""
    toy = Toy()
    programs = {"toy": Program(name="toy", title="The toy", version="1.2", entry="toy", make=toy.make)}
    monkeypatch.setattr(install, "PROGRAMS", programs)
    monkeypatch.setattr(install, "RECIPES", tmp_path / "recipes")
    monkeypatch.setenv("TELESCRUB_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr("os.nice", lambda _by: 0)
    return toy


def test_installs_once(toy: Toy, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """A program is made once and found afterwards, in a folder of its name and version."""
    assert install.installed("toy") is None
    assert install.main([]) == 0
    assert install.main(["toy"]) == 0
    assert install.installed("toy") == tmp_path / "cache" / "toy-1.2" / "toy"
    assert toy.times_made == 1
    assert capsys.readouterr().out.splitlines() == ["toy 1.2: installed in 0 s", "toy 1.2: already there"]


def test_two_at_once(toy: Toy) -> None:
    """Of two installers at the same time one makes the program and the other one waits for it."""
    threads = [threading.Thread(target=install.install, args=["toy"]) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    path = install.installed("toy")
    assert path is not None
    assert path.read_text() == "all of it"
    assert toy.times_made == 1


def test_failure_leaves_nothing(toy: Toy, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """A program that cannot be made is named with the tool's error, and no half of it stays."""
    toy.error = InstallError("`go build` ended with exit code 1:\nno such package")
    assert install.main([]) == 1
    assert install.installed("toy") is None
    assert [path.name for path in (tmp_path / "cache").iterdir()] == ["toy.lock"]
    assert capsys.readouterr().out == (
        "toy 1.2: FAILED: `go build` ended with exit code 1:\nno such package\nnot installed: toy\n"
    )


def test_changed_recipe_is_made_anew(toy: Toy, tmp_path: Path) -> None:
    """What was made from an older recipe does not count as installed and is replaced."""
    assert install.main([]) == 0
    (tmp_path / "recipes" / "toy").mkdir(parents=True)
    (tmp_path / "recipes" / "toy" / "go.mod").write_text("module toy\n")
    assert install.installed("toy") is None
    assert install.main([]) == 0
    assert install.installed("toy") is not None
    assert toy.times_made == 2


def test_failing_tool(tmp_path: Path) -> None:
    """The error of a tool is the end of what it said; a missing tool is named."""
    with pytest.raises(InstallError, match=r"^`sh -c echo why; exit 3` ended with exit code 3:\nwhy$"):
        install.run(["sh", "-c", "echo why; exit 3"], cwd=tmp_path)
    with pytest.raises(InstallError, match=r"^the command no-such-tool was not found$"):
        install.run(["no-such-tool"], cwd=tmp_path)


def test_unknown_name(toy: Toy, capsys: pytest.CaptureFixture[str]) -> None:
    """A name that is none is refused with the valid ones."""
    with pytest.raises(SystemExit):
        install.main(["toi"])
    assert "unknown program toi; valid are toy" in capsys.readouterr().err


@pytest.mark.usefixtures("toy")
def test_missing_program_skips(monkeypatch: pytest.MonkeyPatch) -> None:
    """A test without its program is skipped with how to get it, or fails where programs are required."""
    message = r"^The toy 1\.2 is not installed: run `make backends`$"
    monkeypatch.delenv("REQUIRE_BACKENDS", raising=False)
    with pytest.raises(pytest.skip.Exception, match=message):
        backend("toy")
    monkeypatch.setenv("REQUIRE_BACKENDS", "1")
    with pytest.raises(pytest.fail.Exception, match=message):
        backend("toy")
