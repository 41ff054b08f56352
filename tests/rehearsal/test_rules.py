"""What `telescrub redact` shows is what the daemon's processor does."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord

from config.model import Config
from processors.otlp_objects import any_value
from rehearsal.rules import Act, Unclear, items, redacting, rule_set
from rehearsal.sample import read
from rehearsal.view import views
from tests.payloads import context, logs
from tests.rehearsal.configs import MAIL, SSN, config
from tests.rehearsal.samples import POINT, SPAN

RULES = rule_set(config(SSN, MAIL), None)
DAEMON = redacting(config(SSN, MAIL))["redact_phi"].build(context("redact_phi"))


def test_acts_of_a_span() -> None:
    """Each rule with its title, its action, the place and how often."""
    [outcome] = map(RULES.outcome, items(read(SPAN.encode(), "otlp")))
    assert outcome.acts == (
        Act("mail", "E-mail address", "mask", "Span.attributes", 2),
        Act("ssn", "Social Security number", "mask", "Span.name", 1),
    )


def test_acts_are_of_one_item() -> None:
    """What was done to another item does not count."""
    batches = read(f"{SPAN}\n{POINT}\n{SPAN}".encode(), "otlp")
    outcomes = [RULES.outcome(item) for item in items(batches)]
    assert outcomes[0].acts == outcomes[2].acts
    assert outcomes[1].acts == (Act("mail", "E-mail address", "drop", "NumberDataPoint.attributes", 1),)


def test_what_fails_closed_says_why() -> None:
    """The reason by which the daemon counts it, for that item only."""
    keyed = (
        "{id: ssn, title: SSN, action: pseudonymize, patterns: ['\\b\\d{3}-\\d{2}-\\d{4}\\b']}], "
        "pseudonym_keys: [{epoch: 1, tenant: clinic, key: a-key-of-the-tests-of-32-bytes-or-more}"
    )
    rules = rule_set(config(keyed), None)
    [outcome] = map(rules.outcome, items(read(b"visit of 536-90-4399", "text")))
    assert (outcome.after, outcome.reasons) == (None, ("no_pseudonym_key",))
    [view] = views([outcome])
    assert view.fate == (
        "the whole item is dropped: a rule pseudonymizes, and there is no key for its tenant (no_pseudonym_key)"
    )
    assert RULES.outcome(*items(read(b"hello", "text"))).reasons == ()


WORDS = st.sampled_from(["visit", "536-90-4399", "jane.roe@example.org", '{"mail": "x"}', "mail=y", " ", "é", "\n"])


@given(st.lists(st.lists(WORDS).map("".join), min_size=1, max_size=4))
def test_same_as_the_daemon(bodies: list[str]) -> None:
    """Item by item the bytes are those of the processor, for the items alone and for the whole batch."""
    batch = logs([LogRecord(body=any_value(body)) for body in bodies])
    outcomes = [RULES.outcome(item) for item in items([batch])]
    shown = [outcome.after for outcome in outcomes if outcome.after is not None]
    alone = [DAEMON.process(item) for item in items([batch])]
    assert [each.payload for each in shown] == [each.payload for each in alone if each is not None]
    whole = DAEMON.process(batch)
    assert whole is not None
    assert [each.payload for each in shown] == [each.payload for each in items([whole])]


def test_which_processor() -> None:
    """The only one, or the one that is named."""
    processors = {
        "redact_phi": config(SSN).processors["redact_phi"],
        "redact_phi/b": config(MAIL).processors["redact_phi"],
    }
    both = replace(config(), processors=processors)
    assert "mail" in rule_set(both, "redact_phi/b").rules
    assert refused(both, None) == (
        "several processors of the configuration redact; choose with --processor: redact_phi, redact_phi/b"
    )
    assert refused(both, "redact_phi/c") == (
        "there is no processor that redacts 'redact_phi/c'; did you mean 'redact_phi/b'? "
        "Valid: redact_phi, redact_phi/b"
    )
    assert refused(replace(both, processors={}), None) == (
        "the configuration has no processor that redacts; add redact_phi under processors"
    )


def refused(wanted: Config, processor: str | None) -> str:
    with pytest.raises(Unclear) as caught:
        rule_set(wanted, processor)
    return str(caught.value)
