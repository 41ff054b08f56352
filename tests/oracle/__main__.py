"""`python -m tests.oracle --placements 1000000 --seed 1`: plants canaries, runs the daemon, searches for leaks.

Exit code 1 if anything leaked, if an item did not come out, or if the search found canaries that were never sent.
Interrupted, it prints what it has found and how to go on.
"""

import argparse
import math
import sys
import time
from collections import Counter

from tests.oracle.placements import Placement
from tests.oracle.run import AXES, Result, Run


def main() -> int:
    """Run it and print the tables."""
    options = argparse.ArgumentParser(prog="python -m tests.oracle", description=__doc__)
    options.add_argument("--placements", type=int, default=20_000)
    options.add_argument("--seed", type=int, default=1)
    options.add_argument("--start", type=int, default=0, help="the first placement: to go on where a run ended")
    options.add_argument("--only", type=int, help="send just this placement, and print it and all that came out of it")
    options.add_argument("--rows", type=int, default=40, help="how many rows of a table to print")
    chosen = options.parse_args()
    with Run(chosen.seed) as run:
        if chosen.only is not None:
            return _only(run, chosen.only)
        began = time.monotonic(), time.process_time()
        _go(run, range(chosen.start, chosen.start + chosen.placements))
        took = time.monotonic() - began[0], time.process_time() - began[1]
        dropped = run.daemon.metric("telescrub_dropped_items_total")
        result, cpu = run.result, run.daemon.cpu_seconds()
    _print(result, chosen.rows)
    print(f"\nseed {chosen.seed}, placements {chosen.start:,} to {chosen.start + result.placements - 1:,}")
    print(f"{took[0]:.0f} s; CPU: {took[1]:.0f} s for the oracle, {cpu:.0f} s for the daemon")
    print(f"items the daemon dropped (requests cut short on purpose): {dropped:,.0f}")
    _conclude(result)
    return int(bool(result.leaked or result.by_chance or result.missing))


def _go(run: Run, numbers: range) -> None:
    began = time.monotonic()

    def tell(done: int) -> None:
        left = (time.monotonic() - began) / done * (len(numbers) - done)
        line = f"{done:,} of {len(numbers):,}, {run.result.leaked:,} leaked, {left / 60:.1f} min to go"
        print(f"\r{line:<70}", end="", file=sys.stderr, flush=True)

    try:
        run.go(numbers, tell)
    except KeyboardInterrupt:
        at = numbers.start + run.result.placements
        print(f"\ninterrupted; go on with --seed {run.seed} --start {at}", file=sys.stderr)
    print(file=sys.stderr)


def _only(run: Run, number: int) -> int:
    placement = Placement(run.seed, number)
    print(placement.cell, placement.transport, placement.fact, sep="\n")
    print(placement.line().decode() if placement.transport == "json_logs" else placement.message(run.time_ns))
    run.send([placement])
    came = run.output([placement])
    print("---- came out")
    for text in sorted(map(str, came.items.get(placement.marker, came.texts))):
        print(text)
    run.search([placement], came)
    for forms in run.result.leaks.values():
        print("---- leaked:", sorted(forms[number]))
    return int(bool(run.result.leaks))


def _print(result: Result, rows: int) -> None:
    for name, axes in AXES.items():
        _table(result, rows, axes, name)
    missing = Counter(placement.place for placement in result.missing)
    print(f"\nplacements that never came out: {len(result.missing)} {dict(missing.most_common(9))}")
    for number, cell in [(min(numbers), cell) for cell, numbers in result.partial.items()][:rows]:
        print(f"part of it came out: --only {number}: {' × '.join(cell)}")


def _table(result: Result, rows: int, axes: tuple[int, ...], title: str) -> None:
    """Leaked and all placements along some axes, the most costly first, with a number to look at."""
    leaked: Counter[tuple[str, ...]] = Counter()
    example: dict[tuple[str, ...], int] = {}
    for cell, numbers in result.leaks.items():
        key = tuple(cell[axis] for axis in axes)
        leaked[key] += len(numbers)
        example.setdefault(key, min(numbers))
    if leaked:
        print(f"\n{'leaked':>8} {'of':>8} {'--only':>8}  {title}")
    for key, count in leaked.most_common(rows):
        print(f"{count:8} {result.totals[title][key]:8} {example[key]:8}  {' × '.join(key)}")


def _conclude(result: Result) -> None:
    count, leaked = max(result.placements, 1), result.leaked
    print(f"control, canaries never sent: {len(result.by_chance)} found {result.by_chance[:9] or ''}")
    partly = sum(map(len, result.partial.values()))
    print(f"parts (last four digits, initials): {partly} placements; {result.partial_by_chance} of the control")
    print(f"{count:,} placements, {leaked:,} leaked: {leaked * 1e6 / count:,.0f} per million")
    print(f"with 95 % confidence fewer than {upper_bound(leaked, count) * 1e6:,.1f} per million leak")


def upper_bound(leaked: int, count: int) -> float:
    """The share that is not exceeded with 95 % confidence: Wilson's bound, or three in `count` where nothing leaked."""
    if not leaked:
        return 3 / count
    z = 1.645
    share = leaked / count
    middle, spread = share + z * z / (2 * count), math.sqrt(share * (1 - share) / count + z * z / (4 * count * count))
    return (middle + z * spread) / (1 + z * z / count)


if __name__ == "__main__":
    sys.exit(main())
