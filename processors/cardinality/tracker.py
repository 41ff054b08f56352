"""All metrics of a processor: found by name, bounded together, swept little by little as time goes on."""

import time
from collections.abc import Callable, Iterator

from processors.cardinality.distinct import BYTES_PER_HASH, STEPS, Budget
from processors.cardinality.hashing import Key, new_key
from processors.cardinality.metric import Metric, Shared
from processors.cardinality.rules import MetricRules

__all__ = ["Tracker"]

_HASHES_PER_SERIES = 2
"""Room for label values, for labels and for metrics beside the series: series share most of their values."""
_MORE_HASHES = 10_000
"""The same for limits so low that one metric would be more: a MB."""
_SWEPT_AT_ONCE = 20_000
"""Hashes looked at per batch when a step begins: some 2 ms."""


class Tracker:
    """Metrics by name, and the step of the window that time has come to; `clock` is in seconds since 1970."""

    def __init__(
        self,
        rules: Callable[[str], MetricRules],
        max_series: int,
        window_seconds: float,
        *,
        journal: bool = False,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._rules, self._clock = rules, clock
        self.step_seconds = window_seconds / STEPS
        memory = Budget(_HASHES_PER_SERIES * max_series + _MORE_HASHES)
        self.shared = Shared(Key(new_key()), memory, Budget(max_series, within=memory), journal)
        self.metrics: dict[str, Metric] = {}
        self.step = int(clock() / self.step_seconds)
        self._unswept: list[str] = []

    @property
    def memory_bytes(self) -> int:
        """About what all counts hold."""
        return self.shared.memory.held * BYTES_PER_HASH

    def advance(self) -> int:
        """The step that it is now; what is old goes, some metrics at a time. Time never goes back here."""
        now = int(self._clock() / self.step_seconds)
        if now > self.step:
            self.step = now
            self._unswept = list(self.metrics)
        swept = 0
        while self._unswept and swept < _SWEPT_AT_ONCE:
            swept += self._sweep(self._unswept.pop())
        return self.step

    def _sweep(self, name: str) -> int:
        metric = self.metrics.get(name)
        if metric is None:
            return 0
        size = 1 + len(metric.series)
        if metric.step < self.step:
            metric.advance(self.step)
        if metric.is_idle:
            metric.discard()
            del self.metrics[name]
        return size

    def metric(self, name: str) -> Metric | None:
        """The metric of a name; None if there is no room for another one."""
        metric = self.metrics.get(name)
        if metric is None:
            if not self.shared.memory.has_room(reserve=1.1):
                return None
            metric = self.metrics[name] = Metric(name, self._rules(name), self.shared, self.step)
        elif metric.step < self.step:
            metric.advance(self.step)
        return metric

    def use_key(self, secret: bytes) -> None:
        """Go on with the key of counts that are restored."""
        self.shared.key = Key(secret)

    def changed(self) -> Iterator[Metric]:
        """The metrics that something was counted for since this was last asked."""
        names, self.shared.touched = self.shared.touched, set()
        return (self.metrics[name] for name in names if name in self.metrics)
