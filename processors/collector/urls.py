"""URLs with `*` for every path segment that looks like an id, and without query and fragment.

The Collector asks a table of letter pairs whether a segment of letters is a word. Here it is one if it has vowels and
no long run of consonants.
"""

import re

__all__ = ["sanitized", "sanitized_within"]

_MOST_SEGMENTS = 10
_QUERY = re.compile(rb"[?&#]")
_LETTERS = re.compile(rb"[A-Za-z._ -](?:.[A-Za-z._ -]*)?", re.DOTALL)
_WORDS = re.compile(rb"[A-Za-z]{4,}")
_CONSONANTS = re.compile(rb"[bcdfghjklmnpqrstvwxz]{5,}")
_VOWEL = re.compile(rb"[aeiouy]")
_ABBREVIATIONS = frozenset((b"http", b"https", b"html", b"xhtml", b"grpc", b"dhcp", b"smtp", b"mqtt", b"fhir", b"mllp"))
_URL = re.compile(rb"(?:\b[a-zA-Z][a-zA-Z0-9+.-]*:/|(?<![\w/*<]))/[^\s\"'<>]+")


def sanitized(url: bytes) -> bytes:
    """A URL, a path, or a method and one of them."""
    path = _QUERY.split(url, maxsplit=1)[0]
    segments = path.split(b"/")[:_MOST_SEGMENTS]
    return b"/".join(segment if _is_word(segment) else b"*" for segment in segments)


def sanitized_within(text: bytes) -> bytes:
    """A text with every URL and path in it sanitized."""
    return _URL.sub(lambda url: sanitized(url[0]), text)


def _is_word(segment: bytes) -> bool:
    """Nothing; or letters and `-_. `, of which the second character may be another, as in `v1`."""
    if not segment:
        return True
    return _LETTERS.fullmatch(segment) is not None and not any(map(_is_gibberish, _WORDS.findall(segment.lower())))


def _is_gibberish(word: bytes) -> bool:
    return word not in _ABBREVIATIONS and (_VOWEL.search(word) is None or _CONSONANTS.search(word) is not None)
