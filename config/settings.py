"""The base of every settings model, and the types that settings share: durations, sizes, secrets."""

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, SecretStr, WithJsonSchema

__all__ = ["ByteSize", "Seconds", "Secret", "Settings", "within"]


class Settings(BaseModel):
    """A frozen model of one YAML section; an unknown key is an error. `hide_input_in_errors` keeps secrets out of
    messages.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True, use_attribute_docstrings=True)


def within(value: object) -> Iterator[object]:
    """A value of settings, and all that it holds: those of models, of maps and of lists, at any depth."""
    yield value
    if isinstance(value, Settings):
        held: Iterable[object] = (getattr(value, name) for name in type(value).model_fields)
    elif isinstance(value, Mapping):
        held = value.values()
    else:
        held = value if isinstance(value, list | tuple) else ()
    for each in held:
        yield from within(each)


class Secret(SecretStr):
    """A string that prints as `[hidden]`; `get_secret_value()` is the only way to its text."""

    def _display(self) -> str:
        return "[hidden]"


_DURATION_PART = re.compile(r"(\d+(?:\.\d+)?)(ns|us|µs|ms|s|m|h)")
_SECONDS = {"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0}


def _parse_seconds(value: Any) -> Any:
    """Go's duration syntax, as in the Collector: `200ms`, `1m30s`, `0`."""
    if value in (0, "0"):
        return 0.0
    if not isinstance(value, str):
        raise ValueError("a duration needs a unit, such as 200ms, 5s or 1m30s")
    parts = _DURATION_PART.findall(value)
    if not parts or "".join(number + unit for number, unit in parts) != value:
        raise ValueError("this is not a duration; write it like 200ms, 5s or 1m30s")
    return sum(float(number) * _SECONDS[unit] for number, unit in parts)


_SIZE = re.compile(r"(\d+)\s*(B|KB|MB|GB|KiB|MiB|GiB)?")
_BYTES = {"": 1, "B": 1, "KB": 10**3, "MB": 10**6, "GB": 10**9, "KiB": 2**10, "MiB": 2**20, "GiB": 2**30}


def _parse_bytes(value: Any) -> Any:
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    match = _SIZE.fullmatch(value) if isinstance(value, str) else None
    if match is None:
        raise ValueError("this is not a size; write a number of bytes, or one with a unit such as 20MiB")
    return int(match[1]) * _BYTES[match[2] or ""]


def _is_written_as_seconds(value: Any) -> Any:
    return value if isinstance(value, float) else _parse_seconds(value)


DURATION_SCHEMA = {"type": ["string", "integer"], "pattern": r"^(\d+(\.\d+)?(ns|us|µs|ms|s|m|h))+$|^0$"}
SIZE_SCHEMA = {"type": ["string", "integer"], "pattern": r"^\d+\s*(B|KB|MB|GB|KiB|MiB|GiB)?$"}

Seconds = Annotated[float, BeforeValidator(_is_written_as_seconds), WithJsonSchema(DURATION_SCHEMA)]
"""A duration: written `200ms` or `1m30s` in YAML, seconds as a float in code."""

ByteSize = Annotated[int, BeforeValidator(_parse_bytes), WithJsonSchema(SIZE_SCHEMA)]
"""A size in bytes: written `4194304` or `4MiB` in YAML, bytes as an integer in code."""
