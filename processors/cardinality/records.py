"""What is counted and decided, as records for the machine's snapshots, and back.

    ["limit", key]                                                the key of the hashes
    ["limit.metric", metric, closed, over, is_changed]
    ["limit.label", metric, label, last, looked, flagged, limit, action, over, admitted]
    ["limit.cleared", metric, place]                              the place's hashes until here are forgotten
    ["limit.seen", metric, place, step, hashes]

A place is "series", "wished" or "label:" and a label's name; hashes are base64 of eight bytes each. No value is there.
"""

from base64 import b64decode, b64encode
from collections import defaultdict
from collections.abc import Iterable, Iterator
from typing import Any

from processors.cardinality.distinct import Distinct
from processors.cardinality.label import Label
from processors.cardinality.metric import Metric
from processors.cardinality.rules import Action, Limit
from processors.cardinality.tracker import Tracker

__all__ = ["changes", "everything", "restore"]

_HASHES_PER_RECORD = 4096
"""Hashes in one record."""
_SERIES, _WISHED, _LABEL = "series", "wished", "label:"


def everything(tracker: Tracker) -> Iterator[list[Any]]:
    """All that is needed to go on; copied now, to be read from any thread later."""
    states = [(_state(metric), _copies(metric)) for metric in tracker.metrics.values()]
    return _told([["limit", tracker.shared.key.secret.hex()]], states)


def _copies(metric: Metric) -> list[tuple[str, dict[bytes, int]]]:
    return [(place, distinct.seen.copy()) for place, distinct in _places(metric)]


def _told(
    head: list[list[Any]], states: list[tuple[list[list[Any]], list[tuple[str, dict[bytes, int]]]]]
) -> Iterator[list[Any]]:
    yield from head
    for records, places in states:
        yield from records
        name = records[0][1]
        for place, seen in places:
            by_step = defaultdict(list)
            for digest, step in seen.items():
                by_step[step].append(digest)
            for step, digests in by_step.items():
                yield from _seen(name, place, step, b"".join(digests))


def changes(tracker: Tracker) -> list[list[Any]]:
    """What became different since this was last asked."""
    records: list[list[Any]] = []
    for metric in tracker.changed():
        records += _state(metric)
        for place, distinct in _places(metric):
            if distinct.cleared:
                records.append(["limit.cleared", metric.name, place])
            if distinct.fresh:
                records += _seen(metric.name, place, metric.step, bytes(distinct.fresh))
            distinct.cleared, distinct.fresh = False, bytearray()
    return [["limit", tracker.shared.key.secret.hex()], *records] if records else []


def _state(metric: Metric) -> list[list[Any]]:
    """The metric and its labels, without hashes; the record of the metric stands first."""
    closed = None if metric.closed is None else metric.closed.value
    head = ["limit.metric", metric.name, closed, metric.over, metric.is_changed]
    return [head, *(_label(metric.name, label) for label in metric.labels.values())]


def _label(metric: str, label: Label) -> list[Any]:
    limit = None if label.limit is None else label.limit.value
    admitted = b64encode(b"".join(sorted(label.admitted))).decode()
    seen = [label.last, label.looked, label.flagged]
    return ["limit.label", metric, label.name, *seen, limit, label.action.value, label.over, admitted]


def _places(metric: Metric) -> Iterator[tuple[str, Distinct]]:
    yield _SERIES, metric.series
    if metric.wished is not None:
        yield _WISHED, metric.wished
    for label in metric.labels.values():
        yield _LABEL + label.name, label.values


def _seen(metric: str, place: str, step: int, digests: bytes) -> Iterator[list[Any]]:
    size = _HASHES_PER_RECORD * 8
    for start in range(0, len(digests), size):
        yield ["limit.seen", metric, place, step, b64encode(digests[start : start + size]).decode()]


def restore(tracker: Tracker, records: Iterable[list[Any]]) -> Iterator[list[Any]]:
    """Go on where the records end; they are read as what this gives, which is all of them, is gone through."""
    for record in records:
        _take(tracker, record)
        yield record
    for metric in tracker.metrics.values():
        metric.resume(tracker.step)
    tracker.shared.touched.clear()


def _take(tracker: Tracker, record: list[Any]) -> None:
    """Records of other kinds are passed over."""
    match record:
        case "limit", key:
            tracker.use_key(bytes.fromhex(key))
        case "limit.metric", name, *state if metric := _metric(tracker, name):
            _restore_metric(metric, *state)
        case "limit.label", name, key, *state if metric := _metric(tracker, name):
            _restore_label(metric, key.encode(), *state)
        case "limit.cleared", name, place if (distinct := _place(tracker, name, place)) is not None:
            distinct.clear()
        case "limit.seen", name, place, step, digests if (distinct := _place(tracker, name, place)) is not None:
            distinct.restore(_cut(digests), step)


def _metric(tracker: Tracker, name: str) -> Metric | None:
    return tracker.metrics.get(name) or tracker.metric(name)


def _restore_metric(metric: Metric, closed: str | None, over: int, is_changed: bool) -> None:
    metric.closed = None if closed is None else Limit(closed)
    metric.over, metric.is_changed = over, is_changed


def _restore_label(
    metric: Metric,
    key: bytes,
    last: int,
    looked: int,
    flagged: int,
    limit: str | None,
    action: str,
    over: int,
    admitted: str,
) -> None:
    if (label := metric.label(key)) is not None:
        label.last, label.looked, label.flagged = last, looked, flagged
        label.limit = None if limit is None else Limit(limit)
        label.action, label.over, label.admitted = Action(action), over, frozenset(_cut(admitted))


def _place(tracker: Tracker, name: str, place: str) -> Distinct | None:
    metric = _metric(tracker, name)
    if metric is None or place == _SERIES:
        return None if metric is None else metric.series
    if place == _WISHED:
        return metric.watched()
    label = metric.label(place.removeprefix(_LABEL).encode())
    return None if label is None else label.values


def _cut(digests: str) -> list[bytes]:
    data = b64decode(digests)
    return [data[at : at + 8] for at in range(0, len(data), 8)]
