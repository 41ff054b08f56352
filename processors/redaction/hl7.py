r"""HL7 v2 messages in a text: person fields out by position; delimiters, segments, codes and control stamps stay.

A message begins with its header (`MSH|^~\&|…`), which says what its delimiters are; a segment that stands alone is
known by its name. What is not known to be harmless is taken out: unlisted fields and segments keep only what is too
short to name anybody. What was taken out is also looked for in the fields that stay. Source: HL7 v2.5.1.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import lru_cache

from processors.redaction.hl7_fields import CODES, IDS, KEYS, KNOWN_ELSEWHERE, SEGMENTS
from processors.redaction.positions import Positions, Treated

__all__ = ["RULE_ID", "TRIGGERS", "Hl7"]

RULE_ID = "hl7_person"
"""The rule that has what no other rule has a key for; without it messages are texts like any other."""
_NUMBERED = "PID|PD1|NK1|PV1|PV2|GT1|IN1|IN2|IN3|DG1|PR1|OBR|OBX|NTE|AL1|ACC|AIP|AIG|AIL|AIS|FT1|Z[A-Z0-9]{2}"
_OTHERS = "EVN|MRG|ORC|SCH|ROL|CTD|PRD|STF|PRA|TXA|QRD|QPD|IAM|SPM|RXA|RXE|RXO"
_LONE = rf"(?:(?:{_NUMBERED})\|[0-9]{{0,4}}|(?:{_OTHERS})\|[^|\s]{{0,60}})\|"
TRIGGERS = (r"(?:MSH|FHS|BHS)[^\w\s][^\w\s][^\w\s]", r"[A-Z][A-Z0-9][A-Z0-9]\|")
"""Expressions, capitals as they are, one of which ends in every text that holds a message or a segment."""

_HEADER = re.compile(
    rb"(?:MSH|FHS|BHS)(?P<field>[^\w\s])(?P<others>(?!(?P=field))[^\w\s](?!(?P=field))[^\w\s](?:(?!(?P=field))\S){0,9})(?P=field)"
)
_BEGIN = re.compile(rb"(?<![\w|^~&])(?:" + _LONE.encode() + rb")|(?<=\\[rn])(?:" + _LONE.encode() + rb")")
_END_REVERSED = re.compile(rb"(?:[\s\x1c]|[rn]\\+|[dDaA]0x\\+|[dDaA]000u\\+|;(?:31|01|[dDaA]x)#&|>(?:RC|FL)<)*")
"""What ends a segment, in the other direction."""
_END_OF_MESSAGE = re.compile(rb"\x1c|(?<![\n \t])(?:\r?\n[ \t]*){2,}+(?![A-Z][A-Z0-9]{2}[^\w\s])")
"""The frame's end, or an empty line with no segment after it."""
_AFTER_QUOTE = b" \t\r\n,;:})]"
_CLOSING = {
    quote: re.compile(rb"(?<!\\)" + quote + rb"(?=[ \t]*(?:\Z|[,;})\]\r\n]|[\w.-]+=))") for quote in (b'"', b"'")
}
"""A quote after which no message goes on: what people write has quotes, too."""
_CODE = re.compile(rb"[A-Z]|[0-9]{1,3}|\"\"|(?:\[[a-z0-9_]+\])")
"""Too short to name anybody, null, or a placeholder."""
_HEX_ESCAPE = re.compile(rb"\\[XCM][0-9A-Fa-f]{2}")
_WORD = re.compile(rb"[\w\x80-\xff]+(?:['.-][\w\x80-\xff]+)*")
_LEAST_WORD = 3
_DATE_TYPES = frozenset((b"DT", b"TS", b"DTM", b"DR"))
_SCANNED_TYPES = frozenset((b"ST", b"", b"GTS", b"ID", b"IS"))
_KEPT_TYPES = frozenset((b"NM", b"SN", b"SI", b"CE", b"CWE", b"CNE", b"CF", b"TM", b"NA", b"NR", b"MO", b"CP", b"CQ"))


