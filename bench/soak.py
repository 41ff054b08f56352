"""A million active series over simulated hours: what they cost in memory and CPU, and that neither grows.

python -m bench.soak kept       every series goes on to remote-write
python -m bench.soak dropped    a label is dropped, and the million is added up

Each quarter of an hour every series reports once, and a twentieth of them are others than before, as in a fleet that is
deployed anew. Only ratios of the CPU time mean anything on another machine; some 10 minutes each.
"""

import gc
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import TypeVar

import structlog
from rich.console import Console
from rich.table import Table

from bench.metrics import Healthy, resident
from exporters.prometheus_remote_write import PrometheusRemoteWrite, PrometheusRemoteWriteSettings
from pipeline.batch import Batch, Signal
from pipeline.component import Context
from pipeline.deadline import Deadline
from pipeline.garbage import collect_rarely
from pipeline.telemetry import Telemetry
from processors.limit_cardinality import LimitCardinality, LimitCardinalitySettings
from processors.reaggregation.forms import point_bytes
from wire.metric_points import SUM
from wire.protobuf import length_delimited

T = TypeVar("T")

_SERIES = 1_000_000
_METRICS = 100
_POINTS = 8000
_ROUNDS = 13
_ROUND_SECONDS = 900
_SPREAD_SECONDS = 60
"""Over which the reports of one round come."""
_REPLACED = _SERIES // 20
_SECOND = 10**9
_BEGAN = 1_800_000_000


class _Clock:
    """Simulated seconds since 1970."""

    now = float(_BEGAN)

    def __call__(self) -> float:
        return self.now


def _pair(key: bytes, text: bytes) -> tuple[bytes, bytes]:
    return key, length_delimited(0x0A, key) + length_delimited(0x12, length_delimited(0x0A, text))


_COMMON = [_pair(b"http.request.method", b"GET"), _pair(b"http.response.status_code", b"200")]
_ROUTES = [_pair(b"http.route", b"/records/%d" % number) for number in range(20)]
_RESOURCE = length_delimited(0x0A, length_delimited(0x0A, _pair(b"service.name", b"records-api")[1]))


def _batches(first: int, seconds: int) -> Iterator[Batch]:
    """Counters, the series numbered from `first` on, a fixed part of them of each metric."""
    for begin in range(first, first + _SERIES, _POINTS):
        by_metric: dict[int, list[bytes]] = {}
        for number in range(begin, begin + _POINTS):
            attributes = [*_COMMON, _ROUTES[number % 20], _pair(b"pod", b"p-%d" % number)]
            value = b"\x31" + (number % 1000 + seconds - _BEGAN).to_bytes(8, "little")
            point = point_bytes(SUM, attributes, _BEGAN * _SECOND, seconds * _SECOND, value)
            by_metric.setdefault(number // _POINTS % _METRICS, []).append(length_delimited(0x0A, point))
        metrics = b"".join(
            length_delimited(
                0x12,
                length_delimited(0x0A, b"http.server.%d" % metric)
                + length_delimited(0x3A, b"".join(points) + b"\x10\x02\x18\x01"),
            )
            for metric, points in by_metric.items()
        )
        payload = length_delimited(0x0A, _RESOURCE + length_delimited(0x12, metrics))
        yield Batch(Signal.METRICS, payload, _POINTS)


class _Chain:
    """`limit_cardinality`, then `prometheus_remote_write` as far as the compressed request; CPU seconds of each."""

    def __init__(self, clock: _Clock, *, dropped: bool) -> None:
        context = Context("soak", Telemetry(), structlog.get_logger(), Healthy(), Deadline(1.0))
        written = {
            "max_values_per_label": 20_000,
            "max_series_per_metric": 20_000,
            "max_series": _SERIES + 10 * _REPLACED,
            "always_drop": ["pod"] if dropped else [],
        }
        settings = LimitCardinalitySettings.model_validate(written)
        self._limit = LimitCardinality(settings, context, clock=clock, monotonic=clock)
        endpoint = PrometheusRemoteWriteSettings.model_validate({"endpoint": "http://127.0.0.1:9/api/v1/write"})
        self._exporter: PrometheusRemoteWrite = endpoint.build(context)
        self.seconds = {"limit": 0.0, "tick": 0.0, "encode": 0.0}
        self.sent = 0

    def take(self, batch: Batch) -> None:
        left = self._timed("limit", partial(self._limit.process, batch))
        due: Sequence[Batch] = self._timed("tick", self._limit.tick)
        for each in (left, *due):
            if each is not None:
                encoded = self._timed("encode", partial(self._exporter.encode, each))
                assert not encoded.dropped, encoded.dropped
                self.sent += each.items

    def _timed(self, stage: str, work: Callable[[], T]) -> T:
        began = time.process_time()
        done = work()
        self.seconds[stage] += time.process_time() - began
        return done


def main(way: str) -> None:
    """Print a line for each simulated quarter of an hour."""
    collect_rarely()
    clock = _Clock()
    chain = _Chain(clock, dropped=way == "dropped")
    gc.collect()
    before = resident()
    table = Table("simulated h", "limit_cardinality µs", "closing µs", "remote-write µs", "points out", "MB", title=way)
    for number in range(_ROUNDS):
        chain.seconds, chain.sent = dict.fromkeys(chain.seconds, 0.0), 0
        clock.now = _BEGAN + (number + 1) * _ROUND_SECONDS
        for batch in _batches(number * _REPLACED, int(clock.now)):
            chain.take(batch)
            clock.now += _SPREAD_SECONDS * _POINTS / _SERIES
        costs = [f"{seconds:.2f}" for seconds in chain.seconds.values()]
        held = (resident() - before) / 2**20
        table.add_row(f"{number / 4:.2f}", *costs, f"{chain.sent:,}", f"{held:.0f}")
        print(number, *costs, chain.sent, f"{held:.0f} MB", file=sys.stderr, flush=True)
    Console().print(table)


if __name__ == "__main__":
    main(sys.argv[1])
