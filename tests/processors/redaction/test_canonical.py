"""One form for all spellings of a value."""

import pytest

from processors.redaction.canonical import canonical


@pytest.mark.parametrize(
    ("form", "text", "expected"),
    [
        ("digits", "012.345.678-90", b"1234567890"),
        ("digits", "01234567890", b"1234567890"),
        ("digits", "1234567890", b"1234567890"),
        ("digits", "０１２.３４５.６７８–９０", b"1234567890"),
        ("digits", "٠١٢٣٤٥٦٧٨٩٠", b"1234567890"),
        ("digits", "012%2E345%252E678-90", b"1234567890"),
        ("digits", "000", b"0"),
        ("digits", "Unknown", b"unknown"),
        ("lower", "Canary.One%40Example.org", b"canary.one@example.org"),
        ("lower", "canary.one%2540example.org", b"canary.one@example.org"),
        ("lower", "canary.one&#64;example\u200b.org", b"canary.one@example.org"),
        ("lower", " Zorbla\u00a0 Quxington ", b"zorbla quxington"),
        ("alphanumeric", "12.ABC.345/01DE-35", b"12abc34501de35"),
        ("alphanumeric", "1eg4-te5-mk73", b"1eg4te5mk73"),
        ("alphanumeric", "00981234", b"981234"),
        ("alphanumeric", "--", b"--"),
        ("text", "Ab\u00e7", "Ab\u00e7".encode()),
        ("text", "Abc\u0327", "Ab\u00e7".encode()),
        ("text", "00981234", b"981234"),
        ("text", "\udcff\ud800", b"\xed\xb3\xbf\xed\xa0\x80"),
    ],
)
def test_spellings(form: str, text: str, expected: bytes) -> None:
    """Separators, capitals, escapes, foreign digits and leading zeros do not make another value."""
    assert canonical(form, text) == expected
