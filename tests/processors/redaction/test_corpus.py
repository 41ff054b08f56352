"""How much of made-up people's data comes out of texts, by class, and how often clean lines are touched."""

from collections import Counter

import pytest

from processors.redaction.engine import Engine
from processors.redaction.rules import PACKS, shipped_pack
from tests.processors.redaction.clean_lines import clean_lines
from tests.processors.redaction.corpus import Document, documents, leaked, pieces
from wire.redact import SCAN

SEED = 20261121
LEAST_RECALL = 0.97
"""Of the letters and digits of each class; the packs reach 1.0 or a little less (2026-11-21)."""


@pytest.fixture(scope="module")
def engine() -> Engine:
    """All packs."""
    return Engine([rule for name in (*PACKS, "base") for rule in shipped_pack(name).rules], 2**20, 32)


def after(engine: Engine, text: str) -> str:
    return (engine.document(text.encode(), SCAN, 0, []) or b"").decode()


def test_recall_by_class(engine: Engine) -> None:
    """Nearly all of every class goes, in every kind of text."""
    total: Counter[str] = Counter()
    lost: Counter[str] = Counter()
    for document in documents(each=4, seed=SEED):
        text = after(engine, document.text)
        for kind, value in document.hidden:
            total[kind] += sum(map(len, pieces(value)))
            lost[kind] += leaked(value, document, text)
    recall = {kind: 1 - lost[kind] / total[kind] for kind in total}
    assert {kind: share for kind, share in recall.items() if share < LEAST_RECALL} == {}


def test_clean_lines_of_programs(engine: Engine) -> None:
    """At most one false redaction in a thousand lines."""
    lines = clean_lines(2000, SEED)
    touched = [line for line in lines if after(engine, line) != line]
    assert len(touched) <= len(lines) // 1000, touched[:5]


def test_leaks_are_seen() -> None:
    """The measure itself: what stays counts, what the text says anyway does not."""
    document = Document("mail to name name@example.org", (("email", "name@example.org"),))
    assert leaked("name@example.org", document, "mail to name name@example.org") == len("nameexampleorg")
    assert leaked("name@example.org", document, "mail to name [email]") == 0
