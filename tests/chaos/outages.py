"""Destinations that fail in every way, each for what is an hour by the number of entries and retries: nothing that was
acknowledged is lost, the others have everything while it lasts, memory stays flat and the files shrink again.

python -m tests.chaos.outages --entries 3600 --tries 125

Waits are a hundredth of the defaults (50 ms up to 300 ms instead of 5 s up to 30 s), so that a request is tried as
often as in an hour, 125 times, and 3600 requests wait: one each second. Time is the only thing that is shorter.
"""

import sys
from argparse import ArgumentParser
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from types import TracebackType
from typing import Any, Self

import grpc
from google.rpc.error_details_pb2 import RetryInfo

from tests.backends.process import wait_until
from tests.backends.servers import Jaeger, Loki, Prometheus
from tests.chaos.account import Account, account
from tests.chaos.clients import Export, Load
from tests.chaos.proxy import Fault, FaultProxy
from tests.chaos.recorder import Judge, Recorder
from tests.chaos.statuses import Mood, Statuses, answers, passes, takes_at_most
from tests.chaos.stored import Destinations
from tests.end_to_end.daemon import Telescrub
from tests.receivers.tls import Certificates
from wire.signal import Signal

__all__ = ["Outages", "Seen", "Trouble", "troubles"]

_RETRY = {"initial_interval": "50ms", "max_interval": "300ms"}
_EXPORTERS = {"jaeger": "jaeger", "prometheus": "prometheus_remote_write", "loki": "loki", "otlp": "otlp_grpc/moody"}
_SIGNALS = {"jaeger": Signal.TRACES, "prometheus": Signal.METRICS, "loki": Signal.LOGS}
_EVERY = [*_EXPORTERS.values(), "otlp_grpc/witness"]
_MEMORY = 64 * 2**20
"""What may wait in memory beside the file: 8 MiB of each signal, once more where it is read and encoded."""


@dataclass(frozen=True)
class Trouble:
    """One way in which one destination fails, for the length of `during`."""

    destination: str
    name: str
    during: "Callable[[Outages], Any]"
    """A context manager."""
    refuses: bool = True
    """Whether requests fail, so that they are tried again."""

    def __str__(self) -> str:
        return f"{self.destination}: {self.name}"


@dataclass
class Seen:
    """What was seen of one trouble."""

    trouble: Trouble
    entries: int
    tries: int
    others: list[Account]
    """While it lasted."""
    after: list[Account]
    rejected: int
    """Items that the daemon says will not arrive at the destination."""
    queued_bytes: int
    grown_bytes: int
    """Of the daemon's memory, while it lasted."""
    left_bytes: int
    """Of the queue files, more than before, at their shortest within a minute afterwards."""

    @property
    def is_good(self) -> bool:
        complete = not any(each.lost for each in (*self.others, *self.after))
        return complete and not self.rejected and self.grown_bytes < _MEMORY and self.left_bytes <= 0

    def __str__(self) -> str:
        lost = sum(each.lost for each in self.after)
        missing = sum(each.lost for each in self.others)
        items = sum(each.acknowledged for each in self.after)
        queue, memory = f"{self.queued_bytes / 2**20:5.1f} MiB", f"{self.grown_bytes / 2**20:+6.1f} MiB"
        return (
            f"{self.trouble!s:32} entries {self.entries:5}  tries {self.tries:4}  queue {queue}  memory {memory}"
            f"  file left {self.left_bytes / 1024:+6.0f} KiB  others lacked {missing}  lost {lost} of {items}"
            f"  rejected {self.rejected}"
        )


