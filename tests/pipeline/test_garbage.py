"""How often the garbage collector looks."""

import ctypes
import gc
import subprocess
import sys
import weakref

import pytest

from pipeline.garbage import collect_all, collect_rarely


def test_what_is_there_is_left_out_of_account() -> None:
    """For good, and what is new is looked at once in a batch."""
    before = gc.get_threshold()
    try:
        collect_rarely()
        assert gc.get_freeze_count() > 0
        assert gc.get_threshold() == (50_000, 10, 10)
    finally:
        gc.set_threshold(*before)
        gc.unfreeze()


class Circle:
    """Knows itself."""

    def __init__(self) -> None:
        self.itself = self


def test_what_was_replaced_is_freed() -> None:
    """Also what was there when everything was left out of account."""
    circle = Circle()
    known = weakref.ref(circle)
    gc.freeze()
    del circle
    try:
        gc.collect()
        assert known() is not None
        collect_all()
        assert known() is None
        assert gc.get_freeze_count() > 0
    finally:
        gc.unfreeze()


HELD = """
from pipeline.garbage import give_back
from pipeline.serving.memory_limit import resident_bytes

blocks = [bytearray(1000) for _ in range(50_000)]
# What lies behind the others keeps the C library from giving them back by itself.
last = blocks[-1]
blocks.clear()
before = resident_bytes()
give_back()
print((before - resident_bytes()) >> 20)
"""


@pytest.mark.skipif(not hasattr(ctypes.CDLL(None), "malloc_trim"), reason="needs glibc; run it where that is")
def test_free_memory_goes_back_to_the_system() -> None:
    """50 MB that the C library would have kept."""
    run = subprocess.run([sys.executable, "-c", HELD], capture_output=True, text=True, check=True)
    assert int(run.stdout) >= 40
