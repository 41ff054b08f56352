"""Takes the literals out of SQL and leaves its shape: `WHERE ssn = '536-90-4399' LIMIT 5` → `WHERE ssn = ? LIMIT ?`.

Which dialect it is does not show. Where they differ, what is a literal in any of them goes: with and without escapes by
backslash, and text in double quotes wherever a literal may stand and it does not look like a name.
"""

import re
from collections.abc import Iterator

__all__ = ["without_literals"]


def _tokens(escapes: bytes) -> re.Pattern[bytes]:
    """Literals (named groups), comments, names and words, in this order. A quote never closed takes the rest."""
    return re.compile(
        rb"""
          (?P<literal>
              \b[nN]?[qQ]'(?:\[.*?(?:\]'|$)|\{.*?(?:\}'|$)|\(.*?(?:\)'|$)|<.*?(?:>'|$)|(?P<q>[^\s\w]).*?(?:(?P=q)'|$))
            | \b[eE]'(?:[^'\\]|''|\\.)*(?:'|$)
            | (?:\b[nNbBxX]|\b[uU]&|\b_\w+[ ]?)?'(?:[^'%(escapes)s]|''%(escaped)s)*(?:'|$)
            | \$(?P<tag>[^\W\d]?\w*)\$.*?(?:\$(?P=tag)\$|$)
            | (?<![\w$.:@?])[-+]?(?:\d+(?:\.\d*)?[eE][-+]?\d+|\d[\w.]*|\.\d[\w.]*)
          )
        | (?P<double>"(?:[^"%(escapes)s]|""%(escaped)s)*(?:"|$))
        | (?P<comment>--[^\n]* | /\*.*?(?:\*/|$) | (?:^|(?<=[\s;]))\#(?=\s)[^\n]*)
        | `[^`]*`? | \[[A-Za-z_][\w ]*\]
        | (?P<word>[\w$@:]+)
        | (?P<sign>[^\s\w])
        """
        % {b"escapes": escapes, b"escaped": rb"|\\." if escapes else b""},
        re.VERBOSE | re.DOTALL,
    )


_WITH_ESCAPES, _WITHOUT = _tokens(rb"\\"), _tokens(b"")
_NAME = re.compile(rb'"[A-Za-z_][\w$ ]*"')
_COMPARES = frozenset((b"=", b"<", b">", b"!", b"~", b"|"))
_BEFORE_LITERAL = frozenset(
    (
        b"like",
        b"ilike",
        b"rlike",
        b"regexp",
        b"between",
        b"values",
        b"value",
        b"then",
        b"else",
        b"when",
        b"glob",
        b"match",
    )
)
_LISTS = frozenset((b"values", b"value", b"in", b"concat", b"any", b"all"))
_WORD = re.compile(rb"\w")
_QUOTED = re.compile(rb"\w{0,20}&?[ ]?['\"]")
_Range = tuple[int, int, bytes]


def without_literals(text: bytes) -> tuple[bytes, int]:
    """The statement with `?` for every literal, and how many there were. Comments go, too: they may hold anything."""
    ranges = list(_gone(text, _WITH_ESCAPES))
    if b"\\'" in text or b'\\"' in text:
        ranges = _likelier(text, ranges, list(_gone(text, _WITHOUT)))
    pieces: list[bytes] = []
    at = 0
    for start, end, mark in ranges:
        pieces += text[at:start], mark
        at = end
    return b"".join((*pieces, text[at:])), len(ranges)


def _likelier(text: bytes, *readings: list[_Range]) -> list[_Range]:
    """The one reading that makes sense; where that is not clear, what goes in either."""
    sensible = [ranges for ranges in readings if not any(_runs_on(text, *one) for one in ranges)]
    return sensible[0] if len(sensible) == 1 else _union(sorted(one for ranges in readings for one in ranges))


def _runs_on(text: bytes, start: int, end: int, mark: bytes) -> bool:
    """Whether a literal in quotes has no end, or a word right after it."""
    quote = text[end - 1 : end]
    if not mark or (quote not in (b"'", b'"') and end < len(text)) or not _QUOTED.match(text, start):
        return False
    return end - start == 1 or quote not in (b"'", b'"') or _WORD.match(text, end) is not None


def _union(ranges: list[_Range]) -> list[_Range]:
    united: list[_Range] = []
    for start, end, mark in ranges:
        if united and start < united[-1][1]:
            first, last, before = united[-1]
            united[-1] = (first, max(last, end), before or mark)
        else:
            united.append((start, end, mark))
    return united


def _gone(text: bytes, tokens: re.Pattern[bytes]) -> Iterator[_Range]:
    """The ranges that go, and what takes their place."""
    before = word = b""
    lists: list[bool] = []
    for token in tokens.finditer(text):
        match token.lastgroup:
            case "comment":
                yield *token.span(), b""
                continue
            case "literal" | "q" | "tag":
                yield *token.span(), b"?"
            case "double" if _is_literal(text, token, before, bool(lists and lists[-1])):
                yield *token.span(), b"?"
            case "word":
                word = token[0].lower()
            case "sign" if token[0] == b"(":
                lists.append(before in _LISTS or (before in (b"(", b",") and _in_values(word, lists)))
            case "sign" if token[0] == b")" and lists:
                lists.pop()
        before = token[0].lower() if token.lastgroup in ("word", "sign") else b'"'


def _in_values(word: bytes, lists: list[bool]) -> bool:
    """Whether a bracket opens another row of values."""
    return bool(word in _LISTS or (lists and lists[-1]))


def _is_literal(text: bytes, token: re.Match[bytes], before: bytes, in_list: bool) -> bool:
    """Whether a text in double quotes is one, or a name."""
    start, end = token.span()
    if text[end : end + 1] == b"." or text[start - 1 : start] == b".":
        return False
    if in_list or before in _COMPARES or before in _BEFORE_LITERAL or not token[0].endswith(b'"'):
        return True
    return before != b"as" and not _NAME.fullmatch(token[0])
