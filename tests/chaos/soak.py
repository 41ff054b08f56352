"""An hour of mixed load, calm and with failing destinations by turns: memory, files, sockets, threads and queue files
return to where they were.

python -m tests.chaos.soak --minutes 60 --seed 1

Each round sends so many requests of all signals, waits until everything has arrived, and then looks at the daemon.
"""

import random
import sys
import time
from argparse import ArgumentParser
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from statistics import linear_regression

from tests.chaos.outages import Outages, Seen, Trouble, troubles
from tests.end_to_end.daemon import Telescrub

__all__ = ["Sample", "is_level", "soak"]

_REQUESTS = 1000
_TRIES = 5
_CALM = Trouble("otlp", "calm", lambda _: nullcontext(), refuses=False)
_WARM = 0.2
"""The part of the rounds in which caches fill."""
_MORE_BYTES, _MORE_FILES, _MORE_THREADS = 16 * 2**20, 8, 4
"""What may be more at the end than after warming up: memory that the allocator keeps, connections kept open, threads
of pools that start when there is more to do at once than ever before.
"""


@dataclass(frozen=True)
class Sample:
    """The daemon between two rounds."""

    minute: float
    resident_bytes: int
    open_files: int
    threads: int
    queued_bytes: int

    def __str__(self) -> str:
        return (
            f"{self.minute:6.1f} min  memory {self.resident_bytes / 2**20:6.1f} MiB  files {self.open_files:3}"
            f"  threads {self.threads:3}  queue files {self.queued_bytes / 1024:6.0f} KiB"
        )


def soak(minutes: float, seed: int) -> tuple[list[Sample], list[Seen]]:
    """Rounds for so many minutes."""
    chance = random.Random(seed)
    began = time.monotonic()
    samples: list[Sample] = []
    rounds: list[Seen] = []
    with Outages(seed) as outages:
        while (minute := (time.monotonic() - began) / 60) < minutes:
            trouble = chance.choice(troubles()) if len(rounds) % 2 else _CALM
            rounds.append(outages.run(trouble, entries=_REQUESTS, tries=_TRIES))
            samples.append(_sample(outages.daemon, minute))
            print(f"{samples[-1]}  {rounds[-1]}", flush=True)
    return samples, rounds


def _sample(daemon: Telescrub, minute: float) -> Sample:
    return Sample(minute, daemon.resident_bytes(), daemon.open_files(), daemon.threads(), daemon.queue_bytes())


def is_level(samples: Sequence[Sample]) -> bool:
    """Whether everything is at the end what it was after warming up."""
    first, last = samples[int(len(samples) * _WARM)], samples[-1]
    return (
        last.resident_bytes <= first.resident_bytes + _MORE_BYTES
        and last.open_files <= first.open_files + _MORE_FILES
        and last.threads <= first.threads + _MORE_THREADS
        and last.queued_bytes <= first.queued_bytes
    )


def main() -> None:
    parser = ArgumentParser(description="a long mixed load")
    parser.add_argument("--minutes", type=float, default=60.0)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    samples, rounds = soak(options.minutes, options.seed)
    warm = samples[int(len(samples) * _WARM) :]
    if len(warm) > 1:
        slope, _ = linear_regression([each.minute for each in warm], [each.resident_bytes / 2**20 for each in warm])
        print(f"memory grows by {slope:+.2f} MiB a minute over {len(warm)} rounds")
    lost = sum(each.lost for seen in rounds for each in seen.after)
    print(f"{len(rounds)} rounds, lost {lost}, level: {is_level(samples)}")
    sys.exit(bool(lost) or not is_level(samples))


if __name__ == "__main__":
    main()
