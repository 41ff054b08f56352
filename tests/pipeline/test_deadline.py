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