@dataclass(frozen=True, slots=True)
class _Delimiters:
    field: bytes = b"|"
    component: bytes = b"^"
    repetition: bytes = b"~"
    subcomponent: bytes = b"&"


@lru_cache(maxsize=64)
def _segments(delimiters: _Delimiters) -> re.Pattern[bytes]:
    """Where a segment begins: after a line end, or, if its name is known, after anything but data."""
    field = re.escape(delimiters.field)
    others = re.escape(delimiters.field + delimiters.component + delimiters.repetition + delimiters.subcomponent)
    known = b"|".join(name.encode() for name in sorted(SEGMENTS))
    return re.compile(
        rb"(?:(?<=[\r\n\x0b\x1c])|(?<=\\[rn])|(?<=\\x0[dDaA])|(?<=\\u000[dDaA]))[A-Z][A-Z0-9]{2}(?=" + field + rb")"
        rb"|(?<![\w\\" + others + rb"])(?:" + known + rb"|Z[A-Z0-9]{2})(?=" + field + rb")"
    )


def _delimiters(header: re.Match[bytes]) -> _Delimiters:
    others = header["others"].replace(b"\\\\", b"\\").replace(b"&amp;", b"&")
    return _Delimiters(header["field"], others[:1], others[1:2], others[3:4] or b"&")


@dataclass(slots=True)
class _Taken:
    """Words of what was taken out, by which they are known where they stand elsewhere."""

    words: dict[bytes, int] = field(default_factory=dict)

    def add(self, value: bytes, rule: int) -> None:
        for word in _WORD.findall(value):
            if len(word) >= _LEAST_WORD and not (word.isdigit() and len(word) == _LEAST_WORD):
                self.words.setdefault(word.lower(), rule)


class Hl7:
    """Redacts messages by the rules whose keys name what stands in a field."""

    def __init__(self, positions: Positions) -> None:
        other = positions.number(RULE_ID)
        self._other = -1 if other is None else other
        self._rules = {kind: self._rule(positions, key) for kind, key in KEYS.items()}

    def _rule(self, positions: Positions, key: str) -> int:
        rule = positions.rule(key)
        return self._other if rule is None else rule

    def redacted(self, text: bytes, treated: Treated) -> bytes:
        """The text with the person fields of all messages and lone segments replaced.

        Raises: `Gone`, `OverBudget`.
        """
        if self._other < 0 or not any(sign in text for sign in (b"|", b"MSH", b"FHS", b"BHS")):
            return text
        pieces: list[bytes] = []
        at = 0
        for start, end, delimiters in _messages(text):
            pieces += text[at:start], _Message(self._rules, delimiters, treated).redacted(text[start:end])
            at = end
        return b"".join((*pieces, text[at:])) if pieces else text


def _messages(text: bytes) -> Iterator[tuple[int, int, _Delimiters]]:
    """The ranges of messages, each with its delimiters; segments without a header go with the usual ones."""
    begins = [(header.start(), _delimiters(header)) for header in _HEADER.finditer(text)]
    lone = _BEGIN.search(text)
    if lone is not None and (not begins or lone.start() < begins[0][0]):
        begins.insert(0, (lone.start(), _Delimiters()))
    ends = [*(start for start, _ in begins[1:]), len(text)] if begins else []
    for (start, delimiters), limit in zip(begins, ends, strict=True):
        end = _closing_quote(text, start, limit)
        last = _END_OF_MESSAGE.search(text, start, end)
        yield start, last.start() if last else end, delimiters
        # What comes after a blank line may be segments again.
        again = _BEGIN.search(text, last.end(), end) if last else None
        if again is not None:
            yield again.start(), end, delimiters


