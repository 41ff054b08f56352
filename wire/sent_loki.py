"""What a push to Loki says: labels of streams, lines, structured metadata (see `wire.loki` for the messages)."""

import re

import snappy

from wire.protobuf import fields
from wire.sent import as_logs, before_mapping, pair, text

__all__ = ["said"]

_LABEL = re.compile(r'([A-Za-z_][A-Za-z0-9_]*)="((?:[^"\\]|\\.)*)"[,}]')
_ESCAPE = re.compile(r'\\(?:x([0-9a-f]{2})|(["\\]))')
_TEXTS = frozenset({"scope_name", "scope_version", "severity_text", "event_name"})
"""Metadata that OTLP has fields for, which are no attributes."""


def said(body: bytes) -> bytes:
    """All labels, lines and metadata of a push, the pairs each once, as a logs payload.

    Raises: an exception for what is no such push.
    """
    message = snappy.decompress(body)
    pairs: dict[tuple[str, str], None] = {}
    lines: list[bytes] = []
    for _, _, start, end in fields(message, 0, len(message)):
        for number, _, begin, stop in fields(message, start, end):
            if number == 1:
                pairs |= dict.fromkeys(_labels(message[begin:stop].decode()))
            else:
                _entry(message, begin, stop, lines, pairs)
    texts = [text(line.decode()) for line in lines]
    texts += [text(value) for name, value in pairs if name in _TEXTS]
    texts += [before_mapping(name) for name in {name for name, _ in pairs}]
    return as_logs((pair(*each) for each in pairs if each[0] not in _TEXTS), texts)


def _labels(selector: str) -> list[tuple[str, str]]:
    """The labels of `{name="value",…}`."""
    found = _LABEL.findall(selector)
    if sum(len(name) + len(value) + 4 for name, value in found) + 1 != len(selector):
        raise ValueError("this is no stream selector")
    return [(name, _ESCAPE.sub(_character, value)) for name, value in found]


def _character(escape: re.Match[str]) -> str:
    return chr(int(escape[1], 16)) if escape[1] else escape[2]


def _entry(message: bytes, start: int, end: int, lines: list[bytes], pairs: dict[tuple[str, str], None]) -> None:
    for number, _, begin, stop in fields(message, start, end):
        if number == 2:
            lines.append(message[begin:stop])
        elif number == 3:
            pairs[_pair(message, begin, stop)] = None


def _pair(message: bytes, start: int, end: int) -> tuple[str, str]:
    parts = {number: message[begin:stop].decode() for number, _, begin, stop in fields(message, start, end)}
    return parts.get(1, ""), parts.get(2, "")
