"""The README's first minute, typed as written on a fresh copy of what is committed or about to be."""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.backends.process import DIE_WITH_US, LAUNCHER, get, request, wait_until

pytestmark = pytest.mark.end_to_end

ROOT = Path(__file__).parent.parent.parent
INSTALL_SECONDS = 600.0


@pytest.fixture(scope="module")
def copy() -> Iterator[Path]:
    """The repository's files alone: no environment, nothing compiled."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        check=True,
    )
    with tempfile.TemporaryDirectory(prefix="telescrub-readme-") as folder:
        for name in listed.stdout.decode().split("\0"):
            if name and (ROOT / name).is_file():
                target = Path(folder) / name
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(ROOT / name, target)
        yield Path(folder)


@pytest.fixture(scope="module")
def running(copy: Path) -> Iterator[Path]:
    """`make run`, until it answers on the ports of the built-in configuration."""
    with (copy / "log").open("wb") as log:
        process = LAUNCHER.submit(
            subprocess.Popen,
            [*DIE_WITH_US, "make", "run"],
            cwd=copy,
            env=_environment(),
            stdout=log,
            stderr=log,
            start_new_session=True,
        ).result()
        try:
            wait_until(lambda: _answers() or process.poll() is not None, seconds=INSTALL_SECONDS, what="`make run`")
            assert process.poll() is None, (copy / "log").read_text()
            yield copy
        finally:
            os.killpg(process.pid, 15)
            process.wait(60)


def _environment() -> dict[str, str]:
    """As somebody has it who knows nothing of Telescrub yet."""
    return {name: value for name, value in os.environ.items() if not name.startswith(("TELESCRUB", "MAKE"))}


def _answers() -> bool:
    try:
        return get("http://localhost:13133/").status == 200
    except OSError:
        return False


def test_demo(running: Path) -> None:
    """The demo finds that everything arrived and nothing that was planted."""
    demo = [".venv/bin/telescrub", "demo", "--seconds", "3"]
    done = subprocess.run(demo, cwd=running, env=_environment(), capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_rest_of_the_first_minute(running: Path) -> None:
    """The curl commands: health, metrics, one JSON log line that comes out without its PHI."""
    assert get("http://localhost:13133/").json()["status"] == "available"
    assert b"otelcol_receiver_accepted_spans" in get("http://localhost:8888/metrics").body
    body = b'{"level":"info","msg":"visit closed","patient":{"email":"jane.roe@example.org","ssn":"536-90-4399"}}'
    assert request("POST", "http://localhost:4319/", body=body).status == 200
    written = running / "telescrub-data" / "logs.jsonl"
    line = wait_until(lambda: _last_line(written, "visit closed"), what="the line")
    assert "jane.roe" not in line
    assert "536-90-4399" not in line


def _last_line(path: Path, text: str) -> str | None:
    lines = path.read_text().splitlines() if path.exists() else []
    return lines[-1] if lines and text in lines[-1] else None
