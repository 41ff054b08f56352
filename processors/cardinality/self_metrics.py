"""What `limit_cardinality` says about itself in numbers. Labels are of configuration and code, never of data."""

from collections import Counter as Counts
from collections.abc import Iterable
from weakref import WeakKeyDictionary, WeakValueDictionary

from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from processors.cardinality.tracker import Tracker

__all__ = ["Counted", "show"]


class Counted:
    """The numbers of one processor in one pipeline."""

    def __init__(self, component: str, pipeline: str, mode: str, tracker: Tracker) -> None:
        self.names = (component, pipeline)
        self.mode, self.tracker = mode, tracker
        self.points: Counts[str] = Counts()
        """Points that were not passed as they were, by outcome: relabelled, overflowed, dropped."""

    def go_on_from(self, before: "Counted") -> None:
        """Count on where the one was whose place this one takes."""
        self.tracker.shared.hits = before.tracker.shared.hits
        if self.mode == before.mode:
            self.points = before.points


class _Numbers(Collector):
    """All processors of a daemon, read when somebody asks."""

    def __init__(self) -> None:
        # Weak: whose pipeline is gone at a reload is gone here too.
        self.counted: WeakValueDictionary[tuple[str, str], Counted] = WeakValueDictionary()

    def collect(self) -> Iterable[Metric]:
        names = ["component", "pipeline"]
        series = GaugeMetricFamily("telescrub_cardinality_series", "Series within the window.", labels=names)
        memory = GaugeMetricFamily("telescrub_cardinality_memory_bytes", "What the counts hold, about.", labels=names)
        dropped = GaugeMetricFamily(
            "telescrub_cardinality_limited_labels", "Labels of metrics that a limit has put an end to.", labels=names
        )
        flagged = GaugeMetricFamily(
            "telescrub_cardinality_identifier_labels",
            "Labels of metrics whose values look like identifiers.",
            labels=names,
        )
        hits = CounterMetricFamily(
            "telescrub_cardinality_limits_hit", "Decisions, by limit and action.", labels=[*names, "limit", "action"]
        )
        points = CounterMetricFamily(
            "telescrub_cardinality_points",
            "Points that did not pass as they were, or would not have (observe).",
            labels=[*names, "mode", "outcome"],
        )
        for each in list(self.counted.values()):
            shared = each.tracker.shared
            labels = [label for metric in list(each.tracker.metrics.values()) for label in list(metric.labels.values())]
            series.add_metric(each.names, shared.series.held)
            memory.add_metric(each.names, each.tracker.memory_bytes)
            dropped.add_metric(each.names, sum(label.limit is not None for label in labels))
            flagged.add_metric(each.names, sum(label.holds_identifiers for label in labels))
            for (limit, action), count in list(shared.hits.items()):
                hits.add_metric([*each.names, limit.value, action.value], count)
            for outcome, count in list(each.points.items()):
                points.add_metric([*each.names, each.mode, outcome], count)
        return [series, memory, dropped, flagged, hits, points]


_NUMBERS: WeakKeyDictionary[CollectorRegistry, _Numbers] = WeakKeyDictionary()


def show(registry: CollectorRegistry, counted: Counted, *, begins: bool = False) -> None:
    """Show a processor's numbers among the daemon's own; where another one is in its place, once it `begins`."""
    numbers = _NUMBERS.get(registry)
    if numbers is None:
        numbers = _NUMBERS[registry] = _Numbers()
        registry.register(numbers)
    before = numbers.counted.setdefault(counted.names, counted)
    if begins and before is not counted:
        counted.go_on_from(before)
        numbers.counted[counted.names] = counted
