"""Whether the disk of a queue has room for what comes, and for SQLite's log to be copied into the file."""

from dataclasses import dataclass

__all__ = ["Room"]

_MARGIN_BYTES = 512 * 1024
"""For what SQLite writes beside entries: its trees, and lists of pages that are free."""


@dataclass(frozen=True, slots=True)
class Room:
    """All in bytes: what is `free` on the disk; by how much the file gets longer when the log is copied (`growth`); how
    long the `log` is, which copying gives back; and the `reserve` that is kept for sending.
    """

    free: int
    growth: int
    log: int
    reserve: int

    def lacking(self, size: int) -> str:
        """Why `size` more bytes cannot be kept, else nothing."""
        needed = self._needed(size)
        if self.free >= needed:
            return ""
        return (
            f"its disk has {self.free / 2**20:.1f} of {needed / 2**20:.1f} MiB free, of which"
            f" {self.reserve >> 20} MiB are kept for sending"
        )

    def is_log_to_copy(self, size: int) -> bool:
        """Whether the log is to be copied before `size` more bytes come: because that makes the room for them, or
        because there would soon be none to copy it.
        """
        makes_room = self.free < self._needed(size) <= self.free + self.log
        return bool(self.log) and (makes_room or self.free < self.growth + _MARGIN_BYTES)

    def _needed(self, size: int) -> int:
        """What comes is written into the log, and once more when that is copied into the file: without room for both,
        it could not be copied, and whatever is forgotten makes it longer still.
        """
        return self.reserve + self.growth + 2 * size + _MARGIN_BYTES
