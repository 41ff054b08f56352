"""Names that a setting means."""

import pytest

from processors.cardinality.names import ALWAYS_DROP, NEVER_DROP, matcher


@pytest.mark.parametrize(
    ("pattern", "fits", "fits_not"),
    [
        ("user.id", ["user.id"], ["user_id", "user.id.x", "User.id", "x.user.id"]),
        ("user.*", ["user.id", "user."], ["user", "superuser.id"]),
        ("user?id", ["user_id"], ["user__id"]),
        ("x[ab]", ["xa"], ["xc", "x[ab]"]),
        ("/uuid$/", ["uuid", "device.uuid"], ["uuid.kind"]),
        ("/^a.c/", ["abc", "abcd"], ["xabc"]),
        ("/", ["/"], ["a"]),
    ],
)
def test_patterns(pattern: str, fits: list[str], fits_not: list[str]) -> None:
    """Globs mean the whole name, regular expressions any part; case matters in both."""
    means = matcher([pattern])
    assert [name for name in fits + fits_not if means(name)] == fits


def test_none() -> None:
    """An empty list means nothing."""
    assert not matcher([])("a")


def test_lists_to_begin_with() -> None:
    """No name of one list is meant by the other."""
    always, never = matcher(ALWAYS_DROP), matcher(NEVER_DROP)
    assert [name for name in NEVER_DROP if always(name)] == []
    assert [name for name in ALWAYS_DROP if never(name)] == []
