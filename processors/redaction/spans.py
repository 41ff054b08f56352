"""How far a value reaches in running text: after a key (`patient_id=12345&…`), and in a path (`/patients/12345/…`)."""

import re
from typing import Literal

__all__ = ["name_at", "path_segment", "value_after"]

_GAP = re.compile(rb"[ \t]{0,8}(?:=>|>)?[ \t]{0,8}")
_QUOTE = re.compile(rb"\\*([\"'])")
_BRACKETED = re.compile(rb"\[[^\]]*\]?|\{[^}]*\}?|\([^)]*\)?")
_WORD = rb"[^\s,;&|<>()\[\]{}\"'\\]+"
# A next word followed by = or : is the next key.
_NEXT = rb"(?![\w.-]+[=:])"
_REACH = {
    "word": re.compile(_WORD),
    "words": re.compile(_WORD + rb"(?:[ \t]+" + _NEXT + _WORD + rb")*"),
    "line": re.compile(_WORD + rb"(?:,?[ \t]+" + _NEXT + _WORD + rb")*"),
}
_NOTHING = re.compile(
    rb"(?i:null|none|nil|undefined|true|false|unknown|n/a|-+|\*+|\?+|%[sd]|\$\d|:[a-z_]+|[\[<]?(?:redacted|masked|hidden)[\]>]?|\{[a-z_.]*\})"
)
"""What stands in place of a value: nothing to hide."""


def value_after(text: bytes, at: int, reach: Literal["word", "words", "line", "never"]) -> tuple[int, int] | None:
    """The value after a key and its `=` or `:`, quoted or not."""
    gap = _GAP.match(text, at)
    start = gap.end() if gap else at
    quote = _QUOTE.match(text, start)
    if quote:
        start, end = quote.end(), _closing(text, quote.end(), quote[0])
    else:
        found = _BRACKETED.match(text, start) or _REACH[reach].match(text, start)
        end = found.end() if found else start
    return (start, end) if end > start and not _NOTHING.fullmatch(text, start, end) else None


def _closing(text: bytes, start: int, quote: bytes) -> int:
    """Where the quoted value ends; at the end of the text if the quote is never closed."""
    at = text.find(quote, start)
    while at > 0 and len(quote) == 1 and text[at - 1 : at] == b"\\":
        at = text.find(quote, at + 1)
    return at if at >= 0 else len(text)


_NAME = re.compile(
    rb"[A-Z\xc3][\w'\x80-\xff-]*"
    rb"(?:,?[ ](?:(?:da|de|do|das|dos|e|del|la|van|von|der|bin|al)[ ]){0,2}[A-Z\xc3][\w'.\x80-\xff-]*){0,5}"
)
_NO_NAME = re.compile(
    rb"((?i:mrn|ssn|dob|ui|url|uri|db|sql|uuid|http|json|xml|fhir|hl7|ehr|emr|ok|portal|api|apis|service|services|record|records|registry|data|database|controller|repository"
    rb"|management|manager|monitor|monitoring|search|list|index|id|ids|identifier|number|name|not|is|was|has|had|with|without|for|from|to|in|on|at|of|and"
    rb"|or|the|a|an|no|new|created|updated|deleted|admitted|discharged|access|app|application|module|resource|bundle|summary|view|page|status"
    rb"|care|site|failover|safety|intake|flow|queue|event|events|count|table|model|dto|entity|client|server|gateway|lookup|merge|match))(?![\w\x80-\xff])"
)


def name_at(text: bytes, at: int) -> tuple[int, int] | None:
    """The capitalised words that begin at the letter before `at`, unless they are words of software or of sentences."""
    found = _NAME.match(text, at - 1)
    return found.span() if found and not _NO_NAME.match(text, at - 1) else None


_SEGMENT = re.compile(rb"[^\s/?#\"'<>,;()\[\]&|\\]+")
_NUMBERED = re.compile(rb".*[0-9@%].*", re.DOTALL)
_NUMBER = re.compile(rb"[0-9]{3,}|[0-9a-fA-F]{8}-[0-9a-fA-F-]{27}")
_LAST_WORD = re.compile(rb"/[\w.-]+/$")
_WELL_KNOWN = re.compile(
    rb"(?i:\{[a-z_.:]*\}|%7b[a-z_]*%7d|\*+|[:$_][a-z_-]+|v\d{1,2}"
    rb"|[a-z_-]+\.(py|java|js|jsx|ts|tsx|go|rb|exs?|erl|cs|php|kt|scala|c|cpp|h|jar|class)(:\d{1,5}){0,2}"
    rb"|search|list|all|new|create|edit|update|delete|count|export|import|batch|bulk|status|health|summary|stats|me|current|self|login|logout"
    rb"|register|validate|verify|merge|match|lookup|find|query|index|metadata|schema|history|recent|active|records?|profiles?|appointments?"
    rb"|visits?|encounters?|claims?|orders?|results?|notes?|documents?|messages?|notifications?|settings|reports?|labs?|medications?|allergies"
    rb"|prescriptions?|observations?|immunizations?|conditions?|procedures?|vitals|billing|payments?|contacts?|consents?|patients?|members?"
    rb"|users?|accounts?|admin|api|service|services|app|module|controllers?|models?|views?|routes?|handlers?|tests?|families|staff|providers?)"
)


def path_segment(text: bytes, at: int, segments: Literal["any", "numbered"]) -> tuple[int, int] | None:
    """The id after a collection word and a separator; after anything but a slash only numbers and UUIDs are ids."""
    slash = text[at - 1 : at] == b"/"
    found = (_SEGMENT if slash else _NUMBER).match(text, at)
    if found is None or _WELL_KNOWN.fullmatch(found[0]):
        return None
    if slash and (segments == "numbered" or not _in_path(text, at)) and not _NUMBERED.fullmatch(found[0]):
        return None
    return found.span()


def _in_path(text: bytes, at: int) -> bool:
    """Whether a slash stands before the collection word: `Patient/x` alone may be prose."""
    word = _LAST_WORD.search(text[max(0, at - 60) : at])
    return word is not None
