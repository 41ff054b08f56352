"""Cumulative counters, histograms and summaries: an output grows by what its sources grew by.

A source is one incoming series of one process: metric, attributes before any was taken off, start time. So two
processes of the same identity, and one before and after its restart, are different sources.
"""

from collections.abc import Callable, Iterable, Iterator
from operator import itemgetter

from pipeline.component import Record
from processors.reaggregation.generations import Generations
from processors.reaggregation.points import MILLISECOND
from processors.reaggregation.values import Kind, Value, packed, unpacked
from processors.reaggregation.windows import Emission, Held

__all__ = ["Counters"]


class _Output:
    """A series that comes out. `began` is when its accounting began, `window` the number of its first window."""

    __slots__ = ("began", "emitted", "start", "total", "window")

    def __init__(self, total: Value, start: int, began: int, window: int, emitted: int) -> None:
        self.total, self.start, self.began, self.window, self.emitted = total, start, began, window, emitted


class Counters:
    """The state of all outputs and their sources. `lost` is told of points that are left out: a reason.

    `expiry_nanoseconds` is how long what does not come again is remembered at least.
    """

    def __init__(self, expiry_nanoseconds: int, lost: Callable[[str], None], *, keep_sources: bool = True) -> None:
        self._expiry, self._lost, self._keep_sources = expiry_nanoseconds, lost, keep_sources
        self._sources: Generations[tuple[int, Value]] = Generations()
        self._groups: Generations[int] = Generations()
        self._outputs: Generations[_Output] = Generations()
        self._changed: dict[str, set[int]] = {"source": set(), "group": set(), "output": set()}

    def turn(self) -> None:
        """A period of expiry is over."""
        for each in (self._sources, self._groups, self._outputs):
            each.turn()

    def close(self, key: int, window: int, kind: Kind, held: Iterable[Held]) -> Emission | None:
        """Add the points of one window to an output; None if nothing newer than what was emitted came out of it."""
        points = sorted((each for each in held if each[4] is not None), key=itemgetter(0, 1))
        if not points:
            return None
        output = self._outputs.get(key)
        if output is None:
            output = self._outputs.now[key] = _Output(None, 0, points[0][0], window, -MILLISECOND)
        for point in points:
            self._add(output, window, kind, point)
        self._changed["output"].add(key)
        newest = points[-1][0]
        if newest < output.emitted + MILLISECOND or output.total is None:
            return None
        output.emitted = newest
        return Emission(output.start, newest, output.total)

    def _add(self, output: _Output, window: int, kind: Kind, point: Held) -> None:
        time, source, group, start, value = point
        last = self._sources.get(source)
        if last is None:
            growth = value if self._counts_whole(output, window, point) else None
        elif time <= last[0]:
            return self._lost("duplicate" if time == last[0] else "late")
        else:
            growth = kind.grown(value, last[1])
            if growth is None:
                growth = value
        self._sources.now[source] = (time, value)
        self._changed["source"].add(source)
        exported = self._groups.get(group)
        if exported is None or window < exported:
            self._groups.now[group] = window
            self._changed["group"].add(group)
        if growth is not None:
            self._grow(output, window, kind, start, growth)
        return None

    def _counts_whole(self, output: _Output, window: int, point: Held) -> bool:
        """Whether all of a new source's value is growth of this output, and not what it had grown to unseen.

        So it is in the output's first window, where it makes the value to begin with; if the process has exported this
        metric before without the series, since then it was 0; and if it began to count after the output did.
        """
        if window == output.window:
            return True
        time, _, group, start, _ = point
        exported = self._groups.get(group)
        if exported is not None and exported < window:
            return True
        return start >= output.began and 0 <= time - start <= self._expiry

    def _grow(self, output: _Output, window: int, kind: Kind, start: int, growth: Value) -> None:
        if output.total is None:
            output.total = growth
        else:
            total = kind.added(output.total, growth)
            if total is None:
                return self._lost("unmergeable")
            output.total = total
        if window == output.window and start:
            output.start = min(output.start or start, start)
        return None

    def again(self, key: int) -> Emission | None:
        """What an output is now, a millisecond after it came out last: the shortest step that Prometheus knows."""
        output = self._outputs.get(key)
        if output is None or output.total is None:
            return None
        output.emitted += MILLISECOND
        self._changed["output"].add(key)
        return Emission(output.start, output.emitted, output.total)

    def begin_anew(self) -> None:
        """Let every output grow from nothing: it is not known what came out last, and a little less than that would
        be taken for a restart, and counted whole.
        """
        for output in self._outputs.now.values():
            output.total, output.start = None, output.emitted

    def forget_changes(self) -> None:
        """Nobody wants to know."""
        self._changed = {"source": set(), "group": set(), "output": set()}

    def changes(self) -> Iterator[Record]:
        """A record of each thing that became different since the last call."""
        changed, self._changed = self._changed, {"source": set(), "group": set(), "output": set()}
        for sort, entries in (("source", self._sources), ("group", self._groups), ("output", self._outputs)):
            for key in changed[sort]:
                if (entry := entries.now.get(key)) is not None and (self._keep_sources or sort == "output"):
                    yield _record(sort, key, entry)

    def everything(self) -> Iterator[Record]:
        """A record of everything as it is at this moment, made while it is gone through."""
        sorts: list[tuple[str, Generations[object]]] = [("output", self._outputs)]  # type: ignore[list-item]
        if self._keep_sources:
            sorts += ("source", self._sources), ("group", self._groups)  # type: ignore[arg-type]
        copies = [(sort, entries.copy()) for sort, entries in sorts]
        return (_record(sort, key, entry) for sort, entries in copies for key, entry in entries)

    def restore(self, record: Record) -> None:
        """Take up one record; words of others are passed over."""
        sort, key, *rest = record
        if sort == "source":
            time, value = rest
            self._sources.now[int(str(key), 16)] = (time, unpacked(value))
        elif sort == "group":
            self._groups.now[int(str(key), 16)] = rest[0]
        elif sort == "output":
            self._outputs.now[int(str(key), 16)] = _Output(unpacked(rest[0]), *rest[1:])


def _record(sort: str, key: int, entry: object) -> Record:
    if isinstance(entry, _Output):
        return [sort, f"{key:x}", packed(entry.total), entry.start, entry.began, entry.window, entry.emitted]
    if isinstance(entry, tuple):
        return [sort, f"{key:x}", entry[0], packed(entry[1])]
    return [sort, f"{key:x}", entry]
