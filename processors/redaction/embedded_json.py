"""Objects written out within a text: JSON in a log line, cut off or not, and what programs print of their own objects.

`{'patient': {'id': 447}}`, `%{patient: %{id: 447}}`, `{:patient=>{:id=>447}}`, `map[patient:map[id:447]]`,
`Patient(id=447)`. What is JSON is redacted as JSON; of the rest, values under keys of the rules are replaced, the
keys around them counting as in structured data. Everything else keeps its bytes.
"""

import re
from dataclasses import dataclass, field

import orjson

from processors.redaction.budget import OverBudget
from processors.redaction.positions import Positions, Treated

__all__ = ["TRIGGERS", "EmbeddedJson"]

_PERSONS = (
    "patient|paciente|person|pessoa|member|subscriber|beneficiary|customer|guarantor|practitioner|physician|encounter"
)
_KEY_BEGINS = r"\{\s{0,8}\\{0,7}[\"']\s?[A-Za-z_$@]"
_BARE_KEY = r"\{\s{0,4}:?[A-Za-z_]\w{0,40}(?::\s|\s?=>|:%?\{|:\[|[=:]\S)"
_PRINTED = rf"(?i:(?:{_PERSONS})\w{{0,20}}[(\[]\w{{1,40}}[=:])"
_MAP = r"\bmap\[\w{1,40}:"
TRIGGERS = (r"\{[\s\"'\\]", r"\{\s?:?[A-Za-z_]\w*\s?[=:]", rf"(?i:(?:{_PERSONS})\w*[(\[]\w+[=:])", r"map\[")
"""Expressions, capitals as they are, one of which ends in every text that holds an object. They say too much, for what
counts repetitions costs more in the one scan of all texts (0.3 µs a span, 2026-11-21)."""

_BEGIN = re.compile(f"(?P<opening>(?=[{{]))(?:{_KEY_BEGINS}|{_BARE_KEY})|{_PRINTED}|{_MAP}".encode())
_KEY_BEFORE = re.compile(
    rb"(?:[\"'\\]{0,8}[ \t]{0,2}[=:>]{0,2}[ \t]{0,2}|[%#])[\"'\\]{0,8}(?P<key>[\w.-]{0,60}[A-Za-z])"
)
"""What an object is the value of, or its class, in the other direction."""
_LONGEST_BEFORE = 80
_NAME_BEFORE = re.compile(rb"(?:[A-Za-z_][\w.$]*)?[#%]?[(\[{]")
_TOKEN = re.compile(
    rb"""
      (?P<space>[\s,;]+)
    | (?P<quoted>\\{0,63}["'])
    | (?P<open>[%\#]?[{\[(] | \#?<(?=[A-Za-z_][\w.:]*[ ]))
    | (?P<close>[}\])])
    | (?P<word>:?[^\s,;{}\[\]()=:"'\\][^\s,;{}\[\]()=:\\]*)
    | (?P<other>.)
    """,
    re.VERBOSE | re.DOTALL,
)
_SEPARATOR = re.compile(rb"[ \t]*(?:=>|[:=])[ \t]*|\s*:\s+|(?<=[\"'])\s*:\s*")
_BARE_VALUE = re.compile(rb"[^,;{}\[\]()\"'\s]+(?:[ \t]+(?![\w.$-]+(?:=|:))[^,;{}\[\]()\"'\s]+)*")
_NOTHING = frozenset((b"null", b"None", b"nil", b"undefined", b"", b"<nil>", b"NULL"))
_NUMBER = re.compile(rb"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?")
_DEEPEST = 100


@dataclass(slots=True)
class _Level:
    """An open object or list: the keys around it, its pending key, the rule for all of it from `start` on."""

    path: str
    start: int
    rule: int | None
    key: str | None = None


@dataclass(frozen=True, slots=True)
class _Edit:
    start: int
    end: int
    rule: int
    kind: str


@dataclass(slots=True)
class _Object:
    """What an object turned out to be."""

    end: int
    is_whole: bool
    edits: list[_Edit] = field(default_factory=list)
    quote: bytes = b""


class EmbeddedJson:
    """Redacts objects within texts."""

    def __init__(self, positions: Positions) -> None:
        self._positions = positions

    def redacted(self, text: bytes, treated: Treated) -> bytes:
        """The text with what its objects hold under keys of the rules replaced.

        Raises: `Gone`, `OverBudget`.
        """
        if not any(bracket in text for bracket in (b"{", b"[", b"(")):
            return text
        pieces: list[bytes] = []
        at = 0
        while (begin := _BEGIN.search(text, at)) is not None:
            start = begin.start()
            key = _key_before(text, start) if begin["opening"] is not None else ""
            found = _Reader(self._positions, text, start, key).read()
            pieces += text[at:start], self._new(text, start, key, found, treated)
            at = found.end
        return b"".join((*pieces, text[at:])) if pieces else text

    def _new(self, text: bytes, start: int, key: str, found: _Object, treated: Treated) -> bytes:
        content = text[start : found.end]
        if found.is_whole and _is_json(content):
            # A text that is JSON from start to end has been read as such.
            return content if len(content.strip()) == len(text.strip()) else _json(content, key, treated)
        pieces: list[bytes] = []
        for edit in found.edits:
            pieces += text[start : edit.start], _replaced(text[edit.start : edit.end], edit, found.quote, treated)
            start = edit.end
        return b"".join((*pieces, text[start : found.end]))


def _key_before(text: bytes, start: int) -> str:
    before = _KEY_BEFORE.match(text[max(0, start - _LONGEST_BEFORE) : start][::-1])
    return before["key"][::-1].decode().rpartition(".")[2] if before else ""


