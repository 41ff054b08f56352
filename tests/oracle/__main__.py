"""`python -m tests.oracle --placements 1000000 --seed 1`: plants canaries, runs the daemon, searches for leaks.

Exit code 1 if anything leaked, or if the search found canaries that were never sent.
"""

import argparse
import sys
import time
from collections import Counter

from tests.oracle.placements import Placement
from tests.oracle.run import Result, Run

_AXES = ("identifier", "place", "disguise")


def main() -> int:
    """Run it and print the tables."""
    options = argparse.ArgumentParser(prog="python -m tests.oracle", description=__doc__)
    options.add_argument("--placements", type=int, default=20_000)
    options.add_argument("--seed", type=int, default=1)
    options.add_argument("--only", type=int, help="send just this placement, and print it and all that came out of it")
    options.add_argument("--rows", type=int, default=60, help="how many rows of a table to print")
    chosen = options.parse_args()
    began = time.monotonic()
    with Run(chosen.seed) as run:
        if chosen.only is not None:
            return _only(run, chosen.only)
        result = run.go(range(chosen.placements), lambda at: print(f"\r{at:,}", end="", file=sys.stderr))
        dropped = run.daemon.metric("telescrub_dropped_items_total")
    print(f"\nseed {chosen.seed}, {time.monotonic() - began:.0f} s, items the daemon dropped: {dropped:.0f}")
    _print(result, chosen.rows)
    return int(bool(result.leaked or result.chance_hits or result.missing))


def _only(run: Run, number: int) -> int:
    placement = Placement(run.seed, number)
    print(placement.cell, placement.transport, placement.fact, sep="\n")
    print(placement.line().decode() if placement.transport == "json_logs" else placement.message(run.time_ns))
    run.send([placement])
    came = run.output()
    print("---- came out")
    for text in sorted(map(str, came.texts)):
        print(text)
    run.search([placement], came)
    for forms in run.result.leaks.values():
        print("---- leaked:", sorted(forms[number]))
    return int(bool(run.result.leaks))


def _print(result: Result, rows: int) -> None:
    for axis, name in enumerate(_AXES):
        _table(result, rows, (axis,), name)
    _table(result, rows, (0, 2), "identifier × disguise")
    _table(result, rows, (1, 2), "place × disguise")
    missing = Counter(placement.place for placement in result.missing)
    print(f"\nplacements that never came out: {len(result.missing)} {dict(missing.most_common(9))}")
    print(f"control, canaries never sent: {result.chance_hits} found")
    per_million = result.leaked * 1e6 / result.placements
    print(f"{result.placements:,} placements, {result.leaked:,} leaked: {per_million:,.0f} per million")


def _table(result: Result, rows: int, axes: tuple[int, ...], title: str) -> None:
    """Leaked and all placements along some axes, the most costly first, with a number to look at."""
    leaked: Counter[tuple[str, ...]] = Counter()
    example: dict[tuple[str, ...], int] = {}
    total: Counter[tuple[str, ...]] = Counter()
    for cell, count in result.by_cell.items():
        total[tuple(cell[axis] for axis in axes)] += count
    for cell, numbers in result.leaks.items():
        key = tuple(cell[axis] for axis in axes)
        leaked[key] += len(numbers)
        example.setdefault(key, min(numbers))
    if leaked:
        print(f"\n{'leaked':>8} {'of':>8} {'--only':>8}  {title}")
    for key, count in leaked.most_common(rows):
        print(f"{count:8} {total[key]:8} {example[key]:8}  {' × '.join(key)}")


if __name__ == "__main__":
    sys.exit(main())
