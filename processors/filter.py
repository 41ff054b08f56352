"""`filter`: drops what fulfils a condition, as in the Collector, with the conditions of `processors/conditions.py`.

The conditions of a list are ORed. What is dropped is counted as `filtered`; an item whose evaluation raises is dropped
as well and counted as `filter_failed`, whatever `error_mode` says: it might be just what should not pass.
"""

from collections.abc import Iterable, Sequence
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator

from config.settings import Settings
from pipeline.batch import Batch, Signal
from pipeline.component import Context, ProcessorSettings
from processors.condition_paths import Scene
from processors.conditions import Condition, Test, parse_condition
from processors.otlp_objects import points, prune, remove_if, scopes

__all__ = ["Filter", "FilterSettings"]


def _on(signal: Signal, context: str | None = None) -> Any:
    """A validator that parses a condition, so that a mistake is reported at its line."""

    def check(text: str) -> str:
        parse_condition(text, signal, context)
        return text

    return AfterValidator(check)


def _no_groups(value: Any) -> Any:
    if isinstance(value, dict):
        raise ValueError(
            "write a condition as text with full paths, such as span.name; groups with a context are not supported"
        )
    return value


_Text = Annotated[str, BeforeValidator(_no_groups)]


class TraceFilterSettings(Settings):
    """The older form for traces: conditions by what they look at, which bare fields belong to."""

    resource: tuple[Annotated[str, _on(Signal.TRACES, "resource")], ...] = ()
    """Drop everything of a resource."""
    span: tuple[Annotated[str, _on(Signal.TRACES, "span")], ...] = ()
    """Drop a span."""
    spanevent: tuple[Annotated[str, _on(Signal.TRACES, "spanevent")], ...] = ()
    """Drop an event of a span; the span stays."""


class MetricFilterSettings(Settings):
    """The older form for metrics."""

    resource: tuple[Annotated[str, _on(Signal.METRICS, "resource")], ...] = ()
    """Drop everything of a resource."""
    metric: tuple[Annotated[str, _on(Signal.METRICS, "metric")], ...] = ()
    """Drop a metric with all its data points."""
    datapoint: tuple[Annotated[str, _on(Signal.METRICS, "datapoint")], ...] = ()
    """Drop a data point."""


class LogFilterSettings(Settings):
    """The older form for logs."""

    resource: tuple[Annotated[str, _on(Signal.LOGS, "resource")], ...] = ()
    """Drop everything of a resource."""
    log_record: tuple[Annotated[str, _on(Signal.LOGS, "log")], ...] = ()
    """Drop a log record."""


class FilterSettings(ProcessorSettings):
    """The Collector's `filter` processor, without its `include` and `exclude` blocks."""

    error_mode: Literal["ignore", "silent", "propagate"] = "ignore"
    """Taken for the Collector's sake; here an error while testing drops the item, counted, in every mode."""
    trace_conditions: tuple[Annotated[_Text, _on(Signal.TRACES)], ...] = ()
    """Drop spans, or span events where a path begins with `spanevent`. Every path begins with what it belongs to."""
    metric_conditions: tuple[Annotated[_Text, _on(Signal.METRICS)], ...] = ()
    """Drop metrics, or data points where a path begins with `datapoint`."""
    log_conditions: tuple[Annotated[_Text, _on(Signal.LOGS)], ...] = ()
    """Drop log records."""
    traces: TraceFilterSettings = TraceFilterSettings()
    """The Collector's older form for traces."""
    metrics: MetricFilterSettings = MetricFilterSettings()
    """The Collector's older form for metrics."""
    logs: LogFilterSettings = LogFilterSettings()
    """The Collector's older form for logs."""

    def conditions(self) -> dict[Signal, list[Condition]]:
        """All conditions, parsed, by signal."""
        parsed: dict[Signal, list[Condition]] = {signal: [] for signal in Signal}

        def add(signal: Signal, context: str | None, texts: Sequence[str]) -> None:
            parsed[signal] += [parse_condition(text, signal, context) for text in texts]

        add(Signal.TRACES, None, self.trace_conditions)
        add(Signal.TRACES, "resource", self.traces.resource)
        add(Signal.TRACES, "span", self.traces.span)
        add(Signal.TRACES, "spanevent", self.traces.spanevent)
        add(Signal.METRICS, None, self.metric_conditions)
        add(Signal.METRICS, "resource", self.metrics.resource)
        add(Signal.METRICS, "metric", self.metrics.metric)
        add(Signal.METRICS, "datapoint", self.metrics.datapoint)
        add(Signal.LOGS, None, self.log_conditions)
        add(Signal.LOGS, "resource", self.logs.resource)
        add(Signal.LOGS, "log", self.logs.log_record)
        return parsed

    def build(self, context: Context) -> "Filter":
        return Filter(self, context)


class Filter:
    """Drops items, and parts of items, that fulfil one of the signal's conditions."""

    def __init__(self, settings: FilterSettings, context: Context) -> None:
        self._context = context
        self._conditions = settings.conditions()

    def process(self, batch: Batch) -> Batch | None:
        conditions = self._conditions[batch.signal]
        if not conditions:
            return batch
        message = batch.decode()
        removal = _Removal(batch.signal, conditions)
        for resource, scope, items in scopes(batch.signal, message):
            removal.from_items(Scene(resource, scope, None), items)
        if not removal.counts:
            return batch
        for reason, count in removal.counts.items():
            self._context.telemetry.dropped(self._context.id, batch.signal, reason, count)
        prune(batch.signal, message)
        left = Batch.encode(batch.signal, message)
        return left if left.items else None


class _Removal:
    """One batch's work: takes out what fulfils a condition, and counts it by reason."""

    def __init__(self, signal: Signal, conditions: Iterable[Condition]) -> None:
        self._signal = signal
        self._on_item = [condition.test for condition in conditions if not condition.needs_part]
        self._on_part = [condition.test for condition in conditions if condition.needs_part]
        self.counts: dict[str, int] = {}

    def from_items(self, around: Scene, items: Any) -> None:
        remove_if(items, lambda item: self._drops_item(around._replace(item=item)))
        for item in items if self._on_part else ():
            self._from_parts(around._replace(item=item))

    def _from_parts(self, around: Scene) -> None:
        parts = points(around.item) if self._signal is Signal.METRICS else around.item.events
        remove_if(parts, lambda part: self._drops_part(around._replace(part=part)))

    def _drops_item(self, scene: Scene) -> bool:
        reason = _verdict(self._on_item, scene)
        if reason:
            self._count(reason, len(points(scene.item)) if self._signal is Signal.METRICS else 1)
        return reason is not None

    def _drops_part(self, scene: Scene) -> bool:
        reason = _verdict(self._on_part, scene)
        if reason:
            self._count(reason if self._signal is Signal.METRICS else f"{reason}_span_events", 1)
        return reason is not None

    def _count(self, reason: str, items: int) -> None:
        self.counts[reason] = self.counts.get(reason, 0) + items


def _verdict(tests: Iterable[Test], scene: Scene) -> str | None:
    """Why to drop, or None."""
    try:
        return "filtered" if any(test(scene) for test in tests) else None
    except Exception:  # Fail closed; the text of the exception could hold data and goes nowhere.
        return "filter_failed"
