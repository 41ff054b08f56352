"""Disguises: what is planted never comes out in that spelling or a simpler one; what is clean is byte-equal."""

import base64
import gzip
import html
import json
from collections.abc import Callable
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from processors.redact_phi import RedactPhiSettings
from processors.redaction.budget import OverBudget
from processors.redaction.engine import Engine
from tests.processors.redaction.clean_lines import clean_lines
from wire.redact import BYTES, EXCEPTION, SCAN

ENGINE = Engine(RedactPhiSettings().effective_rules(), 2**20, 32)
IDENTIFIERS = [
    "536-90-4399",
    "canary.one@example.org",
    "529.982.247-25",
    "(212) 555-0143",
    "12.ABC.345/01DE-35",
    "1EG4-TE5-MK73",
]


def _percent(text: str) -> str:
    return "".join(f"%{byte:02X}" for byte in text.encode())


def _wide(text: str) -> str:
    return "".join(chr(ord(sign) + 0xFEE0) if sign != " " else "\u3000" for sign in text)


def _base64(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


DISGUISES: dict[str, Callable[[str], str]] = {
    "percent": _percent,
    "percent, only signs": lambda text: quote(text, safe=""),
    "percent twice": lambda text: quote(_percent(text)),
    "decimal entities": lambda text: "".join(f"&#{ord(sign)};" for sign in text),
    "hexadecimal entities": lambda text: "".join(f"&#x{ord(sign):X};" for sign in text),
    "escapes": lambda text: "".join(f"\\u{ord(sign):04x}" for sign in text),
    "full width": _wide,
    "Arabic digits": lambda text: text.translate({48 + n: 0x660 + n for n in range(10)}),
    "zero width": lambda text: "\u200b".join(text),
    "no-break spaces and hyphens": lambda text: text.replace("-", "\u2011").replace(" ", "\u00a0"),
    "en dashes": lambda text: text.replace("-", "\u2013"),
    "base64": _base64,
    "base64 for URLs": lambda text: base64.urlsafe_b64encode(text.encode()).decode().rstrip("="),
    "base64 of JSON": lambda text: _base64(json.dumps({"a": text, "b": 1})),
    "base64 twice": lambda text: _base64(_base64(text)),
    "base64 of gzip": lambda text: base64.b64encode(gzip.compress(text.encode())).decode(),
    "base64 of UTF-16": lambda text: base64.b64encode(text.encode("utf-16-le")).decode(),
    "hexadecimal": lambda text: text.encode().hex(),
    "data URI": lambda text: f"data:text/plain;base64,{_base64(text)}",
    "percent in base64": lambda text: _base64(_percent(text)),
    "base64 in percent": lambda text: quote(_base64(text), safe=""),
    "entities of percent": lambda text: html.escape("&".join(["a=1", f"b={_percent(text)}"])),
}


def after(text: str) -> str | None:
    """What is left of a text; None if it had to go."""
    try:
        redacted = ENGINE.document(text.encode(), SCAN, 0, [])
    except OverBudget:
        return None
    return None if redacted is None else redacted.decode()


@pytest.mark.parametrize("disguise", DISGUISES)
@pytest.mark.parametrize("identifier", IDENTIFIERS)
@pytest.mark.parametrize("around", ["{}", "see {} now", "GET /x?q={}&page=2", "é {}, ok"])
def test_planted_never_comes_out(disguise: str, identifier: str, around: str) -> None:
    """Each identifier in each disguise; what stands around it stays."""
    hidden = DISGUISES[disguise](identifier)
    left = after(around.format(hidden)) or ""
    assert hidden not in left
    assert identifier not in left
    first, last = around.split("{}")
    assert left.startswith(first)
    assert left.endswith(last)


AROUND = st.text(st.characters(codec="utf-8", categories=["L", "Po", "Zs"]), max_size=6)


@given(st.sampled_from(sorted(DISGUISES)), st.sampled_from(IDENTIFIERS), AROUND, AROUND)
def test_whatever_stands_around(disguise: str, identifier: str, before: str, behind: str) -> None:
    """In the encoded text, too."""
    hidden = DISGUISES[disguise](identifier)
    assert hidden not in (after(f"{before} {hidden} {behind}") or "")
    assert hidden not in (after(DISGUISES["percent"](f"{before} {hidden} {behind}")) or "")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("r=https%3A%2F%2Fx.test%2Fpatients%2F12345%3Fp%3D1", "r=https%3A%2F%2Fx.test%2Fpatients%2F{id}%3Fp%3D1"),
        ("q=patient+Zorbla+Quxington&n=1", "q=patient+[person_name]&n=1"),
        ('<img src="data:image/png;base64,aaaa">', '<img src="[photo]">'),
        ("Error: Key (a)=(Quxington, Zorbla) already exists.", "Error: Key (a)=([value]) already exists."),
        ("GET /patients/{id}/x", "GET /patients/{id}/x"),
        ("GET /patients/{12345}/x", "GET /patients/{id}/x"),
        ("%7B%22patient%22%3A%7B%22id%22%3A447%7D%7D", "[patient_id]"),
    ],
)
def test_what_is_left(text: str, expected: str) -> None:
    """Only the disguised value changes."""
    assert after(text) == expected
    assert after(expected) == expected


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"\x89PNG\r\n\x1a\nxyz", b"[photo]"),
        (gzip.compress(b"id 536-90-4399"), b"[ssn]"),
        ("id 536-90-4399".encode("utf-16-le"), b"[ssn]"),
        (b"id 536-90-4399", b"id [ssn]"),
        (base64.b64encode(b"id 536-90-4399"), b"[ssn]"),
        (gzip.compress(b"nothing to see"), gzip.compress(b"nothing to see")),
        (b"\xff\x00\x01 ok", b"\xff\x00\x01 ok"),
    ],
)
def test_bytes_values(content: bytes, expected: bytes) -> None:
    """Text is redacted; packed, wide and pictured go as a whole; other bytes stay."""
    assert ENGINE._text.redact(content, BYTES, 0, []) == expected


