"""Gauges and sums that may fall: an output is the mean, the sum … of what its sources say that are alive.

A source is one incoming series, whatever process it comes from: the later one takes the place of the earlier, as it
would in the destination. One that has said nothing for `stale_nanoseconds`, or that it has no value, is not alive.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from operator import itemgetter
from typing import Literal

from pipeline.component import Record
from processors.reaggregation.generations import Generations
from processors.reaggregation.points import MILLISECOND
from processors.reaggregation.sums import Number
from processors.reaggregation.windows import Emission, Held

__all__ = ["Levels", "Mode"]

Mode = Literal["mean", "sum", "min", "max", "last"]


def _mean(values: Sequence[Number]) -> Number:
    """A single value keeps its type."""
    return values[0] if len(values) == 1 else sum(values) / len(values)


_AGGREGATES: Mapping[str, Callable[[Sequence[Number]], Number]] = {"mean": _mean, "sum": sum, "min": min, "max": max}


class _Level:
    """A series that comes out: time and value of each source, and when it came out last."""

    __slots__ = ("alive", "emitted")

    def __init__(self) -> None:
        self.alive: dict[int, tuple[int, Number]] = {}
        self.emitted = -MILLISECOND


class Levels:
    """The state of all outputs and their sources. `lost` is told of points that are left out: a reason."""

    def __init__(self, stale_nanoseconds: int, lost: Callable[[str], None], *, keep_sources: bool = True) -> None:
        self._stale, self._lost, self._keep_sources = stale_nanoseconds, lost, keep_sources
        self._levels: Generations[_Level] = Generations()
        self._changed: set[int] = set()

    def turn(self) -> None:
        """A period of expiry is over."""
        self._levels.turn()

    def close(self, key: int, mode: Mode, held: Iterable[Held]) -> Emission | None:
        """Take over the points of one window; None if nothing newer than what was emitted came out of it."""
        level = self._levels.get(key)
        if level is None:
            level = self._levels.now[key] = _Level()
        newest = 0
        for point in sorted(held, key=itemgetter(0, 1)):
            newest = point[0]
            self._take(level.alive, point)
        oldest = newest - self._stale
        for source in [source for source, (time, _) in level.alive.items() if time < oldest]:
            del level.alive[source]
        self._changed.add(key)
        if newest < level.emitted + MILLISECOND:
            return None
        level.emitted = newest
        return Emission(0, newest, _aggregate(level.alive, mode))

    def _take(self, alive: dict[int, tuple[int, Number]], point: Held) -> None:
        time, source, _, _, value = point
        last = alive.get(source)
        if last is not None and time <= last[0]:
            self._lost("duplicate" if time == last[0] else "late")
        elif value is not None:
            alive[source] = (time, value)
        elif last is not None:
            del alive[source]

    def forget_changes(self) -> None:
        """Nobody wants to know."""
        self._changed = set()

    def changes(self) -> Iterator[Record]:
        """A record of each output that became different since the last call."""
        changed, self._changed = self._changed, set()
        for key in changed:
            if (level := self._levels.now.get(key)) is not None and self._keep_sources:
                yield _record(key, level)

    def everything(self) -> Iterator[Record]:
        """A record of each output. They are small, and made at once."""
        return iter([_record(key, level) for key, level in self._levels.copy()] if self._keep_sources else [])

    def restore(self, record: Record) -> None:
        """Take up one record; words of others are passed over."""
        sort, key, *rest = record
        if sort == "level":
            level = self._levels.now[int(str(key), 16)] = _Level()
            level.emitted = rest[0]
            level.alive = {int(source, 16): (time, value) for source, time, value in rest[1]}


def _aggregate(alive: Mapping[int, tuple[int, Number]], mode: Mode) -> Number | None:
    """None where no source is alive."""
    if not alive:
        return None
    if mode == "last":
        return max((time, source, value) for source, (time, value) in alive.items())[2]
    return _AGGREGATES[mode]([value for _, value in alive.values()])


def _record(key: int, level: _Level) -> Record:
    return ["level", f"{key:x}", level.emitted, [[f"{source:x}", *entry] for source, entry in level.alive.items()]]
