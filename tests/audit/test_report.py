"""The report: what a ledger says, for people, tables and programs."""

import csv
import io
import json
import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from audit import rows
from audit.report import report
from audit.summary import moment
from tests.audit.ledgers import DIGEST, EMAIL, KEY, SSN, Clock, config, only_file, opened, redaction


@pytest.fixture
def ledger(tmp_path: Path) -> Path:
    """Two runs: the first was killed; before the second, a rule was removed and another changed."""
    clock = Clock()
    writer = opened(tmp_path, clock)
    writer.append([rows.waiver("logs/synthetic", "made-up <data>"), redaction(), redaction("email", 4)])
    clock.wait(2)
    writer.append([redaction(count=5), rows.drop("redact_phi", "traces", "redaction_failed", 2)])
    writer.close()
    clock.wait(24)
    writer = opened(tmp_path, clock)
    writer.append([config([SSN._replace(version=3)], "e" * 64)])
    writer.append([redaction(count=7), rows.stop()])
    writer.close()
    return tmp_path


def as_json(folder: Path, start: datetime | None = None, end: datetime | None = None) -> Any:
    return json.loads(report([folder], start, end, "json", KEY))


def test_json(ledger: Path) -> None:
    """Everything, as data."""
    content = as_json(ledger)
    assert content["check"]["problems"] == []
    assert content["check"]["rows"] == 12
    assert [(each["rule"], each["title"], each["count"], each["batches"]) for each in content["redactions"]] == [
        ("email", "E-mail <address>", 4, 2),
        ("ssn", "Social security number", 15, 6),
    ]
    assert content["drops"] == [
        {
            "component": "redact_phi",
            "signal": "traces",
            "reason": "redaction_failed",
            "count": 2,
            "batches": 0,
            "first": "2026-03-02T08:03:00.000000Z",
            "last": "2026-03-02T08:03:00.000000Z",
        }
    ]
    assert [(each["digest"], each["new"], each["gone"], each["changed"]) for each in content["rule_changes"]] == [
        (DIGEST, ["email", "ssn"], [], []),
        ("e" * 64, [], ["email"], ["ssn"]),
    ]
    assert content["waivers"][0]["reason"] == "made-up <data>"
    assert [(each["start"][11:16], each["last_row"][11:16], each["stop"][11:16]) for each in content["runs"]] == [
        ("06:01", "08:03", ""),
        ("08:04", "08:06", "08:06"),
    ]
    assert len(content["gaps"]) == 1


def test_trend(ledger: Path) -> None:
    """By the hour, hours without anything too."""
    trend = as_json(ledger)["trend"]
    assert len(trend) == 27
    assert [each for each in trend if each["count"]] == [
        {"begin": "2026-03-02 06:00", "count": 7},
        {"begin": "2026-03-02 08:00", "count": 5},
        {"begin": "2026-03-03 08:00", "count": 7},
    ]


def test_trend_over_weeks(tmp_path: Path) -> None:
    """By the day where hours would be too many."""
    clock = Clock()
    writer = opened(tmp_path, clock)
    for _ in range(3):
        writer.append([redaction()])
        clock.wait(48)
    writer.close()
    assert [tuple(each.values()) for each in as_json(tmp_path)["trend"]] == [
        ("2026-03-02", 3),
        ("2026-03-03", 0),
        ("2026-03-04", 3),
        ("2026-03-05", 0),
        ("2026-03-06", 3),
    ]


def test_a_span_of_time(ledger: Path) -> None:
    """From the first moment up to, not including, the last; rules are known from before."""
    content = as_json(ledger, moment("2026-03-02T08:00"), moment("2026-03-02T10:04:00+01:00"))
    assert [(each["title"], each["count"]) for each in content["redactions"]] == [("Social security number", 5)]
    assert (content["rule_changes"], content["waivers"], content["gaps"]) == ([], [], [])
    assert content["check"]["rows"] == 12


