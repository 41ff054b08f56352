"""The ways in which an identifier hides in a text."""

import gzip
import html
import json
import unicodedata
import zlib
from base64 import b64encode, encodebytes, urlsafe_b64encode
from collections.abc import Callable
from urllib.parse import quote, quote_plus, urlencode

from tests.oracle import documents
from tests.oracle.facts import Fact

__all__ = ["DISGUISES", "KEY_OF", "needs"]


def _in_value(fact: Fact, change: Callable[[str], str]) -> str:
    """The text with every character of the value changed."""
    return fact.text.replace(fact.value, change(fact.value)) if fact.value in fact.text else change(fact.text)


def _object(fact: Fact) -> dict[str, object]:
    return {"event": "merge", "attempt": 3, fact.key: fact.value}


def _nested(value: object, levels: int) -> str:
    text = json.dumps(value)
    for _ in range(levels):
        text = json.dumps({"kind": "wrapped", "payload": text})
    return text


def _base64(text: str) -> str:
    return b64encode(text.encode()).decode()


def _packed(data: bytes) -> str:
    return b64encode(data).decode()


def _object_text(fact: Fact) -> bytes:
    return json.dumps(_object(fact)).encode()


def _base64url(text: str) -> str:
    return urlsafe_b64encode(text.encode()).decode().rstrip("=")


def _jwt(fact: Fact) -> str:
    parts = (json.dumps({"alg": "HS256", "typ": "JWT"}), json.dumps({fact.key: fact.value, "iat": 1}), "0123456789ab")
    return ".".join(map(_base64url, parts))


def _full_width(text: str) -> str:
    return "".join(chr(ord(character) + 0xFEE0) if character.isdigit() else character for character in text)


def _arabic(text: str) -> str:
    return "".join(chr(0x660 + int(character)) if character.isdigit() else character for character in text)


def _zero_width(text: str) -> str:
    return "\u200b".join(text[at : at + 4] for at in range(0, len(text), 4))


def _python_trace(fact: Fact) -> str:
    return (
        'Traceback (most recent call last):\n  File "/srv/app/store/views.py", line 42, in load\n    row = find(key)\n'
        f"app.errors.NotFound: {fact.text}\n"
    )


def _java_trace(fact: Fact) -> str:
    return (
        f"java.lang.IllegalStateException: {fact.text}\n\tat com.example.store.Finder.find(Finder.java:42)\n"
        f"Caused by: java.sql.SQLException: {fact.text}\n\t... 12 more\n"
    )


