"""All that a reader could make of what came out: escapes resolved, encodings and compression undone, layer by layer."""

import binascii
import gzip
import html
import re
import unicodedata
import zlib
from collections.abc import Iterable, Iterator
from contextlib import suppress
from urllib.parse import unquote

import snappy

__all__ = ["compacted", "folded", "in_letters", "readings", "without_digests"]

_LAYERS = 3
"""JSON in base64 in gzip in base64 is read; deeper is not."""
_MOST = 2**20
"""Bytes to which something is decompressed."""

_ESCAPE = re.compile(r"\\+u\{?([0-9a-fA-F]{4})\}?|%u([0-9a-fA-F]{4})|\\+x([0-9a-fA-F]{2})")
_WORTH_FOLDING = re.compile(r"[^\x00-\x7f]|\\+[ux]|&#|&[a-z]|%[0-9a-fA-Fu]{2}|=[0-9A-F]{2}")
_DASHES = {ord(dash): "-" for dash in "\u2010\u2011\u2012\u2013\u2014\u2212"}
_BASE64 = re.compile(r"[A-Za-z0-9+/_-]{12,}")
_BASE64_OF_URLS = bytes.maketrans(b"-_", b"+/")
_HEX = re.compile(rb"[0-9a-f]{16,}")
_DIGEST = re.compile(rb"(?=[0-9]*[a-fA-F])[0-9a-fA-F]{32,}")
"""A digest or an id: nine decimal digits in it are chance."""
_LETTERS = bytes.maketrans(b"0123456789", b"ghijklmnop")
_REST = bytes(byte for byte in range(256) if not (chr(byte).isascii() and (chr(byte).isalnum() or chr(byte) == "\n")))
"""What is no letter, no digit, and no end of a text."""


def folded(text: str) -> str:
    """The text as a reader would understand it: escapes, entities and percent signs resolved, characters made plain."""
    if not _WORTH_FOLDING.search(text):
        return text
    for _ in range(3):
        text = unquote(html.unescape(_ESCAPE.sub(lambda found: chr(int(found[1] or found[2] or found[3], 16)), text)))
    text = unicodedata.normalize("NFKC", "".join(each for each in text if unicodedata.category(each) != "Cf"))
    plain = (str(unicodedata.digit(each)) if not each.isascii() and each.isdigit() else each for each in text)
    text = "".join(plain).translate(_DASHES)
    return unicodedata.normalize("NFKD", text)


def compacted(data: bytes) -> bytes:
    """Letters, digits and line ends alone, without capitals: no separator is left that an identifier could have."""
    return data.translate(None, _REST).lower()


def without_digests(data: bytes) -> bytes:
    """What is left to be searched for digits."""
    return _DIGEST.sub(b"", data)


def in_letters(hexadecimal: bytes) -> bytes:
    """A digest with other letters for its digits, so that no decimal digits are found in it."""
    return hexadecimal.translate(_LETTERS)


def readings(things: Iterable[str | bytes], layers: int = _LAYERS) -> Iterator[bytes]:
    """Data to be searched, in which each of the things stands on lines of its own."""
    things = set(things)
    texts = {each if isinstance(each, str) else each.decode("utf-8", "replace") for each in things}
    texts |= {folded(text) for text in texts}
    as_is = "\n".join(texts)
    # Base64 is often broken into lines.
    in_one_line = "\n".join(text.replace("\r", "").replace("\n", "") for text in texts)
    plain = as_is.encode("utf-8", "replace")
    yield without_digests(plain).lower()
    yield compacted(without_digests(in_one_line.encode("utf-8", "replace")))
    yield b"\n".join({in_letters(run) for run in _HEX.findall(plain.lower())})
    compact = compacted(in_one_line.encode("utf-8", "replace"))
    packed = {each for each in things if isinstance(each, bytes)}
    packed |= {data for run in set(_BASE64.findall(in_one_line)) for data in _from_base64(run)}
    packed |= {data for run in set(_HEX.findall(compact)) for data in _from_hex(run)}
    yield b"\n".join(packed)
    inner = packed | {data for each in packed for data in _unpacked(each)}
    if layers > 1 and inner - things:
        yield from readings(inner - things, layers - 1)


def _from_base64(run: str) -> Iterator[bytes]:
    """As what the run says if it begins with it, or with one, two or three characters that do not belong to it."""
    plain = run.encode().translate(_BASE64_OF_URLS)
    for shift in range(4):
        part = plain[shift:]
        with suppress(binascii.Error):
            yield binascii.a2b_base64(part + b"A" * (-len(part) % 4))


def _from_hex(run: bytes) -> Iterator[bytes]:
    for shift in range(2):
        part = run[shift:]
        yield binascii.unhexlify(part[: len(part) // 2 * 2])


def _unpacked(data: bytes) -> Iterator[str | bytes]:
    """What it is when it is decompressed, or read as UTF-16."""
    with suppress(OSError, EOFError, zlib.error):
        if data[:2] == b"\x1f\x8b":
            yield gzip.decompress(data)[:_MOST]
    with suppress(zlib.error):
        if data[:1] == b"\x78":
            yield zlib.decompressobj().decompress(data, _MOST)
    # A raw block begins with the length of what it holds, which is more than its own.
    with suppress(snappy.UncompressError, ValueError, OSError):
        if len(data) > 9 and data[0] > len(data) // 2:
            yield snappy.uncompress(data)[:_MOST]
    if data.count(0) > len(data) // 3:
        yield data.decode("utf-16-le", "replace")
