"""Exceptions as text: what they quote are values, and goes; types, frames and names of the program stay."""

import re
from collections.abc import Iterator

__all__ = ["TRIGGERS", "exception_values"]

_SAYS_SO = (
    r"(?:error|exception|failure|fault|warning|panic): "
    r"|failing row contains \(|\)=\(|duplicate (?:key|entry)|for input string|invalid (?:input|literal|value)"
)
TRIGGERS = (_SAYS_SO,)
"""Expressions, without regard to capitals, one of which ends in every text with a line that is a message."""

_MESSAGE = re.compile(_SAYS_SO.encode(), re.IGNORECASE)
_FRAME = re.compile(
    rb"""
      [ \t]*File\ "[^"\n]*",\ line\ \d+
    | [ \t]+at\ [^\n]*[):\d]
    | [ \t]*(?:from\ )?[^\s:'"]+:\d+:in\ [`']
    | [ \t]*\.\.\.\ \d+\ (?:more|common)
    | Traceback\ \(most\ recent
    | goroutine\ \d+\ \[
    | [ \t]+[^\s:'"]+\.[a-z]{1,5}:\d+
    """,
    re.VERBOSE,
)
_PYTHON_FRAME = re.compile(rb'[ \t]*File "[^"\n]*", line \d+')
_QUOTED = re.compile(
    rb"""
      (?<![\w'])(?:[bru]{0,2})'(?P<single>(?:[^'\\\n]|\\.|(?<=\w)'(?=\w))*)'(?!\w)
    | (?<![\w"])"(?P<double>(?:[^"\\\n]|\\.)*)"
    | (?<!\w)`(?P<back>[^`'\n]*)[`']
    | \)=\((?P<row>[^\n]*(?=\))|[^\n]*)
    | (?:row\ contains|key\ value\ is)\ \((?P<contains>[^\n]*(?=\))|[^\n]*)
    """,
    re.VERBOSE | re.IGNORECASE,
)
_NAMES_PROGRAM = re.compile(
    rb"(?i:attribute|module|module named|column|relation|table|constraint|index|key|type|types|class|function|method"
    rb"|argument|parameter|object|bean|bean named|bean of type|schema|database|operator|import name|variable|property"
    rb"|header|option|command|codec|encoding|struct|interface|package|trait"
    rb"|symbol|token|near|name|and|of|from)[ :]{1,2}$"
)
_TAKES_VALUES = re.compile(
    rb"(?i:KeyError|input string|invalid literal[^\n]{0,40}|duplicate entry|invalid input[^\n]{0,40}|"
    rb"invalid value|unknown|not found|no such|could not convert[^\n]{0,40}|does not match format)[: ]{1,3}[bru]{0,2}$"
)
_IDENTIFIER = re.compile(rb"[A-Za-z_$][A-Za-z_$]*\d{0,2}(?:(?:[.:$/-]|::)[A-Za-z_$]+\d{0,2})*(?:\(\)|\[\])?")
_TYPE = rb"[a-z][\w.$<>\[\]]{0,99}"
_SIGNATURE = re.compile(
    rb"(?:" + _TYPE + rb" ){0,3}[A-Za-z_$][\w.$<>]{0,199}\((?:" + _TYPE + rb"(?:, ?" + _TYPE + rb"){0,20})?\)"
)
"""Of a method, as Java prints it: `int java.lang.String.length()`."""
_HARMLESS = re.compile(
    rb"""
      [a-z_$][\w$]{0,60} | [A-Z][A-Z0-9_]{1,40} | (?:[A-Z]?[a-z]+[A-Z]\w*)
    | [\w$.:/\\~@*?&=%+<>{}\[\]()#;!|^-]*[./\\:_=<>{}()\[\]*][\w$.:/\\~@*?&=%+<>{}\[\]()#;!|^-]*
    | [0-9a-fA-F-]{8,} | v?[\d.]+ | \W* | \[[\w ]+\]
    """,
    re.VERBOSE,
)
_LONGEST_NAME = 200
_NUMBER = re.compile(rb"[\d.-]*\d{5,}[\d.-]*")


def exception_values(text: bytes, *, whole: bool) -> Iterator[tuple[int, int]]:
    """The ranges of values that an exception quotes. `whole`: the text is one; else only lines that say so are."""
    if not whole and _MESSAGE.search(text) is None:
        return
    at = 0
    after_frame = False
    for line in text.split(b"\n"):
        if not _FRAME.match(line) and not (after_frame and line.startswith(b"    ")):
            first = 0 if whole else _begin(line)
            if first >= 0:
                yield from ((at + start, at + end) for start, end in _values(line, first, whole=whole))
        after_frame = _PYTHON_FRAME.match(line) is not None
        at += len(line) + 1


def _begin(line: bytes) -> int:
    said = _MESSAGE.search(line)
    return -1 if said is None else said.start()


def _values(line: bytes, first: int, *, whole: bool) -> Iterator[tuple[int, int]]:
    for quoted in _QUOTED.finditer(line, first):
        kind = quoted.lastgroup or "single"
        start, end = quoted.span(kind)
        if start == end:
            continue
        if kind in ("row", "contains") or not _is_name(line, quoted.start(), quoted.end(), quoted[kind], whole=whole):
            yield start, end


def _is_name(line: bytes, start: int, end: int, content: bytes, *, whole: bool) -> bool:
    """Whether what is quoted is a name of the program rather than a value."""
    before = line[max(0, start - 60) : start]
    if len(content) > _LONGEST_NAME or _TAKES_VALUES.search(before):
        return False
    if _IDENTIFIER.fullmatch(content) and (_NAMES_PROGRAM.search(before) or line[end : end + 7] == b" object"):
        return True
    if _SIGNATURE.fullmatch(content) and before.endswith(b"method "):
        return True
    if whole:
        return False
    return bool(_HARMLESS.fullmatch(content)) and not _NUMBER.fullmatch(content)
