"""What the daemon says about itself in numbers: the Collector's metric names, so that its dashboards work, and
`telescrub_*`.

Label values come from the configuration and from the code, never from data.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, TypeVar

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from pipeline.queues.store import Load
from wire.signal import Signal

__all__ = ["Readers", "Status", "Telemetry"]

K = TypeVar("K")
V = TypeVar("V")


_COMMIT_SECONDS = (0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0)


@dataclass(frozen=True, slots=True)
class Status:
    """How a component is, and a sentence that says why. Only what `failed` keeps the daemon from being ready."""

    status: Literal["ok", "starting", "degraded", "failed"]
    message: str = ""


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
        self._documentation: dict[str, str] = {}
        self.readers: dict[str, dict[str, Callable[[], float]]] = {}
        registry.register(self)

    def set(self, name: str, documentation: str, exporter: str, read: Callable[[], float]) -> None:
        self._documentation[name] = documentation
        self.readers.setdefault(name, {})[exporter] = read

    def collect(self) -> Iterable[Metric]:
        for name, readers in list(self.readers.items()):
            family = GaugeMetricFamily(name, self._documentation[name], labels=["exporter"])
            for exporter, read in list(readers.items()):
                family.add_metric([exporter], read())
            yield family


class _DeadLetters(Collector):
    """What is in the dead letters, as their reports say."""

    def __init__(
        self, registry: CollectorRegistry, reports: dict[str, dict[tuple[str, str], Callable[[], Any]]]
    ) -> None:
        self._reports = reports
        registry.register(self)

    def collect(self) -> Iterable[Metric]:
        family = GaugeMetricFamily(
            "telescrub_dead_letter_items",
            "Items that are kept as dead letters, by the exporter and the reason.",
            labels=["exporter", "signal", "reason"],
        )
        for (exporter, _), read in list(self._reports.get("dead_letters", {}).items()):
            for each in read():
                family.add_metric([exporter, each.signal.value, each.reason], each.items)
        yield family


@dataclass(frozen=True, slots=True)
class Readers:
    """What is read when it is asked for: gauges by name, reports by sort, both by whom they are about."""

    gauges: dict[str, dict[str, Callable[[], float]]]
    reports: dict[str, dict[tuple[str, str], Callable[[], object]]]


def _copied(readers: dict[str, dict[K, V]]) -> dict[str, dict[K, V]]:
    return {name: dict(each) for name, each in readers.items()}


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
        self._refused_requests = Counter(
            "telescrub_refused_requests",
            "Requests that were turned away for now, or for good at the door, by the receiver and the reason.",
            ["component", "signal", "reason"],
            registry=self.registry,
        )
        self._dead_lettered = Counter(
            "telescrub_dead_lettered_items",
            "Items that could not be delivered and were kept as dead letters, by the exporter and the reason.",
            ["component", "signal", "reason"],
            registry=self.registry,
        )
        self._replayed = Counter(
            "telescrub_replayed_items",
            "Items of dead letters that an operator had sent once more, by the reason they were kept for.",
            ["component", "signal", "reason"],
            registry=self.registry,
        )
        _DeadLetters(self.registry, self.reports)
        self._shortened = Counter(
            "telescrub_shortened_items",
            "Items that were sent without a part of them, by the component that cut it and the reason.",
            ["component", "signal", "reason"],
            registry=self.registry,
        )
        self._queue_commits = Histogram(
            "telescrub_queue_commit_seconds",
            "How long a durable queue waited for its disk, once for all that was written together.",
            ["exporter"],
            buckets=_COMMIT_SECONDS,
            registry=self.registry,
        )
        self._damaged_files = Counter(
            "telescrub_queue_damaged_files",
            "Queue files that were damaged and moved aside, with what could not be read of them.",
            ["exporter"],
            registry=self.registry,
        )
        self._reloads = Counter(
            "telescrub_reloads", "Tries to take another configuration, by outcome.", ["outcome"], registry=self.registry
        )
        self._last_reload = Gauge(
            "telescrub_config_last_reload_successful",
            "Whether the last configuration that was tried is the one that runs.",
            registry=self.registry,
        )
        self._last_reload.set(1)
        self._last_success = Gauge(
            "telescrub_config_last_reload_success_timestamp_seconds",
            "When the configuration that runs was taken.",
            registry=self.registry,
        )
        self._last_success.set_to_current_time()
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

    def refused_request(self, receiver: str, signal: Signal | Literal[""], reason: str) -> None:
        """A request or connection that was turned away; `signal` is empty where it is not known, `reason` is a word of
        the code, never data.
        """
        self._refused_requests.labels(receiver, signal, reason).inc()

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

    def unredacted(self, reasons: Mapping[str, str]) -> None:
        """The pipelines that the configuration allows to pass data on as it is, with the operator's reasons."""
        self._unredacted.clear()
        for pipeline, reason in reasons.items():
            self._unredacted.labels(pipeline, reason).set(1)

    def redacted(self, rule: str, signal: Signal, action: str, count: int) -> None:
        """Values a rule changed; `rule` is its id in the rule files."""
        self._redactions.labels(rule, signal.value, action).inc(count)

    def queue(self, exporter: str, size: Callable[[], float], capacity: Callable[[], float]) -> None:
        """Show an exporter's queue, in the unit of its sizer."""
        self._gauges.set("otelcol_exporter_queue_size", "How much waits in the queue.", exporter, size)
        self._gauges.set("otelcol_exporter_queue_capacity", "How much may wait at most.", exporter, capacity)

    def queue_committed(self, exporter: str, seconds: float) -> None:
        """A transaction of a durable queue; from any thread."""
        self._queue_commits.labels(exporter).observe(seconds)

    def queue_file_damaged(self, exporter: str) -> None:
        """A queue file was moved aside; from any thread."""
        self._damaged_files.labels(exporter).inc()

    def dead_lettered(self, exporter: str, signal: Signal, reason: str, items: int) -> None:
        """Items that did not arrive and are kept as dead letters."""
        self._dead_lettered.labels(exporter, signal.value, reason).inc(items)

    def replayed(self, exporter: str, signal: Signal, reason: str, items: int) -> None:
        """Items of dead letters that went back into the queue."""
        self._replayed.labels(exporter, signal.value, reason).inc(items)

    def waiting(
        self, exporter: str, load: Callable[[], Load], sending: Callable[[], int], oldest: Callable[[], float]
    ) -> None:
        """Show what waits before an exporter in every unit, how many batches are being sent, and for how many seconds
        the oldest of them have waited.
        """
        show, waits = self._gauges.set, "that wait in the queue or are being sent."
        show("telescrub_queue_requests", f"Received requests {waits}", exporter, lambda: load().requests)
        show("telescrub_queue_items", f"Items {waits}", exporter, lambda: load().items)
        show("telescrub_queue_bytes", f"Bytes {waits}", exporter, lambda: load().bytes)
        show("telescrub_queue_sending_batches", "Batches that are being sent, or sent again.", exporter, sending)
        name, what = "telescrub_queue_oldest_seconds", "Since when what is being sent waits; 0 if nothing is."
        show(name, what, exporter, oldest)

    def reloaded(self, *, successful: bool) -> None:
        """Another configuration was tried."""
        self._reloads.labels("done" if successful else "failed").inc()
        self._last_reload.set(successful)
        if successful:
            self._last_success.set_to_current_time()

    def status(self, component: str, read: Callable[[], Status]) -> None:
        """Say how a component is, whenever it is asked for; what removes its reports removes this too."""
        self.report("health", component, "", read)

    def readers(self) -> Readers:
        """All that is read when it is asked for: gauges and reports."""
        return Readers(_copied(self._gauges.readers), _copied(self.reports))

    def restore(self, readers: Readers) -> None:
        """Show what was shown when `readers` were taken, and nothing that came after."""
        self._gauges.readers.clear()
        self._gauges.readers.update(_copied(readers.gauges))
        self.reports.clear()
        self.reports.update(_copied(readers.reports))

    def forget(self, component: str, pipeline: str = "", sorts: Iterable[str] | None = None) -> None:
        """A component is gone, or in one pipeline: neither its gauges nor its reports, or those of `sorts`, are shown
        any longer.
        """
        for sort in list(self.reports) if sorts is None else sorts:
            self.reports.get(sort, {}).pop((component, pipeline), None)
        if not pipeline and sorts is None:
            for readers in self._gauges.readers.values():
                readers.pop(component, None)

    def forget_exporter(self, exporter: str) -> None:
        """An exporter is gone, whatever else has its id: its gauges, health and dead letters are shown no longer."""
        self.forget(exporter, sorts=["health", "dead_letters"])
        for readers in self._gauges.readers.values():
            readers.pop(exporter, None)

    def series_cache(self, exporter: str, hit_ratio: Callable[[], float], size: Callable[[], float]) -> None:
        """Show how well an exporter knows the series it is given."""
        name = "telescrub_series_cache"
        self._gauges.set(f"{name}_hit_ratio", "The part of all points whose series was known.", exporter, hit_ratio)
        self._gauges.set(f"{name}_size", "Series (histograms as one) that are remembered.", exporter, size)

    def report(self, sort: str, component: str, pipeline: str, read: Callable[[], object]) -> None:
        """Offer a report, of plain values, to whoever asks on this machine; `read` is called in a thread."""
        self.reports.setdefault(sort, {})[component, pipeline] = read
