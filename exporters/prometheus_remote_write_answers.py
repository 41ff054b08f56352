"""What receivers of remote-write answer, and what it means."""

import re
from collections.abc import Mapping

from exporters.http_client import Answer, judge
from pipeline.errors import Refused, Rejected

__all__ = [
    "complaint",
    "has_bad_series",
    "is_not_understood",
    "is_out_of_order",
    "raise_for",
    "rejection",
    "written",
]

_RETRYABLE = frozenset({429, *range(500, 600)})
"""Remote-write 1.0, Retries & Backoff: 5xx must be retried, 429 may be, no other status."""

_COMPLAINTS = {
    b"out of order": "a sample is older than one that is stored",
    b"too old": "a sample is too old",
    b"out of bounds": "a time is too far in the past or in the future",
    b"duplicate sample": "a sample is stored with another value",
    b"native histograms": "native histograms are switched off",
    b"label": "a label is not accepted",
    b"metric name": "a metric's name is not accepted",
    b"snappy": "the compression is not understood",
    b"unmarshal": "the encoding is not understood",
    b"limit": "a limit of the destination is exceeded",
}
"""What receivers complain of, and how we say it: their own words are not passed on, as they quote data."""

_HOPELESS = (b"too old sample", b"is not unique", b"native histograms are disabled")
"""What Prometheus up to 2.49 answers 500 to although it will never take it."""

_OF_SAMPLES = (b"too old", b"out of bounds", b"duplicate sample")
"""What receivers say of single samples beside that they are out of order."""

_WRITTEN = "X-Prometheus-Remote-Write-{}-Written"
_COUNT = re.compile(r"\d{1,18}", re.ASCII)


def complaint(answer: Answer) -> str:
    """What the receiver complains of, in words of ours; empty if it is not known."""
    body = answer.body[:4096].lower()
    return next((ours for theirs, ours in _COMPLAINTS.items() if theirs in body), "")


def raise_for(answer: Answer) -> None:
    """Return for a 2xx. Raises: `Refused`, `Rejected`; never `TooLarge`: a batch that was split would be translated
    again, to nothing."""
    try:
        judge(answer, _RETRYABLE)
    except Refused as refused:
        raise Refused(_explained(refused, answer), retry_after_seconds=refused.retry_after_seconds) from None
    except Rejected as rejected:
        raise Rejected(_explained(rejected, answer)) from None


def rejection(answer: Answer) -> Rejected:
    """What a request is given up with, whatever the status."""
    return Rejected(_explained(Rejected(f"the destination answered {answer.status}"), answer))


def _explained(error: Exception, answer: Answer) -> str:
    if answer.status == 413:
        return f"{error}: the request is too large; lower max_batch_size_bytes or max_samples_per_send"
    why = complaint(answer)
    return f"{error}: {why}" if why else str(error)


def has_bad_series(answer: Answer) -> bool:
    """Whether a part of the request may be taken where all of it was not."""
    return answer.status in (400, 413) or (answer.status == 500 and any(one in answer.body for one in _HOPELESS))


def is_out_of_order(answer: Answer) -> bool:
    """Whether all that the receiver complains of is samples older than those it has."""
    body = answer.body.lower()
    return answer.status == 400 and b"out of order" in body and not any(other in body for other in _OF_SAMPLES)


def written(headers: Mapping[str, str]) -> int | None:
    """Samples and native histograms that a receiver of 2.0 says it has stored; None if it says nothing."""
    counts = [headers.get(_WRITTEN.format(what)) for what in ("Samples", "Histograms")]
    if all(count is None for count in counts) and _WRITTEN.format("Exemplars") not in headers:
        return None
    return sum(int(count) for count in counts if count is not None and _COUNT.fullmatch(count))


def is_not_understood(answer: Answer) -> bool:
    """Whether a request of 2.0 was sent to a receiver of 1.0: it says so, or takes it and says nothing of what it has
    stored, as Prometheus up to 2.53 does, which then has stored nothing.
    """
    return answer.status == 415 or (200 <= answer.status < 300 and written(answer.headers) is None)
