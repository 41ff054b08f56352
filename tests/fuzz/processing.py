"""The processors, on every batch that a receiver would make of an input."""

from collections.abc import Callable, Mapping
from random import Random
from typing import Any

from pipeline.batch import Batch
from pipeline.component import Context, Processor, ProcessorSettings
from processors.collector_redaction import CollectorRedactionSettings
from processors.cumulative_to_delta import CumulativeToDeltaSettings
from processors.delta_to_cumulative import DeltaToCumulativeSettings
from processors.drop_labels import DropLabelsSettings
from processors.limit_cardinality import LimitCardinalitySettings
from processors.redact_phi import RedactPhiSettings
from tests.fuzz.target import Check, Target, must, otlp_of, received, request
from tests.fuzz.watch import Log, context
from wire.signal import Signal

__all__ = ["PROCESSING"]

_AT_MOST = 2_000
"""Batches, after which a processor with a memory begins anew."""


def _processor(model: type[ProcessorSettings], written: Mapping[str, Any], more: "More") -> Callable[[], Check]:
    def open_() -> Check:
        log = Log()
        settings = model.model_validate(written)
        made = _Running(settings, log)

        def check(data: bytes) -> bool:
            batch = received(data)
            if batch is None or batch.signal not in settings.signals():
                return False
            processor = made.processor()
            after = processor.process(batch)
            log.check()
            _check_counted(made.context, batch)
            if after is not None:
                must(Batch.received(after.signal, after.payload) == after, "what a processor passes on is not clean")
                more(processor, batch, after)
            return True

        return check

    return open_


class _Running:
    """A processor, and its context."""

    def __init__(self, settings: ProcessorSettings, log: Log) -> None:
        self._settings, self._log = settings, log
        self._used = 0
        self._make()

    def _make(self) -> None:
        self.context = context("fuzzed", self._log)
        self._made = self._settings.build(self.context)

    def processor(self) -> Processor:
        self._used += 1
        if self._used % _AT_MOST == 0 and hasattr(self._made, "tick"):
            self._made.tick(stopping=True)
            self._make()
        return self._made


_FAILURES = ("redaction_failed", "internal_error")


def _check_counted(counted: Context, batch: Batch) -> None:
    """That nothing was dropped because code failed: that is safe, but a loss that is a bug."""
    for reason in _FAILURES:
        labels = {"component": counted.id, "signal": batch.signal.value, "reason": reason}
        value = counted.telemetry.registry.get_sample_value("telescrub_dropped_items_total", labels)
        must(not value, f"items were dropped for {reason}")


More = Callable[[Processor, Batch, Batch], None]


def _nothing_more(processor: Processor, before: Batch, after: Batch) -> None:
    return


def _settled(processor: Processor, before: Batch, after: Batch) -> None:
    """What was redacted is left alone the next time."""
    must(after is before or after.items == before.items, "redaction lost items")


def _metrics(random: Random) -> bytes:
    return otlp_of(random, Signal.METRICS)


_COLLECTOR = {
    "allow_all_keys": True,
    "ignored_keys": ["service.name"],
    "ignored_key_patterns": ["^k8s"],
    "blocked_key_patterns": ["(?i).*patient.*", "ssn$"],
    "blocked_values": ["[0-9]{3}-[0-9]{2}-[0-9]{4}", r"[a-z.]+@example\.org", "4[0-9]{12}"],
    "allowed_values": [r".+@allowed\.example\.org"],
    "redact_all_types": True,
    "hash_function": "hmac-sha256",
    "hmac_key": "a key for tests and nothing else, 32 bytes",
    "summary": "debug",
    "url_sanitizer": {"enabled": True, "attributes": ["url.full", "http.url", "url.path"]},
    "db_sanitizer": {"sql": {"enabled": True, "attributes": ["db.statement", "db.query.text"]}},
}
_LISTED = {"allowed_keys": ["service.name", "url.full", "message"], "blocked_values": ["[0-9]{3}-[0-9]{2}-[0-9]{4}"]}
_NOT_ADDED = {"aggregation": None}
_LIMIT = {"max_values_per_label": 3, "max_series_per_metric": 5, "max_series": 50}

PROCESSING = {
    "redact_phi": Target(request, _processor(RedactPhiSettings, _NOT_ADDED, _settled), 12),
    "redact_phi_series": Target(_metrics, _processor(RedactPhiSettings, {}, _nothing_more), 3),
    "redaction": Target(request, _processor(CollectorRedactionSettings, _COLLECTOR, _nothing_more), 4),
    "redaction_listed": Target(request, _processor(CollectorRedactionSettings, _LISTED, _nothing_more), 3),
    "limit_cardinality": Target(_metrics, _processor(LimitCardinalitySettings, _LIMIT, _nothing_more), 6),
    "drop_labels": Target(_metrics, _processor(DropLabelsSettings, {"labels": ["*"]}, _nothing_more), 6),
    "delta_to_cumulative": Target(_metrics, _processor(DeltaToCumulativeSettings, {}, _nothing_more), 4),
    "cumulative_to_delta": Target(_metrics, _processor(CumulativeToDeltaSettings, {}, _nothing_more), 4),
}
