"""Which rule a key falls under, by name alone in any spelling: `patientId`, `patient_id`, `X-Patient-ID`."""

import re
import unicodedata
from collections.abc import Sequence

from processors.redaction.rules import Rule
from wire.redact import EXCEPTION, KEEP, RULE, SCAN, SQL

__all__ = ["PERSONS", "Names", "text_spelling", "words"]

PERSONS = (
    "patient",
    "member",
    "customer",
    "client",
    "user",
    "contact",
    "guardian",
    "emergency",
    "paciente",
    "cliente",
    "titular",
)
"""Whose something is: after a key, as in `email_paciente`, and in text also before it, as in `patientEmail`."""
_ASIDE = frozenset(
    (
        *PERSONS,
        "usuario",
        "beneficiario",
        "responsavel",
        "medico",
        "mae",
        "pai",
        "mother",
        "father",
        "spouse",
        "insured",
        "subscriber",
        "employee",
        "do",
        "da",
        "de",
        "value",
        "text",
        "raw",
        "str",
        "string",
        "plain",
        "original",
    )
)
"""Words at the end of a key that do not change what it is the key of."""

_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[0-9]+")
_WORD_WITH_ACCENTS = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z\u0080-\uffff]+|[0-9]+")
_OF_LANGUAGE: dict[str | None, int] = {"sql": SQL, "exception": EXCEPTION}
_MOST_WORDS = 6
"""The longest key of a rule, in words."""


def words(key: str) -> list[str]:
    """The words of a key in lower case and without accents; camel case and every kind of separator part them."""
    if not key.isascii():
        key = "".join(mark for mark in unicodedata.normalize("NFKD", key) if not unicodedata.combining(mark))
    return [word.lower() for word in _WORD.findall(key)]


def text_spelling(key: str) -> str:
    """An expression for a rule's key in running text, with or without separators between its words."""
    return r"(?:[_.\- ]|\]?\[[\"']?)?".join(word.lower() for word in _WORD_WITH_ACCENTS.findall(key))


def _end(parts: list[str]) -> list[str]:
    """Without the numbers at the end: `address_2` is an address."""
    while len(parts) > 1 and parts[-1].isdigit():
        parts = parts[:-1]
    return parts


class Names:
    """The keys of all rules. The longest rule key that a key ends with wins; `keep` takes whole keys only."""

    def __init__(self, rules: Sequence[Rule]) -> None:
        self._ends: dict[str, int] = {}
        self._begins: dict[str, int] = {}
        self._exactly: dict[str, int] = {}
        self._not_below: set[str] = set()
        self._whole: set[str] = set()
        self._whole_begins: set[str] = set()
        for number, rule in enumerate(rules):
            self._not_below.update(".".join(words(key)) for key in rule.but)
            for key in rule.keys:
                self._add(key, rule, RULE + number)

    def _add(self, key: str, rule: Rule, code: int) -> None:
        code = _OF_LANGUAGE.get(rule.language, code)
        dotted = ".".join(words(key))
        if rule.action == "keep":
            (self._whole_begins if key.endswith(".*") else self._whole).add(dotted)
        elif key.startswith("="):
            self._exactly.setdefault(dotted, code)
        elif key.endswith(".*"):
            self._begins.setdefault(dotted, code)
        else:
            self._ends.setdefault("".join(_end(words(key))), code)

    def code(self, path: str) -> int:
        """The code (see `wire.redact`) for values under a key, given with the keys around it, joined by dots."""
        parts = words(path)
        dotted = ".".join(parts)
        begins = [".".join(parts[:count]) for count in range(1, min(len(parts), _MOST_WORDS))]
        if dotted in self._whole or any(begin in self._whole_begins for begin in begins):
            return KEEP
        parts = _end(parts)
        while parts:
            for first in range(max(0, len(parts) - _MOST_WORDS), len(parts)):
                code = self._ends.get("".join(parts[first:]))
                if code is not None:
                    return code
            parts = _end(parts[:-1]) if parts[-1] in _ASIDE else []
        if dotted in self._not_below:
            return SCAN
        if dotted in self._exactly:
            return self._exactly[dotted]
        return next((self._begins[begin] for begin in begins if begin in self._begins), SCAN)
