"""One form for all spellings of a value: `012.345.678-90`, `01234567890`, `０1234567890`, the integer 1234567890."""

import html
import unicodedata
from collections.abc import Callable
from urllib.parse import unquote

__all__ = ["canonical", "plain"]

_MOST_ENCODINGS = 2


def plain(text: str) -> str:
    """A text without percent encoding (twice), HTML entities, compatibility forms, invisible marks, foreign digits."""
    if text.isascii() and "%" not in text and "&" not in text:
        return " ".join(text.split())
    for _ in range(_MOST_ENCODINGS):
        text = html.unescape(unquote(text, errors="surrogateescape"))
    text = unicodedata.normalize("NFKC", text)
    return " ".join("".join(map(_plain_character, text)).split())


def _plain_character(character: str) -> str:
    if character.isascii():
        return character
    digit = unicodedata.decimal(character, None)
    return "" if unicodedata.category(character) == "Cf" else character if digit is None else str(digit)


def _digits(text: str) -> str:
    return "".join(filter(str.isdecimal, text)) or text.casefold()


def _alphanumeric(text: str) -> str:
    return "".join(filter(str.isalnum, text)).casefold() or text.casefold()


_FORMS: dict[str, Callable[[str], str]] = {
    "text": str,
    "lower": str.casefold,
    "digits": _digits,
    "alphanumeric": _alphanumeric,
}


def canonical(form: str, text: str) -> bytes:
    """The canonical form (a name of `Treatment.canonical`) of a text."""
    value = _FORMS[form](plain(text))
    if value.isascii() and value.isdecimal():
        value = value.lstrip("0") or "0"
    return value.encode("utf-8", "surrogatepass")
