"""What is counted, as records and back."""

from processors.cardinality.points import Metrics
from processors.cardinality.records import changes, everything, restore
from processors.cardinality.rules import LimitSettings, rules_by_metric
from processors.cardinality.tracker import Tracker
from processors.cardinality.walk import Walk
from tests.payloads import metrics
from tests.processors.test_limit_cardinality import counter, users


def tracker() -> Tracker:
    settings = LimitSettings(max_values_per_label=4, max_series_per_metric=6)
    return Tracker(rules_by_metric(settings), settings.max_series, 3600.0, journal=True, clock=lambda: 1e9)


def feed(tracked: Tracker, start: int, count: int, name: str = "requests") -> None:
    tracked.advance()
    Walk(tracked).metrics(Metrics.FromString(metrics([counter(users(count, start), name)]).payload))


def test_both_ways_lead_to_the_same() -> None:
    """All that is held, or a beginning and every change since; records of others are passed through."""
    first = tracker()
    feed(first, 0, 3)
    begun = [*everything(first)]
    changes(first)
    later = []
    for start in range(2, 9):
        feed(first, start, 2)
        feed(first, 0, start, name="other")
        later += changes(first)
    wholes = [*everything(first)]
    for records in ([*begun, *later], wholes, [["unknown", 1], *wholes]):
        second = tracker()
        assert [*restore(second, records)] == records
        assert sorted(map(str, everything(second))) == sorted(map(str, wholes))
        assert second.shared.memory.held == first.shared.memory.held


def test_nothing_new_nothing_told() -> None:
    """What was seen in this step already is no change."""
    tracked = tracker()
    feed(tracked, 0, 2)
    assert [record[0] for record in changes(tracked)][:2] == ["limit", "limit.metric"]
    feed(tracked, 0, 2)
    assert changes(tracked) == []