DISGUISES: dict[str, Callable[[Fact], str]] = {
    "plain": lambda fact: fact.text,
    "json": lambda fact: json.dumps(_object(fact)),
    "json text": lambda fact: json.dumps({"level": "info", "message": fact.text}),
    "json number": lambda fact: f'{{"n": 1, "{fact.key}": {fact.value}}}',
    "json in json": lambda fact: _nested(_object(fact), 1),
    "json four deep": lambda fact: _nested(_object(fact), 4),
    "json text four deep": lambda fact: _nested({"message": fact.text}, 4),
    "json list": lambda fact: json.dumps({fact.key: [[fact.value]], "page": {"items": [_object(fact)]}}),
    "json in a line": lambda fact: f"INFO  request done {json.dumps(_object(fact))} in 12 ms",
    "json key": lambda fact: json.dumps({"rows": {fact.text: {"ok": True}}}),
    "json cut": lambda fact: json.dumps({fact.key: fact.value, "rest": "x" * 20})[:-9],
    "url path": lambda fact: f"GET https://api.example.org{fact.path}?page=2",
    "url query": lambda fact: f"https://api.example.org/v1/find?{fact.key}={quote(fact.value)}&page=2",
    "url query of a text": lambda fact: f"/search?q={quote_plus(fact.text)}&page=2",
    "url in a url": lambda fact: "/login?redirect=" + quote(f"/find?{fact.key}={quote(fact.value)}&page=2", safe=""),
    "percent": lambda fact: _in_value(fact, lambda text: "".join(f"%{byte:02X}" for byte in text.encode())),
    "percent twice": lambda fact: _in_value(fact, lambda text: "".join(f"%25{byte:02x}" for byte in text.encode())),
    "escapes": lambda fact: _in_value(fact, lambda text: "".join(f"\\u{ord(each):04x}" for each in text)),
    "escapes in json": lambda fact: (
        '{"message": "' + _in_value(fact, lambda text: "".join(f"\\u{ord(each):04x}" for each in text)) + '"}'
    ),
    "entities": lambda fact: _in_value(fact, lambda text: "".join(f"&#{ord(each)};" for each in text)),
    "hex entities": lambda fact: _in_value(fact, lambda text: "".join(f"&#x{ord(each):x};" for each in text)),
    "html": lambda fact: f"<tr><td class='x'>{html.escape(fact.text)}</td></tr>",
    "form": lambda fact: urlencode({"step": "2", fact.key: fact.value, "ok": "yes"}),
    "base64": lambda fact: _base64(fact.text),
    "base64 of json": lambda fact: _base64(json.dumps(_object(fact))),
    "base64url of json": lambda fact: _base64url(json.dumps(_object(fact))),
    "base64 in a line": lambda fact: f"body={_base64(json.dumps(_object(fact)))} status=400",
    "jwt": lambda fact: f"token {_jwt(fact)} refused",
    "data uri": lambda fact: f"data:text/plain;base64,{_base64(fact.text)}",
    "data uri of json": lambda fact: f"see data:application/json,{quote(json.dumps(_object(fact)))}",
    "image": lambda fact: f"<img src='data:image/png;base64,{_base64(fact.value * 4)}'>",
    "full width": lambda fact: _in_value(fact, _full_width),
    "other digits": lambda fact: _in_value(fact, _arabic),
    "zero width": lambda fact: _in_value(fact, _zero_width),
    "soft hyphen": lambda fact: _in_value(fact, lambda text: "\u00ad".join((text[:3], text[3:]))),
    "no-break spaces": lambda fact: fact.text.replace(" ", "\u00a0"),
    "en dash": lambda fact: fact.text.replace("-", "\u2013"),
    "decomposed": lambda fact: unicodedata.normalize("NFD", f"não achou {fact.text}"),
    "sql": lambda fact: f"SELECT * FROM visits WHERE who = 'O''Neil' AND code = '{fact.value}' LIMIT 5",
    "sql backslash": lambda fact: f"UPDATE visits SET a = 'it\\'s {fact.value}', b = \"{fact.value}\" WHERE n = 7",
    "sql dollar": lambda fact: f"INSERT INTO visits VALUES ($${fact.value}$$, $t${fact.text}$t$, E'{fact.value}\\n')",
    "sql comment": lambda fact: f"SELECT 1 /* {fact.value} */ FROM visits -- {fact.value}",
    "python trace": _python_trace,
    "java trace": _java_trace,
    "exception": lambda fact: f"KeyError: '{fact.value}'",
    "unique key": lambda fact: f'violates constraint "visits_key" DETAIL: Key ({fact.key})=({fact.value}) exists.',
    "percent u": lambda fact: _in_value(fact, lambda text: "".join(f"%u{ord(each):04X}" for each in text)),
    "hex escapes": lambda fact: _in_value(fact, lambda text: "".join(f"\\x{byte:02x}" for byte in text.encode())),
    "escapes twice": lambda fact: json.dumps(
        {"inner": '{"message": "' + _in_value(fact, lambda text: "".join(f"\\u{ord(x):04x}" for x in text)) + '"}'}
    ),
    "marks of direction": lambda fact: _in_value(fact, lambda text: "\u200f".join((text[:2], text[2:5], text[5:]))),
    "json in a query": lambda fact: f"/find?filter={quote(json.dumps(_object(fact)), safe='')}&page=2",
    "json in a form": lambda fact: urlencode({"payload": json.dumps(_object(fact)), "ok": "yes"}),
    "form in json": lambda fact: json.dumps({"body": urlencode({"step": "2", fact.key: fact.value})}),
    "url in json": lambda fact: json.dumps({"url": f"https://api.example.org/v1/find?{fact.key}={quote(fact.value)}"}),
    "base64 in json": lambda fact: json.dumps({"data": _base64(json.dumps(_object(fact)))}),
    "base64 twice": lambda fact: _base64(_base64(json.dumps(_object(fact)))),
    "base64 in a query": lambda fact: f"/cb?state={quote(_base64(json.dumps(_object(fact))), safe='')}&ok=1",
    "base64 in lines": lambda fact: encodebytes(json.dumps({"pad": "x" * 60, **_object(fact)}).encode()).decode(),
    "gzip in base64": lambda fact: f"payload={_packed(gzip.compress(_object_text(fact), mtime=0))}",
    "zlib in base64": lambda fact: _packed(zlib.compress(_object_text(fact))),
    "utf-16 in base64": lambda fact: _packed(fact.text.encode("utf-16-le")),
    "hex": lambda fact: fact.text.encode().hex(),
    "hex of json": lambda fact: f"0x{_object_text(fact).hex()}",
    "multipart": lambda fact: (
        f'--xYzZy\r\nContent-Disposition: form-data; name="{fact.key}"\r\n\r\n{fact.value}\r\n--xYzZy--\r\n'
    ),
    "logfmt": lambda fact: f'level=warn msg="not found" {fact.key}="{fact.value}" took=12ms',
    "python dict": lambda fact: f"saving {_object(fact)!r}",
    "ruby hash": lambda fact: f'Parameters: {{"step"=>"2", "{fact.key}"=>"{fact.value}"}}',
    "java object": lambda fact: f"Record[step=2, {fact.key}={fact.value}, active=true]",
    "hl7": documents.hl7,
    "hl7 in lines": lambda fact: documents.hl7(fact, end="\n"),
    "hl7 in a frame": lambda fact: f"sent \x0b{documents.hl7(fact)}\x1c\r",
    "hl7 in json": lambda fact: json.dumps({"event": "received", "payload": documents.hl7(fact)}),
    "hl7 in base64": lambda fact: f"body={_base64(documents.hl7(fact))}",
    "hl7 of its own separators": lambda fact: documents.hl7(fact, separator="#"),
    "fhir": documents.fhir,
    "fhir in a line": lambda fact: f"POST /fhir 201 {documents.fhir(fact)} in 12 ms",
    "fhir in json": lambda fact: json.dumps({"request": {"body": documents.fhir(fact)}}),
    "fhir xml": documents.fhir_xml,
    "ccda": documents.ccda,
    "ccda of a prefix": lambda fact: documents.ccda(fact, prefix="cda"),
    "ccda in json": lambda fact: json.dumps({"document": documents.ccda(fact)}),
    "ccda escaped": lambda fact: f"<soap:Body><doc>{html.escape(documents.ccda(fact))}</doc></soap:Body>",
    "ccda in base64": lambda fact: _base64(documents.ccda(fact)),
}
"""By name: how a fact becomes a text that stands in some place."""

