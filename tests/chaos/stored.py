"""What the real destinations have of the items of `tests.chaos.clients`."""

import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from tests.backends.servers import Jaeger, Loki, Prometheus, spans_in
from tests.chaos.clients import Export, Item
from wire.signal import Signal

__all__ = ["Destinations", "clients_of"]

_HOURS = 12 * 3600 * 10**9
_MOST_LINES = 100_000


@dataclass(frozen=True)
class Destinations:
    """One for each signal."""

    jaeger: Jaeger
    prometheus: Prometheus
    loki: Loki

    def name(self, signal: Signal) -> str:
        return {Signal.TRACES: "jaeger", Signal.METRICS: "prometheus", Signal.LOGS: "loki"}[signal]

    def items(self, signal: Signal, exports: Iterable[Export]) -> list[Item]:
        """Everything of the clients of these exports."""
        read = {Signal.TRACES: self._spans, Signal.METRICS: self._points, Signal.LOGS: self._records}[signal]
        return [Item(client, number) for client in clients_of(exports, signal) for number in read(client)]

    def _spans(self, client: str) -> Iterator[int]:
        return (int(span["spanId"], 16) for span in spans_in(self.jaeger.find(client, 0, 2**62)))

    def _records(self, client: str) -> Iterator[int]:
        now = time.time_ns()
        for stream in self.loki.query_range(f'{{service_name="{client}"}}', now - _HOURS, now + _HOURS, _MOST_LINES):
            assert len(stream["values"]) < _MOST_LINES
            yield from (int(value[0]) for value in stream["values"])

    def _points(self, client: str) -> Sequence[int]:
        return self.values("exports", client)

    def values(self, metric: str, client: str) -> list[int]:
        """Every sample of a client's counter, in order of time."""
        found = self.prometheus.query(f'{metric}_total{{job="{client}"}}[12h]')
        assert len(found) <= 1
        return [int(float(value)) for each in found for _, value in each["values"]]


def clients_of(exports: Iterable[Export], signal: Signal) -> list[str]:
    return sorted({item.client for each in exports if each.signal is signal for item in each.items})
