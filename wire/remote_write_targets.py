"""`target_info`: one series for a target, that is, for a job and an instance, with what else its resource tells."""

from collections.abc import Hashable, Iterator, Mapping
from typing import Any

from wire import remote_write_points as points
from wire.prometheus_names import Kind
from wire.remote_write_labels import METRIC_NAME
from wire.remote_write_points import Record
from wire.remote_write_series import Family, Generations, Group, piece
from wire.remote_write_values import STALE

__all__ = ["TargetInfos", "Times"]

_STEP_MILLISECONDS = 150_000
"""Half of Prometheus' lookback, as in its own OTLP endpoint: the series never seems to have ended in between."""
_MOST_SAMPLES = 100
"""In one payload, so that one point of another age does not make millions."""


class Times:
    """The earliest and the latest point of a resource in the payload at hand, in milliseconds; -1 for none."""

    __slots__ = ("_infos", "earliest", "key", "labels", "latest")

    def __init__(self, infos: "TargetInfos", key: Hashable, labels: Any) -> None:
        self._infos = infos
        self.key = key
        self.labels = labels
        self.earliest = self.latest = -1

    def widen(self, earliest: int, latest: int) -> None:
        if self.latest < 0:
            self.earliest, self.latest = earliest, latest
            self._infos.touched.append(self)
        self.earliest, self.latest = min(self.earliest, earliest), max(self.latest, latest)


class _Metric:
    """What a group needs to know of its metric."""

    shape = points.GAUGE
    label_name = None
    names: Mapping[str, Any] = {}

    def __init__(self, name: str, two: bool) -> None:
        self.two = two
        self.family = Family(name, Kind.GAUGE, "Target metadata", "", 2)


class TargetInfos:
    """Which `target_info` each target has, for up to `capacity` targets."""

    def __init__(self, namespace: str, two: bool, capacity: int) -> None:
        self.touched: list[Times] = []
        self._two = two
        self._metric = _Metric(f"{namespace}_target_info" if namespace else "target_info", two)
        self._groups: Generations[Any, Group] = Generations(capacity)
        self._current: Generations[Hashable, Group] = Generations(capacity)

    def times(self, identity: Mapping[str, str], info: Mapping[str, str]) -> Times:
        """Where a resource's times are kept. `info` are its labels; without any, or without identity, it has no
        `target_info`."""
        labels = None
        if identity and info:
            named = {**info, **identity, METRIC_NAME: self._metric.family.name}
            labels = piece(tuple(sorted(named.items())), self._two)
        return Times(self, tuple(identity.items()), labels)

    def take(self) -> Iterator[tuple[Group, list[Record]]]:
        """The samples for the payload at hand: of each target at its first point, every half lookback, at its last.

        Of several resources of one target that with the latest point counts. Where it has other labels than before,
        the series that was before ends with a stale marker, or queries would find two.
        """
        latest: dict[Hashable, Times] = {}
        for times in self.touched:
            before = latest.get(times.key)
            if times.labels is not None and (before is None or times.latest > before.latest):
                latest[times.key] = times
        for key, times in latest.items():
            yield from self._samples(key, times)
        for times in self.touched:
            times.earliest = times.latest = -1
        self.touched.clear()

    def _samples(self, key: Hashable, times: Times) -> Iterator[tuple[Group, list[Record]]]:
        group = self._groups.get(times.labels)
        if group is None:
            group = Group(self._metric, (times.labels,), times.labels)
            self._groups.set(times.labels, group)
        before = self._current.get(key)
        self._current.set(key, group)
        if before is not None and before is not group and times.earliest > before.last:
            before.last = times.earliest
            yield before, [(times.earliest, 0, STALE, None)]
        step = max(_STEP_MILLISECONDS, (times.latest - times.earliest) // _MOST_SAMPLES)
        at = [*range(times.earliest, times.latest, step), times.latest]
        records: list[Record] = [(milliseconds, 0, 1.0, None) for milliseconds in at if milliseconds > group.last]
        if records:
            group.last = times.latest
            yield group, records
