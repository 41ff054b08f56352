"""When a request that failed for now is sent again: exponential back-off with jitter, never sooner than the
destination asked for.
"""

import math
import random
from collections.abc import Callable
from typing import Annotated

from pydantic import Field

from config.settings import Seconds, Settings

__all__ = ["RetrySettings"]

_LONGEST_HINT_SECONDS = 3600.0
"""A destination that asks for more, by a slip in its clock or its units, is asked again all the same."""


class RetrySettings(Settings):
    """The Collector's `retry_on_failure`, with its defaults but for `max_elapsed_time`."""

    enabled: bool = True
    """Off: what fails once is given up."""
    initial_interval: Seconds = Field(default=5.0, gt=0)
    """Wait before the first repeat."""
    randomization_factor: float = Field(default=0.5, ge=0, le=1)
    """Jitter: each wait is drawn from interval × (1 ± this), so that senders do not come back in step."""
    multiplier: float = Field(default=1.5, ge=1)
    """How much longer each wait is than the one before."""
    max_interval: Seconds = Field(default=30.0, gt=0)
    """The longest wait."""
    max_elapsed_time: Annotated[Seconds, Field(ge=0)] | None = None
    """Give up after this long; 0 = never. By default never where the queue is on disk, which was acknowledged to last,
    and after 300 s, as the Collector, where it is in memory."""

    def patience(self, *, is_durable: bool) -> float:
        """How many seconds after its first try a request before a queue of this kind may be sent again; may be
        infinite.
        """
        if not self.enabled:
            return 0.0
        if self.max_elapsed_time is None:
            return math.inf if is_durable else 300.0
        return self.max_elapsed_time or math.inf

    def delay(
        self, attempt: int, hint_seconds: float | None, uniform: Callable[[float, float], float] = random.uniform
    ) -> float:
        """Seconds to wait after the failed attempt number `attempt` (from 0), at least the destination's
        `hint_seconds`, but for no more of it than an hour.
        """
        interval = min(self.initial_interval * self.multiplier ** min(attempt, 100), self.max_interval)
        jitter = self.randomization_factor * interval
        return max(uniform(interval - jitter, interval + jitter), min(hint_seconds or 0.0, _LONGEST_HINT_SECONDS))
