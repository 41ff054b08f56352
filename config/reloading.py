"""What is made from files and made again when they change: certificates, tokens, passwords."""

import asyncio
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Generic, TypeVar

__all__ = ["LOOK_SECONDS", "Reloading", "say_nothing", "text_of"]

T = TypeVar("T")

LOOK_SECONDS = 5.0
"""How often at most the files of secrets are looked at: Kubernetes itself takes a minute to write a changed one."""


def say_nothing(sentence: str) -> None:
    """For those who have no log."""


def text_of(path: Path) -> str:
    """Its text. Raises: `OSError`; `ValueError`, which names the file and quotes nothing, if it is not UTF-8."""
    try:
        return path.read_text("utf-8")
    except UnicodeDecodeError:
        raise ValueError(f"{path} is not UTF-8") from None


class Reloading(Generic[T]):
    """`current` gives what `make` made of the files as they are now, at most `interval` seconds old (0: never again).

    It looks where it is asked, in whatever thread that is: three files cost 6 µs, and nobody has to watch them. What
    cannot be made anew is reported once to `say`, in a sentence without anything from the files, and tried again at
    each look; what was made before stays. Raises: what `make` raises the first time.
    """

    def __init__(
        self,
        files: Sequence[Path],
        make: Callable[[], T],
        interval: float = LOOK_SECONDS,
        say: Callable[[str], None] = say_nothing,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._files, self._make, self._interval = files, make, interval
        self._say, self._clock = say, clock
        # Before they are read: a file that changes meanwhile is seen the next time.
        self._seen, self._looked = _state(files), clock()
        self._made, self._problem = make(), ""

    def current(self) -> T:
        """What the files make, for those who run in a thread, or are about to do more work than this."""
        return self.look() if self._is_due() else self._made

    @property
    def latest(self) -> T:
        """What the files made when they were last looked at."""
        return self._made

    async def fresh(self) -> T:
        """What the files make, which are looked at beside the event loop."""
        # Whoever asks when it is due looks for all: the look outlasts a request that is cancelled.
        return await asyncio.shield(asyncio.to_thread(self.look)) if self._is_due() else self._made

    def _is_due(self) -> bool:
        """Whether it is time to look; only the first who asks is sent."""
        now = self._clock()
        due = bool(self._files) and self._interval > 0 and now - self._looked >= self._interval
        if due:
            self._looked = now
        return due

    def look(self) -> T:
        """What the files make at this moment, whenever they were last looked at."""
        state = _state(self._files)
        has_changed = state != self._seen
        # What could not be read may be put right where its state does not show it: permissions, a full table of files.
        if has_changed or self._problem:
            self._seen = state
            try:
                self._made, self._problem = self._make(), ""
            except (OSError, ValueError) as error:
                before, self._problem = self._problem, str(error)
                if has_changed or self._problem != before:
                    self._say(f"{error}; what was read before stays in use until this is put right")
        return self._made


def _state(files: Sequence[Path]) -> list[tuple[int, int, int] | None]:
    """What differs when a file was written, replaced or taken away."""
    return [_state_of(path) for path in files]


def _state_of(path: Path) -> tuple[int, int, int] | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size, found.st_ino
