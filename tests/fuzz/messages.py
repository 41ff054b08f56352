"""Random OTLP messages, as trees, by the descriptors of `wire.schema`."""

import struct
from random import Random

from google.protobuf.descriptor import FieldDescriptor

from tests.fuzz import words
from tests.fuzz.trees import Field, Tree, encoded, read
from wire import schema
from wire.signal import Signal

__all__ = ["message", "value"]

_OF: dict[int, list[FieldDescriptor]] = {}
for (_owner, _), _each in schema.FIELDS.items():
    _OF.setdefault(_owner, []).append(_each)
_ENVELOPES = frozenset(
    number
    for number, each in enumerate(schema.MESSAGES)
    if each.name.endswith("Data") or each.name.startswith(("Resource", "Scope")) or each.name == "Metric"
)


def message(random: Random, signal: Signal) -> Tree:
    """A request of up to some dozen items."""
    return _message(random, schema.ROOT[signal], 0, random.choice((0.15, 0.3, 0.3, 0.6, 0.9)))


def value(random: Random, depth: int = 0) -> Tree:
    """An AnyValue; one in fifty is nested deeply."""
    if random.random() < 0.02:
        return _nested(random)
    return _message(random, schema.ANY_VALUE, depth, 1.0)


def _nested(random: Random) -> Tree:
    content = encoded(Tree(schema.ANY_VALUE, [Field(1, 2, words.text(random).encode(errors="replace"))]))
    for _ in range(random.choice((3, 20, 31, 32, 33, 46, 60, 200))):
        number, inner = 5, content
        if random.random() < 0.5:
            number, inner = 6, encoded(Tree(-1, [Field(1, 2, words.key(random).encode()), Field(2, 2, content)]))
        content = encoded(Tree(-1, [Field(number, 2, encoded(Tree(-1, [Field(1, 2, inner)])))]))
    return read(content, -1)


def _message(random: Random, number: int, depth: int, fill: float) -> Tree:
    tree = Tree(number)
    taken: set[int] = set()
    fields = _OF[number]
    if number == schema.ANY_VALUE:
        fields = [random.choice(fields)]
    for each in fields:
        slot = schema.SLOT[number * schema.WIDTH + each.number]
        if slot in taken or random.random() > _chance(number, each, fill):
            continue
        if each.containing_oneof is not None and number != schema.ANY_VALUE:
            each = random.choice([one for one in fields if one.containing_oneof is each.containing_oneof])
        if slot < 32:
            taken.add(slot)
        for _ in range(_times(random, each, depth)):
            tree.fields.append(_field(random, number, each, depth, fill))
    return tree


def _chance(number: int, each: FieldDescriptor, fill: float) -> float:
    if number == schema.ANY_VALUE or number == schema.KEY_VALUE or (number in _ENVELOPES and each.is_repeated):
        return 0.97
    return fill


def _times(random: Random, each: FieldDescriptor, depth: int) -> int:
    if not each.is_repeated or each.type in _PACKED:
        return 1
    return 1 if depth > 12 else random.choice((1, 1, 1, 1, 1, 2, 3))


def _field(random: Random, number: int, each: FieldDescriptor, depth: int, fill: float) -> Field:
    place = number * schema.WIDTH + each.number
    kind, wire = schema.KIND[place], schema.WIRE[place]
    if kind == schema.MESSAGE:
        child = schema.CHILD[place]
        if depth > 14:
            return Field(each.number, 2, Tree(child))
        made = value(random, depth + 1) if child == schema.ANY_VALUE else _message(random, child, depth + 1, fill)
        return Field(each.number, 2, made)
    if kind == schema.NUMBERS:
        return Field(each.number, 2, _packed(random, wire, each))
    if wire == 2:
        return Field(each.number, 2, _bytes(random, kind, each.name))
    return Field(each.number, wire, _scalar(random, each))


_PACKED = {FieldDescriptor.TYPE_DOUBLE, FieldDescriptor.TYPE_FIXED64, FieldDescriptor.TYPE_UINT64}


def _packed(random: Random, wire: int, each: FieldDescriptor) -> bytes:
    count = random.choice((0, 1, 2, 3, 3, 4, 40))
    if each.type == FieldDescriptor.TYPE_DOUBLE and random.random() < 0.6:
        return struct.pack(f"<{count}d", *[float(bound) for bound in range(count)])
    if wire == 0:
        return bytes(random.randrange(128) for _ in range(count))
    return b"".join(_scalar(random, each).to_bytes(8, "little") for _ in range(count))


def _scalar(random: Random, each: FieldDescriptor) -> int:
    if "time" in each.name:
        return words.time(random)
    if each.type == FieldDescriptor.TYPE_DOUBLE:
        return words.bits_of_double(random)
    if each.type == FieldDescriptor.TYPE_ENUM and random.random() < 0.9:
        return random.randrange(4)
    if each.name == "flags" and random.random() < 0.8:
        return random.randrange(2)
    return words.number(random)


_IDS = {schema.TRACE_ID: 16, schema.SPAN_ID: 8}


def _bytes(random: Random, kind: int, name: str) -> bytes:
    if kind in _IDS:
        size = _IDS[kind] if random.random() < 0.95 else 0
        return bytes(size) if random.random() < 0.1 else random.randbytes(size)
    if kind == schema.BYTES and random.random() < 0.3:
        return random.randbytes(random.randrange(40))
    made = words.key(random) if name in ("key", "name", "unit") else words.text(random)
    return made.encode(errors="replace")
