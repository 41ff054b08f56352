"""Base64, hexadecimal and data URIs: readable stretches are found where they stand, and nothing else is."""

import base64
import gzip
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from processors.redaction.budget import OverBudget
from processors.redaction.encoded import Encoded, encoded

TEXT = b"id 536-90-4399 seen"


def texts(text: bytes) -> list[bytes | None]:
    return [part.text for part in encoded(text, 2**20)]


@pytest.mark.parametrize(
    "content",
    [
        base64.b64encode(TEXT),
        base64.b64encode(TEXT).rstrip(b"="),
        base64.urlsafe_b64encode(b"\xc3\xbf" + TEXT),
        b"/files/" + base64.b64encode(TEXT) + b"/x",
        base64.b64encode(b"\xff\x00\x01" + TEXT + b"\xfe"),
        base64.b64encode(gzip.compress(TEXT)),
        base64.b64encode(zlib.compress(TEXT)),
        base64.b64encode(TEXT.decode().encode("utf-16-le")),
        TEXT.hex().encode(),
        TEXT.hex(":").upper().encode(),
        b"data:text/plain;base64," + base64.b64encode(TEXT),
    ],
)
def test_text_is_found(content: bytes) -> None:
    """In each encoding."""
    assert any(TEXT in (text or b"") for text in texts(b"see " + content + b" end"))


@given(st.text(st.characters(codec="utf-8", categories=["L", "P"]), max_size=9), st.sampled_from([b"", b"x", b"xy"]))
def test_any_alignment(before: str, prefix: bytes) -> None:
    """Whatever stands before it, in the encoded text and before the run."""
    content = prefix + base64.b64encode(before.encode() + TEXT)
    assert any(TEXT in (text or b"") for text in texts(content))


@pytest.mark.parametrize(
    "content",
    [
        b"data:image/png;base64,aaaa",
        base64.b64encode(b"\x89PNG\r\n\x1a\n" + b"\x00" * 60),
        base64.b64encode(b"\xff\xd8\xff\xe0" + b"\x00" * 60),
    ],
)
def test_pictures(content: bytes) -> None:
    """Are found as a whole, by their first bytes or their type."""
    assert list(encoded(b"(" + content + b")", 2**20)) == [Encoded(1, 1 + len(content), None)]


def test_packed_too_large() -> None:
    """What unpacks to more than allowed is over the budget."""
    with pytest.raises(OverBudget):
        list(encoded(base64.b64encode(gzip.compress(b"a" * 2000)), 1000))


@given(st.binary(max_size=80) | st.text("QUFBabc/+-_=%:4 \n", max_size=80).map(str.encode))
def test_never_fails(text: bytes) -> None:
    """And the ranges are within the text."""
    assert all(0 <= part.start < part.end <= len(text) for part in encoded(text, 1000))
