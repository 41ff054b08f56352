"""Whether the value of a label looks like the name of one single thing: such a label grows for ever."""

import re

__all__ = ["LOOKED_AT", "looks_like_identifier"]

LOOKED_AT = 32
"""First values of a label that are looked at: enough to tell what it holds."""

_MOST_CHARACTERS = 256
"""Longer values are identifiers without further ado: nobody groups by a paragraph."""

_SHAPES = (
    r"[0-9a-f]{8}-?(?:[0-9a-f]{4}-?){3}[0-9a-f]{12}",  # UUID, RFC 9562
    r"(?=[0-9a-f]*[0-9])[0-9a-f]{12,}",  # digests, trace ids, object ids
    r"[+]?[0-9][0-9 ().-]{5,}[0-9]",  # serial numbers, phones, social security numbers, UNIX times
    r"[^@\s]+@[^@\s]+\.[a-z]{2,}",  # e-mail
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}[t ][0-9]{2}:[0-9]{2}.*",  # ISO 8601
    r"[0-9]{1,3}(?:\.[0-9]{1,3}){3}(?::[0-9]+)?",  # IPv4
    r"(?=.*::|(?:[0-9a-f]*:){5})[0-9a-f:.]+",  # IPv6, MAC
    r"(?:[a-z0-9]+[-_:])+[a-z0-9]*[0-9]{4,}[a-z0-9]*",  # prefixed ids: req_20481
    r"[a-z0-9-]+-[bcdf0-9ghjklmnpqrstvwxz]{8,10}-[bcdf0-9ghjklmnpqrstvwxz]{5}",  # pods of Kubernetes
    r".*/(?:[0-9]{4,}|[0-9a-f-]{16,})(?:[/?#].*)?",  # raw paths
    r"[a-z0-9_-]{16,}\.[a-z0-9_-]{8,}\.[a-z0-9_-]{8,}",  # tokens
)
_IDENTIFIER = re.compile("|".join(f"(?:{shape})" for shape in _SHAPES), re.IGNORECASE | re.ASCII)


def looks_like_identifier(text: str) -> bool:
    """By its shape alone: a UUID, a long number, hex, an e-mail or network address, a time, a path with an id."""
    return len(text) > _MOST_CHARACTERS or _IDENTIFIER.fullmatch(text) is not None
