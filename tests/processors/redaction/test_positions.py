"""What happens to values by position: the rule of a key acts, with its own action."""

import pytest

from processors.redaction.actions import Actions, Counts
from processors.redaction.positions import Gone, Positions
from processors.redaction.rules import Rule

RULES = [
    Rule(id="ssn", title="", keys=("ssn",)),
    Rule(id="session", title="", keys=("session.id",), action="drop"),
    Rule(id="age", title="", keys=("age",), action="generalize", generalize=("age",)),
    Rule(id="telemetry", title="", keys=("service.name",), action="keep"),
]


def positions() -> Positions:
    return Positions(RULES, Actions(RULES, None, lambda: 2026), lambda text, code, depth, counts: text)


def test_rules_by_key_and_by_id() -> None:
    """A key that is kept falls under none."""
    own = positions()
    assert [own.rule(path) for path in ("person.ssn", "session.id", "service.name", "x")] == [0, 1, None, None]
    assert [own.number(rule) for rule in ("ssn", "telemetry", "x")] == [0, None, None]
    assert own.rule("person.ssn") == 0


def test_values() -> None:
    """Texts and JSON become what the rule says, which is counted; placeholders stay."""
    counts: Counts = []
    treated = positions().treated(0, counts)
    assert treated.value(0, b"536") == b"[ssn]"
    assert treated.json(0, b"536") == b'"[ssn]"'
    assert treated.value(2, b"93") == b"90+"
    assert treated.value(2, b"[ssn]") == b"[ssn]"
    assert counts == [("ssn", "mask"), ("ssn", "mask"), ("age", "generalize")]


def test_dropped() -> None:
    """What goes takes the text with it."""
    with pytest.raises(Gone):
        positions().treated(0, []).value(1, b"q")
