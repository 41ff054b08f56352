"""The coverage matrix: for each identifier, signal and place the rules in force, the last hit, and the tests."""

from collections import deque
from collections.abc import Iterator, Mapping
from typing import Any, Literal, NamedTuple

from google.protobuf.descriptor import Descriptor

from audit.identifiers import IDENTIFIERS, Identifier, serves
from audit.summary import Summary, Tally
from wire.schema import TYPES
from wire.signal import Signal

__all__ = ["Cell", "Spot", "coverage", "spots"]

State = Literal["hit", "covered", "keys only", "observed", "gap", "no pipeline"]
"""`hit`: a rule acted there in this time. `covered`: one would. `keys only`: a text there is looked at, but only what
stands under a key in it (JSON, `key=value`) is found. `observed`: the rules only count. `gap`: no rule is in force."""


class Spot(NamedTuple):
    """A place of a signal where text can be; `has_keys` if each value there has a key."""

    signal: str
    place: str
    has_keys: bool

    def __str__(self) -> str:
        return f"{self.signal} {self.place}"


class Cell(NamedTuple):
    """A field of the matrix. Times as in the rows; empty if there was no hit."""

    identifier: Identifier
    spot: Spot
    state: State
    rules: tuple[str, ...]
    hits: Tally

    @property
    def test(self) -> str:
        """What proves it: the cases of the oracle that plant such an identifier in this place."""
        return f"tests/oracle: {', '.join(self.identifier.cases)} × {self.spot}"


def _spots() -> Iterator[Spot]:
    for signal, kind in TYPES.items():
        found: list[Descriptor] = []
        waiting: deque[Descriptor] = deque([kind.DESCRIPTOR])  # type: ignore[list-item]
        while waiting:
            message = waiting.popleft()
            if message not in found:
                found.append(message)
                yield from _of(message, signal)
                inner = (field.message_type for field in message.fields if field.message_type is not None)
                waiting.extend(each for each in inner if each.name not in _VALUES)


_VALUES = ("KeyValue", "AnyValue")


def _of(message: Descriptor, signal: Signal) -> Iterator[Spot]:
    for field in message.fields:
        place = f"{message.name}.{field.name}"
        if field.message_type is not None and field.message_type.name in _VALUES:
            yield Spot(signal.value, place, has_keys=True)
        elif field.type == field.TYPE_STRING:
            yield Spot(signal.value, place, has_keys=False)


_SPOTS = tuple(_spots())


def spots() -> tuple[Spot, ...]:
    """Every place of OTLP where text can be, from the protobuf descriptors."""
    return _SPOTS


def coverage(summary: Summary) -> Iterator[Cell]:
    """The matrix, row by row. The rules are those in force at the end of the report's time."""
    hits: dict[tuple[str, str, str], Tally] = {}
    for key, each in summary.by("rule", "signal", "place", "action").items():
        if key[3] != "observe":
            hits.setdefault(key[:3], Tally()).add(each.count, each.batches, each.first, each.last)
    in_force = {signal.value: _in_force(summary, signal.value) for signal in Signal}
    for identifier in IDENTIFIERS:
        for spot in _SPOTS:
            yield _cell(identifier, spot, in_force[spot.signal], hits)


def _in_force(summary: Summary, signal: str) -> dict[str, Mapping[str, Any]] | None:
    """The rules that act on a signal, by id; None if no pipeline of the signal redacts."""
    sets = [each.rules for each in summary.in_force.values() if signal in each.signals]
    found = {rule["id"]: rule for rules in sets for rule in rules if rule["action"] != "keep"}
    return {**_OF_THE_ENGINE, **found} if sets else None


_OF_THE_ENGINE: Mapping[str, Mapping[str, Any]] = {
    "photo": {"id": "photo", "legal": "45 CFR 164.514(b)(2)(i)(Q)", "action": "mask"}
}
"""What redaction does by itself, without a rule of a file."""


def _cell(
    identifier: Identifier,
    spot: Spot,
    in_force: Mapping[str, Mapping[str, Any]] | None,
    hits: Mapping[tuple[str, str, str], Tally],
) -> Cell:
    serving = [rule for rule in (in_force or {}).values() if serves(rule, identifier)]
    acting = [rule for rule in serving if rule["action"] != "observe"]
    # Ledgers of versions before 0.2 do not say what a rule finds.
    finding = [rule for rule in acting if spot.has_keys or rule.get("finds", "text") == "text"]
    total = Tally()
    for rule in serving:
        if (hit := hits.get((rule["id"], spot.signal, spot.place))) is not None:
            total.add(hit.count, hit.batches, hit.first, hit.last)
    state: State = "gap"
    if in_force is None:
        state = "no pipeline"
    elif total.count:
        state = "hit"
    elif finding:
        state = "covered"
    elif acting:
        state = "keys only"
    elif serving:
        state = "observed"
    return Cell(identifier, spot, state, tuple(rule["id"] for rule in finding or acting or serving), total)
