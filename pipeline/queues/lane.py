"""What waits of one signal in a queue: the head of the line in memory, the rest in the store alone."""

from collections import deque
from dataclasses import dataclass, field

from pipeline.queues.store import Entry, Load

__all__ = ["Lane"]


@dataclass(slots=True)
class Lane:
    """The line of one signal; `window` is its head."""

    window: deque[Entry] = field(default_factory=deque)
    window_bytes: int = 0
    last: int = 0
    """The largest number that was ever in the window."""
    beyond: Load = field(default_factory=Load)
    """What is in the store alone."""
    unreleased: dict[int, Entry] = field(default_factory=dict)
    """Of those beyond, the ones that must not be handed out yet."""
    leased_items: int = 0

    def append(self, entry: Entry) -> None:
        self.window.append(entry)
        self.window_bytes += len(entry.batch.payload)
        self.last = max(self.last, entry.number)

    def appendleft(self, entry: Entry) -> None:
        self.window.appendleft(entry)
        self.window_bytes += len(entry.batch.payload)

    def popleft(self) -> Entry:
        entry = self.window.popleft()
        self.window_bytes -= len(entry.batch.payload)
        return entry

    def remove(self, entry: Entry) -> None:
        self.window.remove(entry)
        self.window_bytes -= len(entry.batch.payload)

    def has_ready(self) -> bool:
        return bool(self.window) and self.window[0].released
