"""When entries came, whatever the clock of the machine does meanwhile."""

from collections.abc import Callable

from structlog.typing import FilteringBoundLogger

from pipeline.queues.seal import Row
from pipeline.queues.store import Entry

__all__ = ["QueueClock"]

_JUMP_SECONDS = 60.0
"""A correction by less is not worth a line."""


class QueueClock:
    """Within a run ages are by the monotonic `clock`; over a restart by the `wall` clock, and never below 0."""

    def __init__(self, clock: Callable[[], float], wall: Callable[[], float], log: FilteringBoundLogger) -> None:
        self._clock, self._wall, self._log = clock, wall, log
        self._first = 0
        self._begun = self._begun_wall = self._drift = 0.0
        self._is_ahead_told = False

    def monotonic(self) -> float:
        return self._clock()

    def begin_run(self, first: int) -> None:
        """From now on, numbers above `first` are of this run."""
        self._first, self._begun, self._begun_wall = first, self._clock(), self._wall()

    def look(self) -> None:
        """Tell if the wall clock has jumped."""
        drift = self._wall() - self._begun_wall - (self._clock() - self._begun)
        if abs(drift - self._drift) > _JUMP_SECONDS:
            seconds = round(drift - self._drift)
            self._log.warning("the clock of the machine jumped; ages of entries are not affected", seconds=seconds)
            self._drift = drift

    def wall(self, entry: Entry) -> float:
        """When an entry came, by the wall clock as it is now."""
        return self._wall() - max(0.0, self._clock() - entry.arrived)

    def arrived(self, row: Row) -> float:
        """When an entry came, by the queue's clock."""
        if row.number > self._first:
            return row.clock
        age = self._begun_wall - row.arrived
        if age < -_JUMP_SECONDS and not self._is_ahead_told:
            self._is_ahead_told = True
            self._log.warning(
                "entries are from the future by the clock of the machine, which went back since; they count as new",
                seconds=round(-age),
            )
        return self._begun - max(0.0, age)
