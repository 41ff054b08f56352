"""What OTLP destinations answer, whatever they answer."""

import pytest

from exporters.otlp_answer import rejected_items
from pipeline.batch import Signal


def test_rejected_items() -> None:
    """The number of a partial success, in both encodings."""
    assert rejected_items(Signal.TRACES, b"\x0a\x02\x08\x07") == 7
    assert rejected_items(Signal.TRACES, b'{"partialSuccess": {"rejectedSpans": "7"}}', is_json=True) == 7


@pytest.mark.parametrize(
    "body", [b"", b"[1]", b"\xff\xfe", b'{"a":"\xff"}', b"[" * 100_000, b'{"a":' * 100_000, b"9" * 5000]
)
def test_unreadable_answers(body: bytes) -> None:
    """The data was taken: an answer that cannot be read rejects nothing, and is no error of ours."""
    assert rejected_items(Signal.LOGS, body, is_json=True) == 0
    assert rejected_items(Signal.LOGS, body) == 0
