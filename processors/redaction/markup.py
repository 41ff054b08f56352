"""XML and HTML in a text: elements and attributes count as keys, so that what falls under a rule goes and markup stays.

One pass, tolerant of what is cut off or never closed; entities are never expanded by declaration. C-CDA and FHIR in XML
need nothing of their own: their elements are keys of the packs. Source: XML 1.0 (fifth edition), HL7 CDA R2, FHIR R4.
"""

import html
import re
from dataclasses import dataclass
from xml.sax.saxutils import escape

from processors.redaction.positions import Positions, Treated

__all__ = ["TRIGGERS", "Markup"]

TRIGGERS = (
    r"</",
    r"/>",
    r"<[A-Za-z_][\w.:-]*\s+[\w.:-]+\s*=",
    r"<[A-Za-z_][\w.:-]*>[^<(\s]",
    r"<!(?:DOCTYPE|ENTITY|\[CDATA)",
)
"""Expressions, capitals as they are, one of which ends in every text that holds markup."""

_TOKEN = re.compile(
    rb"""
      <!--(?P<comment>.*?)(?:-->|\Z)
    | <!\[CDATA\[(?P<cdata>.*?)(?:\]\]>|\Z)
    | <!ENTITY\s(?P<entity>[^>]*)
    | <!(?P<declaration>[A-Za-z]+)[^<>\[]*
    | </(?P<closed>[A-Za-z_][\w.:-]*)\s*>?
    | <\??(?P<name>[A-Za-z_][\w.:-]*)
        (?P<attributes>(?:[^<>"']|"[^"<]*+"?|'[^'<]*+'?)*+)
        (?P<end>>|\Z|(?=<))
    """,
    re.VERBOSE | re.DOTALL,
)
_ATTRIBUTE = re.compile(
    rb"""(?P<name>[A-Za-z_][\w.:-]*)\s*=\s*(?:\\{0,63}"(?P<double>[^"<]*)"?|\\{0,63}'(?P<single>[^'<]*)'?|(?P<bare>[^\s"'<>/]+))"""
)
_QUOTED = re.compile(rb"\"(?P<double>[^\"]*)\"|'(?P<single>[^']*)'")
_VOID = frozenset(("br", "hr", "img", "input", "meta", "link", "col", "wbr", "source", "area", "base"))
_STAYS = frozenset(("state", "country", "system", "use"))
"""Elements that name nobody, whatever they are part of."""
_STRUCTURE = frozenset(
    (
        "type", "use", "typecode", "classcode", "moodcode", "determinercode", "nullflavor", "codesystem", "system",
        "codesystemname", "contextcontrolcode", "mediatype", "unit", "parttype", "qualifier", "class", "style", "lang",
        "url", "partition", "operator", "stylecode", "representation", "nil",
    )
)  # fmt: skip
"""Attributes that stay within an element that goes."""
_NAMING = ("name", "key", "property", "field")
"""Attributes that may hold the key of what an element holds."""
_OID = re.compile(rb"[0-9]+(?:\.[0-9]+)+")
_NAME_OF_KEY = re.compile(r"[\w.$-]{1,80}")
_MOST_WORDS_AROUND = 5
_LOOK_BACK = 64
_DEEPEST_REMEMBERED = 10_000


@dataclass(slots=True)
class _Element:
    name: str
    rule: int | None


class Markup:
    """Redacts markup within texts."""

    def __init__(self, positions: Positions) -> None:
        self._positions = positions

    def redacted(self, text: bytes, treated: Treated) -> bytes:
        """The text with elements and attributes that fall under rules emptied of what they say.

        Raises: `Gone`, `OverBudget`.
        """
        if b"<" not in text:
            return text
        return _Reader(self._positions, text, treated).read()


def _local(name: bytes) -> str:
    return name.rpartition(b":")[2].decode("utf-8", "replace")


