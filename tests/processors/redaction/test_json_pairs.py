"""Pairs leave JSON text without a trace of them, and leave JSON."""

import json

from hypothesis import given
from hypothesis import strategies as st

from processors.redaction.json_pairs import without_pair

KEYS = st.dictionaries(st.text('ab"\\,: ', max_size=4), st.booleans(), max_size=6)


@given(KEYS, st.sampled_from([None, 1]), st.sampled_from(["", " ", "\n "]))
def test_any_pairs_can_go(keys: dict[str, bool], indent: int | None, value: str) -> None:
    """One, some or all, whatever stands in the keys."""
    text = json.dumps({key: ["gone" if gone else "stays", value] for key, gone in keys.items()}, indent=indent).encode()
    pieces, at, found = [], 0, 0
    for gone in keys.values():
        start = text.index(b"[", found)
        end = text.index(b"]", start) + 1
        found = end
        if gone:
            left, begin, stop = without_pair(text, at, start, end)
            pieces += [text[at:begin], left]
            at = stop
    after = b"".join([*pieces, text[at:]])
    assert json.loads(after) == {key: ["stays", value] for key, gone in keys.items() if not gone}


def test_pair_whose_key_was_rewritten() -> None:
    """Its value becomes null."""
    assert without_pair(b'{"a": 1}', 4, 6, 7) == (b"null", 6, 7)