class Outages:
    """The servers, what breaks the way to them, the daemon, and the load."""

    def __init__(self, seed: int = 1) -> None:
        self._seed = seed
        self._cleanup = ExitStack()
        self.witness, self.moody = Recorder(seed), Recorder(seed)

    def __enter__(self) -> Self:
        with ExitStack() as cleanup:
            self._start(cleanup)
            self._cleanup = cleanup.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._cleanup.close()

    def _start(self, cleanup: ExitStack) -> None:
        enter = cleanup.enter_context
        jaeger, prometheus, loki = enter(Jaeger()), enter(Prometheus()), enter(Loki())
        self.stored = Destinations(jaeger, prometheus, loki)
        enter(self.witness)
        enter(self.moody)
        self.statuses = {
            "prometheus": enter(Statuses(prometheus.write_url)),
            "loki": enter(Statuses(loki.push_url)),
        }
        known, unknown = (Certificates(Path(enter(TemporaryDirectory(prefix="outages-")))) for _ in range(2))
        self.proxies = {"jaeger": enter(self._proxy(jaeger.port("otlp_grpc"), known, unknown))}
        for name, statuses in self.statuses.items():
            self.proxies[name] = enter(self._proxy(statuses.port, known, unknown))
        self.daemon = enter(Telescrub(self._exporters(known)))
        self._runs = 0

    def _proxy(self, port: int, known: Certificates, unknown: Certificates) -> FaultProxy:
        upstream = ("127.0.0.1", port)
        return FaultProxy(upstream, seed=self._seed, tls=known.http_server(), bad_tls=unknown.http_server())

    def _exporters(self, known: Certificates) -> dict[str, dict[str, Any]]:
        tls = {"tls": known.client(with_certificate=False), "timeout": "500ms", "retry_on_failure": _RETRY}
        paths = {"prometheus": "/api/v1/write", "loki": "/loki/api/v1/push"}
        http = {name: f"https://localhost:{self.proxies[name].port}{path}" for name, path in paths.items()}
        everywhere = {
            name: {"endpoint": server.endpoint, "tls": {"insecure": True}, "retry_on_failure": _RETRY}
            for name, server in (("otlp_grpc/witness", self.witness), ("otlp_grpc/moody", self.moody))
        }
        return {
            "traces": {"jaeger": {"endpoint": f"localhost:{self.proxies['jaeger'].port}", **tls}, **everywhere},
            "metrics": {"prometheus_remote_write": {"endpoint": http["prometheus"], **tls}, **everywhere},
            "logs": {"loki": {"endpoint": http["loki"], **tls}, **everywhere},
        }

    def run(self, trouble: Trouble, *, entries: int, tries: int) -> Seen:
        """Let a destination fail until so many requests have come and one was tried so often; then let it recover.

        Raises: `TimeoutError` if the others do not get everything meanwhile, or it does not recover.
        """
        exporter = _EXPORTERS[trouble.destination]
        others = [each for each in _EVERY if each != exporter]
        self._wait_until_sent(_EVERY)
        self.witness.receipts.clear()
        self.moody.receipts.clear()
        log, memory, files = (
            self.daemon.log_path.stat().st_size,
            self.daemon.resident_bytes(),
            self.daemon.queue_bytes(),
        )
        rejected = self._rejected(exporter)
        self._runs += 1
        with trouble.during(self):
            with Load(self.daemon, timeout=60, run=self._runs) as load:
                load.wait_for(entries, _SIGNALS.get(trouble.destination), seconds=900)
            if trouble.refuses:  # A destination that flaps may get everything before it was tried as often.
                wait_until(
                    lambda: self._tries(exporter, log) >= tries or not self._waiting(exporter),
                    seconds=300,
                    what=f"{tries} tries",
                )
            self._wait_until_sent(others)
            seen = self._accounts(load.exports)
            waiting = self._waiting(exporter)
            grown, queued = self.daemon.resident_bytes() - memory, self.daemon.queue_bytes()
        self._wait_until_sent([exporter])
        left = self._left(files)
        return Seen(
            trouble,
            entries=waiting,
            tries=self._tries(exporter, log),
            others=[each for each in seen if each.destination != trouble.destination],
            after=self._accounts(load.exports),
            rejected=self._rejected(exporter) - rejected,
            queued_bytes=queued,
            grown_bytes=grown,
            left_bytes=left,
        )

    def _left(self, files: int) -> int:
        """Bytes of the files more than before, at their shortest within a minute: metrics that processors held back are
        written now and then, also when nothing comes any more.
        """
        sizes: list[int] = []

        def is_short() -> bool:
            sizes.append(self.daemon.queue_bytes() - files)
            return sizes[-1] <= 0

        with suppress(TimeoutError):
            wait_until(is_short, seconds=60)
        return min(sizes)

    def _wait_until_sent(self, exporters: Sequence[str]) -> None:
        for each in exporters:
            wait_until(
                lambda: not self._waiting(each),  # noqa: B023
                seconds=300,
                what=f"the empty queue of {each}",
            )

    def _waiting(self, exporter: str) -> int:
        """Requests in its queue."""
        return int(self.daemon.metric("otelcol_exporter_queue_size", exporter=exporter))

    def _rejected(self, exporter: str) -> int:
        kinds = ("spans", "metric_points", "log_records")
        return int(sum(self.daemon.metric(f"otelcol_exporter_send_failed_{kind}", exporter=exporter) for kind in kinds))

    def _tries(self, exporter: str, log_start: int) -> int:
        """How often the daemon said in its log that it sends something again."""
        with self.daemon.log_path.open("rb") as log:
            log.seek(log_start)
            return sum(b"sending again" in line and f'"{exporter}"'.encode() in line for line in log)

    def _accounts(self, exports: Sequence[Export]) -> list[Account]:
        """All signals, at their own destinations and at those that get everything."""
        accounts = []
        for kind in Signal:
            accounts.append(account(self.stored.name(kind), kind, exports, self.stored.items(kind, exports)))
            for name, recorder in (("witness", self.witness), ("otlp", self.moody)):
                received = [item for _, items in recorder.items(kind) for item in items]
                accounts.append(account(name, kind, exports, received))
        return accounts


