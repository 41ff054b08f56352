"""Tells at little cost that a payload has nothing to redact: one scan over its bytes, one walk over its keys.

It may say too often that there is something; what it may not do is miss a value or key that the rules act on.
"""

import re
from collections.abc import Sequence

import hyperscan

from processors.collector.keys import ALLOWED, IGNORED, Keys
from processors.collector.texts import JSON
from processors.collector.triggers import Scan, Triggers
from wire import schema
from wire.redact import INSPECT, KEEP, KEY_HIT, SCAN, Gather
from wire.signal import Signal

__all__ = ["Glance"]

_MOST_KNOWN_KEYS = 20_000
_LONGEST_KNOWN_KEY = 256
_CLASS = r"\[(?:\\.|\[:\^?\w+:\]|[^\]\\])*\]"
_TOKEN = re.compile(
    rf"""
      (?P<anchor>\\[bBAz] | [\^$])
    | (?P<character>\\[CQx0-7] | \[\] | \[\^\] | (?=\[\^){_CLASS}(?![*+]) | \.(?![*+]) | \[:\^)
    | \\. | {_CLASS}
    """,
    re.VERBOSE | re.DOTALL,
)
_IN_CLASS = re.compile(r"\\[DSWpP]|\[:\^")
"""`character`: what may be one character of several bytes."""


def _in_bytes(pattern: str) -> str:
    """An expression on bytes that matches wherever the pattern matches, whatever stands around.

    Raises: `hyperscan.error` if none is known.
    """
    if not pattern.isascii() or _IN_CLASS.search(pattern) or any(one["character"] for one in _TOKEN.finditer(pattern)):
        raise hyperscan.error("characters are not bytes")
    return _TOKEN.sub(lambda token: "" if token["anchor"] else token[0], pattern)


class Glance:
    """Looks at the payloads of traces and metrics. Of logs it says nothing: numbers in their bodies count, too."""

    def __init__(self, keys: Keys, blocked: Sequence[str], inspected: frozenset[str], max_depth: int) -> None:
        """`inspected`: keys whose values are always looked at."""
        self._keys = keys
        self._inspected = inspected
        self._known: dict[bytes, int] = {}
        self._gather = Gather(self._decide, self._known, max_depth)
        self._scans: list[Scan] = [Triggers()] if blocked or keys.says_something_within else []
        self._can_tell = True
        try:
            self._scans += [Scan([(_in_bytes(pattern), 0) for pattern in blocked])] if blocked else []
        except hyperscan.error:
            self._can_tell = False

    def is_clean(self, signal: Signal, payload: bytes) -> bool:
        """Whether there is nothing in the payload that the rules act on."""
        if not self._can_tell or signal is Signal.LOGS:
            return False
        if any(scan.found(payload) for scan in self._scans):
            return False
        self._gather.walk(payload, schema.ROOT[signal])
        return not self._gather.hits([])

    def _decide(self, path: bytes, key: bytes) -> int:
        found = (self._keys.listed if path == key else self._keys.within)(_text(key))
        if found == IGNORED:
            return KEEP
        if found != ALLOWED or _text(key) in self._inspected or key.lstrip()[:1] in JSON:
            return INSPECT | KEY_HIT
        if len(path) <= _LONGEST_KNOWN_KEY and self._is_harmless(path):
            if len(self._known) >= _MOST_KNOWN_KEYS:
                self._known.clear()
            self._known[path] = SCAN
        return SCAN

    def _is_harmless(self, path: bytes) -> bool:
        """Whether a path can be remembered: harmless as a key, and as any key at the end of other keys."""
        if self._keys.listed(_text(path)) != ALLOWED or _text(path) in self._inspected:
            return False
        parts = _text(path).split(".")
        return all(self._keys.within(".".join(parts[first:])) == ALLOWED for first in range(1, len(parts)))


def _text(key: bytes) -> str:
    return key.decode("utf-8", "replace")
