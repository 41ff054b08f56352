"""What was planted, and the search that proves it gone: it knows the values and shares no code with the redaction."""

import base64
import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from urllib.parse import quote

import hyperscan

from wire.signal import Signal

__all__ = ["Planted", "Planter", "Search", "forms"]

_SHORTEST = 9
"""Shorter forms would hit by chance."""


@dataclass(frozen=True, slots=True)
class Planted:
    """One value put into telemetry on purpose: what kind of identifier, in which signal, in which place of it."""

    kind: str
    value: str
    signal: Signal
    place: str


class Planter:
    """Notes each value at the moment it is planted."""

    def __init__(self, signal: Signal) -> None:
        self.signal = signal
        self.planted: list[Planted] = []

    def plant(self, kind: str, value: str, place: str) -> str:
        """The value again, to be put where `place` says."""
        self.planted.append(Planted(kind, value, self.signal, place))
        return value


def forms(value: str) -> set[str]:
    """The spellings a value may survive in: itself, its words, its digits, percent-encoded, JSON-escaped, base64."""
    digits = re.sub(r"\D", "", value) if re.fullmatch(r"[\d\s.,/()+-]+", value) else ""
    spellings = {
        *value.split(),
        value,
        digits,
        quote(value, safe=""),
        quote(value),
        json.dumps(value)[1:-1],
        json.dumps(json.dumps(value)[1:-1])[1:-1],
    }
    return {form for form in spellings | _base64(value) if len(form) >= _SHORTEST}


def _base64(value: str) -> set[str]:
    """What base64 of any text around the value must contain: its whole six-bit groups, for each place to begin at."""
    data = value.encode()
    found = set()
    for skipped, first in ((0, 0), (1, 2), (2, 3)):
        bits = 8 * (skipped + len(data))
        text = base64.b64encode(b"\0" * skipped + data).decode()[first : bits // 6]
        found |= {text, text.replace("+", "-").replace("/", "_")}
    return found


class Search:
    """Looks for many planted values in bytes at once."""

    def __init__(self, planted: Iterable[Planted]) -> None:
        by_form = {form: item for item in planted for form in forms(item.value)}
        self._needles = [(form.encode(), item) for form, item in by_form.items()]
        self.values = len({item.value for item in by_form.values()})
        self._database: hyperscan.Database | None = None
        if self._needles:
            self._database = hyperscan.Database()
            self._database.compile(
                expressions=[needle for needle, _ in self._needles],
                ids=list(range(len(self._needles))),
                flags=hyperscan.HS_FLAG_CASELESS,
                literal=True,
            )

    def find(self, data: bytes) -> list[Planted]:
        """The planted values that are in `data`, each once."""
        found = {item.value: item for item in self._hits(data)}
        return list(found.values())

    def _hits(self, data: bytes) -> Iterator[Planted]:
        ends: list[tuple[int, int]] = []
        if self._database is not None and data:
            self._database.scan(
                data, match_event_handler=lambda number, _start, end, _flags, _context: ends.append((number, end))
            )
        for number, end in ends:
            needle, item = self._needles[number]
            if not _within_id_or_time(data, end - len(needle), end):
                yield item


_ID_OR_TIME = re.compile(rb"[0-9a-fA-F]{16}|[0-9a-fA-F]{32}|1[789]\d{17}|1[789]\d{14}")
"""Span id, trace id, nanoseconds and microseconds since 1970: digits that may hold a planted number by chance."""


def _within_id_or_time(data: bytes, start: int, end: int) -> bool:
    """Whether the hit is a true part of a longer run of hexadecimal digits that is an id or a time."""
    before = re.search(rb"[0-9a-fA-F]*\Z", data[max(start - 32, 0) : start])
    after = re.match(rb"[0-9a-fA-F]*", data[end : end + 32])
    assert before is not None
    assert after is not None
    run = before[0] + data[start:end] + after[0]
    return len(run) > end - start and _ID_OR_TIME.fullmatch(run) is not None
