"""What the daemon asks of Python's garbage collector, which looks through what was made lately again and again.

Batches are freed by counting references. At Python's own thresholds the collector takes a third of the CPU time of
adding metrics up (python -m bench.metrics, 2026-11-21).
"""

import ctypes
import gc

__all__ = ["collect_all", "collect_rarely", "give_back"]

_NEW_OBJECTS = 50_000
"""About as many as a batch of 8192 items is taken apart into; Python's default of 700 is a hundredth of one."""


def collect_rarely() -> None:
    """Leave what there is by now out of account for good, and look at what is new once in a batch."""
    gc.freeze()
    gc.set_threshold(_NEW_OBJECTS, 10, 10)


def collect_all() -> None:
    """Free what a reload has replaced, also what was left out of account, and leave out what there is now.

    Parts know one another in circles. 0.2 s for two million objects, in which nothing else runs (2026-11-21).
    """
    gc.unfreeze()
    give_back()
    gc.freeze()


def give_back() -> None:
    """Collect garbage, and have the C library give free memory back to the system, where it is one that keeps it
    (glibc). Without this, a thousand reloads of rules left the process with 1.6 GB that it had no use for (2026-11-21).
    """
    gc.collect()
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)
