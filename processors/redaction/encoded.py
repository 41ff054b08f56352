"""Texts that are encoded as letters and digits: base64 in either alphabet, hexadecimal, `data:` URIs.

The encodings of printable text have a look of their own (bits that are always the same), by which they are told from
names, paths and digests without decoding anything. Where a run begins in its surroundings does not matter.
"""

import base64
import re
from collections.abc import Iterator
from dataclasses import dataclass

from processors.redaction.octets import is_media, readable, unpacked

__all__ = ["TRIGGERS", "Encoded", "encoded"]

_ALPHABET = "A-Za-z0-9+/_-"
# The digits of a quartet whose three bytes are ASCII, the first of them printable.
_FIRST, _SECOND, _THIRD = "[I-Za-f]", "[A-HQ-Xg-nw-z0-3]", "[ABEFIJMNQRUVYZcdghklopstwx014589]"
_QUARTETS = f"(?:{_FIRST}{_SECOND}{_THIRD}[{_ALPHABET}]){{3}}"
# Two times three ASCII characters in UTF-16.
_WIDE = f"(?:{_FIRST}[AQgw][AB][{_ALPHABET}]A[C-H][AEIMQUYcgkosw048]A){{2}}"
_PACKED_BEGINS = r"\b(?:H4sI|eJ[w-z]|eNo|eAE|eF4)"
_PACKED = _PACKED_BEGINS + "[A-Za-z0-9+/_-]{12}"
_PICTURE_BEGINS = r"(?:iVBORw0KGgo|/9j/[24]|_9j_[24]|R0lGOD[dl]h|JVBERi0|UklGR)"
_PICTURE = _PICTURE_BEGINS + "[A-Za-z0-9+/_-]{40}"
_HEX = "(?:[2-7][0-9A-Fa-f][: ]?){8}[2-7][0-9A-Fa-f]"
_DATA = r"\b[Dd][Aa][Tt][Aa]:[a-z]{2,12}/[a-z0-9.+-]{2,40}[;,]"

TRIGGERS = (_QUARTETS, _WIDE, _PACKED_BEGINS, _PICTURE_BEGINS, _HEX, _DATA)
"""Expressions, capitals as they are, one of which ends in every text that holds something encoded."""

_ANY = re.compile(
    f"(?P<data>{_DATA})|(?P<picture>{_PICTURE})|(?P<packed>{_PACKED})|{_QUARTETS}|{_WIDE}|(?P<hex>{_HEX})".encode()
)
_HEX_RUN = re.compile(rb"(?:[0-9A-Fa-f]{2}[: ]?)*[0-9A-Fa-f]{2}")
_RUN = re.compile(f"[{_ALPHABET}]+={{0,2}}".encode())
_RUN_BEFORE = re.compile(f"[{_ALPHABET}]*".encode())
_TO_STANDARD = bytes.maketrans(b"-_", b"+/")
_MOST_BEFORE = 256
_URI = re.compile(rb"[^\s\"'<>)]*")
_TEXT = re.compile(
    rb"(?:[\t\n\r\x20-\x7e]|[\xc2-\xdf][\x80-\xbf]|[\xe0-\xef][\x80-\xbf]{2}|[\xf0-\xf4][\x80-\xbf]{3}){11,}"
)
_NOT_TEXT = re.compile(
    rb"(?i:data):(?i:image|audio|video|font)/|(?i:data):application/(?i:pdf|dicom|octet-stream|zip|x-)"
)


@dataclass(frozen=True, slots=True)
class Encoded:
    """A range of a text and the text that it encodes; None if it is a picture or the like."""

    start: int
    end: int
    text: bytes | None


def encoded(text: bytes, max_bytes: int) -> Iterator[Encoded]:
    """The ranges of a text that encode texts, and those that encode pictures, sounds or documents.

    Each byte is decoded at most a few times. Raises: `OverBudget` if something packed has over `max_bytes`.
    """
    at = 0
    run = _Run(text, 0)
    while (found := _ANY.search(text, at)) is not None:
        start = found.start()
        match found.lastgroup:
            case "data":
                parts, at = _data_uri(text, start)
            case "hex":
                parts, at = _hexadecimal(text, start, at)
            case kind:
                run = run if start < run.end else _Run(text, start)
                parts, at = run.picture(start) if kind == "picture" else run.decoded(start, kind == "packed", max_bytes)
        yield from parts


def _data_uri(text: bytes, start: int) -> tuple[list[Encoded], int]:
    """A URI of text is left to be read by what it is encoded in."""
    uri = _URI.match(text, start) if _NOT_TEXT.match(text, start) else None
    if uri is None:
        return [], start + 5
    return [Encoded(start, uri.end(), None)], uri.end()


def _hexadecimal(text: bytes, found: int, first: int) -> tuple[list[Encoded], int]:
    """What looks like text may follow bytes that do not, such as accented letters; `first` is where to look from."""
    before = _HEX_RUN.match(text[max(first, found - _MOST_BEFORE) : found][::-1])
    start = found - (before.end() if before else 0)
    run = _HEX_RUN.match(text, start)
    end = run.end() if run else start + 1
    digits = text[start:end].translate(None, b": ")
    # Where bytes begin is not certain if digits stand before them.
    contents = (bytes.fromhex(digits.decode()), bytes.fromhex(digits[1:-1].decode()))
    return [Encoded(start, end, stretch[0]) for content in contents for stretch in _TEXT.finditer(content)], end


class _Run:
    """A run of base64 characters, with its padding."""

    def __init__(self, text: bytes, at: int) -> None:
        self._text = text
        before = _RUN_BEFORE.match(text[max(0, at - _MOST_BEFORE) : at][::-1])
        within = _RUN.match(text, at)
        self.start = at - (before.end() if before else 0)
        self.end = within.end() if within else at
        self._seen: set[int] = set()

    def picture(self, start: int) -> tuple[list[Encoded], int]:
        """All of it from there on."""
        return [Encoded(start, self.end, None)], self.end

    def decoded(self, start: int, packed: bool, max_bytes: int) -> tuple[list[Encoded], int]:
        """What it encodes if a quartet begins at `start`, and from where on to look further."""
        parts: list[Encoded] = []
        if packed:
            parts = [
                Encoded(start, self.end, part) for part in _packed(_bytes(self._text[start : self.end]), max_bytes)
            ]
        first = self.start + (start - self.start) % 4
        if first not in self._seen:
            self._seen.add(first)
            parts += self._stretches(first)
        return parts, max([start + 1, *(part.end for part in parts)])

    def _stretches(self, start: int) -> list[Encoded]:
        """The readable stretches of what it encodes from there on."""
        content = _bytes(self._text[start : self.end])
        found = []
        for stretch in _TEXT.finditer(content):
            last = self.end if stretch.end() >= len(content) - 2 else start + -(-stretch.end() // 3) * 4
            found.append(Encoded(start + stretch.start() // 3 * 4, last, stretch[0]))
        return found + [Encoded(start, self.end, text) for text in (readable(content) if b"\0" in content else ())]


def _bytes(run: bytes) -> bytes:
    """What base64 characters stand for, whatever their number."""
    digits = run.rstrip(b"=").translate(_TO_STANDARD)
    digits = digits[: len(digits) - (len(digits) % 4 == 1)]
    return base64.b64decode(digits + b"=" * (-len(digits) % 4))


def _packed(content: bytes, max_bytes: int) -> list[bytes | None]:
    plain = unpacked(content, max_bytes)
    if plain is None:
        return []
    return [None] if is_media(plain) else [stretch[0] for stretch in _TEXT.finditer(plain)]
