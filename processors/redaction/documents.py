"""Documents within a text, such as HL7 messages, XML and JSON: what is said of a person is found by its position."""

from collections.abc import Callable, Sequence

from processors.redaction import embedded_json, hl7, markup
from processors.redaction.actions import Actions, Counts
from processors.redaction.embedded_json import EmbeddedJson
from processors.redaction.hl7 import Hl7
from processors.redaction.markup import Markup
from processors.redaction.positions import Gone, Positions
from processors.redaction.rules import Rule

__all__ = ["TRIGGERS", "Documents", "changed_range"]

TRIGGERS = (*hl7.TRIGGERS, *embedded_json.TRIGGERS, *markup.TRIGGERS)
"""Expressions, capitals as they are, one of which ends in every text that holds a document."""


class Documents:
    """Redacts the documents in texts by a set of rules. `document` redacts a text by itself, JSON or not."""

    def __init__(
        self, rules: Sequence[Rule], actions: Actions, document: Callable[[bytes, int, int, Counts], bytes | None]
    ) -> None:
        self._positions = Positions(rules, actions, document)
        self._hl7 = Hl7(self._positions)
        self._markup = Markup(self._positions)
        self._objects = EmbeddedJson(self._positions)

    def redacted(self, text: bytes, depth: int, counts: Counts) -> bytes | None:
        """The text with what falls under rules by position replaced; None if it must go as a whole.

        `depth` is how many texts it is within. Raises: `OverBudget`.
        """
        treated = self._positions.treated(depth, counts)
        try:
            for kind in (self._hl7, self._markup, self._objects):
                text = kind.redacted(text, treated)
            return text
        except Gone:
            return None


def changed_range(text: bytes, new: bytes | None) -> tuple[int, int]:
    """The least range of a text that holds all in which it differs from another; all of it if there is no other."""
    if new is None:
        return 0, len(text)
    start = _common(text, new)
    end = _common(text[start:][::-1], new[start:][::-1])
    return start, len(text) - end


def _common(one: bytes, other: bytes) -> int:
    """How many bytes two texts have in common at their start."""
    low, high = 0, min(len(one), len(other))
    while low < high:
        middle = (low + high + 1) // 2
        if one[low:middle] == other[low:middle]:
            low = middle
        else:
            high = middle - 1
    return low
