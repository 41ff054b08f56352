"""Takes a pair of key and value out of a JSON object, in the text and with nothing else changed."""

import re

__all__ = ["without_pair"]

_COMMA = re.compile(rb"[ \t-\r]*,[ \t-\r]*")
_SPACE = b" \t\n\v\f\r"
_COMMA_BYTE = ord(",")
_BACKSLASH = ord("\\")


def without_pair(text: bytes, at: int, start: int, end: int) -> tuple[bytes, int, int]:
    """What is left of the pair whose value is at `start`–`end`, and the range to replace by it.

    `at` is how far the text has been rewritten: if that is within the pair, its key was, and the value becomes null.
    """
    key = _key_start(text, start)
    if key < at:
        return b"null", start, end
    before = key - 1
    while text[before] in _SPACE:
        before -= 1
    if text[before] == _COMMA_BYTE and before >= at:
        return b"", before, end
    comma = _COMMA.match(text, end)
    return b"", key, comma.end() if comma else end


def _key_start(text: bytes, value: int) -> int:
    """Where the quote before the key of a value is."""
    closing = text.rindex(b'"', 0, value)
    opening = text.rindex(b'"', 0, closing)
    while _is_escaped(text, opening):
        opening = text.rindex(b'"', 0, opening)
    return opening


def _is_escaped(text: bytes, at: int) -> bool:
    first = at
    while text[first - 1] == _BACKSLASH:
        first -= 1
    return (at - first) % 2 == 1
