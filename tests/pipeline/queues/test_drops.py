"""What a queue drops is counted at once, and told without flooding the log."""

from dataclasses import replace

from structlog.testing import CapturingLogger

from pipeline.batch import Signal
from pipeline.queues.drops import Drops
from tests.payloads import context, dropped
from tests.pipeline.queues.stored import Clock


def test_told_now_and_then() -> None:
    """The first line comes at once, the next one after ten seconds, with all that came in between."""
    clock, log = Clock(), CapturingLogger()
    made = replace(context("loki"), log=log)
    drops = Drops(made, clock)
    for second in range(12):
        clock.now = float(second)
        drops(Signal.LOGS, "queue_full", 5)
    assert [call.kwargs["items"] for call in log.calls] == [5, 50]
    assert dropped(made, Signal.LOGS, "queue_full") == 60
