"""The optional totals that both sorts of histogram have: sum, min and max."""

import math
from collections.abc import Callable
from typing import Any

__all__ = ["all_or_none", "finite", "known"]


def known(message: Any, name: str) -> float | None:
    """An optional field of a data point."""
    return getattr(message, name) if message.HasField(name) else None


def finite(total: float | None) -> float | None:
    """A sum that can be added up: one NaN would make every later total one."""
    return total if total is not None and math.isfinite(total) else None


def all_or_none(left: float | None, right: float | None, add: Callable[[float, float], float]) -> float | None:
    """What one does not know is not known of both."""
    return None if left is None or right is None else add(left, right)
