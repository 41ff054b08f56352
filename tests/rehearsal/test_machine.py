"""JSON for programs."""

import orjson

from rehearsal.difference import Change, Difference
from rehearsal.machine import difference_as_json, outcomes_as_json
from tests.rehearsal.samples import LINE, MAIL, POINT, SSN
from tests.rehearsal.test_screen import outcomes


def test_a_log_line() -> None:
    """The line before and after, each rule, the sum."""
    assert orjson.loads(outcomes_as_json("redact_phi", outcomes(LINE))) == {
        "processor": "redact_phi",
        "items": [
            {
                "item": "log record 1",
                "dropped": False,
                "reasons": [],
                "lines": [
                    {
                        "place": "LogRecord.body",
                        "key": "",
                        "original": f"visit of {SSN} <{MAIL}> closed",
                        "result": "visit of [ssn] <[mail]> closed",
                        "changed": True,
                    }
                ],
                "rules": [
                    {"id": "mail", "title": "E-mail address", "action": "mask", "place": "LogRecord.body", "count": 1},
                    {
                        "id": "ssn",
                        "title": "Social Security number",
                        "action": "mask",
                        "place": "LogRecord.body",
                        "count": 1,
                    },
                ],
            }
        ],
        "rules": [
            {"rule": "mail", "title": "E-mail address", "action": "mask", "items": 1},
            {"rule": "ssn", "title": "Social Security number", "action": "mask", "items": 1},
        ],
    }


def test_what_is_gone_is_null() -> None:
    """A dropped attribute has no result."""
    lines = orjson.loads(outcomes_as_json("redact_phi", outcomes(POINT)))["items"][0]["lines"]
    assert [(line["key"], line["result"], line["changed"]) for line in lines] == [
        ("", "visits", False),
        ("mail", None, True),
        ("clinic", "north", False),
    ]


def test_a_difference() -> None:
    """Each sort of change under its name."""
    change = Change("span 1", "Span.name", "", "x", ("ssn",))
    row = {"item": "span 1", "place": "Span.name", "key": "", "text": "x", "rules": ["ssn"]}
    assert orjson.loads(difference_as_json(Difference([change], [], []))) == {
        "newly_exposed": [row],
        "newly_redacted": [],
        "otherwise_different": [],
    }
