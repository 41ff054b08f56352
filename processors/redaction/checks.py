"""Check digits and other arithmetic that tells an identifier from a number of the same length. Sources: python-stdnum,
Brazil's e-SUS documentation (CNS), 21 CFR 1301 (DEA), CMS (NPI)."""

import ipaddress
from collections.abc import Callable

from stdnum import iban, luhn
from stdnum.br import cnpj, cpf

__all__ = ["CHECKS"]


def _digits(text: str) -> str:
    return "".join(character for character in text if character.isdigit())


def _letters_and_digits(text: str) -> str:
    return "".join(character for character in text if character.isalnum()).upper()


def _luhn(text: str) -> bool:
    return bool(luhn.is_valid(_digits(text)))


def _cpf(text: str) -> bool:
    digits = _digits(text)
    return len(set(digits)) > 1 and bool(cpf.is_valid(digits))


def _cnpj(text: str) -> bool:
    return bool(cnpj.is_valid(_letters_and_digits(text)))


def _cns(text: str) -> bool:
    """Weights 15 … 1, sum divisible by 11; definitive numbers (1, 2) have `000` or `001` before the last digit."""
    digits = _digits(text)
    if len(digits) != 15 or sum(int(digit) * (15 - place) for place, digit in enumerate(digits)) % 11:
        return False
    return digits[0] in "789" or (digits[0] in "12" and digits[11:14] in ("000", "001"))


def _pis(text: str) -> bool:
    digits = _digits(text)
    if len(digits) != 11 or len(set(digits)) == 1:
        return False
    total = sum(int(digit) * weight for digit, weight in zip(digits, (3, 2, 9, 8, 7, 6, 5, 4, 3, 2), strict=False))
    return (11 - total % 11) % 11 % 10 == int(digits[10])


def _npi(text: str) -> bool:
    digits = _digits(text)
    return len(digits) == 10 and bool(luhn.is_valid("80840" + digits))


def _dea(text: str) -> bool:
    digits = [int(digit) for digit in _digits(text)[-7:]]
    return len(digits) == 7 and (sum(digits[0:6:2]) + 2 * sum(digits[1:6:2])) % 10 == digits[6]


def _iban(text: str) -> bool:
    return bool(iban.is_valid(_letters_and_digits(text)))


def _public_ip(text: str) -> bool:
    """An address that may be a person's: those of documentation are, those of private networks are not."""
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return False
    inner = getattr(address, "ipv4_mapped", None) or address
    return not any(inner in network for network in _MACHINES if network.version == inner.version)


_MACHINES = [
    ipaddress.ip_network(network)
    for network in ("0.0.0.0/8", "10.0.0.0/8", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12", "192.168.0.0/16",
                    "224.0.0.0/3", "::/127", "fc00::/7", "fe80::/10", "ff00::/8")
]  # fmt: skip


CHECKS: dict[str, Callable[[str], bool]] = {
    "cnpj": _cnpj,
    "cns": _cns,
    "cpf": _cpf,
    "dea": _dea,
    "iban": _iban,
    "luhn": _luhn,
    "npi": _npi,
    "pis": _pis,
    "public_ip": _public_ip,
}
"""The names a rule may give as its `validator`; separators in the text do not matter."""