def test_message_of_an_exception() -> None:
    """Under its key, without anything that says so."""
    assert ENGINE._text.redact(b"'Quxington'", EXCEPTION, 0, []) == b"'[value]'"


def test_escaped_too_often() -> None:
    """Goes, rather than being looked at for ever."""
    assert after("a%25252525252540b") is None


def test_clean_lines_stay() -> None:
    """At most one line in a thousand is changed."""
    lines = clean_lines(5200, seed=20260101)
    assert sum(after(line) != line for line in lines) <= len(lines) // 1000


@pytest.mark.parametrize("unit", ["%25%25", "&#&#", "&#1", "QUFB", "QUFBQUFBQUFBQUFB ", "4142", "\u00a0", "\\u0041"])
def test_work_is_bounded(unit: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Twice the text is at most about twice the bytes looked at, and never more than the budget."""
    looked = 0
    look = ENGINE._patterns.look

    def counted(text: bytes) -> object:
        nonlocal looked
        looked += len(text)
        return look(text)

    monkeypatch.setattr(ENGINE._patterns, "look", counted)
    sizes = []
    for count in (2**12, 2**13):
        looked = 0
        after(unit * count)
        sizes.append(looked)
    assert sizes[1] <= 2.5 * sizes[0] + 1000
    assert sizes[1] <= 32 * 2 * len((unit * 2**13).encode()) + 2**18


@pytest.mark.parametrize("unit", ["%25", "&#", "A", "&#64;"])
def test_ten_megabytes(unit: str) -> None:
    """Ten megabytes of it end, and what is too large to be looked at does not pass."""
    text = unit * (10_000_000 // len(unit))
    assert after(text) in (None, text)


def test_texts_within_texts_within_texts() -> None:
    """However they are nested, the work is bounded: too much is over the budget."""
    text = "id 536-90-4399"
    for _ in range(24):
        text = f"%41 {_base64(text)} &amp; {_base64(text[::-1])}"[:60_000]
    assert "536-90-4399" not in (after(text) or "")


@given(st.binary(max_size=60))
def test_never_fails(content: bytes) -> None:
    """Any bytes at all."""
    ENGINE._text.redact(content, BYTES, 0, [])


@pytest.mark.parametrize(
    "text",
    [
        "prontua\u0301rio 525174265",
        "(título 710115649506)".encode().hex(),
        json.dumps({"event": "merge", "attempt": 3, "nome": "Zórbla Çuxington"}).encode().hex(),
        base64.b64encode(b'{"attempt": 3, "nome": "Zorbla Quxington"}').decode(),
    ],
    ids=["decomposed accents", "accents in hexadecimal", "name in hexadecimal", "name in base64"],
)
def test_what_decides_is_what_is_encoded(text: str) -> None:
    """Not what its encoding looks like, which no name looks like; accents may be written in two ways."""
    left = after(text)
    assert left is not None
    assert "[" in left
    assert not any(part in left for part in ("525174265", "3238393132", "6578696e67746f6e", "emxhIFF1eGlu"))
