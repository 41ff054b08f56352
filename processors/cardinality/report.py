"""What the counts say, for people: numbers, names of metrics and labels, decisions and when they end. Never a value."""

from datetime import UTC, datetime
from typing import Any

from processors.cardinality.distinct import STEPS
from processors.cardinality.label import Label, Standing
from processors.cardinality.metric import Metric
from processors.cardinality.tracker import Tracker

__all__ = ["report"]

_MOST_METRICS = 500
"""In a report: a MB or so, whatever comes in."""


def report(tracker: Tracker, mode: str) -> dict[str, Any]:
    """The largest metrics, as plain values."""
    metrics = sorted(tracker.metrics.values(), key=lambda metric: (-_incoming(metric), metric.name))
    return {
        "mode": mode,
        "window_seconds": tracker.step_seconds * STEPS,
        "series": tracker.shared.series.held,
        "max_series": tracker.shared.series.most,
        "memory_bytes": tracker.memory_bytes,
        "all_metrics": len(metrics),
        "metrics": [_metric(tracker, metric) for metric in metrics[:_MOST_METRICS]],
    }


def _incoming(metric: Metric) -> int:
    """About how many series came in: exactly those that are counted, while nothing is changed."""
    return max(len(metric.series), len(metric.incoming))


def _metric(tracker: Tracker, metric: Metric) -> dict[str, Any]:
    labels = sorted(metric.labels.values(), key=lambda label: (-_values(label), label.key))
    incoming = _incoming(metric)
    return {
        "name": metric.name,
        "series": len(metric.series),
        "max_series": metric.rules.max_series,
        "incoming_series": incoming,
        "saved_series": incoming - len(metric.series),
        "closed_by": None if metric.closed is None else metric.closed.value,
        "closed_until": None if metric.closed is None else _until(tracker, metric.over),
        "labels": [_label(tracker, metric, label) for label in labels],
    }


def _values(label: Label) -> int:
    """Exactly those that are counted, while nothing is decided; about those that come in, afterwards."""
    return max(len(label.values), len(label.incoming))


def _label(tracker: Tracker, metric: Metric, label: Label) -> dict[str, Any]:
    decided = label.limit is not None
    return {
        "name": label.name,
        "values": _values(label),
        "max_values": label.values.limit,
        "standing": label.standing.value,
        "identifiers": label.holds_identifiers,
        "action": label.action.value if decided else "drop_label" if label.standing is Standing.ALWAYS_DROP else None,
        "limit": label.limit.value if label.limit is not None else None,
        "until": _until(tracker, label.over if label.limit != "series" else metric.over) if decided else None,
    }


def _until(tracker: Tracker, over: int) -> str:
    """When a decision ends if nothing exceeds the limit from now on."""
    return datetime.fromtimestamp((over + STEPS + 1) * tracker.step_seconds, UTC).isoformat(timespec="seconds")
