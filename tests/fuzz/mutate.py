"""Changes to inputs: to the fields of a message, so that most of it still means something, and to bytes."""

from collections.abc import Callable, Sequence
from copy import deepcopy
from random import Random

from tests.fuzz import words
from tests.fuzz.messages import value
from tests.fuzz.trees import Field, Tree, encoded, nodes, some
from wire import schema

__all__ = ["damaged", "mutated"]


def mutated(random: Random, tree: Tree, other: Tree) -> bytes:
    """A message changed some times, or not at all; fields of `other` may be spliced in."""
    for _ in range(random.choice((0, 0, 1, 1, 2, 4))):
        found = some(random, tree)
        if found is None:
            break
        random.choice(_CHANGES)(random, *found, other)
    payload = encoded(tree)
    return damaged(random, payload) if random.random() < 0.15 else payload


Change = Callable[[Random, Tree, int, Tree], None]


def _drop(random: Random, holder: Tree, at: int, other: Tree) -> None:
    del holder.fields[at]


def _duplicate(random: Random, holder: Tree, at: int, other: Tree) -> None:
    _repeat(holder, at, random.choice((1, 1, 2, 50)))


def _repeat(holder: Tree, at: int, times: int) -> None:
    """As bytes: what is repeated is not changed any more, so that no repetitions multiply."""
    old = holder.fields[at]
    flat = Field(old.number, old.wire, old.content if isinstance(old.content, int) else _flat(old), old.lie, old.pad)
    if (len(_flat(old)) + 2) * times < 2**17:
        holder.fields[at : at + 1] = [flat] * (times + 1)


def _shuffle(random: Random, holder: Tree, at: int, other: Tree) -> None:
    random.shuffle(holder.fields)


def _renumber(random: Random, holder: Tree, at: int, other: Tree) -> None:
    old = holder.fields[at]
    numbers = (0, old.number + 1, random.randrange(1, 20), 31, 32, 2**29 - 1, 2**29, 2**40)
    holder.fields[at] = Field(random.choice(numbers), old.wire, old.content)


def _retype(random: Random, holder: Tree, at: int, other: Tree) -> None:
    wire = random.randrange(8)
    content = words.number(random) if wire in (0, 1, 5) else _flat(holder.fields[at])
    holder.fields[at] = Field(holder.fields[at].number, wire, content)


def _flat(each: Field) -> bytes:
    if isinstance(each.content, int):
        return each.content.to_bytes(16, "little")
    return encoded(each.content) if isinstance(each.content, Tree) else each.content


def _lie(random: Random, holder: Tree, at: int, other: Tree) -> None:
    old = holder.fields[at]
    lie = random.choice((-1, 1, -8, 100, 2**20, 2**31 - 1, 2**31, 2**32, 2**63, 2**70))
    holder.fields[at] = Field(old.number, old.wire, old.content, lie=lie)


def _pad(random: Random, holder: Tree, at: int, other: Tree) -> None:
    old = holder.fields[at]
    holder.fields[at] = Field(old.number, old.wire, old.content, pad=random.choice((1, 2, 4, 9, 20)))


def _renew(random: Random, holder: Tree, at: int, other: Tree) -> None:
    """Another value of the same sort."""
    old = holder.fields[at]
    if isinstance(old.content, int):
        made = random.choice((words.number, words.bits_of_double, words.time))(random)
        holder.fields[at] = Field(old.number, old.wire, made)
    elif isinstance(old.content, Tree):
        made_tree = value(random) if old.content.message == schema.ANY_VALUE else Tree(old.content.message)
        holder.fields[at] = Field(old.number, old.wire, made_tree)
    else:
        holder.fields[at] = Field(old.number, 2, damaged(random, words.text(random).encode(errors="replace")))


def _not_utf8(random: Random, holder: Tree, at: int, other: Tree) -> None:
    ill = random.choice((b"\xff", b"\xc0\x80", b"\xed\xa0\x80", b"\xf4\x90\x80\x80", b"\xe2\x82", b"\x80"))
    old = holder.fields[at]
    if isinstance(old.content, bytes):
        holder.fields[at] = Field(old.number, 2, old.content[:3] + ill + words.CANARY.encode())


def _splice(random: Random, holder: Tree, at: int, other: Tree) -> None:
    """A field of another message in its place, best one of the same message type."""
    alike = [donor.fields[place] for donor, place in nodes(other) if donor.message == holder.message]
    found = random.choice(alike) if alike and random.random() < 0.8 else None
    if found is None and (donated := some(random, other)) is not None:
        found = donated[0].fields[donated[1]]
    if found is not None:
        # A copy: a message that is put into itself has no end.
        holder.fields[at] = deepcopy(found)


def _deepen(random: Random, holder: Tree, at: int, other: Tree) -> None:
    """Put the field into itself many times."""
    old = holder.fields[at]
    content = encoded(Tree(-1, [old]))
    for _ in range(random.choice((1, 10, 98, 99, 100, 101, 300))):
        content = encoded(Tree(-1, [Field(old.number, 2, content)]))
        if len(content) > 2**16:
            break
    holder.fields[at] = Field(old.number, 2, content)


def _grow(random: Random, holder: Tree, at: int, other: Tree) -> None:
    """Many of the same, to find what grows faster than its input."""
    old = holder.fields[at]
    times = random.choice((100, 1000, 5000))
    if isinstance(old.content, bytes) and random.random() < 0.5:
        holder.fields[at] = Field(old.number, 2, old.content[: 2**18 // times] * times)
    else:
        _repeat(holder, at, times)


_CHANGES: Sequence[Change] = (
    *(_drop, _duplicate, _shuffle, _renumber, _retype, _lie, _pad, _not_utf8, _deepen),
    *(_renew, _renew, _renew, _splice, _splice, _splice),
    *(_grow,),
)


def damaged(random: Random, data: bytes) -> bytes:
    """Bytes changed a few times, whatever they mean."""
    out = bytearray(data)
    for _ in range(random.choice((1, 1, 2, 5))):
        at = random.randrange(len(out) + 1)
        match random.randrange(7):
            case 0 if out:
                out[at % len(out)] ^= 1 << random.randrange(8)
            case 1 if out:
                out[at % len(out)] = random.choice((0, 1, 0x7F, 0x80, 0xFF, random.randrange(256)))
            case 2:
                del out[at:]
            case 3:
                del out[at : at + random.randrange(1, 9)]
            case 4:
                out[at:at] = random.randbytes(random.randrange(1, 9))
            case 5:
                out[at:at] = out[max(at - random.randrange(1, 40), 0) : at] * random.choice((1, 2, 100))
            case _:
                out[at:at] = random.choice(
                    (words.CANARY.encode(), b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", b"\xff")
                )
    return bytes(out[: 2**20])
