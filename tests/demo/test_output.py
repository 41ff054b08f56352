from pathlib import Path
from typing import Any

import orjson

from demo.output import attributes, leaves, read, value_of
from demo.telemetry import RUN
from wire.signal import Signal


def owner(run: str) -> dict[str, Any]:
    return {"attributes": [{"key": RUN, "value": {"stringValue": run}}]}


def write(path: Path, *requests: Any) -> None:
    path.write_bytes(b"".join(orjson.dumps(request) + b"\n" for request in requests))


def test_only_the_run_is_read(tmp_path: Path) -> None:
    """Lines of other runs, other applications in the same line, and a line half written do not count."""
    mine = {"resource": owner("run-a"), "scopeSpans": [{"spans": [{"spanId": "01"}, {"spanId": "02"}]}]}
    other = {"resource": owner("run-b"), "scopeSpans": [{"spans": [{"spanId": "03"}]}]}
    write(tmp_path / "traces.jsonl", {"resourceSpans": [mine, other]}, {"resourceSpans": [other]})
    with (tmp_path / "traces.jsonl").open("ab") as file:
        file.write(orjson.dumps({"resourceSpans": [mine]}))
    output = read(tmp_path, "run-a")
    assert [span["spanId"] for _, span in output.spans] == ["01", "02"]
    assert output.files == 1
    assert output.lines == [(Signal.TRACES, orjson.dumps({"resourceSpans": [mine, other]}) + b"\n")]


def test_rotated_files_are_read(tmp_path: Path) -> None:
    """Both the renamed file and the current one."""
    metric = {"name": "plugin.executions", "sum": {"dataPoints": [{"asInt": "3"}, {"asInt": "4"}]}}
    request = {"resourceMetrics": [{"resource": owner("run-a"), "scopeMetrics": [{"metrics": [metric]}]}]}
    write(tmp_path / "metrics-2026-11-21T06-27-37.621000.jsonl", request)
    write(tmp_path / "metrics.jsonl", request)
    output = read(tmp_path, "run-a")
    assert [(name, point["asInt"]) for _, name, point in output.points] == [("plugin.executions", n) for n in "3434"]
    assert output.items == {Signal.TRACES: 0, Signal.METRICS: 4, Signal.LOGS: 0}


def test_log_records_carry_the_run_themselves(tmp_path: Path) -> None:
    """A JSON log line has no resource of its own."""
    records = [{"spanId": "01"} | owner("run-a"), {"spanId": "02"} | owner("run-b")]
    write(tmp_path / "logs.jsonl", {"resourceLogs": [{"scopeLogs": [{"logRecords": records}]}]})
    assert [record["spanId"] for _, record in read(tmp_path, "run-a").records] == ["01"]


def test_no_files_are_no_output(tmp_path: Path) -> None:
    """Also when the directory is not there."""
    assert read(tmp_path / "none", "run-a").files == 0


def test_values_become_plain_json() -> None:
    """Each kind of value, nested."""
    values = {"values": [{"key": "n", "value": {"intValue": "42"}}, {"key": "e", "value": {}}]}
    assert value_of({"arrayValue": {"values": [{"kvlistValue": values}, {"boolValue": True}]}}) == [
        {"n": 42, "e": None},
        True,
    ]
    assert attributes({"attributes": [{"key": "a", "value": {"stringValue": "x"}}]}) == {"a": "x"}


def test_leaves_are_named_by_their_place() -> None:
    """Attributes by key, nested ones by both; keys are leaves too."""
    nested = {"kvlistValue": {"values": [{"key": "mrn", "value": {"intValue": "7"}}]}}
    span = {"name": "GET", "attributes": [{"key": "patient", "value": nested}]}
    assert list(leaves({"spans": [span]})) == [
        ("spans.name", "GET"),
        ("spans.attributes (key)", "patient"),
        ("spans.attributes[patient] (key)", "mrn"),
        ("spans.attributes[patient][mrn]", "7"),
    ]
