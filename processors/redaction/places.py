"""Where a leaf is: the names of OTLP's text-bearing fields, and the messages around an offset of a payload."""

from dataclasses import dataclass

from wire import schema
from wire.protobuf import fields

__all__ = ["ON_METRIC_POINT", "Level", "Levels", "place_name"]

ON_METRIC_POINT = frozenset(
    message * schema.WIDTH + number
    for message, number in schema.FIELDS
    if schema.MESSAGES[message].name.endswith("DataPoint") or schema.MESSAGES[message].name == "Exemplar"
)
"""Places whose attributes make or accompany a time series: there the attribute goes, for a mask would join series."""


def place_name(place: int) -> str:
    """`Span.attributes`, from a place in the tables of `wire.schema`."""
    return f"{schema.MESSAGES[place // schema.WIDTH].name}.{schema.FIELDS[divmod(place, schema.WIDTH)].name}"


@dataclass(slots=True)
class Level:
    """A message around an offset: its number in `wire.schema`, where its tag begins, its content begins, it ends."""

    message: int
    begin: int
    start: int
    end: int
    looked_to: int = 0


class Levels:
    """Finds the messages around offsets of one payload; they must ascend, so that every field is read once."""

    def __init__(self, payload: bytes, root: int) -> None:
        self._payload = payload
        self._levels = [Level(root, 0, 0, len(payload))]

    def around(self, offset: int) -> list[Level]:
        """The messages around the byte at `offset`, outermost first."""
        while offset >= self._levels[-1].end and len(self._levels) > 1:
            self._levels.pop()
        while self._descend(self._levels[-1], offset):
            pass
        return list(self._levels)

    def _descend(self, level: Level, offset: int) -> bool:
        for number, begin, start, end in fields(self._payload, max(level.looked_to, level.start), level.end):
            if offset < end:
                entry = level.message * schema.WIDTH + number
                level.looked_to = begin
                if offset < begin or schema.KIND[entry] != schema.MESSAGE:
                    return False
                self._levels.append(Level(schema.CHILD[entry], begin, start, end))
                return True
        return False
