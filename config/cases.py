"""The section `tests`: what the operator wants to see redacted or left, for `telescrub test`. The daemon only checks
that it is well written.
"""

from typing import Any

import orjson
from pydantic import Field, field_validator, model_validator

from config.settings import Settings
from wire import json_logs, otlp, otlp_json
from wire.signal import Signal

__all__ = ["Case", "Expect", "otlp_signal"]

_ROOTS = {
    "resourceSpans": Signal.TRACES,
    "resourceMetrics": Signal.METRICS,
    "resourceLogs": Signal.LOGS,
    "resource_spans": Signal.TRACES,
    "resource_metrics": Signal.METRICS,
    "resource_logs": Signal.LOGS,
}


def otlp_signal(tree: Any) -> Signal | None:
    """The signal of an OTLP/JSON object, by its outermost key; None if it is none."""
    found = {_ROOTS[key] for key in tree if key in _ROOTS} if isinstance(tree, dict) else set()
    return found.pop() if len(found) == 1 else None


class Expect(Settings):
    """What must hold for what comes out."""

    absent: tuple[str, ...] = ()
    """Texts that may stand nowhere in it."""
    present: tuple[str, ...] = ()
    """Texts that must stand in one of its keys or values."""
    dropped: bool | None = None
    """`true`: nothing comes out. `false`: something does. Without it, either may be."""

    @model_validator(mode="after")
    def _expects_something(self) -> "Expect":
        if not (self.absent or self.present or self.dropped is not None):
            raise ValueError("nothing is expected; give absent, present or dropped")
        if self.dropped and (self.absent or self.present):
            raise ValueError("of what is dropped nothing is left to look at; remove absent and present, or dropped")
        return self

    @field_validator("absent", "present")
    @classmethod
    def _are_texts(cls, texts: tuple[str, ...]) -> tuple[str, ...]:
        if "" in texts:
            raise ValueError("an empty text stands everywhere; give one with characters")
        return texts


class Case(Settings):
    """One test: what goes in, through what, and what must hold for what comes out."""

    name: str = Field(min_length=1)
    """What it is called in reports."""
    processor: str | None = None
    """Id of the processor to use. Not needed where only one redacts."""
    pipeline: str | None = None
    """Instead: all processors of this pipeline, in their order. `batch` and `memory_limiter` do nothing here."""
    input: str | dict[str, Any]
    """A text: a log line as it is. A map: a JSON log, as `json_logs` takes it in; or OTLP/JSON, under `traces`,
    `metrics` or `logs`, or by itself."""
    expect: Expect
    """What must hold."""

    @field_validator("input")
    @classmethod
    def _holds_something(cls, value: str | dict[str, Any]) -> str | dict[str, Any]:
        if not _items(*_payload(value)):
            raise ValueError("this holds no span, data point or log record")
        return value

    @model_validator(mode="after")
    def _goes_one_way(self) -> "Case":
        if self.processor is not None and self.pipeline is not None:
            raise ValueError("processor and pipeline exclude each other; remove one")
        return self

    def payload(self) -> tuple[Signal, bytes]:
        """The input as OTLP bytes, with its signal."""
        return _payload(self.input)


def _payload(value: str | dict[str, Any]) -> tuple[Signal, bytes]:
    if isinstance(value, str):
        record = {"resourceLogs": [{"scopeLogs": [{"logRecords": [{"body": {"stringValue": value}}]}]}]}
        return Signal.LOGS, otlp_json.decode(Signal.LOGS, orjson.dumps(record))
    try:
        text = orjson.dumps(value)
    except TypeError:
        raise ValueError("this holds a number that JSON has none for; put it in quotes") from None
    named = next(iter(value), "") if len(value) == 1 else ""
    if named in set(Signal):
        if otlp_signal(value[named]) is not Signal(named):
            raise ValueError(f"under {named} OTLP/JSON of that signal is expected, which begins with resource…")
        return Signal(named), otlp_json.decode(Signal(named), orjson.dumps(value[named]))
    if (signal := otlp_signal(value)) is not None:
        return signal, otlp_json.decode(signal, text)
    return Signal.LOGS, json_logs.to_otlp(text, 0).payload


def _items(signal: Signal, payload: bytes) -> int:
    return otlp.sanitize(signal, payload)[1]
