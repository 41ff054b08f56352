"""Finding a concept in a log record under the many names that loggers give it.

A table is a tuple of `Spelling`s, best first; each reads the value under one name and says None to what it is not. A
name with dots is looked for as it stands and as a path into nested objects (`log.level`, `{"log": {"level": …}}`).
"""

from collections.abc import Callable
from typing import Any, Generic, NamedTuple, TypeVar

__all__ = ["Fields", "Spelling", "find", "spelled", "take", "text"]

Fields = dict[str, Any]
"""A JSON object, one's own to take things out of."""

T = TypeVar("T")


class Spelling(NamedTuple, Generic[T]):
    """One name of a concept and how its value is read; `head` is its first part."""

    name: str
    head: str
    read: Callable[[Any], T | None]


def spelled(read: Callable[[Any], T | None], *names: str) -> tuple[Spelling[T], ...]:
    """A table of names whose values are read alike."""
    return tuple(Spelling(name, name.partition(".")[0], read) for name in names)


def text(value: Any) -> str | None:
    """The reader of what must be text."""
    return value if isinstance(value, str) else None


def find(fields: Fields, name: str) -> Any:
    """The value under a name, None if there is none."""
    if name in fields:
        return fields[name]
    if "." not in name:
        return None
    head, _, rest = name.partition(".")
    inner = fields.get(head)
    return find(inner, rest) if isinstance(inner, dict) else None


def take(fields: Fields, spellings: tuple[Spelling[T], ...]) -> T | None:
    """The first value that can be read, which leaves the record; what cannot be read stays."""
    for name, head, read in spellings:
        if head not in fields and name not in fields:
            continue
        value = find(fields, name)
        if value is not None and (result := read(value)) is not None:
            _remove(fields, name)
            return result
    return None


def _remove(fields: Fields, name: str) -> None:
    if name in fields:
        del fields[name]
        return
    head, _, rest = name.partition(".")
    _remove(fields[head], rest)
    if not fields[head]:
        del fields[head]
