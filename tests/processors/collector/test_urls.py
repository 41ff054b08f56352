"""URLs without ids."""

import pytest

from processors.collector.urls import sanitized, sanitized_within


@pytest.mark.parametrize(
    ("url", "left"),
    [
        ("", ""),
        ("123", "*"),
        ("/**", "/*"),
        ("/u/2", "/u/*"),
        ("/v1/products/22j", "/v1/products/*"),
        ("/products//org/3", "/products//org/*"),
        ("/users/fdklsd/j4elk/23993/job/2", "/users/*/j4elk/*/job/*"),
        ("/api/hello.world/user_space/", "/api/hello.world/user_space/"),
        ("GET /api/cart?sessionId=55f4", "GET /api/cart"),
        ("HTTP GET", "HTTP GET"),
        ("/a#b", "/a"),
        ("?", ""),
        ("/a/b/c/d/e/f/g/h/i/j", "/a/b/c/d/e/f/g/h/i"),
        ("/p/Jos\u00e9", "/p/*"),
    ],
)
def test_sanitized(url: str, left: str) -> None:
    """Ids are `*`, query and fragment go, nine segments stay."""
    assert sanitized(url.encode()).decode() == left


def test_within_a_text() -> None:
    """Prose stays; URLs and paths are found in it."""
    text = b'asked "/patients/12" and 1/2 of https://example.org/users/7?a=b, </b>'
    assert sanitized_within(text) == b'asked "/patients/*" and 1/2 of *//example.org/users/* </b>'
