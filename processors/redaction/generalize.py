"""Values made less exact, as Safe Harbor allows: the year of a date, three digits of a ZIP code, a network.

Each takes a text, whether it was a number, and the present year, and returns the new text; None if it does not
understand the text, which must then not pass.
"""

import ipaddress
import re
from collections.abc import Callable

__all__ = ["GENERALIZE", "RESTRICTED_ZIP3"]

RESTRICTED_ZIP3 = frozenset(
    f"{zip3:03}"
    for zip3 in (36, 59, 63, 102, 203, 205, 369, 556, 692, 790, 821, 823, 830, 831, 878, 879, 884, 890, 893)
)
"""Beginnings of ZIP codes of 20,000 people or fewer, which must become 000: 45 CFR 164.514(b)(2)(i)(B). The union of
HHS's list (2000 census) and that of Microsoft's FHIR anonymizer (2010 census), as of August 2026; there was none of the
2020 census."""

_OLDEST = 89
_OVER_OLDEST = f"{_OLDEST + 1}+"
_EARLIEST_YEAR = 1850

_TIME = r"(?:[T ]\d{2}:?\d{2}(?::?\d{2}(?:[.,]\d+)?)?[ ]?(?:Z|[+-]\d{2}:?\d{2})?)?"
_HL7_TIME = r"(?:\d{2}(?:\d{2}(?:\d{2}(?:\.\d+)?)?)?(?:[+-]\d{4})?)?"
_MONTH = (  # English and Portuguese
    r"(?:jan|feb|fev|mar|apr|abr|may|mai|jun|jul|aug|ago|sep|set|oct|out|nov|dec|dez)[a-zç]{0,7}\.?"
)
_DATES = [
    re.compile(form, re.IGNORECASE | re.ASCII)
    for form in (
        rf"(?P<year>\d{{4}})(?:[-/.](?P<a>\d{{1,2}})(?:[-/.](?P<b>\d{{1,2}}){_TIME})?)?",
        rf"(?P<year>\d{{4}})(?P<a>\d{{2}})(?P<b>\d{{2}}){_HL7_TIME}",
        rf"(?P<a>\d{{1,2}})[-/.](?P<b>\d{{1,2}})[-/.](?P<year>\d{{4}}){_TIME}",
        rf"\d{{1,2}}(?:st|nd|rd|th|º)?[ -](?:of |de )?{_MONTH},?[ -](?:de )?(?P<year>\d{{4}})",
        rf"{_MONTH}[ ](?:\d{{1,2}}(?:st|nd|rd|th)?,?[ ])?(?:de )?(?P<year>\d{{4}})",
    )
]


def _year(text: str, is_number: bool, this_year: int) -> str | None:
    found = next((found for form in _DATES if (found := form.fullmatch(text)) and _is_date(found)), None)
    if found is None or not _EARLIEST_YEAR <= int(found["year"]) <= this_year + 1:
        return _OVER_OLDEST if text == _OVER_OLDEST else None
    # A year that far back shows an age that only the class of all over 89 may show.
    return _OVER_OLDEST if this_year - int(found["year"]) > _OLDEST else found["year"]


def _is_date(found: re.Match[str]) -> bool:
    """Whether one of the two numbers can be the month and the other the day, if it has them."""
    a, b = (int(found.groupdict().get(name) or 1) for name in "ab")
    return min(a, b) >= 1 and min(a, b) <= 12 and max(a, b) <= 31


_AGE = re.compile(r"(\d{1,3})(?:\.\d{1,6})?(?: ?(?:y|yo|yrs?|years?|years? old|a|anos?))?", re.IGNORECASE | re.ASCII)


def _age(text: str, is_number: bool, this_year: int) -> str | None:
    found = _AGE.fullmatch(text)
    if found is None:
        return _OVER_OLDEST if text == _OVER_OLDEST else None
    return _OVER_OLDEST if int(found[1]) > _OLDEST else str(int(found[1]))


_ZIP = re.compile(r"(\d{3})\d{2}(?:-?\d{4})?|(\d{3})", re.ASCII)


def _zip3(text: str, is_number: bool, this_year: int) -> str | None:
    if is_number and len(text) in (3, 4):
        text = text.zfill(5)  # An integer has lost the zeros; 00501 is the lowest ZIP code.
    found = _ZIP.fullmatch(text)
    beginning = (found[1] or found[2]) if found else None
    return "000" if beginning in RESTRICTED_ZIP3 else beginning


_WITH_PORT = re.compile(r"\[([0-9A-Fa-f:.%\w]+)\](?::\d{1,5})?|(\d+\.\d+\.\d+\.\d+):\d{1,5}", re.ASCII)


def _ip_network(text: str, is_number: bool, this_year: int) -> str | None:
    networks = [None if is_number else _network(part.strip()) for part in text.split(",")]
    return None if None in networks else ", ".join(filter(None, networks))


def _network(text: str) -> str | None:
    if with_port := _WITH_PORT.fullmatch(text):
        text = with_port[1] or with_port[2]
    address, _, length = text.partition("/")
    try:
        whole = ipaddress.ip_interface(f"{address.partition('%')[0]}{f'/{length}' if length else ''}")
    except ValueError:
        return None
    if isinstance(whole, ipaddress.IPv6Interface) and (inner := whole.ip.ipv4_mapped or whole.ip.sixtofour):
        return str(ipaddress.ip_network(f"{inner}/24", strict=False))
    most = 24 if whole.version == 4 else 48
    return str(ipaddress.ip_network(f"{whole.ip}/{min(whole.network.prefixlen, most)}", strict=False))


GENERALIZE: dict[str, Callable[[str, bool, int], str | None]] = {
    "year": _year,
    "age": _age,
    "zip3": _zip3,
    "ip_network": _ip_network,
}
"""By the names of `Treatment.generalize`."""
