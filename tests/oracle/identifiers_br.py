"""Identifiers of Brazil, for the LGPD."""

import string
from random import Random

from stdnum.br import cnpj, cpf

from tests.oracle.facts import Fact, digits, letters, sentence

__all__ = ["BRAZILIAN"]


def _cpf(body: str, wrong_by: int = 0) -> str:
    return f"{body}{(int(cpf._calc_check_digits(body)) + wrong_by) % 100:02d}"


def cpf_formatted(random: Random) -> Fact:
    value = str(cpf.format(_cpf(digits(random, 9))))
    return Fact("cpf", value, sentence(random, value), path=f"/lookup/{value}/x", field="id")


def cpf_formatted_invalid(random: Random) -> Fact:
    value = str(cpf.format(_cpf(digits(random, 9), random.randrange(1, 99))))
    return Fact("cpf_paciente", value, sentence(random, value), field="id")


def cpf_bare(random: Random) -> Fact:
    value = _cpf(digits(random, 9))
    return Fact("numeroCpf", value, sentence(random, f"cliente {value}"), field="id")


def cpf_bare_invalid(random: Random) -> Fact:
    value = _cpf(digits(random, 9), random.randrange(1, 99))
    return Fact("nr_cpf", value, sentence(random, f"CPF {value}"))


def _cnpj(body: str) -> str:
    return body + str(cnpj.calc_check_digits(body))


def cnpj_formatted(random: Random) -> Fact:
    value = str(cnpj.format(_cnpj(digits(random, 12))))
    return Fact("cnpj", value, sentence(random, value))


def cnpj_alphanumeric(random: Random) -> Fact:
    raw = _cnpj("".join(random.choices(string.ascii_uppercase + string.digits, k=12)))
    value = f"{raw[:2]}.{raw[2:5]}.{raw[5:8]}/{raw[8:12]}-{raw[12:]}"
    return Fact("cnpj_number", value, sentence(random, value))


def cnpj_bare(random: Random) -> Fact:
    value = _cnpj(digits(random, 12))
    return Fact("numero_cnpj", value, sentence(random, f"empresa {value}"))


def _cns(random: Random) -> str:
    while True:
        body = digits(random, 14, "789")
        check = -sum(int(digit) * (15 - place) for place, digit in enumerate(body)) % 11
        if check < 10:
            return f"{body}{check}"


def cns_bare(random: Random) -> Fact:
    value = _cns(random)
    return Fact("cns", value, sentence(random, f"cartao {value}"), field="member")


def cns_spaced(random: Random) -> Fact:
    raw = _cns(random)
    value = f"{raw[:3]} {raw[3:7]} {raw[7:11]} {raw[11:]}"
    return Fact("cartaoSus", value, sentence(random, value))


def plan_card(random: Random) -> Fact:
    value = digits(random, 13)
    return Fact("numero_carteirinha", value, sentence(random, f"carteirinha {value}"), field="member")


def rg(random: Random) -> Fact:
    raw = digits(random, 9)
    value = f"{raw[:2]}.{raw[2:5]}.{raw[5:8]}-{raw[8]}"
    return Fact("rg", value, sentence(random, f"RG {value}"))


def pis(random: Random) -> Fact:
    raw = digits(random, 11)
    value = f"{raw[:3]}.{raw[3:8]}.{raw[8:10]}-{raw[10]}"
    return Fact("pis", value, sentence(random, value))


def voter(random: Random) -> Fact:
    value = digits(random, 12)
    return Fact(random.choice(("titulo_eleitor", "tituloEleitor")), value, sentence(random, f"título {value}"))


def driver_br(random: Random) -> Fact:
    value = digits(random, 11)
    return Fact("cnh", value, sentence(random, f"CNH {value}"))


def register_br(random: Random) -> Fact:
    """Of a physician or nurse: the law asks no more digits, so the state counts."""
    value = f"{random.choice(('CRM', 'COREN', 'CRO'))}/{random.choice(('SP', 'RJ', 'MG'))} {digits(random, 7)}"
    return Fact("crm", value, sentence(random, value))


def phone_br(random: Random) -> Fact:
    area, last = f"{random.randrange(11, 99)}", digits(random, 8)
    value = random.choice(("({}) 9{}-{}", "+55 {} 9{}-{}")).format(area, last[:4], last[4:])
    return Fact("celular", value, sentence(random, value), (f"{area}9{last}",), field="phone")


def chart_br(random: Random) -> Fact:
    value = digits(random, 9)
    path = f"/pacientes/{value}/exames"
    return Fact("prontuario", value, sentence(random, f"prontuário {value}"), path=path, field="id")


def name_br(random: Random) -> Fact:
    """With the accents and small words that names have."""
    first, last = letters(random, 9).capitalize() + "ão", "Ç" + letters(random, 9)
    key = random.choice(("nome", "nomeCompleto", "nome_mae", "nomePaciente"))
    cue = random.choice((f"{key}: {first} {last}", f"paciente {first} da {last}"))
    return Fact(key, f"{first} da {last}", cue, (first, last), field="name")


def birth_date_br(random: Random) -> Fact:
    # With its time: eight digits alone would be found by chance.
    value = f"{random.randrange(10, 29)}/{random.randrange(10, 13)}/{random.randrange(1930, 2015)}"
    value += f" {random.randrange(10, 24)}:{random.randrange(10, 60)}:{random.randrange(10, 60)}"
    key = random.choice(("data_nascimento", "dataNascimento", "dt_nasc"))
    return Fact(key, value, f"{key}: {value}")


def address_br(random: Random) -> Fact:
    street = letters(random, 9).capitalize()
    key = random.choice(("endereco", "logradouro", "endereço"))
    value = f"Rua {street}, {random.randrange(10, 999)}"
    return Fact(key, value, f"{key}: {value}", (street,), field="street")


BRAZILIAN = (
    cpf_formatted, cpf_formatted_invalid, cpf_bare, cpf_bare_invalid, cnpj_formatted, cnpj_alphanumeric, cnpj_bare,
    cns_bare, cns_spaced, plan_card, rg, pis, voter, driver_br, register_br, phone_br, chart_br, name_br, birth_date_br,
    address_br,
)  # fmt: skip
