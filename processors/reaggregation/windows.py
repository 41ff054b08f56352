"""Points that wait until what belongs to the same interval has come, from whatever batch or instance."""

from collections import deque
from typing import NamedTuple

from processors.reaggregation.forms import Attributes, Place
from processors.reaggregation.values import Value

__all__ = ["Due", "Emission", "Held", "Window", "Windows"]

_MOST_OPEN = 64
"""Windows of one output: what is sent after an outage comes by the hundred at once. Beyond, the oldest closes."""


Held = tuple[int, int, int, int, Value]
"""A point that waits for its window to close: time, source, group (its metric and start), start, value or None."""


class Emission(NamedTuple):
    """What an output is at a time; `value` is None if it has none any more."""

    start: int
    time: int
    value: Value


class Window:
    """The points of one output in one interval, and how the output is written."""

    __slots__ = ("attributes", "exemplars", "held", "place")

    def __init__(self, place: Place, attributes: Attributes) -> None:
        self.place, self.attributes = place, attributes
        self.held: list[Held] = []
        self.exemplars: list[bytes] = []


class Due(NamedTuple):
    """A window that is closed."""

    number: int
    output: int
    window: Window


class Windows:
    """The open windows of all outputs. A window closes `linger_seconds` after its first point came, or when a later
    one of the same output does.
    """

    def __init__(self, interval_nanoseconds: int, linger_seconds: float) -> None:
        self._interval, self._linger = interval_nanoseconds, linger_seconds
        self._open: dict[int, dict[int, Window]] = {}
        self._opened: deque[tuple[float, int, int]] = deque()
        self._full: list[Due] = []

    def of(self, output: int, time: int, place: Place, attributes: Attributes, now: float) -> Window:
        """The window that a point of this time belongs to; `now` is the clock's time, in seconds."""
        windows = self._open.setdefault(output, {})
        number = time // self._interval
        window = windows.get(number)
        if window is None:
            window = windows[number] = Window(place, attributes)
            self._opened.append((now, output, number))
            if len(windows) > _MOST_OPEN:
                oldest = min(windows)
                self._full.append(Due(oldest, output, windows.pop(oldest)))
        return window

    def due(self, now: float | None) -> list[Due]:
        """The windows that are closed by now, or all of them, in the order of their intervals."""
        due, self._full = self._full, []
        while self._opened and (now is None or self._opened[0][0] + self._linger <= now):
            _, output, number = self._opened.popleft()
            windows = self._open.get(output, {})
            for earlier in [each for each in windows if each <= number]:
                due.append(Due(earlier, output, windows.pop(earlier)))
            if not windows:
                self._open.pop(output, None)
        due.sort(key=lambda each: each.number)
        return due

    def __len__(self) -> int:
        return sum(len(windows) for windows in self._open.values()) + len(self._full)
