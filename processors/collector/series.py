"""Adds up the metric data points whose series became one because their attributes were masked or removed.

As `drop_labels`, within one batch and for points of equal time.
"""

from collections import Counter
from collections.abc import Hashable, Iterator
from typing import Any

from processors.aggregation import identity_of, merge, series_of
from processors.otlp_objects import points, remove_if, scopes
from wire.signal import Signal

__all__ = ["join", "series"]


def _metrics(message: Any) -> Iterator[tuple[Hashable, Any]]:
    for resource, scope, metrics in scopes(Signal.METRICS, message):
        for metric in metrics:
            if points(metric):
                yield identity_of(resource, scope, metric), metric


def series(message: Any) -> list[tuple[Hashable, Hashable]]:
    """The series of every data point: its metric's identity, its attributes."""
    return [
        (identity, series_of(point.attributes)) for identity, metric in _metrics(message) for point in points(metric)
    ]


def join(message: Any, before: list[tuple[Hashable, Hashable]]) -> Counter[str]:
    """Put together points that were not of one series before and are now; how many were dropped, by reason.

    Of a point that was sent twice one goes as `duplicate`; what cannot be added goes as `unmergeable`.
    """
    now = series(message)
    if now == before:
        return Counter()
    were: dict[Hashable, set[Hashable]] = {}
    for old, new in zip(before, now, strict=True):
        were.setdefault(new, set()).add(old)
    joiner = _Joiner({new for new, olds in were.items() if len(olds) > 1})
    order = iter(zip(before, now, strict=True))
    for _, metric in list(_metrics(message)):
        kind = metric.WhichOneof("data")
        remove_if(points(metric), lambda point, kind=kind: joiner.absorbs(kind, point, *next(order)))  # type: ignore[misc]
    return joiner.dropped


class _Joiner:
    def __init__(self, joining: set[Hashable]) -> None:
        self._joining = joining
        self._first: dict[Hashable, tuple[Any, set[Hashable]]] = {}
        self.dropped: Counter[str] = Counter()

    def absorbs(self, kind: str, point: Any, old: Hashable, new: Hashable) -> bool:
        """Whether an earlier point holds this one now."""
        if new not in self._joining or not point.ByteSize():
            return False
        first, held = self._first.setdefault((new, point.time_unix_nano), (point, set()))
        if held:
            if old in held:
                self.dropped["duplicate"] += 1
            elif not merge(kind, first, point):
                self.dropped["unmergeable"] += 1
            held.add(old)
            return True
        held.add(old)
        return False
