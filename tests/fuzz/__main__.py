"""`python -m tests.fuzz --seed 1 --inputs 1000000`: made-up and damaged inputs for everything that reads bytes.

What fails is printed with the command that repeats it, and its input is written into a folder outside of the project.
Exit code 1 if anything failed.
"""

import argparse
import os
import sys
import tempfile
import time
import traceback
from pathlib import Path

from tests.fuzz.run import Outcome, run
from tests.fuzz.targets import TARGETS, made, shares


def main() -> int:
    """Run it and print a table."""
    options = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    options.add_argument("--seed", type=int, default=1)
    options.add_argument("--inputs", type=int, default=1_000_000, help="of all targets together")
    options.add_argument("--start", type=int, default=0, help="the number of the first input of each target")
    options.add_argument("--target", action="append", choices=sorted(TARGETS), help="only these; again for more")
    options.add_argument("--only", type=int, help="just this input, in this process, with its traceback")
    options.add_argument("--file", type=Path, help="just the input in this file, in this process")
    options.add_argument("--corpus", type=Path, default=Path(tempfile.gettempdir()) / "telescrub-fuzz", help="folder")
    chosen = options.parse_args()
    names = chosen.target or list(TARGETS)
    if chosen.only is not None or chosen.file is not None:
        return _one(names[0], chosen.file.read_bytes() if chosen.file else made(names[0], chosen.seed, chosen.only))
    os.nice(10)
    print(f"{'target':20} {'inputs':>9} {'taken':>6} {'/s':>6} {'slowest s':>9} {'MiB':>5}  findings", flush=True)
    outcomes = {}
    began = time.monotonic()
    for name, count in shares(chosen.inputs, names).items():
        outcomes[name] = outcome = run(name, chosen.seed, chosen.start, count, chosen.corpus)
        print(_row(name, outcome), flush=True)
    for name, outcome in outcomes.items():
        _tell(name, outcome, chosen.seed, chosen.corpus)
    tried, found = sum(each.tried for each in outcomes.values()), sum(len(each.first) for each in outcomes.values())
    print(f"\nseed {chosen.seed}: {tried:,} inputs in {time.monotonic() - began:,.0f} s, {found} findings")
    return int(found > 0)


def _row(name: str, outcome: Outcome) -> str:
    taken = f"{outcome.taken / outcome.tried:.0%}"
    rate = outcome.tried / max(outcome.seconds, 0.001)
    found = ", ".join(f"{count} × {kind}" for kind, count in outcome.findings.most_common(3))
    return (
        f"{name:20} {outcome.tried:9,} {taken:>6} {rate:6.0f} {outcome.slowest:9.2f} {outcome.rss_kib // 1024:5}  "
        f"{found or '-'}"
    )


def _tell(name: str, outcome: Outcome, seed: int, corpus: Path) -> None:
    for kind, (number, sentence, trace) in outcome.first.items():
        print(f"\n==== {name}: {kind} ({outcome.findings[kind]} times)\n{sentence}\n{trace}")
        print(f"again: python -m tests.fuzz --target {name} --seed {seed} --only {number}")
        print(f"   or: python -m tests.fuzz --target {name} --file {corpus / f'{name}-{seed}-{number}'}")


def _one(name: str, data: bytes) -> int:
    print(f"{name}: {len(data)} bytes")
    began = time.process_time()
    try:
        taken = TARGETS[name].open()(data)
    except Exception:
        traceback.print_exc()
        return 1
    print("taken" if taken else "turned away", f"after {time.process_time() - began:.2f} s of CPU, opening included")
    return 0


if __name__ == "__main__":
    sys.exit(main())
