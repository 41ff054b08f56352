"""Adding up between two writes."""

import hashlib

from audit.interval import Interval
from audit.rows import Redactions, Source

SSN = Source("traces", "redact_phi", "traces", "ssn", "mask", "Span.attributes", "", 2, "d" * 64)
EMAIL = SSN._replace(rule="email")


def running(*payloads: bytes) -> str:
    return hashlib.sha256(b"".join(hashlib.sha256(each).digest() for each in payloads)).hexdigest()


def test_counts_and_digests() -> None:
    """By source: values, batches, and a digest over just the batches with any."""
    interval = Interval()
    interval.add({SSN: 2, EMAIL: 1}, b"first")
    interval.add({SSN: 3}, b"second")
    assert interval.take() == {
        SSN: Redactions(5, 2, running(b"first", b"second")),
        EMAIL: Redactions(1, 1, running(b"first")),
    }
    assert interval.take() == {}
