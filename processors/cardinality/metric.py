"""One metric: which series and labels it has, what was decided about it, and what therefore becomes of a point."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue

from processors.cardinality.distinct import STEPS, Budget, Distinct, Estimate
from processors.cardinality.hashing import Identity, Key
from processors.cardinality.label import Label, Standing
from processors.cardinality.points import key_of
from processors.cardinality.rules import Action, Limit, MetricRules

__all__ = ["OVERFLOW", "Metric", "Shared"]

OVERFLOW = KeyValue(key="otel.metric.overflow", value=AnyValue(bool_value=True)).SerializeToString()
"""All that the series has which stands for those that are too many (OpenTelemetry metrics SDK, Overflow attribute)."""

_MAX_LABELS = 64
"""Labels of one metric that are counted; any more of them go. Healthy metrics have fewer than 15."""
_WEIGHT = 16
"""In hashes: what a metric costs without its series."""
_OVERFLOW_SHARE = 2
"""Series of a closed metric, as a multiple of its limit: each source adds one for all that is too many."""


@dataclass(slots=True)
class Shared:
    """What all metrics of a processor have in common."""

    key: Key
    memory: Budget
    series: Budget
    journal: bool = False
    touched: set[str] = field(default_factory=set)
    """Metrics for which something was counted or decided since the journal was last read; only with `journal`."""
    hits: Counter[tuple[Limit, Action]] = field(default_factory=Counter)
    """How often a limit led to a decision."""

    def distinct(self, limit: int, budget: Budget | None = None) -> Distinct:
        return Distinct(limit, budget or self.memory, journal=self.journal)


class Metric:
    """Counts series and label values, decides, and places points. Attributes are serialized `KeyValue`s."""

    __slots__ = (
        "_shared",
        "closed",
        "incoming",
        "is_changed",
        "labels",
        "name",
        "over",
        "rules",
        "series",
        "step",
        "wished",
    )

    def __init__(self, name: str, rules: MetricRules, shared: Shared, step: int) -> None:
        self.name, self.rules, self._shared, self.step = name, rules, shared, step
        self.labels: dict[bytes, Label] = {}
        self.series = shared.distinct(rules.max_series, shared.series)
        self.wished: Distinct | None = None
        """Series as they would be if nothing had been decided about their number; None while nothing is."""
        self.closed: Limit | None = None
        """Why series that are not known are not taken in; None while they are."""
        self.over = 0
        """The step in which there were last too many series."""
        self.is_changed = False
        """Whether a point was ever changed or left out: since then all are added up, as any may be part of a sum."""
        self.incoming = Estimate()
        """Series as they come in, once points are changed."""
        shared.memory.add(self.weight)

    @property
    def weight(self) -> int:
        return _WEIGHT + len(self.name) // 64

    @property
    def is_idle(self) -> bool:
        return not (self.series or self.wished or self.labels or self.closed)

    def place(self, attributes: Sequence[bytes], identity: Identity) -> Sequence[bytes] | None:
        """What becomes of a point: its attributes as they are (the same object) or new ones, both in order of their
        bytes; None if it must be left out.
        """
        placed: Sequence[bytes] | Again | None = AGAIN
        while isinstance(placed, Again):
            kept = self._without_what_goes(attributes)
            placed = None if kept is None else self._take_in(kept, identity)
        self.is_changed = self.is_changed or placed is not attributes
        if self.is_changed:
            self.incoming.note(hash((identity.number, *attributes)))
            self._watch(attributes, identity)
        return placed

    def drops_from_exemplars(self, key: bytes) -> bool:
        """Whether an attribute must not be in an exemplar: what a point may not say, its exemplars may not either."""
        label = self.labels.get(key)
        if label is None:
            return self.rules.drops_from_exemplars(key.decode())
        return label.standing is Standing.ALWAYS_DROP or label.limit is not None

    def _without_what_goes(self, attributes: Sequence[bytes]) -> Sequence[bytes] | None:
        kept = []
        changed, labels = False, self.labels
        for attribute in attributes:
            key = key_of(attribute)
            label = labels.get(key)
            if label is None:
                label = self.label(key)
            if label is None or label.is_dropped:
                changed = True
                if label is not None:
                    self._note_dropped(label, attribute)
                elif self.rules.action is Action.DROP_SERIES:
                    return None
            elif label.limit is None or self._is_admitted(label, attribute):
                kept.append(attribute)
            elif label.action is Action.DROP_SERIES:
                return None
            else:
                kept.append(label.folded())
                changed = True
        return sorted(kept) if changed else attributes

    def label(self, key: bytes) -> Label | None:
        """The label of a key; None if there are too many, or if there is no room for more."""
        label = self.labels.get(key)
        if label is None and len(self.labels) < _MAX_LABELS and self._shared.memory.has_room(reserve=1.1):
            values = self._shared.distinct(self.rules.max_values)
            label = self.labels[key] = Label(key, self._standing(key.decode()), values, self._shared.memory)
            label.last = self.step
        return label

    def _standing(self, name: str) -> Standing:
        if self.rules.never_drops(name):
            return Standing.NEVER_DROP
        return Standing.ALWAYS_DROP if self.rules.always_drops(name) else Standing.COUNTED

    def _note_dropped(self, label: Label, attribute: bytes) -> None:
        label.last = self.step
        label.incoming.note(hash(attribute))
        if label.limit is Limit.VALUES and label.over != self.step:
            self._touch()
            label.watch(self._shared.key.digest(attribute), self.step)

    def _is_admitted(self, label: Label, attribute: bytes) -> bool:
        label.last = self.step
        label.incoming.note(hash(attribute))
        digest = self._shared.key.digest(attribute)
        if label.over != self.step:
            self._touch()
            label.watch(digest, self.step)
        return digest in label.admitted

    def _take_in(self, kept: Sequence[bytes], identity: Identity) -> "Sequence[bytes] | Again | None":
        """Count a series, unless it was counted in this step; decide something if it is one too many."""
        series = identity.series(kept)
        last = self.series.seen.get(series)
        if last == self.step:
            return kept
        self._touch()
        if last is None and self.closed is None and not self._shared.series.has_room():
            self._close(Limit.TOTAL)
        if last is None and self.closed is not None:
            return self._overflow(identity)
        if not self._count_values(kept):
            return AGAIN
        if self.series.note(series, self.step):
            return kept
        self._reduce()
        return AGAIN

    def _touch(self) -> None:
        if self._shared.journal:
            self._shared.touched.add(self.name)

    def _count_values(self, kept: Sequence[bytes]) -> bool:
        """False if that led to a decision."""
        for attribute in kept:
            label = self.labels.get(key_of(attribute))
            if label is None or label.limit is not None:
                continue
            label.last = self.step
            digest = self._shared.key.digest(attribute)
            if digest not in label.values.seen:
                label.look(attribute)
            if not label.values.note(digest, self.step) and label.standing is Standing.COUNTED:
                self._decide(label, Limit.VALUES, self.rules.action)
                return False
        return True

    def _decide(self, label: Label, limit: Limit, action: Action) -> None:
        self._shared.hits[limit, action] += 1
        label.decide(limit, action, self.step)
        if action is Action.DROP_LABEL:
            # Those that have the label are no more; what comes has other names.
            self.series.clear()

    def _reduce(self) -> None:
        """There are too many series: drop the label with the most values, or take in no more."""
        worst = self._worst_label() if self.rules.action is Action.DROP_LABEL else None
        if worst is None:
            self._close(Limit.SERIES)
        else:
            self._decide(worst, Limit.SERIES, Action.DROP_LABEL)
            self._wish()

    def _worst_label(self) -> Label | None:
        counted = (each for each in self.labels.values() if each.standing is Standing.COUNTED and each.limit is None)
        several = [label for label in counted if len(label.values) > 1]
        return max(several, key=lambda label: (len(label.values), label.key), default=None)

    def _close(self, limit: Limit) -> None:
        action = Action.DROP_SERIES if self.rules.action is Action.DROP_SERIES else Action.OVERFLOW
        self._shared.hits[limit, action] += 1
        self.closed = limit
        self._wish()

    def _wish(self) -> None:
        self.over = self.step
        self.watched().clear()

    def watched(self) -> Distinct:
        """`wished`, begun if it was not."""
        if self.wished is None:
            self.wished = self._shared.distinct(self.rules.max_series)
        return self.wished

    def _overflow(self, identity: Identity) -> Sequence[bytes] | None:
        """The series for all that are too many, of one source; None if not even that may be."""
        if self.rules.action is Action.DROP_SERIES:
            return None
        series = identity.series((OVERFLOW,))
        known = series in self.series.seen
        if not known and not self._shared.series.has_room(reserve=1.1):
            return None
        return (OVERFLOW,) if self.series.note(series, self.step, _OVERFLOW_SHARE * self.rules.max_series) else None

    def _watch(self, attributes: Sequence[bytes], identity: Identity) -> None:
        """While the number of series is kept down: count how many there would be otherwise."""
        if self.wished is None or self.over == self.step:
            return
        self._touch()
        wanted = [attribute for attribute in attributes if self._counts_for_series(key_of(attribute))]
        if not self.wished.note(identity.series(wanted), self.step):
            self._wish()

    def _counts_for_series(self, key: bytes) -> bool:
        label = self.labels.get(key)
        return label is not None and label.standing is not Standing.ALWAYS_DROP and label.limit is not Limit.VALUES

    def resume(self, step: int) -> None:
        """Go on in this step with what a snapshot has."""
        if self.closed or any(label.limit is Limit.SERIES for label in self.labels.values()):
            self.watched()
        self.advance(step)

    def advance(self, step: int) -> None:
        """Begin a step: forget what is too long ago, undo what has not been needed for a window."""
        if step // STEPS != self.step // STEPS:
            self.incoming.turn()
            for label in self.labels.values():
                label.incoming.turn()
        self.step = step
        self.series.expire(step)
        for label in list(self.labels.values()):
            self._advance_label(label)
        if self.wished is not None and step - self.over > STEPS:
            self._reopen()

    def _advance_label(self, label: Label) -> None:
        if label.limit is None:
            label.values.expire(self.step)
        elif label.limit is Limit.VALUES and self.step - label.over > STEPS:
            if label.is_dropped:
                self.series.clear()
            label.undo()
        if self.step - label.last > STEPS and label.limit is None:
            label.discard()
            del self.labels[label.key]

    def _reopen(self) -> None:
        dropped = [label for label in self.labels.values() if label.limit is Limit.SERIES]
        for label in dropped:
            label.undo()
        if dropped:
            self.series.clear()
        if self.wished is not None:
            self.wished.clear()
        self.wished = self.closed = None

    def discard(self) -> None:
        """Give back what it held."""
        for label in self.labels.values():
            label.discard()
        self._shared.memory.add(-self.weight)


class Again:
    """Something was decided: begin again with the point."""


AGAIN = Again()
