"""Whether a row says what the daemon writes: a ledger may have been changed, and a report on it must be possible."""

import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any

__all__ = ["is_as_written"]

_TIME = re.compile(r"20[2-9]\d-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z")
"""From 2020 to 2099: a report draws a bar for every day between its first and its last row."""

_SHAPES: dict[str, dict[str, type]] = {
    "start": {"version": str},
    "config": {"component": str, "rules_digest": str, "pipelines": list, "rules": list},
    "redaction": {
        **dict.fromkeys(("pipeline", "component", "signal", "rule", "action", "place", "epoch", "rules_digest"), str),
        **dict.fromkeys(("version", "count", "batches"), int),
    },
    "drop": {**dict.fromkeys(("component", "signal", "reason"), str), "count": int},
    "waiver": {"pipeline": str, "reason": str},
}
"""By kind: what a report reads."""
_RULE = {**dict.fromkeys(("id", "title", "legal", "action"), str), "version": int, "examples": int}
_OPTIONAL = {"finds": str}


def is_as_written(row: Mapping[str, Any]) -> bool:
    """Whether what a report reads of a row is there, and of the type that the daemon writes."""
    time, kind = row.get("time"), row.get("kind")
    if not isinstance(time, str) or not _TIME.fullmatch(time) or not isinstance(kind, str):
        return False
    try:
        datetime.fromisoformat(time)
    except ValueError:
        return False
    if not _has(row, _SHAPES.get(kind, {})):
        return False
    return kind != "config" or (
        all(map(_is_rule, row["rules"])) and all(isinstance(each, str) for each in row["pipelines"])
    )


def _is_rule(rule: Any) -> bool:
    return (
        isinstance(rule, dict) and _has(rule, _RULE) and _has(rule, {k: v for k, v in _OPTIONAL.items() if k in rule})
    )


def _has(row: Mapping[str, Any], shape: Mapping[str, type]) -> bool:
    """Of these types exactly, as JSON has them; numbers not negative."""
    return all(type(row.get(key)) is kind and (kind is not int or row[key] >= 0) for key, kind in shape.items())
