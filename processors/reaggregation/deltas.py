"""Deltas of one batch whose series became one: added up and passed on at once, because nobody sends them again."""

from collections.abc import Callable, Sequence

from processors.reaggregation.forms import Attributes, Place, point_bytes
from processors.reaggregation.values import KINDS, Value

__all__ = ["Deltas"]


class _Sum:
    """An output and what was added to it."""

    __slots__ = ("attributes", "exemplars", "place", "start", "time", "value")

    def __init__(self, place: Place, attributes: Attributes, start: int, time: int, value: Value) -> None:
        self.place, self.attributes, self.start, self.time, self.value = place, attributes, start, time, value
        self.exemplars: list[bytes] = []


class Deltas:
    """The deltas of one batch, one sum for each output and interval. `newest` chooses the exemplars that are kept."""

    def __init__(
        self,
        interval_nanoseconds: int,
        lost: Callable[[str], None],
        newest: Callable[[Sequence[bytes]], Sequence[bytes]],
    ) -> None:
        self._interval, self._lost, self._newest = interval_nanoseconds, lost, newest
        self._sums: dict[tuple[int, int], _Sum] = {}
        self._seen: set[tuple[int, int]] = set()

    def add(
        self,
        output: int,
        source: int,
        place: Place,
        attributes: Attributes,
        start: int,
        time: int,
        value: Value,
        exemplars: Sequence[bytes],
    ) -> None:
        """Add one point. One of the same source and time in one batch is a repetition."""
        if value is None:
            return None
        if (source, time) in self._seen:
            return self._lost("duplicate")
        self._seen.add((source, time))
        key = (output, time // self._interval)
        found = self._sums.get(key)
        if found is None:
            found = self._sums[key] = _Sum(place, attributes, start, time, value)
        else:
            total = KINDS[place.kind].added(found.value, value)
            if total is None:
                return self._lost("unmergeable")
            found.value = total
            found.start = min(found.start, start) if found.start and start else found.start or start
            found.time = max(found.time, time)
        found.exemplars += exemplars
        return None

    def points(self) -> list[tuple[Place, bytes]]:
        """The sums as data points, in the order of their times."""
        made = []
        for each in sorted(self._sums.values(), key=lambda each: each.time):
            value = KINDS[each.place.kind].fields(each.value)
            point = point_bytes(
                each.place.kind, each.attributes, each.start, each.time, value, self._newest(each.exemplars)
            )
            made.append((each.place, point))
        return made
