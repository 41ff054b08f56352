"""A sample to try rules on: a file of OTLP/JSON, JSON logs or lines of text, as batches."""

from typing import Literal

import orjson

from config.cases import otlp_signal
from pipeline.batch import Batch, Signal
from wire import json_logs, otlp_json
from wire.otlp import Malformed

__all__ = ["Form", "Unreadable", "read"]

Form = Literal["auto", "otlp", "json_logs", "text"]
"""What a sample is written in; `auto` looks."""


class Unreadable(ValueError):
    """The sample is not what it is said to be; the sentence holds nothing of it."""


def read(sample: bytes, form: Form) -> list[Batch]:
    """The batches of a sample, in order. No record gets a time that was not in the sample.

    Raises: `Unreadable`.
    """
    match _looked_at(sample) if form == "auto" else form:
        case "otlp":
            return [_otlp(text, line) for line, text in _objects(sample)]
        case "json_logs":
            return [Batch.received(Signal.LOGS, json_logs.to_otlp(sample, 0).payload)]
        case _:
            return [Batch.received(Signal.LOGS, _records(sample))]


def _looked_at(sample: bytes) -> Form:
    """OTLP if its first object is, JSON logs if a line begins as an object or all is one value, otherwise text."""
    first = next(iter(_objects(sample)), (0, b""))[1]
    if otlp_signal(_parsed(first)) is not None:
        return "otlp"
    is_json = isinstance(_parsed(sample), dict | list)
    return "json_logs" if is_json or any(line.lstrip().startswith(b"{") for line in sample.split(b"\n")) else "text"


def _parsed(text: bytes) -> object:
    try:
        parsed: object = orjson.loads(text)
    except orjson.JSONDecodeError:
        return None
    return parsed


def _objects(sample: bytes) -> list[tuple[int, bytes]]:
    """One object, or one a line, each with its line."""
    if _parsed(sample) is not None:
        return [(1, sample)]
    return [(number, line) for number, line in enumerate(sample.split(b"\n"), 1) if line.strip()]


def _otlp(text: bytes, line: int) -> Batch:
    signal = otlp_signal(_parsed(text))
    if signal is None:
        raise Unreadable(
            f"line {line}: this is not OTLP/JSON: an object with resourceSpans, resourceMetrics or resourceLogs"
        )
    try:
        return Batch.received(signal, otlp_json.decode(signal, text))
    except (otlp_json.MalformedJson, Malformed) as problem:
        raise Unreadable(f"line {line}: {problem}") from None


def _records(sample: bytes) -> bytes:
    """Each line that is not empty as the body of a log record."""
    lines = sample.removeprefix(b"\xef\xbb\xbf").decode(errors="replace").split("\n")
    records = [{"body": {"stringValue": line.rstrip("\r")}} for line in lines if line.strip()]
    return otlp_json.decode(Signal.LOGS, orjson.dumps({"resourceLogs": [{"scopeLogs": [{"logRecords": records}]}]}))
