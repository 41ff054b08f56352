"""The search: every form in which an identifier can be recognised, looked for in everything that came out."""

import hashlib
import html
import re
import unicodedata
from base64 import b64encode, urlsafe_b64encode
from collections.abc import Iterable, Iterator
from typing import NamedTuple
from urllib.parse import quote, quote_plus, unquote

__all__ = ["Leak", "Search", "folded", "forms"]

_ANCHOR = 8
"""Bytes by which a form is found before it is compared as a whole; no form is shorter."""


class Leak(NamedTuple):
    """Which canary came out, and in which form."""

    number: int
    form: str


def forms(secret: str) -> dict[str, bytes]:
    """The forms of a leak, by name. What is only written differently (`%40`, `\\u0040`, `&#64;`) is `folded`'s."""
    found = {name: text.encode() for name, text in _spellings(secret).items()}
    for name, value in {"": secret.encode(), "of the compact form ": found.get("compact", b"")}.items():
        if value:
            found |= {f"{kind} {name}".strip(): form for kind, form in _encodings(value).items()}
    return {name: form for name, form in found.items() if len(form) >= _ANCHOR}


def _spellings(secret: str) -> dict[str, str]:
    compact = "".join(filter(str.isalnum, secret))
    spelled = {"raw": secret, "quoted": quote(secret, safe=""), "quoted with +": quote_plus(secret)}
    spelled["quoted twice"] = quote(spelled["quoted"], safe="")
    spelled |= {f"with {name}": re.sub(r"[^0-9A-Za-z]+", mark, secret) for name, mark in _SEPARATORS.items()}
    if len(compact) >= 9:
        spelled["compact"] = compact
    if compact.isdigit():
        spelled |= {"float": repr(float(compact)), "exponent": f"{float(compact):.{len(compact) - 1}e}".split("e")[0]}
        spelled["no leading zeros"] = compact.lstrip("0")
    return {name: text for name, text in spelled.items() if len("".join(filter(str.isalnum, text))) >= 8}


_SEPARATORS = {"spaces": " ", "dots": ".", "dashes": "-", "underscores": "_"}


def _encodings(value: bytes) -> dict[str, bytes]:
    encoded = {
        "hex": value.hex().encode(),
        "hex in capitals": value.hex().upper().encode(),
        "hex with colons": value.hex(":").encode(),
        "utf-16": value.decode().encode("utf-16-le"),
        "reversed": value[::-1],
    }
    for digest in ("md5", "sha1", "sha256"):
        sum_ = hashlib.new(digest, value, usedforsecurity=False)
        encoded[digest] = sum_.hexdigest().encode()
        encoded[f"{digest} in base64"] = b64encode(sum_.digest())[:20]
        encoded[f"{digest} bytes"] = sum_.digest()
    for shift in range(3):
        # Without the characters that depend on what stands before and after.
        cut = slice((0, 2, 3)[shift], (len(value) + shift) // 3 * 4)
        encoded[f"base64 at {shift}"] = b64encode(bytes(shift) + value)[cut]
        encoded[f"base64url at {shift}"] = urlsafe_b64encode(bytes(shift) + value)[cut]
    return encoded


_ESCAPE = re.compile(r"\\+u([0-9a-fA-F]{4})")
_WORTH_FOLDING = re.compile(r"[^\x00-\x7f]|\\u|&#|&[a-z]|%[0-9a-fA-F]{2}")
_DASHES = {ord(dash): "-" for dash in "\u2010\u2011\u2012\u2013\u2014\u2212"}


def folded(text: str) -> str:
    """The text as a reader would understand it: escapes, entities and percent signs resolved, characters made plain."""
    if not _WORTH_FOLDING.search(text):
        return text
    for _ in range(3):
        text = unquote(html.unescape(_ESCAPE.sub(lambda found: chr(int(found[1], 16)), text)))
    text = unicodedata.normalize("NFKC", "".join(each for each in text if unicodedata.category(each) != "Cf"))
    plain = (str(unicodedata.digit(each)) if not each.isascii() and each.isdigit() else each for each in text)
    return "".join(plain).translate(_DASHES)


class Search:
    """Looks for many canaries at once: the first bytes of each form are looked up at every offset of a text."""

    def __init__(self, secrets: Iterable[tuple[int, Iterable[str]]]) -> None:
        """`secrets`: for each number what may not come out."""
        self._forms: dict[bytes, list[tuple[bytes, int, str]]] = {}
        for number, hidden in secrets:
            for secret in hidden:
                for name, form in forms(secret).items():
                    self._forms.setdefault(form[:_ANCHOR], []).append((form, number, name))

    def leaks(self, data: bytes) -> Iterator[Leak]:
        """What is in the data, each leak as often as it is there."""
        anchors = self._forms
        for at in [at for at in range(len(data) - _ANCHOR + 1) if data[at : at + _ANCHOR] in anchors]:
            for form, number, name in anchors[data[at : at + _ANCHOR]]:
                if data.startswith(form, at):
                    yield Leak(number, name)
