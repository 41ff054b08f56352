"""Tokens in place of identifiers: the same for the same value, useless without the key.

A token is `<class>_v<epoch>_<26 characters>`: HMAC-SHA256 (RFC 2104) over `class 0x00 canonical form`, the first 128
bits of it in base32. The class keeps equal digits of two kinds of identifier apart; the epoch names the key.
"""

import base64
import hashlib
import hmac
import re
from collections.abc import Sequence
from functools import lru_cache

from pydantic import Field, field_validator

from config.settings import Secret, Settings
from processors.redaction.canonical import canonical
from processors.redaction.rules import Rule

__all__ = ["PseudonymKey", "Pseudonyms"]

_LEAST_KEY_BYTES = 32
_MOST_TOKENS = 16_384
"""How many tokens are remembered. An HMAC costs 5 µs on a 2-core AMD EPYC VM."""
_LONGEST_REMEMBERED = 256


class PseudonymKey(Settings):
    """A key for tokens."""

    epoch: int = Field(ge=1)
    """The number of the key, part of every token made with it; goes up with every new key."""
    key: Secret
    """The key itself, 32 bytes or more, best as `${env:NAME}` or `${file:PATH}`."""
    tenant: str = ""
    """The tenant whose data it is for, as the receiver's `tenant_header` names it; without one, for the data of all
    tenants that have no key of their own, and of none."""

    @field_validator("key")
    @classmethod
    def _is_long(cls, key: Secret) -> Secret:
        if len(key.get_secret_value().encode()) < _LEAST_KEY_BYTES:
            raise ValueError(f"the key has less than {_LEAST_KEY_BYTES} bytes; make one with: openssl rand -hex 32")
        return key


class _Ring:
    """The keys of one tenant: the newest makes tokens, those made with the others are known."""

    def __init__(self, keys: Sequence[PseudonymKey], classes: str) -> None:
        newest = max(keys, key=lambda key: key.epoch)
        self.epoch = newest.epoch
        self.key = newest.key.get_secret_value().encode()
        self.tokens = re.compile(_expression(keys, classes))


def _expression(keys: Sequence[PseudonymKey], classes: str) -> str:
    epochs = "|".join(sorted({str(key.epoch) for key in keys}))
    return rf"(?:{classes})_v(?:{epochs})_[a-z2-7]{{26}}"


class Pseudonyms:
    """Makes tokens with the newest key of a tenant, and knows those made with its others.

    For one tenant at a time, at first for data of none, or of the first tenant that has a key; `choose` says for whom.
    """

    def __init__(self, keys: Sequence[PseudonymKey], rules: Sequence[Rule]) -> None:
        classes = "|".join(sorted({rule.identifier_class for rule in rules if rule.action == "pseudonymize"}))
        self.is_needed = bool(classes)
        self.expression = _expression(keys, classes)
        """What every token matches, whoever's it is."""
        tenants = sorted({key.tenant for key in keys})
        self._rings = {each: _Ring([key for key in keys if key.tenant == each], classes) for each in tenants}
        self._ring = self._rings[tenants[0]]
        self._remembered = lru_cache(_MOST_TOKENS)(self._made)

    @property
    def epoch(self) -> int:
        """That of the key that makes tokens now."""
        return self._ring.epoch

    def choose(self, tenant: str) -> bool:
        """From now on make tokens for this tenant; False, and nothing changes, if there is no key for it."""
        ring = self._rings.get(tenant) or self._rings.get("")
        self._ring = ring or self._ring
        return ring is not None

    def token(self, rule: Rule, text: str) -> str:
        """The token for a value that falls under a rule; what is a token already stays."""
        if self.is_token(text):
            return text
        make = self._made if len(text) > _LONGEST_REMEMBERED else self._remembered
        return make(self._ring, rule.identifier_class, rule.canonical, text)

    def is_token(self, text: str) -> bool:
        """Whether a text is a token under one of the tenant's keys."""
        return self._ring.tokens.fullmatch(text) is not None

    @staticmethod
    def _made(ring: _Ring, identifier_class: str, form: str, text: str) -> str:
        code = hmac.digest(ring.key, identifier_class.encode() + b"\0" + canonical(form, text), hashlib.sha256)
        return f"{identifier_class}_v{ring.epoch}_{base64.b32encode(code[:16]).decode().rstrip('=').lower()}"
