"""Values that name one single thing, and values that name a sort of things."""

import pytest

from processors.cardinality.identifiers import looks_like_identifier

IDENTIFIERS = [
    "0e37df36-f698-11e6-8dd4-cb9ced3df976",
    "0E37DF36F69811E68DD4CB9CED3DF976",
    "4bf92f3577b34da6a3ce929d0e0e4736",
    "507f1f77bcf86cd799439011",
    "1732180000",
    "536-90-4399",
    "+1 517 555 0131",
    "jane.roe@example.org",
    "2026-11-21T09:00:00Z",
    "10.1.2.3",
    "10.1.2.3:50412",
    "fe80::1ff:fe23:4567:890a",
    "00:1b:44:11:3a:b7",
    "req_20481",
    "web-77f9c4d5b8-x2x9z",
    "/patients/4471203/records",
    "https://clinic.example/visit/20481?x=1",
    "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.c2lnbmF0dXJl",
    "x" * 257,
]
SORTS = [
    "", "GET", "200", "99.9", "/patients/{id}/records", "/api/v2/items", "eu-west-1", "payments", "feed", "deadbeef",
    "HTTP/1.1", "clinic.v1.Visits", "production", "true", "1.45.2", "gpt-4o", "Mozilla", "cache_miss", "12", "id-7",
]  # fmt: skip


@pytest.mark.parametrize("value", IDENTIFIERS)
def test_identifiers(value: str) -> None:
    """By their shape."""
    assert looks_like_identifier(value)


@pytest.mark.parametrize("value", SORTS)
def test_sorts(value: str) -> None:
    """Short words, versions, routes and codes."""
    assert not looks_like_identifier(value)
