"""What is in bytes that are no UTF-8: text in UTF-16, something packed, a picture."""

import re
import zlib

from processors.redaction.budget import OverBudget

__all__ = ["is_media", "is_text", "readable", "unpacked"]

_MEDIA = (
    b"\x89PNG\r\n",
    b"\xff\xd8\xff",
    b"GIF8",
    b"BM\x00",
    b"II*\x00",
    b"MM\x00*",
    b"%PDF-",
    b"ID3",
    b"OggS",
    b"fLaC",
)
_PACKED = (b"\x1f\x8b\x08", b"\x78\x01", b"\x78\x5e", b"\x78\x9c", b"\x78\xda")
_WIDE = re.compile(rb"(?:[\t\n\r\x20-\xff][\x00-\x07]|[\x00-\xff]\x20){6,}")
_WIDE_BIG = re.compile(rb"(?:[\x00-\x07][\t\n\r\x20-\xff]|\x20[\x00-\xff]){6,}")


def is_media(content: bytes) -> bool:
    """Whether bytes begin as pictures, sounds, films or printed documents do: likenesses of people, mostly."""
    return (
        content.startswith(_MEDIA)
        or content[128:132] == b"DICM"
        or content[4:8] == b"ftyp"
        or (content[:4] == b"RIFF" and content[8:12] in (b"WEBP", b"WAVE", b"AVI "))
    )


def is_text(content: bytes) -> bool:
    """Whether bytes are a text in UTF-8."""
    try:
        content.decode()
    except UnicodeDecodeError:
        return False
    return b"\0" not in content and not content.startswith(b"%PDF-")


def unpacked(content: bytes, max_bytes: int) -> bytes | None:
    """What gzip or zlib packed, as far as it goes; None if these bytes are neither.

    Raises: `OverBudget` if it is more than `max_bytes`.
    """
    if not content.startswith(_PACKED):
        return None
    unpacking = zlib.decompressobj(wbits=zlib.MAX_WBITS | 32)
    try:
        plain = unpacking.decompress(content, max_bytes + 1)
    except zlib.error:
        return None
    if len(plain) > max_bytes:
        raise OverBudget
    return plain


def readable(content: bytes) -> list[bytes]:
    """The texts in bytes that are no UTF-8: its stretches of UTF-16 in either byte order, as UTF-8."""
    found = []
    for expression, encoding in ((_WIDE, "utf-16-le"), (_WIDE_BIG, "utf-16-be")):
        found += [stretch[0].decode(encoding, "replace").encode() for stretch in expression.finditer(content)]
    return found
