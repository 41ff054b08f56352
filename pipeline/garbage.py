"""What the daemon asks of Python's garbage collector, which looks through what was made lately again and again.

Batches are freed by counting references. At Python's own thresholds the collector takes a third of the CPU time of
adding metrics up (python -m bench.metrics, 2026-11-21).
"""

import gc

__all__ = ["collect_rarely"]

_NEW_OBJECTS = 50_000
"""About as many as a batch of 8192 items is taken apart into; Python's default of 700 is a hundredth of one."""


def collect_rarely() -> None:
    """Leave what there is by now out of account for good, and look at what is new once in a batch."""
    gc.freeze()
    gc.set_threshold(_NEW_OBJECTS, 10, 10)
