from random import Random

from stdnum import luhn
from stdnum.br import cnpj, cpf

from demo.people import people

EVERYBODY = people(Random(5), 300)


def test_check_digits_are_right() -> None:
    """Validators of other people's making accept every number that has a check digit."""
    for person in EVERYBODY:
        assert cpf.is_valid(person.cpf)
        assert cnpj.is_valid(person.cnpj)
        assert luhn.is_valid(person.card.replace(" ", ""))
        assert len(person.cns) == 15
        assert sum(int(digit) * (15 - place) for place, digit in enumerate(person.cns)) % 11 == 0


def test_values_are_synthetic_and_long() -> None:
    """Never-issued SSNs, fictional telephones, example.org; nothing shorter than nine characters."""
    for person in EVERYBODY:
        assert person.ssn.startswith("9")
        assert int(person.ssn[4:6]) < 50
        assert " 555 01" in person.phone
        assert person.email.endswith("@example.org")
        values = [getattr(person, field) for field in person.__slots__]
        assert min(len(str(value)) for value in values) >= 9


def test_people_are_seeded() -> None:
    """The same seed gives the same people, another seed others."""
    assert people(Random(5), 300) == EVERYBODY
    assert not {person.email for person in people(Random(6), 300)} & {person.email for person in EVERYBODY}
