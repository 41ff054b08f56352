"""What the machine gives a processor, for processors that run outside of the daemon."""

from collections import Counter
from collections.abc import Mapping
from typing import cast

from config.model import Config
from pipeline.batch import Signal
from pipeline.component import Context, Ledger, NoLedger, Processor, ProcessorSettings, Redacted
from pipeline.deadline import Deadline
from pipeline.logs import logger
from pipeline.telemetry import Telemetry

__all__ = ["Drops", "Record", "built"]


class Record:
    """A ledger that remembers what was done since it was last asked."""

    def __init__(self) -> None:
        self._counts: Counter[Redacted] = Counter()

    def redacted(
        self, pipeline: str, component: str, signal: Signal, payload: bytes, counts: Mapping[Redacted, int]
    ) -> None:
        """`pipeline.component.Ledger`."""
        self._counts.update(counts)

    def take(self) -> Counter[Redacted]:
        """What was done."""
        taken, self._counts = self._counts, Counter()
        return taken


class Drops:
    """Telemetry of its own for a processor, and for which reasons it dropped items since it was last asked."""

    def __init__(self) -> None:
        self.telemetry = Telemetry()
        self._known: Counter[str] = Counter()

    def take(self) -> tuple[str, ...]:
        """The reasons, as in `telescrub_dropped_items_total`."""
        now: Counter[str] = Counter()
        for metric in self.telemetry.registry.restricted_registry(["telescrub_dropped_items_total"]).collect():
            for sample in metric.samples:
                now[sample.labels["reason"]] += int(sample.value)
        new, self._known = now - self._known, now
        return tuple(sorted(new))


class _Healthy:
    def problems(self) -> Mapping[str, str]:
        return {}


def built(config: Config, name: str, ledger: Ledger | None = None, telemetry: Telemetry | None = None) -> Processor:
    """A processor of the configuration, as the daemon builds it; its complaints go to standard error, without values.

    Raises: what `build` raises for files it cannot read and the like.
    """
    log = logger("error").bind(component=name)
    context = Context(name, telemetry or Telemetry(), log, _Healthy(), Deadline(1.0), ledger or NoLedger())
    return cast(ProcessorSettings, config.processors[name]).build(context)
