"""Texts as redaction leaves them, with all rules that come with Telescrub."""

from functools import cache

from processors.redact_phi import RedactPhiSettings
from processors.redaction.engine import Engine

__all__ = ["after", "engine", "rules_of"]


@cache
def engine() -> Engine:
    """One for all tests: compiling all rules takes seconds."""
    return Engine(RedactPhiSettings().effective_rules(), 2**20, 32)


def after(text: str) -> str:
    """What becomes of a text that stands alone."""
    left = engine().document(text.encode(), 0, 0, [])
    assert left is not None
    return left.decode()


def rules_of(text: str) -> set[str]:
    """The rules that acted on it."""
    counts: list[tuple[str, str]] = []
    engine().document(text.encode(), 0, 0, counts)
    return {rule for rule, _ in counts}
