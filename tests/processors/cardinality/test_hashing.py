"""Keyed hashes of values and series."""

from processors.cardinality.hashing import Key, new_key


def test_digests() -> None:
    """Eight bytes, the same under one key and others under another."""
    key = Key(b"k" * 16)
    assert key.digest(b"a") == Key(b"k" * 16).digest(b"a")
    assert len({key.digest(b"a"), key.digest(b"b"), Key(new_key()).digest(b"a")}) == 3
    assert len(key.digest(b"a")) == 8


def test_identities() -> None:
    """Parts are told apart, whatever they contain, and so are series of different sources."""
    key = Key(b"k" * 16)
    identities = [key.identity(*parts) for parts in ((b"a", b"b"), (b"ab", b""), (b"", b"ab"), (b"a",))]
    assert len({identity.number for identity in identities}) == 4
    assert len({identity.series([b"x"]) for identity in identities}) == 4
    assert identities[0].series([b"x", b"y"]) == key.identity(b"a", b"b").series([b"x", b"y"])
