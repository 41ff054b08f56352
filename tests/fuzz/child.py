"""`python -m tests.fuzz.child TARGET SEED FIRST COUNT PROGRESS`: tries inputs, one after the other, until one fails.

It says on standard output, a line of JSON each, what failed, and at the end how it went. In the file PROGRESS, which
the parent watches, stands the number of the input at hand.
"""

import gc
import json
import mmap
import resource
import struct
import sys
import time
import traceback
from pathlib import Path

from tests.fuzz.target import Check
from tests.fuzz.targets import TARGETS, made

__all__ = ["MOST_CPU_SECONDS", "read_progress"]

MOST_CPU_SECONDS = 1.0
"""For one input, of all threads of the process."""
_MOST_GROWTH_KIB = 300 * 1024
"""By which one input may raise the peak of memory; a bomb may become the 32 MiB that a piece of zstd can."""
_MOST_ADDRESS_SPACE = 6 * 2**30
"""So that a leak ends the child and not the machine."""
_NUMBER = struct.Struct("<q")


def read_progress(path: Path) -> int:
    """The number of the input at hand; -1 before the first."""
    with path.open("rb") as file:
        return int(_NUMBER.unpack(file.read(_NUMBER.size))[0])


def main() -> int:
    """Run it. The exit code is 0 unless the process dies."""
    name, seed, first, count, progress = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4]), sys.argv[5]
    resource.setrlimit(resource.RLIMIT_AS, (_MOST_ADDRESS_SPACE, _MOST_ADDRESS_SPACE))
    check = TARGETS[name].open()
    with Path(progress).open("r+b") as file, mmap.mmap(file.fileno(), _NUMBER.size) as shown:
        return _go(_Tries(name, check), seed, range(first, first + count), shown)


def _go(tries: "_Tries", seed: int, numbers: range, shown: mmap.mmap) -> int:
    for number in numbers:
        data = made(tries.name, seed, number)
        shown[:] = _NUMBER.pack(number)
        tries.one(number, data)
        if number % 512 == 0:
            gc.collect()
    print(
        json.dumps({"tried": len(numbers), "taken": tries.taken, "slowest": tries.slowest, "rss": _peak()}), flush=True
    )
    return 0


def _peak() -> int:
    """The most memory so far, in KiB. Not `ru_maxrss`: that begins with what the parent had."""
    text = Path("/proc/self/status").read_bytes()
    at = text.index(b"VmHWM:")
    return int(text[at + 6 : text.index(b"kB", at)])


class _Tries:
    """Inputs, and what came of them."""

    def __init__(self, name: str, check: Check) -> None:
        self.name, self._check = name, check
        self.taken = 0
        self.slowest = 0.0

    def one(self, number: int, data: bytes) -> None:
        """Try an input; whatever goes wrong is told."""
        peak, began = _peak(), time.process_time()
        try:
            self.taken += self._check(data)
        except Exception as error:
            self._tell(number, error)
        took, growth = time.process_time() - began, _peak() - peak
        self.slowest = max(self.slowest, took)
        if took > MOST_CPU_SECONDS:
            self._say(number, "slow", f"{took:.1f} s of CPU for {len(data)} bytes", "")
        if growth > _MOST_GROWTH_KIB:
            self._say(number, "memory", f"{growth // 1024} MiB more for {len(data)} bytes", "")

    def _tell(self, number: int, error: Exception) -> None:
        frames = traceback.extract_tb(error.__traceback__)
        # Where it was raised, and where in the project: the same failure at other inputs is the same finding.
        places = [
            f"{Path(frame.filename).name}:{frame.name}" for frame in frames if "site-packages" not in frame.filename
        ]
        shown = "".join(traceback.format_exception(error))[-3000:]
        self._say(number, f"{type(error).__name__} in {' '.join(places[-3:])}", str(error)[:300], shown)

    def _say(self, number: int, kind: str, sentence: str, trace: str) -> None:
        print(json.dumps({"number": number, "kind": kind, "sentence": sentence, "trace": trace}), flush=True)


if __name__ == "__main__":
    sys.exit(main())
