"""The real daemon is reloaded under load, a third of the times with a broken configuration."""

import asyncio

import pytest

from tests.chaos.reloads import Reloaded, run

pytestmark = pytest.mark.end_to_end


def test_reloads_under_load() -> None:
    """Nothing is refused, lost or doubled, and nothing is left behind. `make reloads` does it a thousand times."""
    with Reloaded() as daemon:
        report = asyncio.run(run(daemon, 40, seed=3, warm_up=5))
    assert report.is_good, str(report)
    assert report.reloads["failed"] >= 10
