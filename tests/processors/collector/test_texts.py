"""One text: bounded in time, and remembered only if nothing was found in it."""

import json

import pytest

from processors.collector.keys import Keys
from processors.collector.masks import mask
from processors.collector.texts import OverBudget, Texts

CARD = b"4111111111111111"


def texts(*blocked_keys: str) -> Texts:
    keys = Keys(None, frozenset(), (), blocked_keys)
    return Texts(keys, ["4[0-9]{15}"], mask("", b""), 2**20, 32)


def test_what_was_hit_is_not_remembered() -> None:
    """It is found each time, and counted each time."""
    made = texts()
    assert [made.redacted(each) for each in (b"x " + CARD, b"clean", b"x " + CARD)] == [b"x ****", b"clean", b"x ****"]
    assert made.acts == ["blocked_value_1"] * 2
    assert not any(CARD in each for each in made._clean)


@pytest.mark.parametrize(
    "text",
    [
        b"%34" * 400_000,
        b"a" * 10**6 + b"@%20",
        b"=" * 10**5 + b"+%20",
        b"QUFB" * 2 * 10**5,
        b"[" * 10**5,
        b'{"a":' * 10**4,
    ],
    ids=len,
)
def test_worst_cases_end(text: bytes) -> None:
    """Masked, left or over the budget, but decided."""
    try:
        texts("token").redacted(text)
    except OverBudget:
        assert len(text) > 10**4


def test_json_keeps_its_form() -> None:
    """Only the values of blocked keys change, at any depth."""
    text = b'{ "a" : 1.50,\n "token": [1, {"b": "c"}], "s": "{\\"token\\":\\"x\\"}", "e": "\\u00e9" }'
    left = b'{ "a" : 1.50,\n "token": "****", "s": "{\\"token\\":\\"****\\"}", "e": "\\u00e9" }'
    assert texts("^token$").redacted(text) == left
    deep = json.dumps({"token": "x"})
    for _ in range(5):
        deep = json.dumps({"in": deep})
    assert b'"x' not in texts("^token$").redacted(deep.encode()).replace(b"\\", b"")
