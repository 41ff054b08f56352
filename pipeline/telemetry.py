"""What the daemon says about itself in numbers: the Collector's metric names, so that its dashboards work, and
`telescrub_*`.

Label values come from the configuration and from the code, never from data.
"""

from collections.abc import Callable, Iterable

from prometheus_client import CollectorRegistry, Counter, Gauge
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from wire.signal import Signal

__all__ = ["Telemetry"]


class _PlainCounter(Collector):
    """A counter without the `_total` that prometheus-client insists on: the Collector's default names have none."""

    def __init__(self, registry: CollectorRegistry, name: str, documentation: str, labels: tuple[str, ...]) -> None:
        self._name, self._documentation, self._labels = name, documentation, labels
        self._values: dict[tuple[str, ...], float] = {}
        registry.register(self)

    def add(self, amount: float, *labels: str) -> None:
        self._values[labels] = self._values.get(labels, 0.0) + amount

    def collect(self) -> Iterable[Metric]:
        metric = Metric(self._name, self._documentation, "unknown")
        for labels, value in list(self._values.items()):
            metric.add_sample(self._name, dict(zip(self._labels, labels, strict=True)), value)
        yield metric


class _Gauges(Collector):
    """Gauges that are read when they are asked for."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._readers: dict[str, tuple[str, dict[str, Callable[[], float]]]] = {}
        registry.register(self)

    def set(self, name: str, documentation: str, exporter: str, read: Callable[[], float]) -> None:
        self._readers.setdefault(name, (documentation, {}))[1][exporter] = read

    def collect(self) -> Iterable[Metric]:
        for name, (documentation, readers) in self._readers.items():
            family = GaugeMetricFamily(name, documentation, labels=["exporter"])
            for exporter, read in readers.items():
                family.add_metric([exporter], read())
            yield family


class Telemetry:
    """All of the daemon's own metrics, on a registry of its own."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.reports: dict[str, dict[tuple[str, str], Callable[[], object]]] = {}
        """What components tell about themselves beyond numbers: by sort, then by component and pipeline."""
        self._gauges = _Gauges(self.registry)
        self._receiver = self._per_signal("receiver", ("accepted", "refused", "failed"), ("receiver", "transport"))
        self._exporter = self._per_signal("exporter", ("sent", "send_failed", "enqueue_failed"), ("exporter",))
        self._processor = {
            way: _PlainCounter(
                self.registry,
                f"otelcol_processor_{way}_items",
                f"Number of items {way}, by processor.",
                ("processor", "otel_signal"),
            )
            for way in ("incoming", "outgoing")
        }
        self._dropped = Counter(
            "telescrub_dropped_items",
            "Items that were dropped, by the component that did it and the reason.",
            ["component", "signal", "reason"],
            registry=self.registry,
        )
        self._shortened = Counter(
            "telescrub_shortened_items",
            "Items that were sent without a part of them, by the component that cut it and the reason.",
            ["component", "signal", "reason"],
            registry=self.registry,
        )
        self._unparsed = Counter(
            "telescrub_unparsed_log_records",
            "Log lines that were not JSON and became a body of text.",
            ["receiver"],
            registry=self.registry,
        )
        self._unredacted = Gauge(
            "telescrub_unredacted_pipeline",
            "Pipelines that do not redact, and why.",
            ["pipeline", "reason"],
            registry=self.registry,
        )
        self._redactions = Counter(
            "telescrub_redactions", "Redactions, by rule.", ["rule", "signal", "action"], registry=self.registry
        )

    def _per_signal(
        self, kind: str, outcomes: tuple[str, ...], labels: tuple[str, ...]
    ) -> dict[tuple[str, Signal], _PlainCounter]:
        return {
            (outcome, signal): _PlainCounter(
                self.registry,
                f"otelcol_{kind}_{outcome}_{signal.items}",
                f"Number of {signal.items} {outcome} by the {kind}.",
                labels,
            )
            for outcome in outcomes
            for signal in Signal
        }

    def accepted(self, receiver: str, transport: str, signal: Signal, items: int) -> None:
        """Items a receiver took in and answered OK to."""
        self._receiver["accepted", signal].add(items, receiver, transport)

    def refused(self, receiver: str, transport: str, signal: Signal, items: int) -> None:
        """Items a receiver turned away for now."""
        self._receiver["refused", signal].add(items, receiver, transport)

    def failed(self, receiver: str, transport: str, signal: Signal, items: int) -> None:
        """Items (or requests whose items could not be read) that a receiver rejected."""
        self._receiver["failed", signal].add(items, receiver, transport)

    def processed(self, processor: str, signal: Signal, incoming: int, outgoing: int) -> None:
        """Items that went into a processor and came out of it."""
        self._processor["incoming"].add(incoming, processor, signal.value)
        self._processor["outgoing"].add(outgoing, processor, signal.value)

    def sent(self, exporter: str, signal: Signal, items: int) -> None:
        """Items a destination took."""
        self._exporter["sent", signal].add(items, exporter)

    def send_failed(self, exporter: str, signal: Signal, items: int) -> None:
        """Items that were given up after the queue."""
        self._exporter["send_failed", signal].add(items, exporter)

    def enqueue_failed(self, exporter: str, signal: Signal, items: int) -> None:
        """Items that found the queue full."""
        self._exporter["enqueue_failed", signal].add(items, exporter)

    def dropped(self, component: str, signal: Signal, reason: str, items: int) -> None:
        """Items lost for good; `reason` is a word of the code, never data."""
        self._dropped.labels(component, signal.value, reason).inc(items)

    def shortened(self, component: str, signal: Signal, reason: str, items: int) -> None:
        """Items that were passed on with a part missing; `reason` is a word of the code, never data."""
        self._shortened.labels(component, signal.value, reason).inc(items)

    def unparsed(self, receiver: str, items: int) -> None:
        """Log lines that came in as something else than JSON."""
        self._unparsed.labels(receiver).inc(items)

    def unredacted(self, pipeline: str, reason: str) -> None:
        """A pipeline that its configuration allows to pass data on as it is, with the operator's reason."""
        self._unredacted.labels(pipeline, reason).set(1)

    def redacted(self, rule: str, signal: Signal, action: str, count: int) -> None:
        """Values a rule changed; `rule` is its id in the rule files."""
        self._redactions.labels(rule, signal.value, action).inc(count)

    def queue(self, exporter: str, size: Callable[[], float], capacity: float) -> None:
        """Show an exporter's queue, in the unit of its sizer."""
        self._gauges.set("otelcol_exporter_queue_size", "How much waits in the queue.", exporter, size)
        self._gauges.set("otelcol_exporter_queue_capacity", "How much may wait at most.", exporter, lambda: capacity)

    def series_cache(self, exporter: str, hit_ratio: Callable[[], float], size: Callable[[], float]) -> None:
        """Show how well an exporter knows the series it is given."""
        name = "telescrub_series_cache"
        self._gauges.set(f"{name}_hit_ratio", "The part of all points whose series was known.", exporter, hit_ratio)
        self._gauges.set(f"{name}_size", "Series (histograms as one) that are remembered.", exporter, size)

    def report(self, sort: str, component: str, pipeline: str, read: Callable[[], object]) -> None:
        """Offer a report, of plain values, to whoever asks on this machine; `read` is called in a thread."""
        self.reports.setdefault(sort, {})[component, pipeline] = read
