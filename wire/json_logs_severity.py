"""The severity of a log record: its original spelling and OTel's number 1–24 (OTel log data model, severity fields).

Words mean the same under every key, except "critical": a level below alert and emergency under the keys of loggers with
syslog's levels, the highest of all (Python, .NET) under the others. A number's scale goes by its key and its size.
"""

import re
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from wire.json_logs_fields import Fields, spelled, take

__all__ = ["Severity", "take_severity"]


class Severity(NamedTuple):
    """`text` is the level as the logger spells it; `number` is OTel's, 0 for unknown."""

    text: str
    number: int


_WORDS = {
    word: number
    for number, words in {
        1: "TRACE FINEST VERBOSE SILLY T",
        5: "DEBUG FINER D",
        6: "FINE",
        7: "CONFIG",
        8: "HTTP",
        9: "INFO INFORMATION INFORMATIONAL I",
        10: "NOTICE SUCCESS N",
        13: "WARN WARNING W",
        17: "ERROR ERR SEVERE E",
        18: "CRIT DPANIC",
        19: "ALERT PANIC",
        21: "FATAL CRITICAL EMERGENCY EMERG F C",
    }.items()
    for word in words.split()
}
_SYSLOG_WORDS = {**_WORDS, "CRITICAL": 18}
_OFFSET = re.compile(r"(DEBUG|INFO|WARN|ERROR)([+-][0-9]{1,2})")
"""Go's slog: a level between two names; its steps are OTel's."""

_SYSLOG = {0: 21, 1: 19, 2: 18, 3: 17, 4: 13, 5: 10, 6: 9, 7: 5}
_TENS = {1: 1, 2: 5, 3: 9, 4: 13, 5: 17, 6: 21}
"""pino and bunyan: 10 trace … 60 fatal, and what lies between counts as the lower."""
_PYTHON_TENS = {0: 1, 1: 5, 2: 9, 3: 13, 4: 17, 5: 21}
"""Python's logging: 10 debug … 50 critical."""
_MONOLOG = {100: 5, 200: 9, 250: 10, 300: 13, 400: 17, 500: 18, 550: 19, 600: 21}
_LOGBACK = {5000: 1, 10000: 5, 20000: 9, 30000: 13, 40000: 17, 50000: 21}

_INTEGER = re.compile(r"[0-9]{1,5}")


def _integer(value: Any) -> int | None:
    if isinstance(value, str) and _INTEGER.fullmatch(value):
        return int(value)
    return value if type(value) is int else None


def _word(value: Any, words: Mapping[str, int]) -> int | None:
    if not isinstance(value, str) or len(value) > 16:
        return None
    word = value.strip().upper()
    if match := _OFFSET.fullmatch(word):
        return min(max(_WORDS[match[1]] + int(match[2]), 1), 24)
    return words.get(word)


def _by_size(value: int) -> int | None:
    """The number of a level whose key says nothing: syslog below 8, pino to 69, Monolog to 600, Logback above."""
    if value < 10:
        return _SYSLOG.get(value)
    if value < 70:
        return _TENS[value // 10]
    return _MONOLOG.get(value) or _LOGBACK.get(value)


def _otel(value: int) -> int | None:
    return value if 1 <= value <= 24 else None


def _python(value: int) -> int | None:
    return _PYTHON_TENS.get(value // 10)


def _level(words: Mapping[str, int], scale: Callable[[int], int | None]) -> Callable[[Any], Severity | None]:
    """A reader of words and of numbers on a scale."""

    def read(value: Any) -> Severity | None:
        integer = _integer(value)
        number = _word(value, words) if integer is None else scale(integer)
        return None if number is None else Severity(str(value), number)

    return read


_SPELLED = (
    *spelled(_level(_SYSLOG_WORDS, _by_size), "severity", "syslog.severity", "level_name", "_level_name"),
    *spelled(
        _level(_WORDS, _by_size),
        "severity_text",
        "severityText",
        "SeverityText",
        "log.level",
        "levelname",
        "record.level.name",
    ),
    *spelled(_level(_WORDS, _by_size), "level", "Level", "LogLevel", "@l", "lvl", "loglevel", "log_level", "logLevel"),
    *spelled(_level(_SYSLOG_WORDS, _SYSLOG.get), "PRIORITY"),
)
_NUMBERED = (
    *spelled(_level({}, _otel), "severity_number", "severityNumber", "SeverityNumber"),
    *spelled(_level({}, _LOGBACK.get), "level_value"),
    *spelled(_level({}, _python), "levelno", "level_number"),
)
_REPEATED = spelled(_level({}, _by_size), "level", "Level")


def take_severity(fields: Fields) -> Severity:
    """The severity of a record, which leaves it with every key that says it again as a number.

    A word wins over a number for the text, OTel's own number over everything. Serilog leaves its default level out.
    """
    clef = "@t" in fields
    spelling = take(fields, _SPELLED)
    number = take(fields, _NUMBERED)
    if spelling is not None and not spelling.text.isdigit():
        take(fields, _REPEATED)
    if spelling is None:
        return number or Severity("", 9 if clef else 0)
    return Severity(spelling.text, spelling.number if number is None else number.number)