@contextmanager
def _broken(destination: str, fault: Fault, outages: Outages) -> Iterator[None]:
    outages.proxies[destination].set(fault)
    yield
    outages.proxies[destination].set(Fault.NONE)


@contextmanager
def _answering(destination: str, mood: Mood, outages: Outages) -> Iterator[None]:
    outages.statuses[destination].mood = mood
    yield
    outages.statuses[destination].mood = passes


@contextmanager
def _judging(judge: Judge, outages: Outages) -> Iterator[None]:
    usual, outages.moody.judge = outages.moody.judge, judge
    yield
    outages.moody.judge = usual


def _ends(code: grpc.StatusCode, retry_delay_ms: int = 0) -> Judge:
    """Every request ends with a code, with RetryInfo if there is a delay to give."""
    info = RetryInfo()
    info.retry_delay.FromMilliseconds(retry_delay_ms)

    def judge(_signal: Signal, _body: bytes, context: grpc.ServicerContext) -> bytes:
        if retry_delay_ms:
            context.set_trailing_metadata((("google.rpc.retryinfo-bin", info.SerializeToString()),))
        context.abort(code, "for the test")
        raise AssertionError

    return judge


def _is_too_large(most_bytes: int) -> Judge:
    """What gRPC servers end a large message with."""

    def judge(_signal: Signal, body: bytes, context: grpc.ServicerContext) -> bytes:
        if len(body) > most_bytes:
            context.abort(grpc.StatusCode.RESOURCE_EXHAUSTED, "for the test")
        return b""

    return judge


def troubles() -> list[Trouble]:
    """Every way to fail, at every destination that can fail so."""
    faults = [each for each in Fault if each is not Fault.NONE]
    found = [
        Trouble(name, fault.value, partial(_broken, name, fault), fault is not Fault.SLOW)
        for fault in faults
        for name in ("jaeger", "prometheus", "loki")
    ]
    moods = {
        "429": answers(429),
        "429, later": answers(429, Retry_After="1"),
        "500": answers(500),
        "503": answers(503),
        "413": takes_at_most(4000),
    }
    for name in ("prometheus", "loki"):
        found += [Trouble(name, each, partial(_answering, name, mood), each != "413") for each, mood in moods.items()]
    judges = {
        "UNAVAILABLE": _ends(grpc.StatusCode.UNAVAILABLE),
        "UNAVAILABLE, later": _ends(grpc.StatusCode.UNAVAILABLE, 200),
        "RESOURCE_EXHAUSTED, later": _ends(grpc.StatusCode.RESOURCE_EXHAUSTED, 200),
        "too large": _is_too_large(4000),
    }
    found += [Trouble("otlp", each, partial(_judging, judge), each != "too large") for each, judge in judges.items()]
    return found


def main() -> None:
    parser = ArgumentParser(description="failing destinations")
    parser.add_argument("--entries", type=int, default=3600, help="requests that come during each outage")
    parser.add_argument("--tries", type=int, default=125, help="how often what waits is tried meanwhile")
    parser.add_argument("--only", default="", help="only those with this text in their name")
    options = parser.parse_args()
    with Outages() as outages:
        found = []
        for each in troubles():
            if options.only in str(each):
                found.append(outages.run(each, entries=options.entries, tries=options.tries))
                print(found[-1], flush=True)
    sys.exit(not all(each.is_good for each in found))


if __name__ == "__main__":
    main()
