"""Children that try inputs, watched from outside: one that hangs or dies is a finding, and another goes on after it."""

import json
import os
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from tests.fuzz.child import MOST_CPU_SECONDS, read_progress
from tests.fuzz.targets import made
from tests.fuzz.words import CANARY

__all__ = ["Outcome", "run"]

_IN_A_CHILD = 20_000
"""Inputs, after which a new process begins: what only grows slowly is not what is looked for here."""
_MOST_HANG_CPU_SECONDS = 20.0
"""What a child may use for one input before it is ended; over `MOST_CPU_SECONDS` it is a finding already."""
_MOST_STILL_SECONDS = 120.0
"""What one input may take on the clock, however busy the machine is: longer, something waits for what never comes."""
_TICK = os.sysconf("SC_CLK_TCK")


@dataclass(slots=True)
class Outcome:
    """What came of a target. `findings` are by kind: how often, and the first input."""

    tried: int = 0
    taken: int = 0
    slowest: float = 0.0
    rss_kib: int = 0
    seconds: float = 0.0
    findings: Counter[str] = field(default_factory=Counter)
    first: dict[str, tuple[int, str, str]] = field(default_factory=dict)

    def add(self, said: dict[str, object]) -> None:
        """Take up one line of a child's."""
        if "tried" in said:
            self.taken += int(str(said["taken"]))
            self.slowest = max(self.slowest, float(str(said["slowest"])))
            self.rss_kib = max(self.rss_kib, int(str(said["rss"])))
        else:
            self.found(int(str(said["number"])), str(said["kind"]), str(said["sentence"]), str(said["trace"]))

    def found(self, number: int, kind: str, sentence: str, trace: str = "") -> None:
        """Note a finding."""
        self.findings[kind] += 1
        self.first.setdefault(kind, (number, sentence, trace))


def run(name: str, seed: int, first: int, count: int, corpus: Path) -> Outcome:
    """Try `count` inputs of a target; those that fail are written into the folder `corpus`."""
    outcome = Outcome()
    began = time.monotonic()
    at, end = first, first + count
    while at < end:
        at = _child(name, seed, at, min(_IN_A_CHILD, end - at), outcome)
    outcome.tried, outcome.seconds = count, time.monotonic() - began
    for number, _, _ in outcome.first.values():
        corpus.mkdir(parents=True, exist_ok=True)
        (corpus / f"{name}-{seed}-{number}").write_bytes(made(name, seed, number))
    return outcome


def _child(name: str, seed: int, first: int, count: int, outcome: Outcome) -> int:
    """Run one child; return the number that comes after what it has tried."""
    with tempfile.TemporaryDirectory(prefix="telescrub-fuzz-") as folder:
        progress, said, errors = (Path(folder) / each for each in ("progress", "said", "errors"))
        progress.write_bytes(b"\xff" * 8)
        command = [sys.executable, "-m", "tests.fuzz.child", name, str(seed), str(first), str(count), str(progress)]
        with said.open("wb") as out, errors.open("wb") as complaints:
            process = subprocess.Popen(command, stdout=out, stderr=complaints)
        ended = _watched(process, progress)
        for line in said.read_text().splitlines():
            outcome.add(json.loads(line))
        at = max(read_progress(progress), first)
        _check_errors(errors, at, outcome)
        if not ended and process.returncode == 0:
            return first + count
        outcome.found(
            at,
            *(("hang", ended) if ended else ("death", f"the process ended with {process.returncode}")),
            trace=errors.read_text(errors="replace")[-3000:],
        )
        return at + 1


def _check_errors(errors: Path, at: int, outcome: Outcome) -> None:
    """Libraries in C write past Python's logging."""
    for line in errors.read_text(errors="replace").splitlines():
        if CANARY in line.lower():
            outcome.found(at, "payload on standard error", line[:300])


def _watched(process: "subprocess.Popen[bytes]", progress: Path) -> str:
    """Wait for a child; a sentence if it had to be ended."""
    number, used, since = -1, 0.0, time.monotonic()
    while True:
        try:
            process.wait(0.5)
            return ""
        except subprocess.TimeoutExpired:
            pass
        now, cpu = read_progress(progress), _cpu_seconds(process.pid)
        if now != number or number < 0:
            number, used, since = now, cpu, time.monotonic()
        elif cpu - used > _MOST_HANG_CPU_SECONDS or time.monotonic() - since > _MOST_STILL_SECONDS:
            process.kill()
            process.wait()
            return f"more than {max(cpu - used, MOST_CPU_SECONDS):.0f} s of CPU, {time.monotonic() - since:.0f} s"


def _cpu_seconds(pid: int) -> float:
    fields = list(_stat(pid))
    return (int(fields[11]) + int(fields[12])) / _TICK if len(fields) > 12 else 0.0


def _stat(pid: int) -> Iterator[str]:
    try:
        text = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return
    yield from text.rpartition(")")[2].split()
