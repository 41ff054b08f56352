"""Reads back what the `file` exporter wrote of one run: OTLP JSON lines, in the current files and the rotated ones."""

import itertools
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import orjson

from demo.telemetry import RUN
from wire.signal import Signal

__all__ = ["Json", "Output", "attributes", "leaves", "read", "value_of"]

Json = dict[str, Any]

_DATA = ("sum", "gauge", "histogram", "exponentialHistogram", "summary")


@dataclass(slots=True)
class Output:
    """What came out of a run: the raw lines, to be searched, and the items with the attributes of their resource."""

    files: int = 0
    lines: list[tuple[Signal, bytes]] = field(default_factory=list)
    spans: list[tuple[Json, Json]] = field(default_factory=list)
    points: list[tuple[Json, str, Json]] = field(default_factory=list)
    records: list[tuple[Json, Json]] = field(default_factory=list)

    @property
    def items(self) -> dict[Signal, int]:
        """Spans, data points and log records."""
        return {
            Signal.TRACES: len(self.spans),
            Signal.METRICS: len(self.points),
            Signal.LOGS: len(self.records),
        }


def read(folder: Path, run: str) -> Output:
    """Everything of `run` in `traces*.jsonl`, `metrics*.jsonl`, `logs*.jsonl`, but for a line that is being written."""
    output = Output()
    mark = run.encode()
    for signal in Signal:
        for path in sorted(folder.glob(f"{signal.value}*.jsonl")):
            output.files += 1
            with path.open("rb") as file:
                for line in file:
                    if mark in line and line.endswith(b"\n"):
                        output.lines.append((signal, line))
                        _take(output, signal, orjson.loads(line), run)
    return output


def _take(output: Output, signal: Signal, request: Json, run: str) -> None:
    if signal is Signal.TRACES:
        spans = _items(request, "Spans", "spans")
        output.spans += [(resource, span) for resource, span in spans if resource.get(RUN) == run]
    elif signal is Signal.LOGS:
        records = _items(request, "Logs", "logRecords")
        output.records += [(resource, record) for resource, record in records if _is_of(run, resource, record)]
    else:
        for resource, metric in _items(request, "Metrics", "metrics"):
            if resource.get(RUN) == run:
                points = itertools.chain.from_iterable(metric.get(kind, {}).get("dataPoints", ()) for kind in _DATA)
                output.points += [(resource, metric["name"], point) for point in points]


def _items(request: Json, suffix: str, key: str) -> Iterator[tuple[Json, Json]]:
    """Each item with its resource's attributes."""
    for resource in request.get(f"resource{suffix}", ()):
        known = attributes(resource.get("resource", {}))
        for scope in resource.get(f"scope{suffix}", ()):
            for item in scope.get(key, ()):
                yield known, item


def _is_of(run: str, resource: Json, record: Json) -> bool:
    return run in (resource.get(RUN), attributes(record).get(RUN))


def attributes(owner: Json) -> Json:
    """The attributes of a resource, span, point or record as a plain mapping."""
    return {item["key"]: value_of(item.get("value", {})) for item in owner.get("attributes", ())}


def value_of(value: Json) -> Any:
    """What an OTLP JSON value holds, as plain JSON."""
    if "arrayValue" in value:
        return [value_of(each) for each in value["arrayValue"].get("values", ())]
    if "kvlistValue" in value:
        return {item["key"]: value_of(item.get("value", {})) for item in value["kvlistValue"].get("values", ())}
    if "intValue" in value:
        return int(value["intValue"])
    return next(iter(value.values()), None)


_WRAPPING = frozenset(
    {
        "value",
        "values",
        "kvlistValue",
        "arrayValue",
        "stringValue",
        "intValue",
        "doubleValue",
        "boolValue",
        "bytesValue",
    }
)


def leaves(value: Any, place: str = "") -> Iterator[tuple[str, str]]:
    """Every text and number of a line with its place: field names, and the key where it is an attribute."""
    if isinstance(value, dict):
        attribute = f"{place}[{value['key']}]" if "key" in value else place
        for name, each in value.items():
            if name == "key":
                yield f"{place} (key)", str(each)
            else:
                yield from leaves(each, attribute if name in _WRAPPING else f"{attribute}.{name}".removeprefix("."))
    elif isinstance(value, list):
        for each in value:
            yield from leaves(each, place)
    else:
        yield place, str(value)
