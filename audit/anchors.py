"""Anchors at a second destination: what is sent there, and how they are read from what comes back."""

import re
from collections.abc import Mapping

import orjson

from audit.chain import Anchor

__all__ = ["anchors_in", "on_the_way"]


def on_the_way(anchor: Anchor, time: str, rules_digests: Mapping[str, str]) -> str:
    """The line that says where a ledger stands: the number of its last row, which is how many rows it has, and the MAC
    of that row; `rules_digests` are those of the rules in force, by component.
    """
    said = {"kind": "ledger_anchor", "time": time, **anchor._asdict(), "rules_digests": dict(rules_digests)}
    return orjson.dumps(said).decode()


# Within JSON within JSON every quote has backslashes before it.
_QUOTES = r"[\\\"]*"
_ANCHOR = re.compile(
    rf"\bsequence{_QUOTES}[=:]\s?{_QUOTES}(\d{{1,18}})\b[^{{}}\n]{{0,100}}?\bmac{_QUOTES}[=:]\s?{_QUOTES}([0-9a-f]{{64}})\b"
    r"|^\s*(\d{1,18}):([0-9a-f]{64})\s*$",
    re.MULTILINE | re.ASCII,
)


def anchors_in(text: str) -> list[Anchor]:
    """All anchors in what a destination gave back, each once: answers of Loki's query API, lines of `logcli`, OTLP JSON
    lines, lines of the daemon's own log, or `sequence:mac`.

    Raises: `ValueError` if there is none: a check against nothing would prove nothing.
    """
    found = [Anchor(int(a or c), b or d) for a, b, c, d in _ANCHOR.findall(text)]
    if not found:
        raise ValueError("there is no anchor in this file; a line of one says sequence and mac")
    return list(dict.fromkeys(found))
