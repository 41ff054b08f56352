"""Series in the making: samples in order, none twice, none older than what was sent before.

Prometheus answers one sample out of order with 400 and takes nothing of the whole request: the order is kept here.
"""

from collections.abc import Sequence

from wire.remote_write_labels import Labels
from wire.remote_write_points import Reason, Sample, Unfit

__all__ = ["LastSent", "Series", "SeriesTable"]


class LastSent:
    """The time of the last sample of each series, for up to `capacity` series; the longest unsent are forgotten first.

    Two generations: when the young one has half the capacity, it becomes the old one, and the old one is forgotten.
    A series is known by a 64-bit hash and costs about 120 bytes.
    """

    def __init__(self, capacity: int) -> None:
        self._half = max(capacity // 2, 1)
        self._young: dict[int, int] = {}
        self._old: dict[int, int] = {}

    def get(self, labels: Labels) -> int:
        """Milliseconds since 1970; -1 for a series that is not known."""
        key = hash(labels)
        found = self._young.get(key)
        return self._old.get(key, -1) if found is None else found

    def set(self, labels: Labels, timestamp: int) -> None:
        if len(self._young) >= self._half:
            self._old, self._young = self._young, {}
        self._young[hash(labels)] = timestamp

    @property
    def size(self) -> int:
        """Entries held; a series may have one in each generation."""
        return len(self._young) + len(self._old)


class Series:
    """One series of a batch: its labels, when it was sent last, its values by time in milliseconds."""

    __slots__ = ("_last", "_values", "labels")

    def __init__(self, labels: Labels, last: int) -> None:
        self.labels = labels
        self._last = last
        self._values: dict[int, float] = {}

    def check(self, timestamp: int) -> None:
        """Raises: `Unfit` if a sample of that time cannot follow what was sent."""
        if timestamp < self._last:
            raise Unfit(Reason.OUT_OF_ORDER)
        if timestamp == self._last or timestamp in self._values:
            raise Unfit(Reason.DUPLICATE)

    def put(self, timestamp: int, value: float) -> None:
        self._values[timestamp] = value

    @property
    def samples(self) -> list[tuple[int, float]]:
        """(time, value) in order of time."""
        return [(timestamp, self._values[timestamp]) for timestamp in sorted(self._values)]

    @property
    def latest(self) -> int | None:
        """The time of the last sample; None if there is none."""
        return max(self._values, default=None)


class SeriesTable:
    """The series of a batch in the order in which they were met."""

    def __init__(self, sent: LastSent) -> None:
        self._sent = sent
        self._series: dict[Labels, Series] = {}

    def add(self, timestamp: int, samples: Sequence[Sample]) -> None:
        """Take in all samples of a data point, or none of them: half a histogram is worse than none.

        Raises: `Unfit`.
        """
        found = [self._find(labels) for labels, _ in samples]
        for series in found:
            series.check(timestamp)
        for series, (_, value) in zip(found, samples, strict=True):
            series.put(timestamp, value)

    def _find(self, labels: Labels) -> Series:
        series = self._series.get(labels)
        if series is None:
            series = self._series[labels] = Series(labels, self._sent.get(labels))
        return series

    def finish(self) -> list[Series]:
        """The series that have samples; from now on these count as sent."""
        full: list[Series] = []
        for series in self._series.values():
            if (latest := series.latest) is not None:
                self._sent.set(series.labels, latest)
                full.append(series)
        return full
