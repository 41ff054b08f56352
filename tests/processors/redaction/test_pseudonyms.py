"""Tokens: the same for the same value, different for another class, key or epoch, and saying nothing of the value."""

import base64
import hashlib
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from processors.redaction.pseudonyms import PseudonymKey, Pseudonyms
from processors.redaction.rules import Rule

KEY = "synthetic key of 32 bytes, number "
RULE = Rule.model_validate({"id": "cpf", "title": "", "keys": ["cpf"], "action": "pseudonymize", "canonical": "digits"})
OTHER_CLASS = RULE.model_copy(update={"class_": "account"})


def pseudonyms(*epochs: int, key: str = KEY) -> Pseudonyms:
    keys = [PseudonymKey.model_validate({"epoch": epoch, "key": f"{key}{epoch}"}) for epoch in epochs]
    return Pseudonyms(keys, [RULE, OTHER_CLASS])


VALUES = st.from_regex(r"[0-9]{3}\.[0-9]{3}\.[0-9]{3}-[0-9]{2}", fullmatch=True)
NEWEST = pseudonyms(2, 3)


@given(VALUES)
def test_same_value_same_token(value: str) -> None:
    """However it is spelled, also as an integer that has lost its zeros."""
    digits = re.sub(r"\D", "", value)
    assert {NEWEST.token(RULE, text) for text in (value, digits, str(int(digits)))} == {NEWEST.token(RULE, value)}


@given(VALUES)
def test_class_key_and_epoch_make_another_token(value: str) -> None:
    """No two of them join."""
    tokens = [
        NEWEST.token(RULE, value),
        NEWEST.token(OTHER_CLASS, value),
        pseudonyms(4).token(RULE, value),
        pseudonyms(3, key=KEY.upper()).token(RULE, value),
    ]
    assert len({token.rpartition("_")[2] for token in tokens}) == 4


@given(VALUES)
def test_token_says_nothing(value: str) -> None:
    """Neither the value nor a hash of it that needs no key is in it."""
    token = NEWEST.token(RULE, value)
    assert re.fullmatch(r"cpf_v3_[a-z2-7]{26}", token)
    digits = re.sub(r"\D", "", value)
    for text in (value, digits, f"cpf\0{digits}", f"cpf\0{digits.lstrip('0')}"):
        assert text not in token
        for kind in ("md5", "sha1", "sha256", "sha512", "blake2b"):
            code = hashlib.new(kind, text.encode()).digest()
            assert code.hex()[:10] not in token
            assert base64.b32encode(code)[:10].decode().lower() not in token


def test_known_token() -> None:
    """HMAC-SHA256 over `cpf 0x00 1234567890`: a change of it would break every join with older data."""
    assert pseudonyms(3).token(RULE, "012.345.678-90") == "cpf_v3_dkj4zvjsoy72fnqzhkeh4wkncy"


def test_token_stays_a_token() -> None:
    """Also one of an older epoch whose key is given; one of an epoch that is not known is a value."""
    older, newer = pseudonyms(2).token(RULE, "1"), NEWEST.token(RULE, "1")
    assert [NEWEST.token(RULE, token) for token in (older, newer)] == [older, newer]
    foreign = pseudonyms(9).token(RULE, "1")
    assert NEWEST.token(RULE, foreign).startswith("cpf_v3_")
    assert not NEWEST.is_token(foreign)


def test_remembered_tokens_are_bounded() -> None:
    """Long values are not remembered, others up to a number."""
    made = pseudonyms(1)
    made.token(RULE, "x" * 10_000)
    assert made._remembered.cache_info()[2:] == (16_384, 0)
    assert made.token(RULE, "1") == made.token(RULE, "01") == made.token(RULE, "01")
    assert made._remembered.cache_info().hits == 1


@pytest.mark.parametrize("key", ["", "too-short-SECRET", "é" * 15])
def test_short_key_is_refused(key: str) -> None:
    """With a sentence that does not show it."""
    with pytest.raises(ValidationError) as caught:
        PseudonymKey.model_validate({"epoch": 1, "key": key})
    sentence = "the key has less than 32 bytes; make one with: openssl rand -hex 32"
    assert str(caught.value).splitlines()[2].strip().startswith(f"Value error, {sentence}")
    assert "SECRET" not in str(caught.value)


def test_key_is_never_printed() -> None:
    """Not by the settings, not by what is made of them."""
    key = PseudonymKey.model_validate({"epoch": 1, "key": KEY})
    made = Pseudonyms([key], [RULE])
    made.token(RULE, "1")
    assert KEY not in f"{key!r} {key} {key.model_dump()} {key.model_dump_json()} {made!r} {made._remembered!r}"
