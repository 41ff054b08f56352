"""One label of one metric: which values it had, and what was decided about it."""

from enum import StrEnum

from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue

from processors.cardinality.distinct import Budget, Distinct, Estimate
from processors.cardinality.identifiers import LOOKED_AT, looks_like_identifier
from processors.cardinality.rules import Action, Limit
from processors.otlp_objects import text_of

__all__ = ["OTHER", "Label", "Standing"]

OTHER = "__other__"
"""The value that stands for all that are too many."""

_WEIGHT = 8
"""In hashes: what a label costs without its values."""


class Standing(StrEnum):
    """What the configuration says about a label."""

    ALWAYS_DROP = "always_drop"
    NEVER_DROP = "never_drop"
    COUNTED = "counted"


class Label:
    """Counts values in a window; once there are too many, counts from that moment on, to see whether they stay so."""

    __slots__ = (
        "_budget",
        "action",
        "admitted",
        "flagged",
        "incoming",
        "key",
        "last",
        "limit",
        "looked",
        "over",
        "standing",
        "values",
    )

    def __init__(self, key: bytes, standing: Standing, values: Distinct, budget: Budget) -> None:
        self.key, self.standing, self.values = key, standing, values
        self.limit: Limit | None = None
        """What was exceeded when something was decided about it; None while nothing is."""
        self.action = Action.DROP_LABEL
        self.admitted: frozenset[bytes] = frozenset()
        """The values that may go on, with an action that keeps the label."""
        self.over = 0
        """The step in which the limit was last exceeded."""
        self.last = 0
        """The step in which the label last occurred."""
        self.incoming = Estimate()
        """Values as they come in, once points lose the label or values of it."""
        self.looked = self.flagged = 0
        """Values looked at, and those among them that look like identifiers."""
        self._budget = budget
        budget.add(self.weight)

    @property
    def weight(self) -> int:
        return _WEIGHT + len(self.key) // 64

    @property
    def name(self) -> str:
        return self.key.decode()

    @property
    def is_dropped(self) -> bool:
        """No point keeps it."""
        return self.standing is Standing.ALWAYS_DROP or (self.limit is not None and self.action is Action.DROP_LABEL)

    @property
    def holds_identifiers(self) -> bool:
        """At least three of its first values look like identifiers, and half of them."""
        return self.flagged >= 3 and self.flagged * 2 >= self.looked

    def decide(self, limit: Limit, action: Action, step: int) -> None:
        self.limit, self.action, self.over = limit, action, step
        self.admitted = frozenset() if action is Action.DROP_LABEL else frozenset(self.values.seen)
        self.values.clear()

    def undo(self) -> None:
        self.limit, self.admitted = None, frozenset()

    def watch(self, digest: bytes, step: int) -> None:
        """Go on counting while something is decided: from the last moment on in which there were too many."""
        if not self.values.note(digest, step):
            self.over = step
            self.values.clear()
            self.values.note(digest, step)

    def look(self, attribute: bytes) -> None:
        """See whether a value, new to the label, looks like an identifier."""
        if self.looked < LOOKED_AT:
            self.looked += 1
            self.flagged += looks_like_identifier(text_of(KeyValue.FromString(attribute).value))

    def folded(self) -> bytes:
        """The attribute with the value that stands for all that are too many."""
        return KeyValue(key=self.name, value=AnyValue(string_value=OTHER)).SerializeToString()

    def discard(self) -> None:
        """Give back what it held."""
        self.values.clear()
        self._budget.add(-self.weight)
