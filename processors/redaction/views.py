"""A text in plain: percent escapes, entities and `\\u` undone, look-alike characters folded, and the way back.

What is found in a view is replaced in the text that the view is of, so that everything else stays byte-equal.
"""

import html.entities
import re
import unicodedata
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator
from urllib.parse import unquote_to_bytes

from processors.redaction.budget import OverBudget

__all__ = ["TRIGGERS", "View"]

_MOST_ESCAPES = 100_000
"""In one text and one round."""
_LOOK_ALIKES = ((0x2460, 0x24FF), (0xFE50, 0xFE6F), (0xFF00, 0xFFEF), (0x1D400, 0x1D7FF))
"""Blocks of letters, digits and signs in other dress: enclosed, small, full-width, mathematical."""
_INVISIBLE = frozenset(map(chr, (0x34F, 0x115F, 0x1160, 0x17B4, 0x17B5, 0x3164, 0xFFA0, *range(0xFE00, 0xFE10))))
_HYPHENS = "\u2043\u2212"


def _plain(character: str) -> str | None:
    """What a character stands for; None for those that stand for themselves."""
    category = unicodedata.category(character)
    if category == "Cf" or character in _INVISIBLE:
        return ""
    if category == "Nd":
        return str(unicodedata.decimal(character))
    if category == "Pd" or character in _HYPHENS:
        return "-"
    if category in ("Zs", "Zl", "Zp"):
        return " "
    if any(first <= ord(character) <= last for first, last in _LOOK_ALIKES):
        same = unicodedata.normalize("NFKC", character)
        return same if len(same) == 1 and same.isascii() else None
    return None


def _folds() -> Iterator[tuple[bytes, bytes]]:
    for number in (*range(0x80, 0xD800), *range(0xE000, 0x20000), *range(0xE0001, 0xE01F0)):
        plain = _plain(chr(number))
        if plain is not None:
            yield chr(number).encode(), plain.encode()


_FOLDS = dict(_folds())


def _expression(sequences: Iterable[bytes]) -> str:
    """An expression for sequences of bytes. Beginnings and endings they share are written once, or it would take ten
    times as long to compile: 0.01 s for the characters that are folded instead of 0.11 (2026-11-21)."""
    rests: dict[int, set[bytes]] = {}
    for sequence in sorted(sequences):
        rests.setdefault(sequence[0], set()).add(sequence[1:])
    firsts: dict[frozenset[bytes], list[int]] = {}
    for first, rest in rests.items():
        firsts.setdefault(frozenset(rest), []).append(first)
    ways = [
        "[" + "".join(f"\\x{byte:02x}" for byte in bytes_) + "]" + (_expression(rest) if rest != {b""} else "")
        for rest, bytes_ in firsts.items()
    ]
    return f"(?:{'|'.join(ways)})"


TRIGGERS = (
    r"%(?:[0-9a-f]{2}(?:[^%]|$)|u[0-9a-f]{4})",
    r"&(?:#x?[0-9a-f]|[a-z][a-z0-9]{1,30};)",
    r"\\(?:x[0-9a-f]{2}|u\{?[0-9a-f]{2})",
    r"=[^&\s=]*\+",
    _expression(_FOLDS),
    r"[a-z](?:\xcc[\x80-\xbf]|\xcd[\x80-\xaf])",
)
"""Expressions, without regard to capitals, one of which ends in every text whose view is another text."""

