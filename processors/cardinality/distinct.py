"""How many different things were seen within a window, from 64-bit keyed hashes: exactly up to a limit, about beyond.

Time is a number of steps; a window is `STEPS` of them. What was last seen more than that many steps ago is forgotten,
so everything is remembered for one window at least and for 1/`STEPS` of it more at most.
"""

from bisect import insort
from collections.abc import Iterable

__all__ = ["BYTES_PER_HASH", "STEPS", "Budget", "Distinct", "Estimate"]

STEPS = 6
"""Steps of a window: in each, every series goes the slow way once; fewer are cheaper, more forget more evenly."""

BYTES_PER_HASH = 100
"""Of memory: 48 for the hash, 24 to 48 for its place in a table that grows by doubling; 2026-11-21, Python 3.11."""


class Budget:
    """How much all counts of a processor may hold together, in hashes, and how much they do.

    What is held here is held `within` another budget, too.
    """

    __slots__ = ("_within", "held", "most")

    def __init__(self, most: int, within: "Budget | None" = None) -> None:
        self.most = most
        self.held = 0
        self._within = within

    def add(self, count: int) -> None:
        self.held += count
        if self._within is not None:
            self._within.add(count)

    def has_room(self, reserve: float = 1.0) -> bool:
        """Whether there is room for more; with a `reserve` of 1.1 for a tenth more than that."""
        fits = self.held < self.most * reserve
        return fits and (self._within is None or self._within.has_room(reserve))


class Distinct:
    """Hashes of eight bytes, up to `limit`, each with the step in which it was last seen.

    With `journal`, `fresh` has those seen since it was last asked, and `cleared` whether all before were forgotten.
    """

    __slots__ = ("_budget", "cleared", "fresh", "limit", "seen")

    def __init__(self, limit: int, budget: Budget, *, journal: bool = False) -> None:
        self.limit = limit
        self.seen: dict[bytes, int] = {}
        self.fresh: bytearray | None = bytearray() if journal else None
        self.cleared = False
        self._budget = budget

    def note(self, digest: bytes, step: int, limit: int = 0) -> bool:
        """Whether there is room for it within the limit (or another one given); it is remembered if there is."""
        last = self.seen.get(digest)
        if last is None:
            if len(self.seen) >= (limit or self.limit):
                return False
            self._budget.add(1)
        if last != step:
            self.seen[digest] = step
            if self.fresh is not None:
                self.fresh += digest
        return True

    def restore(self, digests: Iterable[bytes], step: int) -> None:
        """Remember what a snapshot has."""
        for digest in digests:
            self._budget.add(digest not in self.seen)
            self.seen[digest] = step

    def expire(self, step: int) -> None:
        """Forget what was not seen within the window that ends with the step."""
        oldest = step - STEPS
        self._replace({digest: last for digest, last in self.seen.items() if last >= oldest})

    def clear(self) -> None:
        self._replace({})
        if self.fresh is not None:
            self.fresh, self.cleared = bytearray(), True

    def _replace(self, seen: dict[bytes, int]) -> None:
        self._budget.add(len(seen) - len(self.seen))
        self.seen = seen

    def __len__(self) -> int:
        return len(self.seen)


_KEPT = 64
_RANGE = 2**64


class Estimate:
    """About how many different things came by in this window, or in the one before if that was more."""

    __slots__ = ("_before", "_now")

    def __init__(self) -> None:
        self._now, self._before = _Smallest(), _Smallest()

    def note(self, number: int) -> None:
        """`number` is Python's `hash` of the thing."""
        self._now.note(number)

    def turn(self) -> None:
        """A window is over."""
        self._now, self._before = _Smallest(), self._now

    def __len__(self) -> int:
        return max(len(self._now), len(self._before))


class _Smallest:
    """The 64 smallest hashes; how many there were in all follows from them, within 12 % two times out of three.

    The k smallest of n evenly spread numbers lie in k/n of the range (Bar-Yossef and others, 2002).
    """

    __slots__ = ("_smallest", "_worst")

    def __init__(self) -> None:
        self._smallest: list[int] = []
        self._worst = _RANGE

    def note(self, number: int) -> None:
        number %= _RANGE
        if number >= self._worst or number in self._smallest:
            return
        insort(self._smallest, number)
        if len(self._smallest) > _KEPT:
            self._smallest.pop()
            self._worst = self._smallest[-1]

    def __len__(self) -> int:
        if len(self._smallest) < _KEPT:
            return len(self._smallest)
        return (_KEPT - 1) * _RANGE // (self._worst + 1)
