"""The time of a log record, in every spelling that loggers use, as nanoseconds since 1970.

Numbers are seconds, milliseconds, microseconds or nanoseconds by their magnitude; each range begins in 1973, and what
is smaller is a duration or a counter and no time. Text is ISO 8601, with a comma or a dot before the fraction, with `T`
or a space before the time of day; without a zone it is UTC.
"""

import math
import re
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from wire.json_logs_fields import Fields, spelled, take

__all__ = ["take_time", "unix_nano"]

_SCALES = ((10**17, 1), (10**14, 10**3), (10**11, 10**6), (10**8, 10**9))
"""Smallest number of a unit, largest first, and the nanoseconds in it."""

_MAX_NANO = 2**63 - 1
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_NUMBER = re.compile(r"[0-9]{9,19}(\.[0-9]{1,18})?")
_ISO = re.compile(
    r"(\d{4})[-/](\d\d)[-/](\d\d)[Tt ](\d\d):(\d\d):(\d\d)(?:[.,](\d{1,9})\d{0,9})?"
    r" ?(?:Z|z|UTC|(?P<sign>[+-])(?P<hours>\d\d):?(?P<minutes>\d\d)?)?",
    re.ASCII,
)


def unix_nano(value: Any) -> int | None:
    """Nanoseconds since 1970 for a JSON value that says a time, None for any other."""
    if isinstance(value, str):
        return _from_text(value)
    if isinstance(value, dict):
        return _from_parts(value)
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
        return None
    # repr of a float is what was written; its binary value would invent digits after the microseconds.
    return _from_number(value if isinstance(value, int) else Decimal(repr(value)))


def _from_number(value: int | Decimal) -> int | None:
    for smallest, nanoseconds in _SCALES:
        if value >= smallest:
            result = int(value * nanoseconds)
            return result if result <= _MAX_NANO else None
    return None


def _from_text(value: str) -> int | None:
    match = _ISO.fullmatch(value)
    if match is None:
        return _from_number(Decimal(value)) if _NUMBER.fullmatch(value) else None
    try:
        moment = datetime(*map(int, match.group(1, 2, 3, 4, 5, 6)), tzinfo=UTC)  # type: ignore[arg-type, misc]
    except ValueError:
        return None
    offset = timedelta(hours=int(match["hours"] or 0), minutes=int(match["minutes"] or 0))
    since = moment - _EPOCH - (-offset if match["sign"] == "-" else offset)
    result = (since // timedelta(seconds=1)) * 10**9 + int((match[7] or "").ljust(9, "0"))
    return result if 0 < result <= _MAX_NANO else None


_PARTS = (("epochSecond", "nanoOfSecond"), ("seconds", "nanos"), ("seconds", "nanoseconds"))
"""Log4j 2's `instant`, and protobuf's Timestamp as a map."""


def _from_parts(value: Fields) -> int | None:
    for seconds, nanoseconds in _PARTS:
        if seconds in value and set(value) <= {seconds, nanoseconds}:
            whole, part = value[seconds], value.get(nanoseconds, 0)
            if type(whole) is int and type(part) is int and 10**8 <= whole < 9 * 10**9 and 0 <= part < 10**9:
                return whole * 10**9 + part
    return None


_TIME = spelled(
    unix_nano,
    *("time_unix_nano", "timeUnixNano", "@timestamp", "timestamp", "Timestamp", "@t", "time", "ts", "asctime"),
    *("syslog.timestamp", "datetime", "eventTime", "instant", "timeMillis", "date", "record.time.timestamp"),
)


def take_time(fields: Fields) -> int | None:
    """The time of a record, which leaves it; None if it says none.

    Logback writes milliseconds in `timestamp` and the whole fraction of the second again in `nanoseconds`.
    """
    time = take(fields, _TIME)
    part = fields.get("nanoseconds")
    if time is not None and type(part) is int and 0 <= part < 10**9 and part // 10**6 * 10**6 == time % 10**9:
        del fields["nanoseconds"]
        return time - time % 10**9 + part
    return time
