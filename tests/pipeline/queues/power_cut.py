"""A disk that loses power: from what `recorder.c` wrote down, the files as they may be found afterwards.

What a process writes is safe when it has called fsync on that file; a file's name is, when it has called fsync on the
folder. Until then, each sector may have reached the disk or not, whatever was written before or after it.
"""

import random
import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

__all__ = ["Operation", "after_power_cut", "operations"]

_HEAD = struct.Struct("=cIQQ")
_SECTOR = 512


class Operation(NamedTuple):
    """`w`rite at an offset, `a`ppend, `t`runcate to a size, `s`ync, `c`reate, `u`nlink, `r`ename."""

    kind: str
    name: str
    offset: int
    data: bytes


def operations(record: Path) -> Iterator[Operation]:
    content = record.read_bytes()
    position = 0
    while position < len(content):
        kind, name, offset, data = _HEAD.unpack_from(content, position)
        position += _HEAD.size
        text, position = content[position : position + name], position + name
        written, position = content[position : position + data], position + data
        yield Operation(kind.decode(), text.decode(), offset, written)


@dataclass
class _File:
    """What is safe, and what is not yet."""

    content: bytearray = field(default_factory=bytearray)
    pending: list[Operation] = field(default_factory=list)

    def apply(self, operation: Operation) -> None:
        if operation.kind == "t":
            del self.content[operation.offset :]
            self.content.extend(bytes(operation.offset - len(self.content)))
        else:
            end = operation.offset + len(operation.data)
            self.content.extend(bytes(max(0, end - len(self.content))))
            self.content[operation.offset : end] = operation.data

    def sync(self) -> None:
        for operation in self.pending:
            self.apply(operation)
        self.pending = []


class _Disk:
    """The files of a folder. `names` are those that are safe; a name that is not may be there or not."""

    def __init__(self) -> None:
        self.names: dict[str, _File] = {}
        self.now: dict[str, _File] = {}

    def do(self, operation: Operation) -> None:
        kind, name, _, _ = operation
        if kind == "c":
            self.now[name] = _File()
        elif kind == "u":
            self.now.pop(name, None)
        elif kind == "s" and name == ".":
            self.names = dict(self.now)
        elif kind == "s" and name in self.now:
            self.now[name].sync()
        elif kind in "wt" and name in self.now:
            self.now[name].pending.append(operation)

    def cut(self, chance: random.Random) -> dict[str, bytes]:
        """What is found when the power is back."""
        found = {}
        for name in sorted({*self.names, *self.now}):
            before, now = self.names.get(name), self.now.get(name)
            file = now if before is now else chance.choice((before, now))
            if file is not None:
                found[name] = bytes(_survived(file, chance).content)
        return found


def _survived(file: _File, chance: random.Random) -> _File:
    """Nothing, everything, or some of what was not synced, by sectors."""
    share = chance.choice((0.0, 0.5, 0.9, 1.0))
    survived = _File(bytearray(file.content))
    for operation in file.pending:
        if operation.kind == "t":
            if chance.random() < share:
                survived.apply(operation)
            continue
        for start in range(0, len(operation.data), _SECTOR):
            if chance.random() < share:
                sector = operation.data[start : start + _SECTOR]
                survived.apply(operation._replace(offset=operation.offset + start, data=sector))
    return survived


def after_power_cut(
    done: Sequence[Operation], cuts: Sequence[int], chance: random.Random
) -> Iterator[tuple[int, dict[str, bytes]]]:
    """The files as they may be found when the power went after so many operations, for each of the `cuts`."""
    disk, position = _Disk(), 0
    for cut in sorted(cuts):
        for operation in done[position:cut]:
            disk.do(operation)
        position = cut
        yield cut, disk.cut(chance)
