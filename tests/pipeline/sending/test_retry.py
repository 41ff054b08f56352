"""Back-off: growth, jitter, the destination's hint."""

from hypothesis import given
from hypothesis import strategies as st

from pipeline.sending.retry import RetrySettings


def middle(low: float, high: float) -> float:
    return (low + high) / 2


def test_growth() -> None:
    """Each wait is 1.5 times the one before, up to 30 s."""
    waits = [RetrySettings().delay(attempt, None, middle) for attempt in range(7)]
    assert waits == [5.0, 7.5, 11.25, 16.875, 25.3125, 30.0, 30.0]


@given(st.integers(0, 10_000), st.floats(0, 100))
def test_bounds(attempt: int, hint: float) -> None:
    """Never sooner than the destination asked for, nor, unless it asked, later than the longest wait and its jitter."""
    assert hint <= RetrySettings().delay(attempt, hint) <= max(hint, 45.0)


def test_jitter() -> None:
    """The draw is from the interval, half of it either way."""
    assert RetrySettings().delay(0, None, lambda low, high: low) == 2.5
    assert RetrySettings().delay(0, None, lambda low, high: high) == 7.5


def test_hints_have_an_end() -> None:
    """A destination cannot stop an exporter for good, not even with an infinite hint."""
    assert RetrySettings().delay(0, float("inf")) == 3600.0


def test_patience() -> None:
    """Without a limit of the operator's, what is on disk is never given up, and what is in memory after 300 s."""
    never = float("inf")
    assert [RetrySettings().patience(is_durable=each) for each in (True, False)] == [never, 300.0]
    limited, unlimited = RetrySettings(max_elapsed_time=12.0), RetrySettings(max_elapsed_time=0.0)
    assert [limited.patience(is_durable=each) for each in (True, False)] == [12.0, 12.0]
    assert [unlimited.patience(is_durable=each) for each in (True, False)] == [never, never]
    assert RetrySettings(enabled=False).patience(is_durable=True) == 0.0
