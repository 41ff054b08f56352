"""When a request that failed for now is sent again: exponential back-off with jitter, never sooner than the
destination asked for.
"""

import random
from collections.abc import Callable

from pydantic import Field

from config.settings import Seconds, Settings

__all__ = ["RetrySettings"]


class RetrySettings(Settings):
    """The Collector's `retry_on_failure`, with its defaults."""

    enabled: bool = True
    """Off: what fails once is dropped and counted."""
    initial_interval: Seconds = Field(default=5.0, gt=0)
    """Wait before the first repeat."""
    randomization_factor: float = Field(default=0.5, ge=0, le=1)
    """Jitter: each wait is drawn from interval × (1 ± this), so that senders do not come back in step."""
    multiplier: float = Field(default=1.5, ge=1)
    """How much longer each wait is than the one before."""
    max_interval: Seconds = Field(default=30.0, gt=0)
    """The longest wait."""
    max_elapsed_time: Seconds = Field(default=300.0, ge=0)
    """Give up, drop and count after this long; 0 = never give up."""

    def delay(
        self, attempt: int, hint_seconds: float | None, uniform: Callable[[float, float], float] = random.uniform
    ) -> float:
        """Seconds to wait after the failed attempt number `attempt` (from 0), at least the destination's
        `hint_seconds`.
        """
        interval = min(self.initial_interval * self.multiplier ** min(attempt, 100), self.max_interval)
        jitter = self.randomization_factor * interval
        return max(uniform(interval - jitter, interval + jitter), hint_seconds or 0.0)
