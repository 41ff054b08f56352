"""Tells that something in a text may be disguised: escaped, encoded, in other characters."""

from functools import cache
from typing import Any

import hyperscan

from processors.redaction import encoded, views
from processors.redaction.compiled import compiled

__all__ = ["Scan", "Triggers"]


class Scan:
    """Whether one of some expressions on bytes, each with its flags, matches in a text."""

    def __init__(self, expressions: list[tuple[str, int]]) -> None:
        """Raises: `hyperscan.error` for an expression it does not take."""
        self._database = compiled([(text, flags | hyperscan.HS_FLAG_SINGLEMATCH) for text, flags in expressions])

    def found(self, text: bytes) -> bool:
        matches: list[bool] = []
        try:
            self._database.scan(text, match_event_handler=_note, context=matches)
        except hyperscan.ScanTerminated:
            return True
        return bool(matches)

    def dumped(self) -> bytes:
        """What was compiled."""
        return bytes(hyperscan.dumpb(self._database))


def _note(_number: int, _start: int, _end: int, _flags: int, matches: Any) -> bool:
    matches.append(True)
    return True


@cache
def _compiled() -> bytes:
    """Serialized, because compiling takes 0.2 s (2026-11-21)."""
    return Scan(
        [*((text, hyperscan.HS_FLAG_CASELESS) for text in views.TRIGGERS), *((text, 0) for text in encoded.TRIGGERS)]
    ).dumped()


class Triggers(Scan):
    """The expressions of `processors.redaction`, one of which ends in every text that says something in disguise."""

    def __init__(self) -> None:
        # A scratch space of its own: two processors may run at once.
        self._database = hyperscan.loadb(_compiled(), mode=hyperscan.HS_MODE_BLOCK)
        self._database.scratch = hyperscan.Scratch(self._database)