def _json(content: bytes, key: str, treated: Treated) -> bytes:
    """JSON redacted, as the value of a key if there is one."""
    begin = b"{" + orjson.dumps(key) + b":"
    around = treated.text(begin + content + b"}") if key else b""
    return around[len(begin) : -1] if around.startswith(begin) else treated.text(content)


def _is_json(content: bytes) -> bool:
    if not content.startswith(b"{"):
        return False
    try:
        orjson.loads(content)
    except ValueError:
        return False
    return True


def _replaced(value: bytes, edit: _Edit, quote: bytes, treated: Treated) -> bytes:
    if edit.kind == "string":
        return _escaped(treated.value(edit.rule, value), quote)
    if _NUMBER.fullmatch(value):
        new = treated.json(edit.rule, value)
    elif edit.kind == "word":
        new = treated.json(edit.rule, orjson.dumps(value.decode("utf-8", "replace")))
    else:
        new = treated.json(edit.rule, b"{}")
    if not new.startswith(b'"'):
        return value
    text: str = orjson.loads(new)
    return value if text.encode() == value else quote + _escaped(text.encode(), quote) + quote


def _escaped(text: bytes, quote: bytes) -> bytes:
    """A text as it stands between quotes; placeholders and tokens are the same in and out of them."""
    if text.isalnum() or not quote:
        return text
    return text.replace(b"\\", b"\\" * len(quote) * 2).replace(quote[-1:], b"\\" * (2 * len(quote) - 1) + quote[-1:])


class _Reader:
    """Reads one object, from where it begins to where its bracket closes or the text ends; each byte once."""

    def __init__(self, positions: Positions, text: bytes, start: int, key: str) -> None:
        self._positions = positions
        self._text = text
        self._outside = key
        self._at = start
        self._levels: list[_Level] = []
        self._found = _Object(len(text), False)

    def read(self) -> _Object:
        while self._at < len(self._text):
            token = _TOKEN.match(self._text, self._at)
            assert token is not None
            start, self._at = self._at, token.end()
            match token.lastgroup:
                case "quoted":
                    self._string(token[0])
                case "open":
                    self._open(start, self._outside)
                case "close":
                    self._close()
                case "word":
                    self._word(start)
            if not self._levels and token.lastgroup != "word":
                self._found.end, self._found.is_whole = self._at, True
                return self._found
        while self._levels:
            self._close()
        return self._found

    def _string(self, opening: bytes) -> None:
        start = self._at
        end, self._at = _string_end(self._text, opening, start)
        if self._is_key(self._text[start:end].decode("utf-8", "replace")):
            self._found.quote = self._found.quote or opening
        elif end > start:
            self._value(start, end, "string")

    def _word(self, start: int) -> None:
        """A key, the name of what a bracket begins, or a value."""
        word = self._text[start : self._at]
        begins = _NAME_BEFORE.match(self._text, start)
        if begins and begins.end() > self._at and self._levels[-1:] != []:
            self._at = begins.end()
            self._open(start, "")
        elif begins and begins.end() > self._at:
            self._at = begins.end()
            self._open(start, word.decode("utf-8", "replace") if word != b"map" else "")
        elif not self._is_key(word.lstrip(b":").decode("utf-8", "replace")):
            more = _BARE_VALUE.match(self._text, start)
            if self._levels and self._levels[-1].key is not None and more is not None:
                self._at = max(self._at, more.end())
            self._value(start, self._at, "word")

    def _is_key(self, name: str) -> bool:
        """Whether a separator follows, so that this was the key of what comes next."""
        separator = _SEPARATOR.match(self._text, self._at) if self._levels else None
        if separator is None or self._levels[-1].rule is not None:
            return False
        self._at = separator.end()
        self._levels[-1].key = name
        return True

    def _path(self) -> str:
        level = self._levels[-1]
        if level.key is None:
            return level.path
        return f"{level.path}.{level.key}" if level.path else level.key

    def _rule(self) -> int | None:
        path = self._path()
        return self._positions.rule(path) if path else None

    def _value(self, start: int, end: int, kind: str) -> None:
        level = self._levels[-1] if self._levels else None
        if level is None or level.rule is not None:
            return
        rule = self._rule()
        if rule is not None and not (kind == "word" and self._text[start:end] in _NOTHING):
            self._found.edits.append(_Edit(start, end, rule, kind))
        level.key = None

    def _open(self, start: int, name: str) -> None:
        if len(self._levels) > _DEEPEST:
            raise OverBudget
        if not self._levels:
            self._levels.append(_Level(name, start, None))
            return
        outer = self._levels[-1]
        rule = None if outer.rule is not None else self._rule()
        self._levels.append(_Level(self._path(), start, -1 if outer.rule is not None else rule))
        outer.key = None

    def _close(self) -> None:
        level = self._levels.pop()
        if level.rule is not None and level.rule >= 0 and self._at > level.start + 2:
            self._found.edits.append(_Edit(level.start, self._at, level.rule, "whole"))


def _string_end(text: bytes, opening: bytes, start: int) -> tuple[int, int]:
    """Where a string's content ends and where its closing quote does; the text's end if it is never closed."""
    slashes = len(opening) - 1
    at = last = start
    while (at := text.find(opening[-1:], at)) >= 0:
        before = at - len(text[last:at].rstrip(b"\\")) - last
        at += 1
        # A backslash of the content takes twice as many as one more than a quote has.
        if before % (2 * slashes + 2) == slashes:
            return at - 1 - slashes, at
        if before < slashes:
            # The string around this one ends.
            return at - 1 - before, at - 1 - before
        last = at
    return len(text), len(text)
