"""How often the garbage collector looks."""

import gc
import weakref

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
