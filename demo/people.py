"""Synthetic people with every identifier the demo plants.

The names are syllables and nobody's, e-mail addresses end in example.org, and numbers that are never given out are used
where there are any (SSNs of area 9xx, telephones 555-01xx). Check digits are right.
"""

from dataclasses import dataclass
from random import Random

__all__ = ["Person", "people"]

_ONSETS = ("b", "br", "d", "dr", "f", "g", "l", "m", "n", "p", "q", "r", "s", "t", "tr", "v", "x", "z")
_VOWELS = ("a", "e", "i", "o", "u", "ia", "ue")


@dataclass(frozen=True, slots=True)
class Person:
    """One synthetic patient or user. Each value is random and has 9 characters or more: no search hits it by chance."""

    given_name: str
    family_name: str
    patient_id: int
    user_id: str
    mrn: str
    ssn: str
    email: str
    phone: str
    date_of_birth: str
    card: str
    cpf: str
    cnpj: str
    cns: str
    cep: str
    phone_br: str

    @property
    def full_name(self) -> str:
        return f"{self.given_name} {self.family_name}"


def people(random: Random, count: int) -> tuple[Person, ...]:
    """`count` people drawn from `random`."""
    return tuple(_person(random) for _ in range(count))


def _person(random: Random) -> Person:
    given, family = _name(random), _name(random)
    return Person(
        given_name=given,
        family_name=family,
        patient_id=random.randrange(4 * 10**9, 10**10),
        user_id=f"usr-{_digits(random, 9)}",
        mrn=_digits(random, 10),
        ssn=f"9{_digits(random, 2)}-{random.randint(1, 49):02}-{random.randint(1, 9999):04}",
        email=f"{given}.{family}{_digits(random, 3)}@example.org".lower(),
        phone=f"+1 {random.randint(2, 9)}{random.randint(0, 8)}{random.randint(2, 9)} 555 01{_digits(random, 2)}",
        date_of_birth=f"{random.randint(1932, 1999)}-{random.randint(1, 12):02}-{random.randint(1, 28):02}",
        card=_card(random),
        cpf=_cpf(random),
        cnpj=_cnpj(random),
        cns=_cns(random),
        cep=f"{random.randint(10000, 99999)}-{_digits(random, 3)}",
        phone_br=f"+55 {random.randint(1, 9)}{random.randint(1, 9)} 90{_digits(random, 3)}-{_digits(random, 4)}",
    )


def _name(random: Random) -> str:
    """A capitalised word of at least nine letters that is nobody's name."""
    word = ""
    while len(word) < 9:
        word += random.choice(_ONSETS) + random.choice(_VOWELS)
    return word.capitalize()


def _digits(random: Random, count: int) -> str:
    return "".join(random.choice("0123456789") for _ in range(count))


def _weighted(digits: str, weights: range | tuple[int, ...]) -> int:
    return sum(int(digit) * weight for digit, weight in zip(digits, weights, strict=True))


def _card(random: Random) -> str:
    """16 digits of a test range (4000 00…) with the Luhn digit."""
    body = "400000" + _digits(random, 9)
    doubled = [int(digit) * (2 if place % 2 == 0 else 1) for place, digit in enumerate(body)]
    check = -sum(value - 9 if value > 9 else value for value in doubled) % 10
    return f"{body[:4]} {body[4:8]} {body[8:12]} {body[12:]}{check}"


def _cpf(random: Random) -> str:
    """11 digits, the last two are weighted sums modulo 11."""
    digits = _digits(random, 9)
    for length in (9, 10):
        digits += str(_weighted(digits, range(length + 1, 1, -1)) * 10 % 11 % 10)
    return f"{digits[:3]}.{digits[3:6]}.{digits[6:9]}-{digits[9:]}"


def _cnpj(random: Random) -> str:
    """14 digits, the last two are weighted sums modulo 11."""
    digits = _digits(random, 8) + "0001"
    weights = (6, 5, 4, 3, 2, 9, 8, 7, 6, 5, 4, 3, 2)
    for first in (1, 0):
        digits += str(_weighted(digits, weights[first:]) * 10 % 11 % 10)
    return f"{digits[:2]}.{digits[2:5]}.{digits[5:8]}/{digits[8:12]}-{digits[12:]}"


def _cns(random: Random) -> str:
    """15 digits of the provisional range (7…), Σ digit × (15 − place) divisible by 11."""
    while True:
        body = "7" + _digits(random, 13)
        check = -_weighted(body, range(15, 1, -1)) % 11
        if check < 10:
            return body + str(check)
