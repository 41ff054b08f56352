"""What is left of an identifier that did not come out whole: its last four digits, or the initials of a name.

Safe Harbor counts such parts as identifiers, too. They are so short that they can only be looked for in the item in
which the identifier was planted, and even there some stand by chance: canaries that were never sent say how many.
"""

import re
from collections.abc import Iterable

from tests.oracle.facts import Fact

__all__ = ["is_partly_in"]

_INITIALS = re.compile(r"\b([A-Z])(?:\.|\.? )([A-Z])\b")

_FOUR_DIGITS = re.compile(r"(?<![0-9A-Za-z])[0-9]{4}(?![0-9A-Za-z])")


def is_partly_in(fact: Fact, texts: Iterable[str]) -> bool:
    """Whether the texts of an item have a part of it that stands by itself."""
    digits = "".join(filter(str.isdigit, fact.value))
    if fact.field == "name" and len(fact.secrets) == 2:
        initials = tuple(secret[0] for secret in fact.secrets)
        return any(found in (initials, initials[::-1]) for text in texts for found in _INITIALS.findall(text))
    if len(digits) < 9 or not set(fact.value) <= set("0123456789-. ()+/"):
        return False
    return any(digits[-4:] in text and digits[-4:] in _FOUR_DIGITS.findall(text) for text in texts)
