"""How rows hang together: each line ends in a MAC over the line before it and its own bytes.

    {"time":"…","sequence":7,…,"mac":"<hex>"}\\n        mac = HMAC-SHA256(key, mac of row 6 ‖ all bytes before ,"mac")

The MAC is over the bytes as they stand in the file, so that there is no second way to write a row. Without a key it is
SHA-256, which anybody can compute anew.
"""

import hashlib
import hmac
import re
from dataclasses import dataclass
from typing import Any, NamedTuple

import orjson

__all__ = ["GENESIS", "Anchor", "Chain", "Line", "parse", "written"]

GENESIS = "0" * 64
"""What stands for the MAC before the first row."""

_END = re.compile(rb',"mac":"([0-9a-f]{64})"\}\n')
_END_BYTES = len(',"mac":""}\n') + 64


class Anchor(NamedTuple):
    """A place in a ledger, by which it is known again: a row's number and its MAC."""

    sequence: int
    mac: str

    def __str__(self) -> str:
        return f"{self.sequence}:{self.mac}"

    @classmethod
    def parse(cls, text: str) -> "Anchor":
        """From `sequence:mac`. Raises: `ValueError` with a sentence."""
        match = re.fullmatch(r"(\d{1,18}):([0-9a-f]{64})", text.strip())
        if match is None:
            raise ValueError("an anchor is written sequence:mac, such as 120:9f86…, with all 64 digits of the mac")
        return cls(int(match[1]), match[2])


class Line(NamedTuple):
    """A line of a ledger: the bytes that its MAC covers, the MAC, and the row that they say."""

    covered: bytes
    mac: str
    row: dict[str, Any]

    @property
    def sequence(self) -> int:
        return int(self.row["sequence"])


@dataclass(frozen=True, slots=True, repr=False)
class Chain:
    """Computes MACs, with a key or without."""

    key: bytes | None

    @property
    def name(self) -> str:
        """What the first row says about it."""
        return "sha256" if self.key is None else "hmac-sha256"

    def mac(self, previous: str, covered: bytes) -> str:
        """Of a row, as 64 hexadecimal digits; `previous` is that of the row before."""
        message = bytes.fromhex(previous) + covered
        if self.key is None:
            return hashlib.sha256(message).hexdigest()
        return hmac.digest(self.key, message, "sha256").hex()

    def line(self, previous: str, row: dict[str, object]) -> Line:
        """A row as the line after another."""
        covered = orjson.dumps(row)[:-1]
        return Line(covered, self.mac(previous, covered), row)


def written(line: Line) -> bytes:
    """The bytes in the file."""
    return line.covered + b',"mac":"' + line.mac.encode() + b'"}\n'


def parse(text: bytes) -> Line | None:
    """A line with its line end; None if it is no row of a ledger."""
    end = _END.fullmatch(text, max(0, len(text) - _END_BYTES))
    if end is None:
        return None
    covered = text[: end.start()]
    try:
        row = orjson.loads(covered + b"}")
    except orjson.JSONDecodeError:
        return None
    if not isinstance(row, dict) or type(row.get("sequence")) is not int:
        return None
    return Line(covered, end[1].decode(), row)
