"""`kill -9` under load: the daemon dies at random moments, and afterwards every acknowledged item is where it belongs.

python -m tests.chaos.kill_nine --kills 200 --seed 1

Real SDKs send all three signals over both protocols to the daemon, which sends them to the real Jaeger, Prometheus and
Loki and to a recorder. It is killed while it runs, while it starts, while it stops and while it reloads.
"""

import os
import random
import signal
import sys
import time
from argparse import ArgumentParser
from collections import Counter
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Literal

import orjson

from tests.backends.process import wait_until
from tests.backends.servers import Jaeger, Loki, Prometheus
from tests.chaos.account import Account, account, account_of_receipts
from tests.chaos.clients import Export, Load
from tests.chaos.recorder import Recorder
from tests.chaos.stored import Destinations, clients_of
from tests.end_to_end.daemon import Telescrub
from wire.signal import Signal

__all__ = ["Moment", "Outcome", "kill_nine"]

Moment = Literal["running", "starting", "stopping", "reloading"]
_MOMENTS: tuple[Moment, ...] = ("running", "running", "running", "running", "starting", "stopping", "reloading")
"""When it is killed: each of these once, in any order, then again."""
_START_SECONDS = 2.5
"""About what starting takes; a kill while starting comes within it."""
_QUICK = {"initial_interval": "50ms", "max_interval": "500ms", "max_elapsed_time": 0}


@dataclass
class Outcome:
    """What a run found."""

    accounts: list[Account]
    moments: Counter[Moment]
    sums: dict[str, tuple[int, int, int]]
    """The added-up counter of each client of metrics: what Prometheus has last, the least that it must be (of what was
    acknowledged since the last kill, which takes what is being added up: the client's next export repeats it) and the
    most (of everything that the client sent).
    """
    falls: int
    """How often such a counter went down in Prometheus."""
    dropped: Counter[str]
    """Items the daemon said in its log it had dropped, by component and reason."""

    @property
    def is_good(self) -> bool:
        return all(each.is_good for each in self.accounts) and not self.falls and not self.wrong_sums

    @property
    def wrong_sums(self) -> list[str]:
        return [client for client, (last, least, most) in self.sums.items() if not least <= last <= most]

    def __str__(self) -> str:
        kills = ", ".join(f"{count} while {moment}" for moment, count in self.moments.items())
        dropped = ", ".join(f"{count} by {what}" for what, count in self.dropped.items()) or "none"
        lines = [
            f"{self.moments.total()} kills: {kills}",
            *map(str, self.accounts),
            f"added-up counters that are wrong: {len(self.wrong_sums)} of {len(self.sums)}; falls of one: {self.falls}",
            f"dropped according to the log: {dropped}",
        ]
        return "\n".join(lines)


