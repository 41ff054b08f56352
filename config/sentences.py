"""Pydantic's errors as sentences for the person who edits the file: what is wrong, what is valid, what was meant.

Pydantic's own messages are not used: they are written for programmers, and some quote the input.
"""

import difflib
import re
from collections.abc import Collection, Mapping
from typing import Any

from config.nodes import List, Map, Node, Scalar

__all__ = ["CUSTOM", "NULLS", "RETYPED", "expectation", "nearest", "sentence", "unknown", "wrong_type"]

_EXPECTED = {
    "a whole number": ("int_type", "int_parsing", "int_from_float", "int_parsing_size"),
    "a number": ("float_type", "float_parsing"),
    "true or false": ("bool_type", "bool_parsing"),
    "text": ("string_type",),
    "a path": ("path_type",),
    "a list": ("list_type", "tuple_type", "set_type", "frozen_set_type"),
    "a map": ("dict_type", "mapping_type", "model_type", "model_attributes_type"),
    "no value": ("none_required",),
}
_SHOWABLE = {"a whole number", "a number", "true or false"}
_NOUNS = {kind: noun for noun, kinds in _EXPECTED.items() for kind in kinds}

NULLS: Mapping[str, Any] = {"list_type": [], "tuple_type": [], "dict_type": {}, "mapping_type": {}, "model_type": {}}
"""Errors that an empty value (`otlp:` and nothing after it) causes, and what it stands for: all defaults."""

RETYPED = frozenset({"string_type", "path_type", "literal_error", "enum"})
"""Errors that go away when a number or a boolean is taken for the text that was written (`version: 1.10`)."""

CUSTOM = frozenset({"value_error", "assertion_error"})
"""Errors whose sentence was written by the settings' own validators."""

_LIMITS = {
    "greater_than": ("gt", "is too small; it must be more than {}"),
    "greater_than_equal": ("ge", "is too small; the smallest is {}"),
    "less_than": ("lt", "is too large; it must be less than {}"),
    "less_than_equal": ("le", "is too large; the largest is {}"),
    "multiple_of": ("multiple_of", "must be a multiple of {}"),
}
_LENGTHS = {
    "string_too_short": ("min_length", "this text needs at least {} characters"),
    "string_too_long": ("max_length", "this text may have at most {} characters"),
    "string_pattern_mismatch": ("pattern", "this text does not match the pattern {}"),
    "too_short": ("min_length", "this is too short; the least number of entries is {}"),
    "too_long": ("max_length", "this is too long; the largest number of entries is {}"),
}
_LONGEST_SHOWN = 60


def nearest(word: str, valid: Collection[str]) -> str:
    """`did you mean 'loki'? ` or nothing, for putting before the list of what is valid."""
    lower = {each.lower(): each for each in valid}
    close = difflib.get_close_matches(word.lower(), lower, n=1)
    return f"did you mean '{lower[close[0]]}'? " if close else ""


def unknown(what: str, word: str, valid: Collection[str]) -> str:
    """`there is no exporter 'lokki'; did you mean 'loki'? Valid: debug, loki`."""
    known = f"Valid: {', '.join(sorted(valid))}" if valid else "None is valid here"
    meant = nearest(word, valid)
    return f"there is no {what} '{word}'; {meant}{known if meant else known.replace('V', 'v').replace('N', 'n')}"


def expectation(error: Mapping[str, Any]) -> str | None:
    """What a wrongly typed value should have been (`a whole number`); None for an error of another sort."""
    return _NOUNS.get(error["type"])


def wrong_type(node: Node, nouns: Collection[str]) -> str:
    """The sentence about a value that is none of `nouns`, showing it only where a secret would make no sense."""
    expected = " or ".join(sorted(set(nouns)))
    if isinstance(node, Scalar) and node.value is not None and _SHOWABLE.issuperset(nouns):
        return f"{_shown(node)} is not {expected}"
    single = "an empty value" if isinstance(node, Scalar) and node.value is None else "a single value"
    found = {Map: "a map", List: "a list"}.get(type(node), single)
    return f"{expected} is expected here, not {found}"


def sentence(node: Node, error: Mapping[str, Any]) -> str:
    """The sentence about any other error of pydantic's at a node."""
    kind, context = error["type"], error.get("ctx", {})
    if kind in CUSTOM:
        return str(context["error"])
    if kind in _LIMITS:
        name, text = _LIMITS[kind]
        return f"{_shown(node)} {text.format(_number(context[name]))}"
    if kind in _LENGTHS:
        name, text = _LENGTHS[kind]
        return text.format(context[name])
    if kind in ("literal_error", "enum"):
        valid = re.findall(r"'([^']*)'", str(context["expected"])) or [str(context["expected"])]
        return f"{_shown(node)} is not valid here; {_meant(node, valid)}"
    return "this value is not valid here"


def _meant(node: Node, valid: Collection[str]) -> str:
    near = nearest(node.text, valid) if isinstance(node, Scalar) and not node.referenced else ""
    return f"{near}{'V' if near else 'v'}alid: {', '.join(valid)}"


def _number(limit: Any) -> str:
    return f"{limit:g}" if isinstance(limit, float) else str(limit)


def _shown(node: Node) -> str:
    if isinstance(node, Scalar):
        text = node.shown
        return f"'{text if len(text) <= _LONGEST_SHOWN else text[:_LONGEST_SHOWN] + '…'}'"
    return "this map" if isinstance(node, Map) else "this list"
