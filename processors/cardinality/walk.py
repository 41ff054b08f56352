"""One way through a payload: every point is placed, and what its exemplars may not say is taken off them."""

from collections.abc import Sequence
from typing import Any

from opentelemetry.proto.metrics.v1.metrics_pb2 import Exemplar

from processors.cardinality.hashing import Identity
from processors.cardinality.metric import OVERFLOW, Metric
from processors.cardinality.points import points_of
from processors.cardinality.tracker import Tracker
from processors.otlp_objects import remove_if

__all__ = ["Placed", "Walk"]

Placed = tuple[list[bytes], Sequence[bytes] | None]
"""A point's attributes as they stand in the payload, and those it gets: None to leave the point out. Equal ones may be
in another order, by which they are counted."""


class Walk:
    """What is to become of a payload's metrics, in their order."""

    def __init__(self, tracker: Tracker, tenant: str = "") -> None:
        self._tracker, self._tenant = tracker, tenant.encode()
        self.changing: list[bool] = []
        """For each metric, whether its points must be added up."""
        self.placed: list[Placed] = []
        """For each point of those that must."""
        self.outcomes: dict[str, int] = {}
        """Points by what becomes of them: relabelled, overflowed, dropped."""
        self.exemplars_changed = False

    def metrics(self, metrics: Any) -> None:
        key = self._tracker.shared.key
        for resource in metrics.resource_metrics:
            for scope in resource.scope_metrics:
                identity = key.identity(self._tenant, resource.resource, scope.scope)
                for metric in scope.metrics:
                    self.changing.append(self._metric(metric, identity))

    def _metric(self, metric: Any, identity: Identity) -> bool:
        points = points_of(metric)
        if not points:
            return False
        tracked = self._tracker.metric(metric.name)
        if tracked is None:
            self._drop_all(points)
            return True
        exemplars = metric.WhichOneof("data") != "summary"
        changes = tracked.is_changed or not self._all_pass(tracked, points, identity, exemplars)
        if changes:
            self._place_all(tracked, points, identity, exemplars)
        return changes

    def _drop_all(self, points: Any) -> None:
        for point in points:
            self.placed.append((list(point.attributes), None))
            self._count("dropped")

    def _all_pass(self, tracked: Metric, points: Any, identity: Identity, exemplars: bool) -> bool:
        """The quick way, where nothing of a metric is changed: a hash and a look-up for a series that is known."""
        begun, step, seen = identity.begun, tracked.step, tracked.series.seen
        for point in points:
            attributes = sorted(point.attributes)
            digest = begun.copy()
            digest.update(b"".join(attributes))
            if seen.get(digest.digest()) != step:
                if tracked.place(attributes, identity) is not attributes:
                    return False
                seen = tracked.series.seen
            if exemplars and point.exemplars:
                self._clean(tracked, point)
        return True

    def _place_all(self, tracked: Metric, points: Any, identity: Identity, exemplars: bool) -> None:
        for point in points:
            own = list(point.attributes)
            attributes = sorted(own)
            placed = tracked.place(attributes, identity)
            if placed is not attributes:
                self._count(_outcome(placed))
            self.placed.append((own, placed))
            if exemplars and point.exemplars:
                self._clean(tracked, point)

    def _count(self, outcome: str) -> None:
        self.outcomes[outcome] = self.outcomes.get(outcome, 0) + 1

    def _clean(self, tracked: Metric, point: Any) -> None:
        """Take off a point's exemplars what points may not have: they exist to hold what was taken off points."""
        exemplars = [Exemplar.FromString(each) for each in point.exemplars]
        if sum(_strip(exemplar, tracked) for exemplar in exemplars):
            point.exemplars[:] = [each.SerializeToString() for each in exemplars]
            self.exemplars_changed = True


def _strip(exemplar: Exemplar, tracked: Metric) -> int:
    return remove_if(exemplar.filtered_attributes, lambda entry: tracked.drops_from_exemplars(entry.key.encode()))


def _outcome(placed: Sequence[bytes] | None) -> str:
    if placed is None:
        return "dropped"
    return "overflowed" if placed == (OVERFLOW,) else "relabelled"
