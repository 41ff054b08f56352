"""`attributes`: set, delete, hash, extract and convert attributes of spans, log records and data points.

Two warnings. `hash` is an unsalted SHA-256: whoever can list the possible values (all social security numbers take
minutes) can turn it back, so it joins records but does not redact; use `redact_phi`. And deleting a data-point
attribute leaves several series under one identity, which Prometheus refuses; use `drop_labels`, which adds them up.
"""

from collections.abc import Iterator
from typing import Any

from pydantic import Field

from pipeline.batch import Batch, Signal
from pipeline.component import Context, ProcessorSettings
from processors.attribute_actions import ActionSettings, compile_actions
from processors.item_match import Candidate, ItemMatchSettings, compile_match
from processors.otlp_objects import points, scopes

__all__ = ["Attributes", "AttributesSettings"]


class AttributesSettings(ProcessorSettings):
    """The Collector's `attributes` processor."""

    actions: list[ActionSettings] = Field(min_length=1)
    """What to do, in order."""
    include: ItemMatchSettings | None = None
    """Only items that match; left out: all."""
    exclude: ItemMatchSettings | None = None
    """Not items that match, among those included."""

    def signals(self) -> frozenset[Signal]:
        """Those that have what `include` and `exclude` ask for."""
        signals = frozenset(Signal)
        for match in (self.include, self.exclude):
            signals &= match.signals() if match else signals
        return signals

    def build(self, context: Context) -> "Attributes":
        return Attributes(self)


class Attributes:
    """Does the actions on the items that match."""

    def __init__(self, settings: AttributesSettings) -> None:
        self._change = compile_actions(settings.actions)
        self._applies = compile_match(settings.include, settings.exclude)

    def process(self, batch: Batch) -> Batch:
        message = batch.decode()
        changed = False
        for candidate in _candidates(batch.signal, message):
            if self._applies(candidate):
                changed = self._change(candidate.attributes) or changed
        return Batch.encode(batch.signal, message) if changed else batch


def _candidates(signal: Signal, message: Any) -> Iterator[Candidate]:
    for resource, scope, items in scopes(signal, message):
        for item in items:
            holders = points(item) if signal is Signal.METRICS else (item,)
            for holder in holders:
                yield Candidate(resource, scope, item, holder.attributes)
