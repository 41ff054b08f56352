"""Rows that no daemon wrote."""

from pathlib import Path

import orjson
import pytest

from audit.chain import parse
from audit.report import report
from audit.shapes import is_as_written
from audit.verify import verify
from tests.audit.ledgers import KEY, only_file, written


def test_what_the_daemon_writes(tmp_path: Path) -> None:
    """All of it."""
    lines = only_file(written(tmp_path)).read_bytes().splitlines(keepends=True)
    rows = [line.row for line in map(parse, lines) if line is not None]
    assert [is_as_written(row) for row in rows] == [True] * 6


_REDACTION = 2
_OTHERS = [
    *({"time": None}, {"time": "9999-12-31T23:59:59.999999Z"}, {"time": "2026-02-30T00:00:00.000000Z"}, {"time": "0"}),
    *({"rule": None}, {"rule": 1e400}, {"pipeline": []}, {"count": -1}, {"count": True}, {"count": "3"}, {"kind": {}}),
]


@pytest.mark.parametrize("other", _OTHERS, ids=str)
def test_a_report_on_changed_rows(tmp_path: Path, other: dict[str, object]) -> None:
    """It is made, without them; the check names them."""
    file = only_file(written(tmp_path))
    lines = file.read_bytes().splitlines(keepends=True)
    line = parse(lines[_REDACTION])
    assert line is not None
    row = {**line.row, **other}
    assert not is_as_written(row)
    lines[_REDACTION] = orjson.dumps(row)[:-1] + b',"mac":"' + line.mac.encode() + b'"}\n'
    file.write_bytes(b"".join(lines))
    assert [problem.line for problem in verify([tmp_path], KEY).problems] == [3]
    assert report([tmp_path], None, None, "html", KEY)
    assert report([tmp_path], None, None, "csv", KEY)
    assert report([tmp_path], None, None, "json", KEY)


@pytest.mark.parametrize(
    "rules", [[1], [{"id": "x"}], {}, [{"id": 1, "title": "", "legal": "", "action": "", "version": 1}]]
)
def test_rules(rules: object) -> None:
    """Each is as the daemon writes rules."""
    row = {"kind": "config", "time": "2026-03-02T06:00:00.000000Z", "component": "c", "rules_digest": "d"}
    assert is_as_written(row | {"pipelines": ["traces"], "rules": []})
    assert not is_as_written(row | {"pipelines": ["traces"], "rules": rules})
    assert not is_as_written(row | {"pipelines": [1], "rules": []})
