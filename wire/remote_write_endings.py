"""Series that have ended: those that have not come for a time, so that Prometheus can be told."""

import time
from collections.abc import Callable, Iterable, Iterator

from wire.remote_write_points import Record
from wire.remote_write_series import Group
from wire.remote_write_values import NO_RECORDED_VALUE

__all__ = ["Endings"]

_NO_VALUE = (b"", 0, 0, NO_RECORDED_VALUE, b"", None, b"", b"", None)
"""A point that only says that there is no value, as any shape reads it."""


class Endings:
    """Remembers which series came during this period and the one before, each of `idle_seconds`, up to `capacity`.

    A series that came in the one and not in the other has ended. `idle_seconds` of 0: nothing ever does.
    """

    def __init__(self, idle_seconds: float, capacity: int, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._idle, self._capacity, self._clock = idle_seconds, capacity, clock
        self._turned = clock()
        self._before: set[Group] = set()
        self._now: set[Group] = set()

    def seen(self, groups: Iterable[Group]) -> None:
        """These have just got a sample."""
        if self._idle and len(self._now) < self._capacity:
            self._now.update(groups)

    def take(self) -> Iterator[tuple[Group, list[Record]]]:
        """A stale marker for each series that has ended, a millisecond after its last sample: whatever comes late is
        still in order then.
        """
        if not self._idle or self._clock() - self._turned < self._idle:
            return
        self._turned = self._clock()
        ended = self._before - self._now
        self._before, self._now = self._now, set()
        for group in ended:
            group.last += 1
            yield group, [group.metric.shape.read(group.last, _NO_VALUE, group)]
