"""What a queue drops, counted and told."""

import time
from collections import Counter
from collections.abc import Callable

from pipeline.batch import Signal
from pipeline.component import Context

__all__ = ["Drops"]

_SECONDS = 10.0
"""Between two lines in the log: a queue that is full for long drops with every request."""


class Drops:
    """Counts each drop of an exporter's queue; the first is told at once, those after it are added up for a while."""

    def __init__(self, context: Context, clock: Callable[[], float] = time.monotonic) -> None:
        self._context, self._clock = context, clock
        self._untold: Counter[tuple[Signal, str]] = Counter()
        self._tells_at = float("-inf")

    def __call__(self, signal: Signal, reason: str, items: int) -> None:
        self._context.telemetry.dropped(self._context.id, signal, reason, items)
        self._untold[signal, reason] += items
        if self._clock() < self._tells_at:
            return
        self._tells_at = self._clock() + _SECONDS
        for (what, why), count in self._untold.items():
            self._context.log.error("dropped from the queue", signal=what.value, items=count, reason=why)
        self._untold.clear()