def test_csv(ledger: Path) -> None:
    """A table with a line for each sort of redaction, drop and waiver, then for each field of the matrix."""
    table = list(csv.DictReader(io.StringIO(report([ledger], None, None, "csv", KEY))))
    assert [(line["kind"], line["rule"], line["legal"], line["reason"], line["count"]) for line in table[:4]] == [
        ("redaction", "email", "LGPD art. 5 I", "", "4"),
        ("redaction", "ssn", "45 CFR 164.514(b)(2)(i)(G)", "", "15"),
        ("drop", "", "", "redaction_failed", "2"),
        ("waiver", "", "", "made-up <data>", ""),
    ]
    assert {line["kind"] for line in table[4:]} == {"coverage"}
    (field,) = [line for line in table[4:] if (line["identifier"], line["place"]) == ("G", "Span.attributes")]
    assert (field["state"], field["rules"], field["count"], field["last"]) == (
        "hit", "ssn", "15", "2026-03-03T08:06:00.000000Z"
    )  # fmt: skip
    assert field["test"] == "tests/oracle: ssn_formatted, ssn_impossible, ssn_bare × traces Span.attributes"


def test_html(ledger: Path) -> None:
    """One page that says all of it, in which nothing is loaded or run and every text is escaped."""
    page = report([ledger], None, None, "html", KEY)
    assert re.search(r"<script|https?://|url\(|@import|src=", page) is None
    for text in (
        "12 rows, none changed",
        "E-mail &lt;address&gt;",
        "45 CFR 164.514(b)(2)(i)(G)",
        "Span.attributes",
        "redaction_failed",
        "made-up &lt;data&gt;",
        "killed or crashed",
        "<b>19</b>values redacted",
        "was not stopped in order",
        "<title>2026-03-02 06:00: 7 (traces 7)</title>",
        "<title>gap in the ledger, 2026-03-03 08:00</title>",
        'aria-label="Dropped items over time, at most 2"',
        "<b>No rule hides:</b> A (Names) in traces, logs;",
        "No pipeline of this signal redacts.",
        "tests/oracle: ssn_formatted, ssn_impossible, ssn_bare × traces Span.attributes",
    ):
        assert text in page


def test_html_of_a_ledger_that_was_changed(ledger: Path) -> None:
    """The page says so before anything else, and is made all the same."""
    file = only_file(ledger)
    file.write_bytes(file.read_bytes().replace(b'"count":5', b'"count":"x"').replace(b'"version":2', b'"version_":2'))
    page = report([ledger], None, None, "html", KEY)
    assert "The ledger is not as it was written." in page


def test_html_of_nothing(ledger: Path) -> None:
    """A time without rows."""
    page = report([ledger], moment("2027-01-01"), None, "html", KEY)
    assert "Nothing was redacted in this time." in page
    assert "Nothing was dropped." in page


def test_small_counts(ledger: Path) -> None:
    """On demand, no count of redactions is given that is about a few people only; the page says so."""
    content = json.loads(report([ledger], None, None, "json", KEY, smallest=11))
    assert [each["count"] for each in content["redactions"]] == [11, 15]
    assert {each["count"] for each in content["trend"]} == {0, 11, 22}
    page = report([ledger], None, None, "html", KEY, smallest=11)
    assert "Counts below 11 are given as 11." in page


def test_trend_of_a_rule(ledger: Path) -> None:
    """Each rule has its own."""
    trends = as_json(ledger)["trend_by_rule"]
    assert {rule: sum(trend.values()) for rule, trend in trends.items()} == {"ssn": 15, "email": 4}
    assert as_json(ledger)["trend_of_drops"]["2026-03-02 08:00"] == 2


def test_moment() -> None:
    """UTC unless it says otherwise."""
    assert moment("2026-03-02") == datetime(2026, 3, 2, tzinfo=UTC)
    assert moment("2026-03-02T10:00:00-03:00") == datetime(2026, 3, 2, 13, tzinfo=UTC)


def test_rules_without_a_hit(tmp_path: Path) -> None:
    """They are listed too: coverage is more than what happened to come."""
    opened(tmp_path, Clock()).close()
    page = report([tmp_path], None, None, "html", KEY)
    assert all(f"<code>{rule.id}</code>" in page for rule in (SSN, EMAIL))
