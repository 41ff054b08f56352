"""How far a value reaches in running text: after a key (`patient_id=12345&…`), and in a path (`/patients/12345/…`)."""

import re
from typing import Literal

__all__ = ["Reach", "element_content", "field_content", "first_byte", "name_at", "path_segment", "value_after"]

Reach = Literal["word", "words", "name", "run", "line", "pairs", "never"]

_GAP = re.compile(rb"[ \t]{0,8}(?:=>|>)?[ \t]{0,8}")
_QUOTE = re.compile(rb"\\*([\"'])")
_BRACKETED = re.compile(rb"\[[^\]]*\]?|\{[^}]*\}?|\([^)]*\)?")
_WORD = rb"[^\s,;&|<>()\[\]{}\"'\\]+"
# A next word followed by = or : is the next key.
_NEXT = rb"(?![\w.-]+[=:])"
_NEXT_PAIR = re.compile(rb"[A-Za-z_]\w*=[\w\"']")
_NAME_PART = _WORD + rb"(?:'[A-Za-z\x80-\xff][A-Za-z\x80-\xff-]*)*"
_MORE = rb"[ \t]" + _NEXT + _NAME_PART
_CAPITALISED = rb"(?=[A-Z\xc3])" + _NEXT + _NAME_PART
_REACH = {
    "word": re.compile(_WORD),
    "words": re.compile(_WORD + rb"(?:[ \t]" + _NEXT + _WORD + rb")*"),
    # Quxington, Zorbla M.; Zorbla O'Quxington
    "name": re.compile(
        _NAME_PART + rb"(?:" + _MORE + rb"){0,2},[ \t]?" + _CAPITALISED + rb"(?:[ \t]" + _CAPITALISED + rb"){0,3}"
        rb"|" + _NAME_PART + rb"(?:" + _MORE + rb"){0,6}"
    ),
    "run": re.compile(rb"[^\s&\"'<>]*[^\s&\"'<>,;)\]}]"),
    "pairs": re.compile(_WORD),
    "line": re.compile(_WORD + rb"(?:,?[ \t]" + _NEXT + _WORD + rb")*"),
}
_NOTHING = re.compile(
    rb"(?i:null|none|nil|undefined|true|false|unknown|n/a|-+|\*+|\?+|%[sd]|\$\d|:[a-z_]+|[\[<]?(?:redacted|masked|hidden)[\]>]?|\{[a-z_.]*\})"
)
"""What stands in place of a value: nothing to hide."""


def value_after(text: bytes, at: int, reach: Reach) -> tuple[int, int] | None:
    """The value after a key and its `=` or `:`, quoted or not."""
    gap = _GAP.match(text, at)
    start = gap.end() if gap else at
    quote = _QUOTE.match(text, start)
    if quote:
        start, end = quote.end(), _closing(text, quote.end(), quote[0])
    else:
        found = (reach != "run" and _BRACKETED.match(text, start)) or _REACH[reach].match(text, start)
        if start > at and reach != "line" and _NEXT_PAIR.match(text, start):
            return None
        end = found.end() if found else start
    return (start, end) if end > start and not _NOTHING.fullmatch(text, start, end) else None


_ELEMENT = re.compile(rb"[ \t\r\n]*([^<>\s][^<>]*?)[ \t\r\n]*(?:<|$)")
_FIELD = re.compile(
    rb"[\"'][^<>\r\n]{0,100}?\bvalue=\\*[\"']([^\"'\r\n]+)"
    rb"|[\"'][^\r\n]{0,100}?(?:(?:\r?\n|\\r\\n)[^\r\n\\]{1,100}){0,3}(?:\r?\n|\\r\\n){2}([^\r\n\\]+)"
)


def element_content(text: bytes, at: int) -> tuple[int, int] | None:
    """The text of an XML element whose start tag ends at `at`."""
    return _group(_ELEMENT.match(text, at))


def field_content(text: bytes, at: int) -> tuple[int, int] | None:
    """The value of a form's field after its `name="…"`: in an HTML attribute, or after the empty line of a part."""
    return _group(_FIELD.match(text, at))


def _group(found: re.Match[bytes] | None) -> tuple[int, int] | None:
    """The range of the one group that took part, if it holds something to hide."""
    if found is None or found.lastindex is None or _NOTHING.fullmatch(found[found.lastindex]):
        return None
    return found.span(found.lastindex)


def _closing(text: bytes, start: int, quote: bytes) -> int:
    """Where the quoted value ends; at the end of the text if the quote is never closed."""
    at = text.find(quote, start)
    while at > 0 and len(quote) == 1 and text[at - 1 : at] == b"\\":
        at = text.find(quote, at + 1)
    return at if at >= 0 else len(text)


