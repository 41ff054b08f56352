"""Small ledgers to read, and a clock to write them by."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

from audit import rows
from audit.rows import Redactions, Row, RuleOnRecord, Source
from audit.writer import Writer

KEY = b"a key of the tests, of 32 bytes or more"
SSN = RuleOnRecord("ssn", 2, "Social security number", "45 CFR 164.514(b)(2)(i)(G)", "mask", 4)
EMAIL = RuleOnRecord("email", 1, "E-mail <address>", "LGPD art. 5 I", "mask", 3)
DIGEST = "d" * 64


class Clock:
    """A minute later each time it is asked."""

    def __init__(self, begin: str = "2026-03-02T06:00:00+00:00") -> None:
        self._time = datetime.fromisoformat(begin).astimezone(UTC)

    def __call__(self) -> datetime:
        self._time += timedelta(minutes=1)
        return self._time

    def wait(self, hours: float) -> None:
        self._time += timedelta(hours=hours)


def redaction(rule: str = "ssn", count: int = 3, place: str = "Span.attributes") -> Row:
    source = Source("traces", "redact_phi", "traces", rule, "mask", place, "", 2, DIGEST)
    return rows.redaction(source, Redactions(count, 2, "b" * 64))


def config(rules: Sequence[RuleOnRecord] = (SSN, EMAIL), digest: str = DIGEST) -> Row:
    return rows.config("redact_phi", ["traces", "logs"], digest, rules)


def opened(folder: Path, clock: Clock, key: bytes | None = KEY, max_bytes: int = 2**20) -> Writer:
    """A writer that has said that a run begins."""
    writer = Writer(folder, key, max_bytes, clock)
    writer.append([rows.start("0.1.0", writer.chain.name, *writer.found), config()])
    return writer


def written(folder: Path, key: bytes | None = KEY, max_bytes: int = 2**20) -> Path:
    """A ledger of one run: six rows, over several files if these are small."""
    writer = opened(folder, Clock(), key, max_bytes)
    writer.append([redaction(), redaction("email", 1)])
    writer.append([rows.drop("redact_phi", "traces", "redaction_failed", 2)])
    writer.append([rows.stop()])
    writer.close()
    return folder


def only_file(folder: Path) -> Path:
    (file,) = folder.glob("ledger-*.jsonl")
    return file
