"""The attributes in which the Collector's `redaction` says what it did to a record."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Literal

from processors.otlp_objects import any_value, find, put

__all__ = ["META_KEYS", "Level", "Summary"]

Level = Literal["", "silent", "info", "debug"]

_COUNTED = ("redacted", "masked", "allowed", "ignored")
META_KEYS = frozenset(
    f"redaction.{body}{what}.{number}"
    for body in ("", "body.")
    for what in _COUNTED
    for number in ("keys", "count")
    if (what, number) != ("ignored", "keys")
)
"""The attributes of the summary; they are always allowed."""


@dataclass(slots=True)
class Summary:
    """The keys of one list of attributes, or of one body, by what became of them."""

    redacted: list[str] = field(default_factory=list)
    masked: list[str] = field(default_factory=list)
    allowed: list[str] = field(default_factory=list)
    ignored: list[str] = field(default_factory=list)

    def write(self, level: Level, prefix: str, attributes: Any) -> bool:
        """Add what there is to a record's attributes, and to what another such processor wrote there; whether
        there was anything.
        """
        if level not in ("info", "debug") or not any(getattr(self, what) for what in _COUNTED):
            return False
        for what in _COUNTED:
            keys = getattr(self, what)
            if keys and level == "debug" and what != "ignored":
                _add_keys(attributes, f"{prefix}.{what}.keys", keys)
            if keys:
                _add_count(attributes, f"{prefix}.{what}.count", len(keys))
        return True


def _add_keys(attributes: Any, name: str, keys: Iterable[str]) -> None:
    before = find(attributes, name)
    written = before.string_value.split(",") if before is not None and before.string_value else []
    put(attributes, name, any_value(",".join(sorted([*written, *keys]))))


def _add_count(attributes: Any, name: str, count: int) -> None:
    before = find(attributes, name)
    put(attributes, name, any_value(min(count + (before.int_value if before is not None else 0), 2**63 - 1)))
