"""Bytes: pictures, packed texts and texts in UTF-16 are told from each other."""

import gzip
import zlib

import pytest

from processors.redaction.budget import OverBudget
from processors.redaction.octets import is_media, is_text, readable, unpacked


def test_media() -> None:
    """By their first bytes; DICOM has its own after 128."""
    assert all(
        map(
            is_media, (b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff\xe0", b"\0" * 128 + b"DICM", b"RIFF\0\0\0\0WEBP", b"%PDF-1")
        )
    )
    assert not any(map(is_media, (b"", b"plain", b"\0" * 200, b"RIFF")))


def test_text() -> None:
    """UTF-8 without null."""
    assert is_text("é {}".encode())
    assert not any(map(is_text, (b"\xff", b"a\0", b"%PDF-1")))


def test_unpacked() -> None:
    """Gzip and zlib, also when cut; nothing else."""
    assert unpacked(gzip.compress(b"text"), 100) == b"text"
    assert unpacked(zlib.compress(b"text"), 100) == b"text"
    assert unpacked(gzip.compress(b"text" * 9)[:-6], 100) is not None
    assert unpacked(b"text", 100) is None
    with pytest.raises(OverBudget):
        unpacked(gzip.compress(b"a" * 200), 100)


def test_readable() -> None:
    """UTF-16 in both byte orders."""
    assert b"id 536-90-4399" in readable("id 536-90-4399".encode("utf-16-le"))
    assert b"id 536-90-4399" in readable("id 536-90-4399".encode("utf-16-be"))
    assert readable(b"\xff\x01\x02") == []
