"""Samples of every form become the batches that the receivers would make of them."""

import pytest

from pipeline.batch import Batch, Signal
from rehearsal.lines import lines
from rehearsal.sample import Form, Unreadable, read
from tests.rehearsal.samples import JSON_LOG, LINE, POINT, SPAN


def summary(batches: list[Batch]) -> list[tuple[Signal, int]]:
    return [(batch.signal, batch.items) for batch in batches]


@pytest.mark.parametrize(
    ("sample", "form", "found"),
    [
        (SPAN, "auto", [(Signal.TRACES, 1)]),
        (f"{SPAN}\n\n{POINT}\n", "auto", [(Signal.TRACES, 1), (Signal.METRICS, 1)]),
        (f"{SPAN}\n{POINT}", "otlp", [(Signal.TRACES, 1), (Signal.METRICS, 1)]),
        (JSON_LOG, "auto", [(Signal.LOGS, 1)]),
        (f"[{JSON_LOG},{JSON_LOG}]", "auto", [(Signal.LOGS, 2)]),
        (f"{LINE}\n{JSON_LOG}", "auto", [(Signal.LOGS, 2)]),
        (f"{LINE}\n\n{LINE}\r\n", "auto", [(Signal.LOGS, 2)]),
        (f"[main] {LINE}", "auto", [(Signal.LOGS, 1)]),
        ("", "auto", [(Signal.LOGS, 0)]),
    ],
)
def test_forms(sample: str, form: Form, found: list[tuple[Signal, int]]) -> None:
    """One object or one a line, JSON logs, text; `auto` sees which."""
    assert summary(read(sample.encode(), form)) == found


def test_text_is_taken_as_it_is() -> None:
    """A line is the body of a record, even where it is JSON; a line end is not part of it."""
    [batch] = read(f"{LINE}\r\n{JSON_LOG}\n".encode(), "text")
    assert [line.text for line in lines(batch)] == [LINE, JSON_LOG]


def test_no_time_is_added() -> None:
    """The same sample is the same bytes at any time."""
    assert read(JSON_LOG.encode(), "json_logs")[0].payload == read(JSON_LOG.encode(), "auto")[0].payload
    assert b"\x59" not in read(LINE.encode(), "text")[0].payload


@pytest.mark.parametrize(
    ("sample", "sentence"),
    [
        (
            f"{SPAN}\n{JSON_LOG}",
            "line 2: this is not OTLP/JSON: an object with resourceSpans, resourceMetrics or resourceLogs",
        ),
        ('{"resourceSpans": 7}', "line 1: resourceSpans: an array is needed"),
    ],
)
def test_what_is_no_otlp(sample: str, sentence: str) -> None:
    """The line and what is wrong, without a value."""
    with pytest.raises(Unreadable) as caught:
        read(sample.encode(), "otlp")
    assert str(caught.value) == sentence
