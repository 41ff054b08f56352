"""How far values, names and path segments reach."""

from typing import Literal

import pytest

from processors.redaction.spans import Reach, element_content, field_content, name_at, path_segment, value_after


@pytest.mark.parametrize(
    ("text", "reach", "value"),
    [
        ("=12345&b=1", "word", "12345"),
        (": 12345, b", "word", "12345"),
        ("=> 12345", "word", "12345"),
        ('="a \\" b" c', "word", 'a \\" b'),
        (r"\": \"a b\" c", "word", "a b"),
        ("='never closed", "word", "never closed"),
        ("=[1, 2] b", "word", "[1, 2]"),
        ("={a: 1} b", "word", "{a: 1}"),
        (": A B c, d", "words", "A B c"),
        (": A B status=ok", "words", "A B"),
        (": A B, C D b=1", "line", "A B, C D"),
        (": A\nB", "line", "A"),
        (": A B", "word", "A"),
        ("=?", "word", None),
        ("=[REDACTED]", "word", None),
        ("=[quxington]", "word", "[quxington]"),
        ("=:536904399", "word", ":536904399"),
        ("={536904399}", "word", "{536904399}"),
        ("={id}", "word", None),
        ("=null", "word", None),
        ("=:name", "word", None),
        ("=$1", "word", None),
        ("=***", "word", None),
        ("=", "word", None),
        (": ", "line", None),
        ('=""', "word", None),
        (":\nx", "word", None),
        (": state=IDLE", "word", None),
        (": sid=0a1b", "line", "sid=0a1b"),
        (": A B   C: d", "words", "A B"),
        ("=Q, Z M. ward=3", "name", "Q, Z M."),
        ("=Q, then left", "name", "Q"),
        ("=Z O'Q x=1", "name", "Z O'Q"),
        ("=h)un,ter; b", "run", "h)un,ter"),
        ("=0a1b;x", "pairs", "0a1b"),
    ],
)
def test_value_after(text: str, reach: Reach, value: str | None) -> None:
    """Quotes, brackets, punctuation and the next key end a value; placeholders are none."""
    content = text.encode()
    at = max(content.find(b"="), content.find(b":")) + 1 if content[:1] == b"\\" else 1
    span = value_after(content, at, reach)
    assert (None if span is None else content[slice(*span)].decode()) == value


@pytest.mark.parametrize(
    ("text", "segment", "segments"),
    [
        ("/patients/12345/records", "12345", "any"),
        ("/patients/quxington?a=1", "quxington", "any"),
        ("/patients/maria%40example.org", "maria%40example.org", "any"),
        ("patients/quxington", None, "any"),
        ("patients/17", "17", "any"),
        ("/patients/{id}", None, "any"),
        ("/patients/:id", None, "any"),
        ("/patients/search", None, "any"),
        ("/patients/v2", None, "any"),
        ("/patients/v12345", "v12345", "any"),
        ("/patients/12345.json", "12345.json", "any"),
        ("/patients/_12345", "_12345", "any"),
        ("/patients/%7Bid%7D", None, "any"),
        ("/patients/views.py:42", None, "any"),
        ("/users/login-page", None, "numbered"),
        ("/users/u17", "u17", "numbered"),
        ("x.patients.12345.y", "12345", "any"),
        ("x.patients.name", None, "any"),
        ("s3://patients-123abcde", None, "any"),
        ("http://patients:8080/health", None, "any"),
        ("users-1000.slice", None, "numbered"),
        ("patients-8f14e45f-ceea-467f-9575-1c2d3e4f5a6b.log", "8f14e45f-ceea-467f-9575-1c2d3e4f5a6b", "any"),
    ],
)
def test_path_segment(text: str, segment: str | None, segments: Literal["any", "numbered"]) -> None:
    """Ids go, words that paths are made of stay."""
    content = text.encode()
    word = b"users" if b"users" in content else b"patients"
    span = path_segment(content, content.index(word) + len(word) + 1, segments)
    assert (None if span is None else content[slice(*span)].decode()) == segment


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("Zorbla Quxington was", "Zorbla Quxington"),
        ("Zorbla da Quxa", "Zorbla da Quxa"),
        ("Quxington, Zorbla M. (x)", "Quxington, Zorbla M."),
        ("Élodie Quxa", "Élodie Quxa"),
        ("Portal started", None),
        ("ID 12", None),
        ("ANA QUXA", "ANA QUXA"),
        ("ZORBLA QUXINGTON WAS SEEN", "ZORBLA QUXINGTON"),
        ("Zorbla A. O'Quxington-Quxa", "Zorbla A. O'Quxington-Quxa"),
        ("Zorbla al-Quxi", "Zorbla al-Quxi"),
        ("HL-L2340D series", None),
        ("Foo.bar()", None),
    ],
)
def test_name_at(text: str, name: str | None) -> None:
    """Capitalised words, and what joins them; not the words of software."""
    content = text.encode()
    span = name_at(content, 0)
    assert (None if span is None else content[slice(*span)].decode()) == name


@pytest.mark.parametrize(
    ("text", "value"),
    [("Quxa</name>", "Quxa"), (" \n Q Z \n</a>", "Q Z"), ("</name>", None), ("Quxa", "Quxa"), ("null</a>", None)],
)
def test_element_content(text: str, value: str | None) -> None:
    """Without the white space around it."""
    span = element_content(text.encode(), 0)
    assert (None if span is None else text[slice(*span)]) == value


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ('"\r\n\r\n4471\r\n--b', "4471"),
        ('"\r\nContent-Type: text/plain\r\n\r\n4471', "4471"),
        ('" type="text" value="4471">', "4471"),
        ('" type="text">', None),
        ('"\r\n--b', None),
    ],
)
def test_field_content(text: str, value: str | None) -> None:
    """Of multipart bodies and of HTML."""
    span = field_content(text.encode(), 0)
    assert (None if span is None else text[slice(*span)]) == value
