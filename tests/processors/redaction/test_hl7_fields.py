"""The table of HL7 fields."""

from processors.redaction.hl7_fields import CODES, IDS, KEYS, KNOWN_ELSEWHERE, SEGMENTS
from tests.processors.redaction.redacting import engine


def test_kinds_have_keys() -> None:
    """Every kind of field has a key, and a rule of the packs for it."""
    kinds = {kind for fields in SEGMENTS.values() for kind in fields.values()} - {"keep"}
    assert kinds <= set(KEYS)
    assert set(CODES) | IDS | KNOWN_ELSEWHERE <= set(KEYS)
    assert all(engine()._names.code(key) >= 16 for key in KEYS.values())


def test_person_fields() -> None:
    """Those that every message about a person has."""
    assert {field: SEGMENTS["PID"][field] for field in (1, 3, 5, 7, 8, 11, 13, 18, 19)} == {
        1: "keep",
        3: "id",
        5: "name",
        7: "birth",
        8: "keep",
        11: "address",
        13: "phone",
        18: "account",
        19: "ssn",
    }
    assert 34 not in SEGMENTS["PID"]
