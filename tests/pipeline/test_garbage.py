"""How often the garbage collector looks."""

import gc

from pipeline.garbage import collect_rarely


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
