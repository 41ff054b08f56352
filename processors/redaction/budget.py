"""What it means that a value cannot be looked at."""

__all__ = ["OverBudget"]


class OverBudget(Exception):
    """A value is too large, too deep or too full to be looked at; it must go."""
