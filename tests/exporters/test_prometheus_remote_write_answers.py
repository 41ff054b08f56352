"""What an answer of a receiver means."""

import pytest

from exporters.http_client import Answer
from exporters.prometheus_remote_write_answers import (
    has_bad_series,
    is_not_understood,
    is_out_of_order,
    raise_for,
    rejection,
    written,
)
from pipeline.errors import Refused, Rejected, TooLarge

_PATIENT = "label value patient 536-90-4399"


@pytest.mark.parametrize(
    ("status", "body", "message"),
    [
        (429, "", "the destination answered 429"),
        (500, "too old sample", "the destination answered 500: a sample is too old"),
        (503, "", "the destination answered 503"),
    ],
)
def test_retryable_answers(status: int, body: str, message: str) -> None:
    """429 and every 5xx may pass later, no sooner than the destination asks for."""
    with pytest.raises(Refused) as caught:
        raise_for(Answer(status, {"Retry-After": "7"}, body.encode()))
    assert (str(caught.value), caught.value.retry_after_seconds) == (message, 7.0)


@pytest.mark.parametrize(
    ("status", "body", "message"),
    [
        (
            400,
            f"out of order sample, {_PATIENT}",
            "the destination answered 400: a sample is older than one that is stored",
        ),
        (
            400,
            "out of bounds: timestamp is too far in the future (limit",
            "the destination answered 400: a time is too far in the past or in the future",
        ),
        (400, _PATIENT, "the destination answered 400: a label is not accepted"),
        (400, "s/z: corrupt input", "the destination answered 400"),
        (401, "", "the destination answered 401"),
        (404, "", "the destination answered 404"),
        (301, "", "the destination answered 301"),
        (
            413,
            "",
            "the destination answered 413: the request is too large; "
            "lower max_batch_size_bytes or max_samples_per_send",
        ),
    ],
)
def test_final_answers(status: int, body: str, message: str) -> None:
    """What can never pass is rejected, in words of ours; never as too large, as a batch cannot be translated twice."""
    with pytest.raises(Rejected) as caught:
        raise_for(Answer(status, {"Retry-After": "7"}, body.encode()))
    assert str(caught.value) == message
    assert not isinstance(caught.value, TooLarge)
    assert str(rejection(Answer(status, {}, body.encode()))) == message


@pytest.mark.parametrize("status", [200, 202, 204])
def test_any_2xx_is_success(status: int) -> None:
    """The body of a success is of no interest."""
    raise_for(Answer(status, {}, b"x" * 100))


@pytest.mark.parametrize(
    ("status", "body", "expected"),
    [
        (400, "", True),
        (413, "", True),
        (401, "", False),
        (204, "", False),
        (500, "", False),
        (500, 'too old sample (labels {x="y"})', True),
        (500, 'label name "a" is not unique', True),
        (500, "native histograms are disabled", True),
    ],
)
def test_what_is_worth_halving(status: int, body: str, expected: bool) -> None:
    """A complaint about data, and the 500 that old receivers answer to data they will never take."""
    assert has_bad_series(Answer(status, {}, body.encode())) == expected


@pytest.mark.parametrize(
    ("status", "body", "expected"),
    [
        (400, "out of order sample", True),
        (400, "Out of order sample for series {x}; out of bounds for series {y}", False),
        (400, "duplicate sample for timestamp", False),
        (500, "out of order sample", False),
        (204, "", False),
    ],
)
def test_out_of_order(status: int, body: str, expected: bool) -> None:
    """And nothing else."""
    assert is_out_of_order(Answer(status, {}, body.encode())) == expected


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({}, None),
        ({"Samples": "3"}, 3),
        ({"Samples": "3", "Histograms": "2", "Exemplars": "9"}, 5),
        ({"Exemplars": "9"}, 0),
        ({"Samples": "many"}, 0),
    ],
)
def test_written(headers: dict[str, str], expected: int | None) -> None:
    """Samples and histograms together; a header that is missing counts as 0, all missing is no answer of 2.0."""
    assert written({f"X-Prometheus-Remote-Write-{name}-Written": text for name, text in headers.items()}) == expected


@pytest.mark.parametrize(("status", "expected"), [(415, True), (204, True), (200, True), (400, False), (503, False)])
def test_not_understood(status: int, expected: bool) -> None:
    """415 says so; a success without a word of what was written means that nothing was."""
    assert is_not_understood(Answer(status, {}, b"")) == expected
    told = {"X-Prometheus-Remote-Write-Samples-Written": "0"}
    assert is_not_understood(Answer(status, told, b"")) == (status == 415)


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        (" 7 ", 7.0),
        ("²", None),
        ("1 \x1f", 1.0),
        ("-1", None),
        ("Mon, 1 Jan 0001 00:00:00 +9999", None),
        ("Wed, 21 Oct 1969 07:28:00 GMT", 0.0),
        ("99999999999999999999 Oct 2026 07:28:00 GMT", None),
    ],
)
def test_strange_times_to_wait(value: str, seconds: float | None) -> None:
    """A hint that cannot be read is none: the request is sent again all the same, and not given up."""
    with pytest.raises(Refused) as caught:
        raise_for(Answer(503, {"Retry-After": value}, b""))
    assert caught.value.retry_after_seconds == seconds


@pytest.mark.parametrize("value", ["²", "٣", "-1", "9" * 5000, ""])
def test_strange_counts(value: str) -> None:
    """What is no count of samples counts nothing."""
    assert written({"X-Prometheus-Remote-Write-Samples-Written": value}) == 0