KEY_OF = {
    "url path": "url.full",
    "url query": "url.full",
    "url query of a text": "http.target",
    "url in a url": "http.url",
    "sql": "db.query.text",
    "sql backslash": "db.statement",
    "sql dollar": "db.query.text",
    "sql comment": "db.statement",
    "python trace": "exception.stacktrace",
    "java trace": "exception.stacktrace",
    "exception": "exception.message",
    "unique key": "exception.message",
}
"""The attribute under which such a text is found; `note` for all others."""

_OF_KEY = frozenset(
    (
        *("json", "json in json", "json four deep", "json list", "json in a line", "json cut", "url query"),
        *("url in a url", "form", "base64 of json", "base64url of json", "base64 in a line", "jwt"),
        *(
            "data uri of json",
            "image",
            "unique key",
            "json in a query",
            "json in a form",
            "form in json",
            "url in json",
        ),
        *("base64 in json", "base64 twice", "base64 in a query", "base64 in lines", "gzip in base64", "zlib in base64"),
        *("hex of json", "multipart", "logfmt", "python dict", "ruby hash", "java object"),
    )
)
_OF_VALUE = frozenset(("sql", "sql backslash", "sql comment", "exception"))
_OF_DIGITS = frozenset(("full width", "other digits"))
_WITHIN = frozenset(("zero width", "soft hyphen", "marks of direction"))


def needs(disguise: str, fact: Fact) -> bool:
    """Whether the disguise makes something of this fact that has to be found."""
    if disguise.startswith(("hl7", "fhir", "ccda")):
        return documents.known(fact)
    if disguise in _OF_DIGITS:
        return bool(fact.text) and sum(map(str.isdigit, fact.value)) > 8
    if disguise in _WITHIN:
        return fact.value in fact.text
    match disguise:
        case "url path":
            return bool(fact.path)
        case "json number":
            return fact.value.isdigit()
        case "en dash":
            return "-" in fact.value and fact.value in fact.text
        case "base64 twice" | "image":
            return True
    return disguise in _OF_KEY or disguise in _OF_VALUE or bool(fact.text)
