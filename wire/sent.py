"""What a request to Prometheus or Loki says, as OTLP again: names and texts, for those who look for what should not be
sent. Keys are as the destination knows them; of all else only texts are kept.
"""

import re
from base64 import b64decode
from collections.abc import Iterable, Iterator
from functools import lru_cache

from wire.protobuf import length_delimited, varint

__all__ = ["as_logs", "before_mapping", "pair", "text"]


def as_logs(pairs: Iterable[bytes], texts: Iterable[bytes]) -> bytes:
    """A logs payload of `pair`s, as attributes of one resource, and `text`s, as bodies of records."""
    resource = length_delimited(0x0A, b"".join(pairs))
    return length_delimited(0x0A, resource + length_delimited(0x12, b"".join(texts)))


def pair(name: str, value: str) -> bytes:
    """A name with its value, as attributes: one for each of the values that were joined with `;`."""
    key = length_delimited(0x0A, name.encode())
    parts = value.split(";") if ";" in value and value[0] not in "{[" else [value]
    return b"".join(length_delimited(0x0A, key + length_delimited(0x12, _any_value(part))) for part in parts)


def text(value: str) -> bytes:
    """A text that stands under no key."""
    return length_delimited(0x12, length_delimited(0x2A, _any_value(value)))


_NUMBER = re.compile(r"-?(\d{1,18})\d*(?:\.\d+)?(?:[eE][+-]?\d+)?", re.ASCII)
_LONGEST_TEXT = 4
"""Up to so many digits a number is a text, for a text may have become a year, or three digits of a ZIP code."""


_BASE64 = re.compile(r"(?:[A-Za-z0-9+/]{4}){4,}(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?", re.ASCII)


def _any_value(value: str) -> bytes:
    """What was a number or bytes is that again, so that it is looked at as it was when it was redacted: a number says
    nothing but under a key that does.
    """
    if len(value) > _LONGEST_TEXT and (number := _NUMBER.fullmatch(value)):
        return b"\x18" + varint(int(number[1]))
    if _BASE64.fullmatch(value) and (content := _text_in_base64(value)) is not None:
        return length_delimited(0x3A, content)
    return length_delimited(0x0A, value.encode())


def _text_in_base64(value: str) -> bytes | None:
    content = b64decode(value)
    try:
        content.decode()
    except UnicodeDecodeError:
        return None
    return content


# ---- what a name may have been before it was one ----

_DIGITS = re.compile(r"(?<!\d)\d++(?:_\d++)+", re.ASCII)
"""Tried once for each run of digits, as `_MAIL` is for each run of letters: names can be long."""
_FEWEST_DIGITS = 7
_LOCAL = r"(?<![A-Za-z0-9_])_*+([A-Za-z0-9_]+)_"
_MAIL = re.compile(
    _LOCAL + r"([A-Za-z0-9]+_(?:com(?:_(?:br|ar|au|mx|pt))?|(?:org|net|gov|edu)_br|gov|edu|co_uk|org_uk))$|"
    + _LOCAL + r"((?:gmail|googlemail|hotmail|outlook|yahoo|icloud|protonmail|uol|bol)_com(?:_br)?)(?:_|$)"
)  # fmt: skip
"""Not `_org` and `_net` alone, with which names of metrics and labels end."""


@lru_cache(4096)
def before_mapping(name: str) -> bytes:
    """`text`s for what a name of letters, digits and `_` may have been, if it can have held an identifier."""
    return b"".join(map(text, _originals(name)))


def _originals(name: str) -> Iterator[str]:
    for digits in _DIGITS.findall(name):
        if len(digits) - digits.count("_") >= _FEWEST_DIGITS:
            yield digits.replace("_", "-")
            yield f"{digits.replace('_', '')}."  # A sentence: by itself it would be a number.
    if mail := _MAIL.search(name):
        local, domain = filter(None, mail.groups())
        yield f"{local.replace('_', '.')}@{domain.replace('_', '.')}"
