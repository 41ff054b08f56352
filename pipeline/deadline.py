"""The one deadline for stopping, shared by everything that has to finish its work."""

import time
from collections.abc import Callable

__all__ = ["Deadline"]


class Deadline:
    """Starts to run when stopping begins; until then `remaining` is the whole timeout."""

    def __init__(self, timeout_seconds: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._timeout_seconds, self._clock = timeout_seconds, clock
        self._ends: float | None = None

    def start(self, timeout_seconds: float | None = None) -> None:
        """Stopping begins now, with another timeout if one is given; a second call changes nothing."""
        if self._ends is None:
            self._timeout_seconds = self._timeout_seconds if timeout_seconds is None else timeout_seconds
            self._ends = self._clock() + self._timeout_seconds

    def remaining(self) -> float:
        """Seconds left, never negative."""
        return self._timeout_seconds if self._ends is None else max(self._ends - self._clock(), 0.0)
