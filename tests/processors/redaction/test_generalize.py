"""Values made less exact; what is not understood does not pass."""

import ipaddress
from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from processors.redaction.generalize import GENERALIZE, RESTRICTED_ZIP3

NOW = 2026


@pytest.mark.parametrize(
    ("text", "year"),
    [
        ("1980-03-05", "1980"),
        ("1980-03-05T10:22:01.5Z", "1980"),
        ("1980-03-05 10:22:01 -03:00", "1980"),
        ("1980/3/5", "1980"),
        ("1980-03", "1980"),
        ("1980", "1980"),
        ("05/03/1980", "1980"),
        ("25/03/1980", "1980"),
        ("03/25/1980", "1980"),
        ("5.3.1980", "1980"),
        ("19790206", "1979"),
        ("197902061022", "1979"),
        ("19790206102201.123-0300", "1979"),
        ("March 5, 1980", "1980"),
        ("5 Mar 1980", "1980"),
        ("5 de março de 1980", "1980"),
        ("05-MAR-1980", "1980"),
        ("March 1980", "1980"),
        ("2027-01-01", "2027"),
        ("1937-12-31", "1937"),
        ("1936-01-01", "90+"),
        ("1901", "90+"),
        ("90+", "90+"),
    ],
)
def test_year_of_a_date(text: str, year: str) -> None:
    """In the common forms; one that shows an age over 89 is in the one class for those."""
    assert GENERALIZE["year"](text, False, NOW) == year


@pytest.mark.parametrize(
    "text",
    [
        "",
        "05/03/80",
        "25/25/1980",
        "1980-13-13",
        "1980-00-05",
        "19801350",
        "05031980",
        "318211200",
        "2028-01-01",
        "yesterday",
        "1980-03-05 in ward 3",
        "１９８０",
        "1799-01-01",
        "1980-03-05T10:22 extra",
        "45",
        "-1980",
    ],
)
def test_what_is_no_date(text: str) -> None:
    """Two-digit years, impossible months, epochs, words, the far future."""
    assert GENERALIZE["year"](text, False, NOW) is None


@pytest.mark.parametrize(
    ("text", "age"),
    [
        ("45", "45"),
        ("089", "89"),
        ("89.5", "89"),
        ("90", "90+"),
        ("104 years", "90+"),
        ("45y", "45"),
        ("7 anos", "7"),
        ("90+", "90+"),
        ("1980", None),
        ("-4", None),
        ("18 months", None),
        ("", None),
    ],
)
def test_age(text: str, age: str | None) -> None:
    """Up to 89 it stays."""
    assert GENERALIZE["age"](text, True, NOW) == age


@pytest.mark.parametrize(
    ("text", "is_number", "expected"),
    [
        ("90210", False, "902"),
        ("90210-1234", False, "902"),
        ("902101234", False, "902"),
        ("03601", False, "000"),
        ("036", False, "000"),
        ("902", False, "902"),
        ("2139", True, "021"),
        ("501", True, "005"),
        ("2139", False, None),
        ("01310-100", False, None),
        ("38.91234", True, None),
        ("12 Canary Lane", False, None),
    ],
)
def test_zip3(text: str, is_number: bool, expected: str | None) -> None:
    """Three digits, or 000 where few people live; an integer gets its zeros back."""
    assert GENERALIZE["zip3"](text, is_number, NOW) == expected


def test_restricted_zips() -> None:
    """The union of the two lists."""
    assert len(RESTRICTED_ZIP3) == 19
    assert all(GENERALIZE["zip3"](f"{zip3}77", False, NOW) == "000" for zip3 in RESTRICTED_ZIP3)


@pytest.mark.parametrize(
    ("text", "network"),
    [
        ("203.0.113.7", "203.0.113.0/24"),
        ("203.0.113.7:443", "203.0.113.0/24"),
        ("203.0.113.7/32", "203.0.113.0/24"),
        ("203.0.113.0/24", "203.0.113.0/24"),
        ("10.0.0.0/8", "10.0.0.0/8"),
        ("2001:db8:1:2::7", "2001:db8:1::/48"),
        ("[2001:db8:1:2::7]:443", "2001:db8:1::/48"),
        ("fe80::1%eth0", "fe80::/48"),
        ("::ffff:203.0.113.7", "203.0.113.0/24"),
        ("2002:cb00:7107::1", "203.0.113.0/24"),
        ("203.0.113.7, 198.51.100.9", "203.0.113.0/24, 198.51.100.0/24"),
        ("203.0.113.7, unknown", None),
        ("203.0.113", None),
        ("203.0.113.07", None),
        ("", None),
        ("db.internal", None),
    ],
)
def test_ip_network(text: str, network: str | None) -> None:
    """/24 and /48; IPv4 within IPv6 is IPv4."""
    assert GENERALIZE["ip_network"](text, False, NOW) == network


def test_number_is_no_address() -> None:
    """An integer could be one, and anything else."""
    assert GENERALIZE["ip_network"]("3405803783", True, NOW) is None


@given(st.dates(date(1850, 1, 1), date(NOW, 12, 31)), st.sampled_from(["%Y-%m-%d", "%d/%m/%Y", "%m/%d/%Y", "%Y%m%d"]))
def test_dates_never_pass(day: date, form: str) -> None:
    """The year is all there is."""
    expected = "90+" if NOW - day.year > 89 else str(day.year)
    assert GENERALIZE["year"](day.strftime(form), False, NOW) == expected


@given(st.ip_addresses())
def test_addresses_never_pass(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> None:
    """The result is a network that is large enough."""
    network = ipaddress.ip_network(str(GENERALIZE["ip_network"](str(address), False, NOW)))
    assert network.prefixlen <= (24 if network.version == 4 else 48)


@given(st.sampled_from(list(GENERALIZE)), st.text(max_size=20) | st.from_regex(r"[0-9./:-]{1,20}", fullmatch=True))
def test_twice_is_once(name: str, text: str) -> None:
    """Whatever was made less exact stays as it is; whatever the text, nothing fails."""
    once = GENERALIZE[name](text, False, NOW)
    assert once is None or GENERALIZE[name](once, False, NOW) == once
