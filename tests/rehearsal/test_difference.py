"""Two rule sets over one sample: everything that comes out under one alone is listed."""

from hypothesis import given
from hypothesis import strategies as st

from rehearsal.difference import Change, Difference, difference
from rehearsal.rules import items, rule_set
from rehearsal.sample import read
from tests.rehearsal.configs import MAIL, SSN, config
from tests.rehearsal.samples import LINE, POINT
from tests.rehearsal.samples import MAIL as MAIL_TEXT
from tests.rehearsal.samples import SSN as SSN_TEXT

RULES = {
    name: rule_set(config(*rules), None)
    for name, rules in {
        "none": (),
        "ssn": (SSN,),
        "mail": (MAIL,),
        "both": (SSN, MAIL),
        "renamed": (SSN.replace("id: ssn", "id: us_number"), MAIL),
        "dropping": (SSN, MAIL.replace("id: mail", "id: mail, action: drop")),
        "digits": (r"{id: digits, title: Digits, patterns: ['\d{3}']}",),
    }.items()
}


def compared(now: str, then: str, sample: str) -> Difference:
    old, new = RULES[now], RULES[then]
    sample_items = items(read(sample.encode(), "auto"))
    return difference(old, new, [(old.outcome(item), new.outcome(item)) for item in sample_items])


def test_newly_exposed_and_newly_redacted() -> None:
    """The text, where it comes out, and the rules that had redacted it."""
    exposed = Change("log record 1", "LogRecord.body", "", SSN_TEXT, ("ssn",))
    redacted = Change("log record 1", "LogRecord.body", "", MAIL_TEXT, ("mail",))
    assert compared("ssn", "mail", LINE) == Difference([exposed], [redacted], [])
    assert compared("mail", "ssn", LINE) == Difference(
        [redacted._replace(rules=("mail",))], [exposed._replace(rules=("ssn",))], []
    )


def test_nothing_changes() -> None:
    """The same rules, or rules of which the sample has nothing."""
    assert compared("both", "both", LINE) == Difference([], [], [])
    assert compared("both", "none", "nothing here") == Difference([], [], [])


def test_another_placeholder_exposes_nothing() -> None:
    """It is listed as a difference."""
    line = Change("log record 1", "LogRecord.body", "", "visit of [us_number] <[mail]> closed", ("mail", "us_number"))
    assert compared("both", "renamed", LINE) == Difference([], [], [line])


def test_parts_of_a_value() -> None:
    """What is left of a value by a rule that takes less of it is exposed."""
    assert [change.text for change in compared("ssn", "digits", LINE).newly_exposed] == ["90"]


def test_a_whole_attribute() -> None:
    """One that was dropped and comes out again."""
    assert compared("mail", "none", POINT).newly_exposed == [
        Change("data point 1", "NumberDataPoint.attributes", "mail", text, ("mail",)) for text in ("mail", MAIL_TEXT)
    ]


PARTS = st.sampled_from(["Ana", SSN_TEXT, MAIL_TEXT, "12345", " ", ", ", "[ssn]", "=", "é"])


@given(st.lists(PARTS).map("".join), st.sampled_from(sorted(RULES)), st.sampled_from(sorted(RULES)))
def test_no_exposure_is_missed(line: str, now: str, then: str) -> None:
    """A planted value that one output has and the other has not is within what is listed."""
    [*sample] = items(read(line.encode(), "text"))
    found = compared(now, then, line)
    for item in sample:
        old, new = RULES[now].outcome(item).after, RULES[then].outcome(item).after
        for value in (SSN_TEXT, MAIL_TEXT):
            was, comes = (each is not None and value.encode() in each.payload for each in (old, new))
            if comes and not was:
                assert found.newly_exposed
            if was and not comes:
                assert found.newly_redacted