_ESCAPE = re.compile(
    rb"""
      (?P<percent>(?:%[0-9a-fA-F]{2})+)
    | &(?:\#0{0,9}(?P<decimal>[0-9]{1,7});? | \#[xX]0{0,9}(?P<hex>[0-9a-fA-F]{1,6});?
        | (?P<name>[A-Za-z][A-Za-z0-9]{1,30};))
    | (?P<unicode>[\\%]u[dD][89abAB][0-9a-fA-F]{2}[\\%]u[dD][c-fC-F][0-9a-fA-F]{2} | [\\%]u[0-9a-fA-F]{4})
    | \\u\{0{0,9}(?P<braced>[0-9a-fA-F]{1,6})\}
    | (?P<bytes>(?:\\x[0-9a-fA-F]{2})+)
    | (?P<composed>[A-Za-z](?:\xcc[\x80-\xbf]|\xcd[\x80-\xaf]){1,4})
    | (?P<character>[\xc2-\xf4][\x80-\xbf]{1,3})
    | (?<=[A-Za-z0-9+/_-]{64})(?P<wrapped>\r?\n)(?=[A-Za-z0-9+/_-]{2})
    """,
    re.VERBOSE,
)
_FORM_VALUE = re.compile(rb"=[^\s&=]*")


def _character(number: int) -> bytes:
    return chr(number).encode("utf-8", "replace") if 0 < number < 0x110000 else b""


def _decoded(escape: re.Match[bytes]) -> bytes | None:
    """What an escape stands for; None if it is none."""
    content = escape[0]
    match escape.lastgroup:
        case "character":
            return _FOLDS.get(content)
        case "composed":
            return unicodedata.normalize("NFC", content.decode()).encode()
        case "percent":
            return unquote_to_bytes(content)
        case "decimal":
            return _character(int(escape["decimal"]))
        case "hex" | "braced" as kind:
            return _character(int(escape[kind], 16))
        case "name":
            named = html.entities.html5.get(escape["name"].decode())
            return None if named is None else named.encode()
        case "unicode":
            units = bytes.fromhex(re.sub(rb"[\\%]u", b"", content).decode())
            return units.decode("utf-16-be", "replace").encode()
        case "bytes":
            return bytes.fromhex(content.replace(b"\\x", b"").decode())
    return b""


class View:
    """A text and, for each of its stretches, where in the source it came from."""

    def __init__(self, text: bytes, source: "View | None" = None) -> None:
        self.text = text
        self._source = source
        self._here: list[int] = []
        self._there: list[int] = []

    @property
    def is_source(self) -> bool:
        """Whether nothing was decoded yet."""
        return self._source is None

    def decoded(self) -> "View | None":
        """The view with one round of escapes undone; None if there are none.

        Raises: `OverBudget`.
        """
        if self.text.isascii() and not any(sign in self.text for sign in (b"%", b"&", b"\\", b"\n")):
            return None
        pieces: list[bytes] = []
        view = View(b"", self)
        at = here = 0
        for escape in _ESCAPE.finditer(self.text):
            plain = _decoded(escape)
            if plain is None:
                continue
            start, end = escape.span()
            view._here += here, here + start - at
            view._there += at, start
            here += start - at + len(plain)
            pieces += self.text[at:start], plain
            at = end
            if len(pieces) > 2 * _MOST_ESCAPES:
                raise OverBudget
        if not pieces:
            return None
        view._here += here, here + len(self.text) - at
        view._there += at, len(self.text)
        view.text = b"".join((*pieces, self.text[at:]))
        return view

    def without_plus(self) -> bytes | None:
        """The text with a space for each `+` in the values of forms, as long as it was; None if there are none."""
        if b"+" not in self.text or b"=" not in self.text:
            return None
        text = _FORM_VALUE.sub(lambda value: value[0].replace(b"+", b" "), self.text)
        return None if text == self.text else text

    def origin(self, start: int, end: int) -> tuple[int, int]:
        """The range in the outermost source that a range of this text came from."""
        if self._source is None:
            return start, end
        return self._source.origin(
            self._back(bisect_right(self._here, start) - 1, start, 0),
            self._back(bisect_left(self._here, end) - 1, end, 1),
        )

    def _back(self, stretch: int, offset: int, is_end: int) -> int:
        """Where an offset within a stretch came from. Escapes of a run are equally long; others are one whole."""
        here, there = self._here[stretch], self._there[stretch]
        size, source = self._here[stretch + 1] - here, self._there[stretch + 1] - there
        if size and source % size == 0:
            return there + (offset - here) * (source // size)
        return there + (source if is_end else 0)
