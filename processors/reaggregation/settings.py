"""The settings of re-aggregation, the same in every processor that takes labels off."""

from pathlib import Path
from typing import Annotated

from pydantic import Field, StringConstraints

from config.settings import Seconds, Settings
from processors.reaggregation.levels import Mode

__all__ = ["ReaggregationSettings"]

Glob = Annotated[str, StringConstraints(min_length=1)]


class ReaggregationSettings(Settings):
    """How series that become one are added up. See docs/metrics.md."""

    interval: Seconds = Field(default=1.0, gt=0)
    """Points of one output whose times lie in the same interval become one point. 1 s: SDKs export every 60 s, few
    people more often than every second, so that nothing is made coarser."""
    linger: Seconds = Field(default=2.0, ge=0)
    """How long an interval waits for points from other batches and instances. What comes later shows in the next
    point."""
    gauges: dict[Glob, Mode] = Field(default_factory=dict)
    """What becomes of gauges: `mean`, `sum`, `min`, `max` or `last`, by metric name, exact or with `*`, `?` and `[…]`;
    the first that fits holds. All others: `mean`, because it stays within what was measured."""
    source_expiry: Seconds = Field(default=3600.0, gt=0)
    """A series that has not come for this long is forgotten, at the latest after twice as long. What it has counted
    stays counted. One hour: longer than a process is restarted or cut off for, mostly."""
    stale_after: Seconds = Field(default=300.0, gt=0)
    """A gauge, or a sum that may fall, that has not come for this long is no longer part of its output. 5 min is
    Prometheus' own limit."""
    storage: Path | None = None
    """Folder for what must go on after a restart. Without one, sums begin anew. Series are told apart in it by keyed
    hashes; the key is in the same file, so that whoever can read it can test guesses: it is readable by the daemon's
    user alone."""