class _Run:
    """The servers, the daemon and the load."""

    def __init__(self, seed: int) -> None:
        self.chance = random.Random(seed)
        self.prometheus, self.jaeger, self.loki = Prometheus(), Jaeger(), Loki()
        self.recorder = Recorder(seed)
        self.stored = Destinations(self.jaeger, self.prometheus, self.loki)
        self.moments: Counter[Moment] = Counter()
        self._coming: list[Moment] = []

    def start(self, cleanup: ExitStack) -> None:
        for server in (self.prometheus, self.jaeger, self.loki, self.recorder):
            cleanup.enter_context(server)
        exporters: dict[str, dict[str, dict[str, Any]]] = {
            "traces": {"jaeger": {"endpoint": self.jaeger.otlp_grpc_endpoint}},
            "metrics": {"prometheus_remote_write": {"endpoint": self.prometheus.write_url}},
            "logs": {"loki": {"endpoint": self.loki.push_url}},
        }
        for each in exporters.values():
            each["otlp_grpc/recorder"] = _recorded(self.recorder)
            for settings in each.values():
                settings["retry_on_failure"] = _QUICK
        # Sums go on after a kill where they have a folder.
        dropping = {"labels": ["user_*"], "aggregation": {"storage": "state"}}
        self.daemon = cleanup.enter_context(
            Telescrub(exporters, processors={"drop_labels": dropping, "redact_phi": None, "batch": None})
        )
        self.load = cleanup.enter_context(Load(self.daemon, each=2))

    def kill_once(self) -> None:
        if not self._coming:
            self._coming = self.chance.sample(_MOMENTS, len(_MOMENTS))
        moment = self._coming.pop()
        self.moments[moment] += 1
        if moment == "starting":
            self._die()
            self.daemon.launch()
            time.sleep(self.chance.uniform(0, _START_SECONDS))
        else:
            self.load.wait_for(self.chance.randint(1, 150))
            if moment == "stopping":
                self.daemon.send_signal(signal.SIGTERM)
            elif moment == "reloading":
                self.daemon.send_signal(signal.SIGHUP)
            time.sleep(self.chance.uniform(0, 0.1 if moment == "running" else 1.0))
        self._die()
        self.daemon.start()

    def _die(self) -> None:
        self.daemon.kill()
        self.load.life += 1
        self.recorder.life += 1

    def outcome(self) -> Outcome:
        exports = self.load.exports
        accounts = []
        for kind in Signal:
            accounts.append(account(self.stored.name(kind), kind, exports, self.stored.items(kind, exports)))
            accounts.append(account_of_receipts(kind, exports, self.recorder, workers=1))
        sums, falls = self._sums(exports)
        return Outcome(accounts, self.moments, sums, falls, self._dropped())

    def _sums(self, exports: list[Export]) -> tuple[dict[str, tuple[int, int, int]], int]:
        sums, falls = {}, 0
        for client in clients_of(exports, Signal.METRICS):
            values = self.stored.values("visits", client)
            mine = [(each, item.number) for each in exports for item in each.items if item.client == client]
            since = [number for each, number in mine if each.acknowledged and each.began == self.load.life]
            sums[client] = (max(values, default=0), 2 * max(since, default=0), 2 * max(number for _, number in mine))
            falls += sum(before > after for before, after in pairwise(values))
        return sums, falls

    def sums_are_right(self) -> bool:
        return all(least <= last <= most for last, least, most in self._sums(self.load.exports)[0].values())

    def _dropped(self) -> Counter[str]:
        dropped: Counter[str] = Counter()
        for line in self.daemon.log_path.read_bytes().splitlines():
            if line.startswith(b"{") and (b'"dropped"' in line or b"dead letter" in line):
                told: dict[str, Any] = orjson.loads(line)
                dropped[f"{told['component']}: {told.get('reason')}: {told.get('cause')}"] += told.get("items", 0)
        return dropped


def _recorded(recorder: Recorder) -> dict[str, Any]:
    """One request at a time, and small ones, so that order can be seen."""
    return {
        "endpoint": recorder.endpoint,
        "tls": {"insecure": True},
        "sending_queue": {"num_consumers": 1},
    }


def kill_nine(kills: int, seed: int) -> Outcome:
    """Kill the daemon so many times, at moments that follow from `seed`, and count what became of every item."""
    with ExitStack() as cleanup:
        run = _Run(seed)
        run.start(cleanup)
        for number in range(kills):
            run.kill_once()
            if sys.stdout.isatty() or os.environ.get("TELESCRUB_PROGRESS"):
                print(f"kill {number + 1} of {kills}: {len(run.load.exports)} exports", flush=True)
        run.load.stop()
        wait_until(lambda: run.daemon.metric("otelcol_exporter_queue_size") == 0, seconds=300, what="empty queues")
        with suppress(TimeoutError):  # What is added up waits some seconds for more.
            wait_until(run.sums_are_right, seconds=15)
        return run.outcome()


def main() -> None:
    parser = ArgumentParser(description="kill -9 under load")
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    outcome = kill_nine(options.kills, options.seed)
    print(outcome)
    sys.exit(not outcome.is_good)


if __name__ == "__main__":
    main()
