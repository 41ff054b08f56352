"""What inputs are made of: texts that mean something to some part of the daemon, and numbers at the edges."""

import math
import struct
from random import Random

__all__ = ["CANARY", "bits_of_double", "key", "number", "text", "time"]

CANARY = "zcanaryz"
"""Planted everywhere; it must not come up in a log line or in the text of an exception."""

_KEYS = (
    *("service.name", "service.instance.id", "host.name", "patient.name", "patient_id", "user.email", "ssn", "le"),
    *(
        "url.full",
        "url.path",
        "http.url",
        "http.route",
        "db.statement",
        "db.query.text",
        "db.system",
        "exception.message",
    ),
    *("exception.stacktrace", "http.request.header.authorization", "enduser.id", "message", "msg", "level", "quantile"),
    *(
        "otel.metric.overflow",
        "job",
        "instance",
        "__name__",
        "a.b.c",
        "",
        " ",
        "日本",
        "k" * 300,
        "0digit",
        "resourceType",
    ),
    *(CANARY, f"{CANARY}.{CANARY}", "trace_id", "time", "timestamp", "stream", "log", "severity", "exc_info", "name"),
)
_TEXTS = (
    *("GET /patients/4471203/records", "536-90-4399", "jane.roe@example.org", "529.982.247-25", "(555) 010-4477"),
    *(
        '{"a": {"b": [1, "x", null, "536-90-4399"]}}',
        '{"resourceType":"Patient","name":[{"family":"Roe"}]}',
        "[[[[",
        "{",
    ),
    *("MSH|^~\\&|A|B|C|D|20260101||ADT^A01|1|P|2.5\rPID|1||4471203^^^X||ROE^JANE||19700101|F", "PID|", "MSH|^~\\&|"),
    *("SELECT * FROM t WHERE ssn = '536-90-4399' -- x", "INSERT INTO t VALUES ('a''b', $$x$$, 0x1F, 1e9)", "SELECT '"),
    *(
        "https://u:p@example.org/p/4471203?q=536-90-4399#f",
        "http://[::1",
        "//",
        "?a=b&a=%zz%41%",
        "%" * 40,
        "&#x41;&amp;&#",
    ),
    *(
        "<a><b c='536-90-4399'>jane.roe@example.org</b></a>",
        "<![CDATA[",
        "<a " * 30,
        "NTM2LTkwLTQzOTk=",
        "3533362d39302d34333939",
    ),
    *("2026-01-02T03:04:05.678Z", "2026-01-02T03:04:05.678Z stdout F hello", "4111 1111 1111 1111", "1" * 400),
    *(
        "\x00",
        "\n",
        "\ud7ff\ue000",
        "\u202e\u0301\u200b",
        "é" * 50,
        "\U0001f600",
        "\\",
        '"',
        "\\u0000",
        "\\ud800",
        "a" * 5000,
    ),
    *("Bearer eyJhbGciOiJub25lIn0.eyJzdWIiOiJ4In0.", "AKIAIOSFODNN7EXAMPLE", "Traceback (most recent call last):\n  x"),
    *("NaN", "Infinity", "-0", "1e999", "true", "null", "", " ", "[REDACTED]", "{id}", "****", "[unreadable]"),
    *(
        CANARY,
        f"patient {CANARY}",
        f'{{"{CANARY}":"{CANARY}"}}',
        f"{CANARY}@example.org",
        f"/p/{CANARY}?{CANARY}={CANARY}",
    ),
)
_NUMBERS = (
    *(0, 1, 2, 3, 7, 8, 15, 16, 127, 128, 255, 256, 16383, 16384, 2**21 - 1, 2**28, 2**31 - 1, 2**31, 2**32 - 1, 2**32),
    *(2**35, 2**53, 2**62, 2**63 - 1, 2**63, 2**64 - 1, 4471203, 5369043999),
)
_DOUBLES = (
    *(0.0, -0.0, 1.0, -1.0, 0.5, 1e-300, 5e-324, 1.7e308, math.inf, -math.inf, math.nan, 2.0**63, 1e21, 123456.789),
    struct.unpack("<d", struct.pack("<Q", 0x7FF0000000000002))[0],
)
_NOW = 1_790_000_000 * 10**9
_TIMES = (
    0,
    1,
    999_999,
    _NOW,
    _NOW,
    _NOW,
    _NOW + 10**9,
    _NOW - 10**9,
    2**63 - 1,
    2**63,
    2**64 - 1,
    253402300800 * 10**9,
)


def key(random: Random) -> str:
    """The key of an attribute."""
    return random.choice(_KEYS)


def text(random: Random) -> str:
    """A text; sometimes several joined, or one many times."""
    shape = random.random()
    if shape < 0.8:
        return random.choice(_TEXTS)
    if shape < 0.97:
        return random.choice(("", " ", "\n", ";", ",", '"')).join(random.choices(_TEXTS, k=random.randrange(2, 5)))
    return random.choice(_TEXTS)[:40] * random.choice((2, 30, 500))


def number(random: Random) -> int:
    """An integer below 2^64."""
    return random.choice(_NUMBERS) if random.random() < 0.8 else random.getrandbits(random.randrange(1, 65))


def time(random: Random) -> int:
    """Nanoseconds since 1970."""
    return random.choice(_TIMES) if random.random() < 0.7 else _NOW + random.randrange(-(10**12), 10**12)


def bits_of_double(random: Random) -> int:
    """A double, as the integer that has its bits."""
    if random.random() < 0.2:
        return random.getrandbits(64)
    bits: int = struct.unpack("<Q", struct.pack("<d", random.choice(_DOUBLES)))[0]
    return bits
