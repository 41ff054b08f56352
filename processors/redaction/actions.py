"""What a rule does to what it found. An action is a function; None means that the whole value goes."""

from collections.abc import Callable

from processors.redaction.rules import Rule

__all__ = ["in_text", "whole"]

Action = Callable[[Rule, bytes], bytes | None]


def _mask(rule: Rule, found: bytes) -> bytes:
    return rule.mask


def _drop(rule: Rule, found: bytes) -> None:
    return None


_ACTIONS: dict[str, Action] = {"mask": _mask, "drop": _drop}


def in_text(rule: Rule, found: bytes) -> bytes | None:
    """What takes the place of a part of a text."""
    return _ACTIONS[rule.action](rule, found)


def whole(rule: Rule, value: bytes) -> bytes | None:
    """What takes the place of a whole value; `value` is the AnyValue or the JSON."""
    return _ACTIONS[rule.action](rule, value)
