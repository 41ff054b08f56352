"""What can go wrong with a batch, sorted by what the other side should do about it.

`Refused` means try later, `Rejected` means never; anything else that is raised is a bug. Messages are whole sentences
with numbers and without a byte of the payload: they reach clients, log lines and pages.
"""

__all__ = ["Refused", "Rejected", "TooLarge", "Unsupported"]


class Refused(Exception):
    """Not now: a queue is full, memory is short, a destination is away. Nothing was taken; sending again is right.

    `retry_after_seconds` is the hint for the sender (RetryInfo, Retry-After); None where there is none to give.
    `reason` is a word of the code, by which refusals are counted, never data.
    """

    def __init__(self, message: str, *, retry_after_seconds: float | None = None, reason: str = "unavailable") -> None:
        super().__init__(message)
        self.retry_after_seconds = retry_after_seconds
        self.reason = reason


class Rejected(Exception):
    """Never: the data itself is wrong, so sending it again cannot help. It is dropped and counted."""


class TooLarge(Rejected):
    """Rejected for its size alone: the same data in smaller pieces may pass."""


class Unsupported(Rejected):
    """Rejected because no pipeline, or not this destination, handles the signal."""
