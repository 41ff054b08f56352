"""`kill -9` under load, in short; `make kill-nine` is the long form."""

import pytest

from tests.chaos.kill_nine import kill_nine

pytestmark = pytest.mark.end_to_end


def test_kill_nine() -> None:
    """Killed eight times while it runs, starts, stops and reloads: nothing acknowledged is lost, only what was under
    way comes twice, order is kept, and sums that are added up are right and never fall.
    """
    outcome = kill_nine(kills=8, seed=1)
    assert outcome.is_good, str(outcome)
    assert outcome.moments.total() == 8
    assert min(each.acknowledged for each in outcome.accounts) > 0