def _closing_quote(text: bytes, start: int, end: int) -> int:
    """Where a message in quotes ends; where the text does if it is in none."""
    quote = text[start - 1 : start] if start else b""
    if quote not in (b'"', b"'"):
        return end
    closing = _CLOSING[quote].search(text, start, end)
    last = closing.start() if closing else text.rfind(quote, start, end)
    return last if last > start and (last + 1 == end or text[last + 1] in _AFTER_QUOTE) else end


class _Message:
    def __init__(self, rules: dict[str, int], delimiters: _Delimiters, treated: Treated) -> None:
        self._rules = rules
        self._delimiters = delimiters
        self._treated = treated
        self._taken = _Taken()

    def redacted(self, message: bytes) -> bytes:
        begins = [found.start() for found in _segments(self._delimiters).finditer(message)]
        if not begins or begins[0] > 0:
            begins.insert(0, 0)
        segments = [
            self._segment(message[start:end]) for start, end in zip(begins, [*begins[1:], len(message)], strict=True)
        ]
        return b"".join(self._without_taken(segment) for segment in segments)

    def _segment(self, segment: bytes) -> list[tuple[bytes, bool]]:
        """Its parts, and whether each stays, so that it must be searched for what was taken out elsewhere."""
        closing = _END_REVERSED.match(segment[::-1])
        end = len(segment) - (closing.end() if closing else 0)
        fields = segment[:end].split(self._delimiters.field)
        name = fields[0].decode("latin-1")
        kinds = SEGMENTS.get(name, {})
        # In headers the first delimiter is the first field.
        first = 2 if name in ("MSH", "FHS", "BHS") else 1
        parts = [(fields[0], False)]
        for number, content in enumerate(fields[1:], first):
            kind = _kind_of_value(fields) if name == "OBX" and number == 5 else kinds.get(number, "other")
            parts += (self._delimiters.field, False), self._field(content, kind)
        return [*parts, (segment[end:], False)]

    def _field(self, content: bytes, kind: str) -> tuple[bytes, bool]:
        if not content or kind == "keep" or (kind == "text" and not _HEX_ESCAPE.search(content)):
            return content, True
        repetitions = content.split(self._delimiters.repetition)
        return self._delimiters.repetition.join(self._repetition(one, kind) for one in repetitions), False

    def _repetition(self, content: bytes, kind: str) -> bytes:
        components = content.split(self._delimiters.component)
        return self._delimiters.component.join(
            self._component(one, kind, number) for number, one in enumerate(components, 1)
        )

    def _component(self, content: bytes, kind: str, number: int) -> bytes:
        code = CODES.get(kind, {}).get(number, _CODE)
        kind = _kind_of_component(kind, number, content)
        parts = content.split(self._delimiters.subcomponent)
        return self._delimiters.subcomponent.join(self._value(one, kind, code) for one in parts)

    def _value(self, value: bytes, kind: str, code: re.Pattern[bytes]) -> bytes:
        if not value.strip() or code.fullmatch(value) or value == b'""':
            return value
        if kind in KNOWN_ELSEWHERE:
            self._taken.add(value, self._rules[kind])
        return self._treated.value(self._rules[kind], value)

    def _without_taken(self, segment: list[tuple[bytes, bool]]) -> bytes:
        return b"".join(_WORD.sub(self._word, part) if stays else part for part, stays in segment)

    def _word(self, found: re.Match[bytes]) -> bytes:
        rule = self._taken.words.get(found[0].lower())
        return found[0] if rule is None else self._treated.value(rule, found[0])


def _kind_of_value(fields: list[bytes]) -> str:
    """Of the value of an observation, by its type."""
    written = fields[2].strip()
    if written in _KEPT_TYPES:
        return "keep"
    if written in _SCANNED_TYPES:
        return "text"
    return "date" if written in _DATE_TYPES else "narrative"


def _kind_of_component(kind: str, number: int, content: bytes) -> str:
    if b"@" in content:
        return "email"
    if kind == "address" and number == 5:
        return "zip"
    if kind == "staff":
        return "staff_id" if number == 1 else "staff" if number < 8 else "other"
    return "other" if kind in IDS and number > 2 else kind
