"""A dictionary that forgets what has not been asked for during one whole period."""

from collections.abc import Iterator
from typing import Generic, TypeVar

__all__ = ["Generations"]

_V = TypeVar("_V")


class Generations(Generic[_V]):
    """Entries live for between one period and two after their last use; `turn` ends a period.

    There is no time in an entry and nothing to look through: what was not used simply stays behind.
    """

    def __init__(self) -> None:
        self.now: dict[int, _V] = {}
        self._before: dict[int, _V] = {}

    def get(self, key: int) -> _V | None:
        """The entry, which counts as used."""
        found = self.now.get(key)
        if found is None and (found := self._before.pop(key, None)) is not None:
            self.now[key] = found
        return found

    def turn(self) -> None:
        """Begin a new period."""
        self._before, self.now = self.now, {}

    def __len__(self) -> int:
        return len(self.now) + len(self._before)

    def copy(self) -> Iterator[tuple[int, _V]]:
        """All entries as they are at this moment, to be gone through later."""
        copies = (self._before.copy(), self.now.copy())
        return (entry for copied in copies for entry in copied.items())
