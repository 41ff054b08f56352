"""The one deadline for stopping."""

from pipeline.deadline import Deadline


def test_runs_from_its_start() -> None:
    """Nothing passes before it starts; a second start changes nothing; it never goes below zero."""
    now = 100.0
    deadline = Deadline(30.0, lambda: now)
    now = 200.0
    assert deadline.remaining() == 30.0
    deadline.start()
    now = 210.0
    deadline.start()
    assert deadline.remaining() == 20.0
    now = 1000.0
    assert deadline.remaining() == 0.0


def test_another_timeout_at_the_start() -> None:
    """The one that holds when stopping begins, not the one when the part was made."""
    deadline = Deadline(30.0, lambda: 100.0)
    deadline.start(5.0)
    deadline.start(60.0)
    assert deadline.remaining() == 5.0