class _Reader:
    """Reads one text, once; what is replaced is noted on the way."""

    def __init__(self, positions: Positions, text: bytes, treated: Treated) -> None:
        self._positions = positions
        self._text = text
        self._treated = treated
        self._open: list[_Element] = []
        self._pieces: list[bytes] = []
        self._done = 0

    def read(self) -> bytes:
        at = 0
        for token in _TOKEN.finditer(self._text):
            self._content(at, token.start())
            at = token.end()
            match token.lastgroup:
                case "comment" | "cdata" as kind:
                    self._content(*token.span(kind))
                case "entity":
                    self._entity(token.start("entity"), token.end("entity"))
                case "closed":
                    self._close(_local(token["closed"]))
                case "end":
                    self._begin(token)
        self._content(at, len(self._text))
        return b"".join((*self._pieces, self._text[self._done :])) if self._pieces else self._text

    def _replace(self, start: int, end: int, new: bytes) -> None:
        self._pieces += self._text[self._done : start], new
        self._done = end

    def _content(self, start: int, end: int) -> None:
        """Text between tags: what it says goes if the element around it falls under a rule."""
        rule = self._open[-1].rule if self._open else None
        if rule is None or start >= end:
            return
        content = self._text[start:end]
        said = content.strip()
        if said:
            begin = start + content.index(said)
            self._value(begin, begin + len(said), rule)

    def _value(self, start: int, end: int, rule: int) -> None:
        written = self._text[start:end]
        plain = html.unescape(written.decode("utf-8", "surrogateescape")).encode("utf-8", "replace")
        new = self._treated.value(rule, plain)
        if new != plain:
            self._replace(start, end, escape(new.decode("utf-8", "replace"), {'"': "&quot;"}).encode())

    def _entity(self, start: int, end: int) -> None:
        """What an entity stands for could be anything."""
        rule = self._positions.number("document_text")
        for quoted in _QUOTED.finditer(self._text, start, end):
            span = quoted.span(quoted.lastgroup or "single")
            if rule is not None and span[0] < span[1]:
                self._value(*span, rule)

    def _close(self, name: str) -> None:
        """An end tag never closes what falls under a rule along with it: if that is not closed, nothing after it is."""
        for back in range(1, min(len(self._open), _LOOK_BACK) + 1):
            if self._open[-back].name == name:
                del self._open[-back:]
                return
            if self._open[-back].rule is not None and (
                back == len(self._open) or self._open[-back - 1].rule != self._open[-back].rule
            ):
                return

    def _begin(self, tag: re.Match[bytes]) -> None:
        around = self._open[-1].rule if self._open else None
        if around is not None and _is_text(tag):
            self._content(*tag.span())
            return
        name = _local(tag["name"])
        attributes = list(_ATTRIBUTE.finditer(self._text, *tag.span("attributes")))
        path = ".".join((*(element.name for element in self._open[-_MOST_WORDS_AROUND:]), name))
        rule = around if around is not None else self._positions.rule(path)
        if rule is not None and name in _STAYS:
            rule = None
        if rule is None:
            rule = self._named_rule(name, attributes)
        self._attributes(attributes, path, rule)
        if not (tag["attributes"].endswith(b"/") or name.lower() in _VOID or tag[0].startswith(b"<?")):
            if len(self._open) >= _DEEPEST_REMEMBERED:
                del self._open[: _DEEPEST_REMEMBERED // 2]
            self._open.append(_Element(name, rule))

    def _named_rule(self, name: str, attributes: list[re.Match[bytes]]) -> int | None:
        """The rule for an element that says in an attribute what it is the value of: `<field name="ssn">`."""
        for attribute in attributes:
            if _local(attribute["name"]).lower() in _NAMING:
                start, end = _span(attribute)
                key = self._text[start:end].rstrip(b"\\").decode("utf-8", "replace")
                if _NAME_OF_KEY.fullmatch(key) and (rule := self._positions.rule(key)) is not None:
                    return rule
        return None

    def _attributes(self, attributes: list[re.Match[bytes]], path: str, rule: int | None) -> None:
        has_extension = any(_local(attribute["name"]) == "extension" for attribute in attributes)
        for attribute in attributes:
            start, end = _span(attribute)
            while end > start and self._text[end - 1 : end] == b"\\":
                end -= 1
            if start < end and not self._is_structure(attribute, self._text[start:end], has_extension):
                own = rule if rule is not None else self._positions.rule(f"{path}.{_local(attribute['name'])}")
                if own is not None and not (own == rule and self._names(attribute, own)):
                    self._value(start, end, own)

    def _names(self, attribute: re.Match[bytes], rule: int) -> bool:
        """Whether the attribute is the key by which the element fell under the rule."""
        start, end = _span(attribute)
        return (
            _local(attribute["name"]).lower() in _NAMING
            and self._positions.rule(self._text[start:end].rstrip(b"\\").decode("utf-8", "replace")) == rule
        )

    def _is_structure(self, attribute: re.Match[bytes], value: bytes, has_extension: bool) -> bool:
        name = attribute["name"]
        local = _local(name)
        if local == "root":
            return has_extension and _OID.fullmatch(value) is not None
        return name.startswith(b"xmlns") or local.lower() in _STRUCTURE


def _is_text(tag: re.Match[bytes]) -> bool:
    """Whether what looks like a tag never ends, or holds words that are no attributes."""
    return tag["end"] != b">" or bool(_ATTRIBUTE.sub(b"", tag["attributes"]).strip(b" \t\r\n/?\\"))


def _span(attribute: re.Match[bytes]) -> tuple[int, int]:
    return attribute.span(attribute.lastgroup or "bare")
