"""A clock that jumps a day forward and back, over restarts too: nothing is lost, nothing is too old before its time."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.backends.process import wait_until
from tests.chaos.recorder import Recorder, takes_all
from tests.end_to_end.daemon import Telescrub
from tests.end_to_end.test_disks import daemon, down, lines, numbers, sending, span

pytestmark = pytest.mark.end_to_end

DAY = 86_400

SITE = """
import sys
import time

_OFFSET = {path!r}
_time, _time_ns = time.time, time.time_ns


def _offset():
    # gRPC's deadlines go to its C code, whose clock does not jump here as it would with the machine's.
    if sys._getframe(2).f_globals["__name__"].startswith("grpc"):
        return 0
    with open(_OFFSET) as file:
        return int(file.read())


time.time = lambda: _time() + _offset()
time.time_ns = lambda: _time_ns() + _offset() * 10**9
"""
"""The daemon's wall clock is as far off as a file says; its monotonic clock is the machine's."""


class Clock:
    """The wall clock of a daemon."""

    def __init__(self, folder: Path) -> None:
        self._file = folder / "offset"
        self.folder = folder / "site"
        self.folder.mkdir()
        (self.folder / "sitecustomize.py").write_text(SITE.format(path=str(self._file)))
        self.jump(0)

    def jump(self, seconds: int) -> None:
        """To so far from the right time."""
        new = self._file.with_suffix(".new")
        new.write_text(str(seconds))
        new.replace(self._file)


@pytest.fixture
def recorder() -> Iterator[Recorder]:
    with Recorder(slow=0) as running:
        yield running


def with_clock(recorder: Recorder, folder: Path, clock: Clock) -> Telescrub:
    telescrub = daemon(recorder, folder, max_age="1h")
    telescrub.variables["PYTHONPATH"] = str(clock.folder)
    return telescrub


def test_jumps_while_running(tmp_path: Path, recorder: Recorder) -> None:
    """A day forward and a day back while data waits, with a limit of an hour for its age: all of it arrives, in order,
    and the jumps are in the log.
    """
    clock = Clock(tmp_path)
    with with_clock(recorder, tmp_path, clock) as telescrub:
        recorder.judge = down
        with sending(telescrub) as send:
            for number, offset in enumerate((0, DAY, 0, -DAY, 0), 1):
                clock.jump(offset)
                send(span(number))
        recorder.judge = takes_all
        wait_until(lambda: len(numbers(recorder)) >= 5, seconds=30, what="five spans")
        assert numbers(recorder) == [1, 2, 3, 4, 5]
        assert telescrub.metric("telescrub_dropped_items_total") == 0
        assert len(lines(telescrub, "clock")) == 4


@pytest.mark.parametrize("offset", [-DAY, DAY], ids=["back", "forward"])
def test_jumps_while_down(tmp_path: Path, recorder: Recorder, offset: int) -> None:
    """A day back between kill and start: everything arrives. A day forward: it is a day old by all that is known, so it
    is dropped at the limit that was set, and counted as too old.
    """
    clock = Clock(tmp_path)
    with with_clock(recorder, tmp_path, clock) as telescrub:
        recorder.judge = down
        with sending(telescrub) as send:
            for number in range(1, 6):
                send(span(number))
        telescrub.kill()
        clock.jump(offset)
        recorder.judge = takes_all
        telescrub.start()
        wait_until(lambda: telescrub.metric("otelcol_exporter_queue_size") == 0, seconds=30, what="an empty queue")
        too_old = telescrub.metric("telescrub_dropped_items_total", reason="too_old")
        assert (numbers(recorder), too_old) == (([], 5) if offset > 0 else ([1, 2, 3, 4, 5], 0))


def test_without_a_limit(tmp_path: Path, recorder: Recorder) -> None:
    """As long as no age is set, no jump makes anything too old."""
    clock = Clock(tmp_path)
    telescrub = daemon(recorder, tmp_path)
    telescrub.variables["PYTHONPATH"] = str(clock.folder)
    with telescrub:
        recorder.judge = down
        with sending(telescrub) as send:
            send(span(1))
        telescrub.kill()
        clock.jump(DAY)
        recorder.judge = takes_all
        telescrub.start()
        wait_until(lambda: numbers(recorder) == [1], seconds=30, what="the span")
