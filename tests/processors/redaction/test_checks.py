"""Check digits: right numbers pass, wrong ones do not, separators do not matter."""

import pytest

from processors.redaction.checks import CHECKS

RIGHT = [
    ("cpf", "529.982.247-25"),
    ("cnpj", "11.222.333/0001-81"),
    ("cnpj", "12.ABC.345/01DE-35"),
    ("cns", "898001160660761"),
    ("cns", "700 0000 0000 0005"),
    ("pis", "120.56412.54-5"),
    ("npi", "1234567893"),
    ("dea", "AB1234563"),
    ("iban", "GB82 WEST 1234 5698 7654 32"),
    ("luhn", "4111-1111-1111-1111"),
]


@pytest.mark.parametrize(("name", "text"), RIGHT)
def test_right_and_wrong(name: str, text: str) -> None:
    """The number passes; with another last digit it does not."""
    assert CHECKS[name](text)
    assert not CHECKS[name](text[:-1] + str((int(text[-1]) + 1) % 10))


@pytest.mark.parametrize("name", sorted(CHECKS))
@pytest.mark.parametrize("text", ["", "x", "11111111111", "1", "\ufffd\u0663"])
def test_anything_may_be_asked(name: str, text: str) -> None:
    """Text that is no number at all has an answer, too."""
    assert CHECKS[name](text) in (True, False)


def test_equal_digits_are_no_cpf() -> None:
    """They satisfy the arithmetic and are never given out."""
    assert not CHECKS["cpf"]("111.111.111-11")


@pytest.mark.parametrize(
    ("text", "public"),
    [
        ("203.0.113.7", True),
        ("2001:db8::7", True),
        ("::ffff:203.0.113.7", True),
        ("10.1.2.3", False),
        ("::ffff:10.1.2.3", False),
        ("fe80::1", False),
        ("1.2.3", False),
    ],
)
def test_addresses_that_may_be_a_persons(text: str, public: bool) -> None:
    """Not those of private networks."""
    assert CHECKS["public_ip"](text) is public
