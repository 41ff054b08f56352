"""The identifiers that a report must account for, which rules serve each, and which tests prove it.

The rules of HIPAA are known by the letter in their legal reference, so that an organisation's own rules count as well;
Brazilian law has no list, so that the rules of the pack `lgpd` stand here by their ids.
"""

import re
from collections.abc import Mapping
from typing import Any, NamedTuple

__all__ = ["IDENTIFIERS", "Identifier", "serves"]


class Identifier(NamedTuple):
    """A class of identifiers; `cases` are those of `tests/oracle`: what it plants, or (N, Q) what it plants it in."""

    id: str
    title: str
    legal: str
    cases: tuple[str, ...]
    rules: tuple[str, ...] = ()


_HIPAA = (
    ("A", "Names", "name_by_cue name_by_key name_last_first name_br"),
    ("B", "Geography smaller than a State", "address city zip_code coordinate address_br"),
    ("C", "Dates of a person, ages over 89", "birth_date admission_date birth_date_br"),
    ("D", "Telephone numbers", "phone_us phone_bare phone_br"),
    ("E", "Fax numbers", "fax"),
    ("F", "E-mail addresses", "email"),
    ("G", "Social Security numbers", "ssn_formatted ssn_impossible ssn_bare"),
    ("H", "Medical record numbers", "mrn mrn_prefixed patient_id patient_uuid chart_br"),
    ("I", "Health plan beneficiary numbers", "member_id mbi hicn"),
    ("J", "Account numbers", "account iban card_spaced card_invalid card_bare"),
    ("K", "Certificate and licence numbers", "driver_license passport dea npi"),
    ("L", "Vehicle identifiers", "vin"),
    ("M", "Device identifiers", "device_serial mac_address udi imei"),
    ("N", "Web addresses", "url_path url_query url_in_a_url"),
    ("O", "Internet addresses", "client_address client_address_v6"),
    ("P", "Biometric identifiers", "biometric"),
    ("Q", "Photographs", "image"),
    ("R", "Any other unique number or code", "session_id user_id message_key cookie"),
)
_BRAZIL = (
    ("CPF", "Tax number of a person", "cpf_formatted cpf_formatted_invalid cpf_bare cpf_bare_invalid", "cpf"),
    ("CNPJ", "Tax number of a business", "cnpj_formatted cnpj_alphanumeric cnpj_bare", "cnpj"),
    ("CNS", "Health card, plan card", "cns_bare cns_spaced plan_card", "cns"),
    ("RG", "Identity card", "rg", "rg"),
    ("PIS …", "Other documents, registers", "pis voter driver_br register_br", "br_documents"),
    ("Nome", "Names", "name_br", "br_person_name br_person_name_keys person_name"),
    ("Prontuário", "Patient identifiers", "chart_br", "br_patient_id"),
    ("Nascimento", "Dates of a person", "birth_date_br", "br_birth_date"),
    ("Telefone", "Telephone numbers", "phone_br", "br_phone"),
    ("Endereço", "Addresses, CEP", "address_br", "br_address br_address_keys"),
)
IDENTIFIERS = (
    *(
        Identifier(letter, title, f"45 CFR 164.514(b)(2)(i)({letter})", tuple(cases.split()))
        for letter, title, cases in _HIPAA
    ),
    *(
        Identifier(name, title, "LGPD art. 5 I", tuple(cases.split()), tuple(rules.split()))
        for name, title, cases, rules in _BRAZIL
    ),
    Identifier(
        "Secrets",
        "Passwords, tokens",
        "45 CFR 164.312(d)",
        ("password", "api_key", "bearer_token", "url_credentials"),
    ),
)

_LETTER = re.compile(r"\(([A-R])\)")


def serves(rule: Mapping[str, Any], identifier: Identifier) -> bool:
    """Whether a rule, as the ledger keeps it, is there for an identifier."""
    legal = str(rule.get("legal"))
    if identifier.rules:
        return rule.get("id") in identifier.rules
    if "164.312" in identifier.legal:
        return "164.312" in legal
    after = legal.partition("164.514(b)(2)(i)")[2]
    return identifier.id in _LETTER.findall(after)
