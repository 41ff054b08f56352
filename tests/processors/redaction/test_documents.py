"""Documents in texts: one within the other, in disguise, and under each action."""

import gzip
from typing import Any

import pytest

from processors.redaction.documents import changed_range
from processors.redaction.engine import Engine
from processors.redaction.pseudonyms import PseudonymKey, Pseudonyms
from processors.redaction.rules import Rule
from tests.processors.redaction.redacting import after, engine, rules_of
from wire.redact import BYTES

SEGMENT = "PID|1||447^^^H^MR||Quxington^Zorbla"
LEFT = "PID|1||[patient_id]^^^H^MR||[person_name]^[person_name]"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (f'done {{"raw": "{SEGMENT}"}} x', f'done {{"raw": "{LEFT}"}} x'),
        ('<p>{"patient": {"id": 447}}</p>', '<p>{"patient": {"id": "[patient_id]"}}</p>'),
        ('x {"d": "<row ssn=\\"1\\"/>"} y', 'x {"d": "<row ssn=\\"[ssn]\\"/>"} y'),
        ("body=%3Crow%20ssn%3D%2212%22/%3E&n=1", "body=%3Crow%20ssn%3D%22[ssn]%22/%3E&n=1"),
        ("q=%7B%22patient%22%3A%7B%22id%22%3A447%7D%7D x", "q=%7B%22patient%22%3A%7B%22id%22%3A[patient_id]%7D%7D x"),
    ],
)
def test_one_in_another(text: str, expected: str) -> None:
    """Each is redacted where it stands, escaped or not."""
    assert after(text) == expected


def test_bytes() -> None:
    """What is packed goes as a whole."""
    counts: list[tuple[str, str]] = []
    assert engine()._text.redact(gzip.compress(SEGMENT.encode()), BYTES, 0, counts) == b"[patient_id]"
    assert counts == [("patient_id", "mask")]


def made(*keys: PseudonymKey, **treatment: Any) -> Engine:
    rule = Rule.model_validate(
        {"id": "patient_id", "title": "", "keys": ["patient.id"], "in_text": "never", **treatment}
    )
    rules = [rule, Rule(id="hl7_person", title="", keys=("hl7_person",), in_text="never")]
    return Engine(rules, 2**20, 32, Pseudonyms(keys, rules) if keys else None)


def done(of: Engine, text: str) -> bytes | None:
    return of.document(text.encode(), 0, 0, [])


FORMS = ("PID|1||4471203", 'x {"patient": {"id": 4471203}}', "{'patient': {'id': 4471203}}", '<patient id="4471203"/>')


def test_same_value_same_token() -> None:
    """In HL7, JSON, what programs print, and XML."""
    of = made(PseudonymKey.model_validate({"epoch": 1, "key": "0123456789abcdef" * 2}), action="pseudonymize")
    left = [done(of, form) or b"" for form in FORMS]
    tokens = {text[(at := text.index(b"patient_id_v1_")) : at + 40] for text in left}
    assert len(tokens) == 1
    assert not any(b"4471203" in text for text in left)
    assert [done(of, text.decode()) for text in left] == left


def test_dropped() -> None:
    """In JSON the pair goes, elsewhere the text."""
    of = made(action="drop")
    assert [done(of, form) for form in FORMS] == [None, b'x {"patient": {}}', None, None]


def test_observed_and_kept() -> None:
    """Nothing changes."""
    assert [done(made(action="keep"), form) for form in FORMS[1:]] == [form.encode() for form in FORMS[1:]]


def test_generalized() -> None:
    """A year of a date, however the document writes it."""
    of = made(action="generalize", generalize="year")
    forms = ("PID|1||19800305", 'x {"patient": {"id": "1980-03-05"}}', '<patient id="19800305"/>')
    assert [done(of, form) for form in forms] == [
        b"PID|1||1980",
        b'x {"patient": {"id": "1980"}}',
        b'<patient id="1980"/>',
    ]


def test_counted_under_rules_of_packs() -> None:
    """Each find by its rule."""
    assert rules_of(SEGMENT) == {"patient_id", "person_name"}


@pytest.mark.parametrize(
    ("text", "new", "expected"),
    [
        (b"abcdef", b"abXef", (2, 4)),
        (b"abcdef", b"abcdef", (6, 6)),
        (b"aaaa", b"aa", (2, 4)),
        (b"", b"x", (0, 0)),
        (b"abc", None, (0, 3)),
    ],
)
def test_changed_range(text: bytes, new: bytes | None, expected: tuple[int, int]) -> None:
    """The least one."""
    assert changed_range(text, new) == expected
