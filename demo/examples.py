"""A handful of telling items, as they were sent and as they came out, side by side."""

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from difflib import SequenceMatcher
from typing import Any

from google.protobuf.json_format import MessageToDict
from rich import box
from rich.table import Table
from rich.text import Text

from demo.output import Json, Output, attributes, value_of
from demo.planted import forms
from demo.telemetry import Round

__all__ = ["examples"]

_PLANTED, _REPLACED = "bold red", "bold green"
_SPANS = ("GET /patients/", "INSERT appointments", "POST /claims")
_LONG = ("exception.stacktrace",)
"""Left out: says the same as exception.message, only longer."""
_LOGGERS = ("structlog", "ecs")
_METRIC = "plugin.executions"
_SERIES = 8
"""Most series shown of the metric."""
_KEPT = ("traceId", "spanId", "http.route", "http.response.status_code")
"""Shown although nothing changes: what must survive."""


def examples(one: Round, output: Output) -> Iterator[Table]:
    """Tables of a few spans, a metric and a few log records of `one` that are found in `output`."""
    search = _pattern(planted.value for planted in one.planted)
    sent = [span for resource in one.traces.resource_spans for scope in resource.scope_spans for span in scope.spans]
    arrived = {span["spanId"]: span for _, span in output.spans}
    for beginning in _SPANS:
        span = next((span for span in sent if span.name.startswith(beginning)), None)
        if span is not None and span.span_id.hex() in arrived:
            before = MessageToDict(span) | {"traceId": span.trace_id.hex(), "spanId": span.span_id.hex()}
            yield _table("A span, by place", _rows(_flat(before), _flat(arrived[span.span_id.hex()])), search)
    yield _table(f"A metric: {_METRIC}", _metric_rows(one, output), search)
    records = {record.get("spanId"): record for _, record in output.records}
    shown: set[str] = set()
    for line in one.logs:
        record = records.get(line.span_id.hex())
        if record is not None and line.logger in _LOGGERS and line.logger not in shown:
            shown.add(line.logger)
            texts = _log_texts(line.text, record)
            yield _table(f"A log line ({line.logger}, {line.service})", [("", *texts)], search)


def _pattern(values: Iterable[str]) -> re.Pattern[str]:
    """Every spelling of the planted values, longest first."""
    spellings = sorted({form for value in values for form in forms(value)}, key=len, reverse=True)
    return re.compile("|".join(map(re.escape, spellings)))


def _table(title: str, rows: list[tuple[str, str, str]], search: re.Pattern[str]) -> Table:
    """Place, sent and came out side by side; no column for places where there are none."""
    table = Table(
        title=title, title_justify="left", title_style="bold", expand=True, box=box.SIMPLE_HEAD, show_edge=False
    )
    placed = any(place for place, _, _ in rows)
    if placed:
        table.add_column("", ratio=2, overflow="fold", style="dim")
    table.add_column("sent", ratio=5, overflow="fold")
    table.add_column("came out", ratio=5, overflow="fold")
    for place, before, after in rows:
        table.add_row(*[place] * placed, _marked(before, search), _changed(before, after))
    return table


def _marked(text: str, search: re.Pattern[str]) -> Text:
    """The text with the planted values marked."""
    marked = Text(text)
    for hit in search.finditer(text):
        marked.stylize(_PLANTED, hit.start(), hit.end())
    return marked


def _changed(before: str, after: str) -> Text:
    """The text with what is new in it marked."""
    old, new = _tokens(before), _tokens(after)
    marked = Text()
    for kind, _, _, start, end in SequenceMatcher(None, old, new, autojunk=False).get_opcodes():
        marked.append("".join(new[start:end]), _REPLACED if kind in ("insert", "replace") else None)
    return marked


def _tokens(text: str) -> list[str]:
    return re.findall(r"[\w@.+-]+|\s+|.", text)


def _rows(before: Mapping[str, str], after: Mapping[str, str]) -> list[tuple[str, str, str]]:
    """The places that changed, after some that must not; a key that was changed itself is beside what it became."""
    kept = [(place, before[place], after.get(place, "")) for place in _KEPT if place in before]
    changed = [(place, text, after[place]) for place, text in before.items() if place in after and after[place] != text]
    gone = [(place, text) for place, text in before.items() if place not in after]
    come = [(place, text) for place, text in after.items() if place not in before]
    renamed = [
        ("(key)", f"{place}: {text}", f"{come[number][0]}: {come[number][1]}" if number < len(come) else "")
        for number, (place, text) in enumerate(gone)
    ]
    return kept + changed + renamed


def _flat(span: Json) -> dict[str, str]:
    """A span's texts and attributes by place."""
    places: dict[str, Any] = {key: span.get(key, "") for key in ("traceId", "spanId", "name", "traceState")}
    places["status.message"] = span.get("status", {}).get("message", "")
    places |= attributes(span)
    for event in span.get("events", ()):
        places |= {f"event: {key}": value for key, value in attributes(event).items() if key not in _LONG}
    for link in span.get("links", ()):
        places |= {f"link: {key}": value for key, value in attributes(link).items()}
    return {
        place: value if isinstance(value, str) else json.dumps(value) for place, value in places.items() if value != ""
    }


def _metric_rows(one: Round, output: Output) -> list[tuple[str, str, str]]:
    """The series of one counter of one service at one time, and the exemplar of a histogram."""
    requests = MessageToDict(one.metrics)["resourceMetrics"]
    metrics = [metric for resource in requests[:1] for metric in resource["scopeMetrics"][0]["metrics"]]
    resource = attributes(requests[0]["resource"])
    sent = [point for metric in metrics if metric["name"] == _METRIC for point in metric["sum"]["dataPoints"]]
    times = {point["timeUnixNano"] for point in sent}
    arrived = [
        point
        for known, name, point in output.points
        if name == _METRIC and known.get("service.name") == resource["service.name"] and point["timeUnixNano"] in times
    ]
    return [("series", _series(sent), _series(arrived))]


def _series(points: list[Json]) -> str:
    """A few points, one a line."""
    shown = []
    for point in points[:_SERIES]:
        labels = ", ".join(f'{key}="{value}"' for key, value in attributes(point).items())
        shown.append(f"{{{labels}}} {point.get('asInt', point.get('asDouble', ''))}")
    more = len(points) - _SERIES
    return "\n".join(shown) + (f"\n… and {more} more" if more > 0 else "")


def _log_texts(line: bytes, record: Json) -> tuple[str, str]:
    """The line, and the record it became, both as indented JSON."""
    severity = f"{record.get('severityText', '')} ({record.get('severityNumber', 0)})"
    became = {"severity": severity, "traceId": record.get("traceId"), "spanId": record.get("spanId")}
    became |= {"body": value_of(record.get("body", {})), "attributes": attributes(record)}
    return _indented(json.loads(line)), _indented(became)


def _indented(value: Any) -> str:
    return json.dumps(value, indent=1, ensure_ascii=False)