_CAPITAL = rb"(?:[A-Z]|\xc3[\x80-\x9e]|[\xc4\xc5][\x80-\xbf])"
_PARTICLE = rb"(?:da|de|do|das|dos|e|del|della|di|la|las|los|van|von|der|den|ter|y|bin|ibn|bint|abu|al|el|ben)"
_NAME_WORD = re.compile(
    rb"(?:(?:al|el|d|o|l)['-])?" + _CAPITAL + rb"(?:\.|(?:[A-Za-z\x80-\xff]|['-](?=[A-Za-z\x80-\xff]))*)"
)
_BETWEEN_NAMES = re.compile(rb"[.,]?[ \t](?:\"[A-Za-z]+\"[ ])?(?:" + _PARTICLE + rb"[ ]){0,2}")
_IN_WORD = re.compile(rb"[\w\x80-\xff]|[-.:/\\@](?=\w)|[=({\[]")
_MOST_NAME_WORDS = 6
_NO_NAME = re.compile(
    rb"(?i:mrn|ssn|dob|cpf|cns|rg|cep|ui|url|uri|db|sql|uuid|http|https|json|xml|fhir|hl7|ehr|emr|ok|portal|api|apis|service|services|record|records"
    rb"|registry|data|database|controller|repository|management|manager|monitor|monitoring|search|list|index|id|ids|identifier|number|name|names|not|is|was|has"
    rb"|had|will|with|without|for|from|to|in|on|at|of|and|or|the|a|an|no|new|created|updated|deleted|admitted|discharged|access|app|application|module"
    rb"|resource|bundle|summary|view|page|status|care|site|failover|safety|intake|flow|queue|event|events|count|table|model|dto|entity|client|server"
    rb"|gateway|lookup|merge|match|error|failed|failure|exception|info|warning|warn|debug|none|null|unknown|true|false|missing|invalid|version|type"
    rb"|process|thread|worker|task|job|file|path|host|port|key|value|email|phone|address|date|age|gender|sex|ward|room|visit|visits|portals|system"
    rb"|reports|presented|presents|states|denies|complains|seen|today|yesterday|has|this|that|these|please|thank|thanks|we|you|your|our|my|i|he|she|it|they"
    rb"|all|team|support|world|there|again|windows|update|updates|kernel|scheduler|amazon|google|microsoft|apache|control|plane|proxy|web|cloud|cluster|node|pod|default|root|administrator|sir|madam|customer|user|users|admin|information|info|details|history|first|last|full|diagnosis|medication|allergies|blood"
    rb"|where|join|inner|outer|left|right|order|group|by|limit|offset|set|values|select|insert|delete|using|having|union|returning"
    rb"|clinic|hospital|department|center|centre|health|medical|insurance|policy|account|profile|signature|notes?|address|contact"
    rb"|nome|n\xc3\xa3o|foi|est\xc3\xa1|com|sem|para|por|em|no|na|ao|os|as|um|uma|relata|apresenta|apresentou|refere|nega|idade|sexo|telefone|data|endere\xc3\xa7o)"
    rb"(?![\w\x80-\xff])"
)


def first_byte(text: bytes, end: int) -> int:
    """Where the character that ends at `end` begins."""
    return end - 2 if text[end - 1] >= 0x80 else end - 1


def name_at(text: bytes, at: int, least: int = 1) -> tuple[int, int] | None:
    """The capitalised words, `least` or more, that begin at `at`, up to one that is a word of software or sentences."""
    end = at
    count = 0
    place = at
    while count < _MOST_NAME_WORDS and (word := _NAME_WORD.match(text, place)):
        if (word[0][-1:] != b"." and _NO_NAME.match(text, place)) or _IN_WORD.match(text, word.end()):
            break
        end, count = word.end(), count + 1
        between = _BETWEEN_NAMES.match(text, end)
        if between is None:
            break
        place = between.end()
    return (at, end) if count >= least and end - at > 1 else None


_SEGMENT = re.compile(rb"[^\s/?#\"'<>,;()\[\]&|\\]+")
_NUMBERED = re.compile(rb".*[0-9@%].*", re.DOTALL)
_NUMBER = re.compile(rb"(?:[0-9]{3,}|[0-9a-fA-F]{8}-[0-9a-fA-F-]{27})(?![0-9A-Za-z]|\.(?:slice|service|scope)\b)")
_HOST = re.compile(rb"//[\w.-]*:$")
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
    if found is None or _WELL_KNOWN.fullmatch(found[0]) or _HOST.search(text, max(0, at - 60), at):
        return None
    if slash and (segments == "numbered" or not _in_path(text, at)) and not _NUMBERED.fullmatch(found[0]):
        return None
    return found.span()


def _in_path(text: bytes, at: int) -> bool:
    """Whether a slash stands before the collection word: `Patient/x` alone may be prose."""
    word = _LAST_WORD.search(text[max(0, at - 60) : at])
    return word is not None
