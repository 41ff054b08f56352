"""What the configuration says of a key."""

from collections.abc import Sequence
from functools import lru_cache

from processors.collector.expressions import Matches
from processors.collector.summary import META_KEYS

__all__ = ["ALLOWED", "IGNORED", "REMOVED", "Keys", "rule"]

ALLOWED, IGNORED, REMOVED = -1, -2, -3
"""What is with a key, if it is not the number of a blocked key pattern."""


def rule(kind: str, number: int) -> str:
    """The id, for ledger and metrics, of an expression of the configuration: `blocked_value_1` is the first."""
    return f"{kind}_{number + 1}"


class Keys:
    """What is with a key, by the lists and patterns of the configuration."""

    def __init__(
        self,
        allowed: frozenset[str] | None,
        ignored: frozenset[str],
        ignored_patterns: Sequence[str],
        blocked: Sequence[str],
    ) -> None:
        """`allowed`: None if all are."""
        self._allowed = allowed
        self._ignored = ignored
        self._ignored_patterns = Matches(ignored_patterns)
        self._blocked = Matches(blocked)
        self.says_something_within = bool(blocked)
        self.removes = allowed is not None
        self.listed = lru_cache(4096)(self._listed)
        self.within = lru_cache(4096)(self._within)

    def _listed(self, key: str) -> int:
        """IGNORED, REMOVED, the number of a blocked pattern, or ALLOWED."""
        code = self._within(key)
        return REMOVED if code != IGNORED and not self._is_allowed(key) else code

    def _is_allowed(self, key: str) -> bool:
        return self._allowed is None or key in self._allowed or key in META_KEYS

    def _within(self, key: str) -> int:
        """The same where the list of allowed keys does not hold: within the value of an allowed attribute."""
        text = key.encode()
        if key in self._ignored or self._ignored_patterns.first(text) is not None:
            return IGNORED
        blocked = self._blocked.first(text)
        return ALLOWED if blocked is None else blocked

    def names(self, key: str) -> bool:
        """Whether the configuration itself has a key, so that it is no data."""
        return key in META_KEYS or key in self._ignored or (self._allowed is not None and key in self._allowed)
