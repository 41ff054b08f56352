"""The actions of `attributes` and `resource`: insert, update, upsert, delete, hash, extract, convert.

Each action becomes one function over a repeated `KeyValue` field that says whether it changed anything. If a client
sent a key twice, update, delete, hash and convert reach both: an action must not miss what it was told to remove.
"""

import hashlib
import math
import re
import struct
from collections.abc import Callable, Sequence
from typing import Annotated, Any, Literal

from opentelemetry.proto.common.v1.common_pb2 import AnyValue
from pydantic import BeforeValidator, field_validator, model_validator

from config.settings import Settings
from processors.otlp_objects import any_value, compile_pattern, find, put, remove, text_of

__all__ = ["ActionSettings", "Change", "compile_actions"]

Change = Callable[[Any], bool]
"""Changes the attributes it is given (a repeated `KeyValue` field); whether it did."""

_USES = {
    "insert": ("value", "from_attribute", "default_value"),
    "update": ("value", "from_attribute", "default_value"),
    "upsert": ("value", "from_attribute", "default_value"),
    "delete": ("pattern",),
    "hash": ("pattern",),
    "extract": ("pattern",),
    "convert": ("converted_type",),
}
"""The keys that each action takes beside `key` and `action`."""

_ActionName = Literal["insert", "update", "upsert", "delete", "hash", "extract", "convert"]


def _lower(value: Any) -> Any:
    return value.lower() if isinstance(value, str) else value


class ActionSettings(Settings):
    """One action on one attribute, or on all whose key matches a pattern."""

    key: str = ""
    """The attribute to act on. `delete` and `hash` can do with `pattern` alone."""
    action: Annotated[_ActionName, BeforeValidator(_lower)]
    """What to do; upper case is fine too, as in the Collector."""
    value: Any = None
    """For insert, update and upsert: the value to set. Its type is that of the YAML value."""
    from_attribute: str = ""
    """For insert, update and upsert: the attribute to copy the value from. Nothing is done where it is missing."""
    default_value: Any = None
    """For insert, update and upsert: the value where `from_attribute` is missing."""
    from_context: str = ""
    """The Collector's way to the client's metadata; refused, since batches carry none."""
    pattern: str = ""
    """For delete and hash: a regular expression found in keys. For extract: one with named groups for the value."""
    converted_type: Literal["", "int", "double", "string"] = ""
    """For convert: the type the value gets. A value that cannot be converted stays as it is."""

    @field_validator("from_context")
    @classmethod
    def _no_context(cls, value: str) -> str:
        if value:
            raise ValueError(
                "no client metadata is kept with the data, so from_context cannot work; use value or from_attribute"
            )
        return value

    @field_validator("value", "default_value")
    @classmethod
    def _is_attribute_value(cls, value: object) -> object:
        if value is not None:
            any_value(value)
        return value

    @field_validator("pattern")
    @classmethod
    def _compiles(cls, value: str) -> str:
        compile_pattern(value)
        return value

    @model_validator(mode="after")
    def _fits_together(self) -> "ActionSettings":
        uses = _USES[self.action]
        for name in ("value", "from_attribute", "default_value", "pattern", "converted_type"):
            if name not in uses and getattr(self, name) not in (None, ""):
                raise ValueError(f"{self.action} does not use {name}; it uses key, {', '.join(uses)}")
        _CHECKS[self.action](self)
        return self


def _check_setting(settings: ActionSettings) -> None:
    if not settings.key:
        raise ValueError(f"{settings.action} needs key: the attribute to set")
    if settings.value is not None and settings.from_attribute:
        raise ValueError(f"{settings.action} takes value or from_attribute, not both")
    if settings.value is None and not settings.from_attribute and settings.default_value is None:
        raise ValueError(f"{settings.action} needs value, from_attribute or default_value")


def _check_selecting(settings: ActionSettings) -> None:
    if not settings.key and not settings.pattern:
        raise ValueError(f"{settings.action} needs key or pattern: the attributes to act on")


def _check_extract(settings: ActionSettings) -> None:
    if not settings.key or not settings.pattern:
        raise ValueError("extract needs key and pattern: the attribute to read and what to look for in it")
    groups = re.compile(settings.pattern, re.ASCII)
    if not groups.groups or len(groups.groupindex) != groups.groups:
        raise ValueError(
            "extract needs groups with names in its pattern, (?P<name>...): they are the attributes to set"
        )


def _check_convert(settings: ActionSettings) -> None:
    if not settings.key or not settings.converted_type:
        raise ValueError("convert needs key and converted_type (int, double or string)")


_CHECKS: dict[str, Callable[[ActionSettings], None]] = {
    "insert": _check_setting,
    "update": _check_setting,
    "upsert": _check_setting,
    "delete": _check_selecting,
    "hash": _check_selecting,
    "extract": _check_extract,
    "convert": _check_convert,
}


def compile_actions(actions: Sequence[ActionSettings]) -> Change:
    """One function that does all the actions in order."""
    changes = [_COMPILERS[action.action](action) for action in actions]

    def change_all(attributes: Any) -> bool:
        changed = False
        for change in changes:
            changed = change(attributes) or changed
        return changed

    return change_all


def _setting(settings: ActionSettings) -> Change:
    key, action = settings.key, settings.action
    constant = settings.value if settings.value is not None else settings.default_value
    fixed = None if constant is None else any_value(constant)

    def change(attributes: Any) -> bool:
        present = find(attributes, key) is not None
        if (present and action == "insert") or (not present and action == "update"):
            return False
        source = find(attributes, settings.from_attribute) if settings.from_attribute else None
        value = source if source is not None else fixed
        return value is not None and put(attributes, key, value)

    return change


def _selects(settings: ActionSettings) -> Callable[[str], bool]:
    if not settings.pattern:
        return settings.key.__eq__
    search = compile_pattern(settings.pattern).search
    return lambda key: bool(settings.key and key == settings.key) or search(key) is not None


def _delete(settings: ActionSettings) -> Change:
    selects = _selects(settings)
    return lambda attributes: remove(attributes, selects)


def _each(selects: Callable[[str], bool], convert: Callable[[AnyValue], AnyValue | None]) -> Change:
    """Replace the selected attributes' values by what `convert` makes of them; None = leave it."""

    def change(attributes: Any) -> bool:
        changed = False
        for entry in attributes:
            value = convert(entry.value) if selects(entry.key) else None
            if value is not None:
                entry.value.CopyFrom(value)
                changed = True
        return changed

    return change


def _hash(settings: ActionSettings) -> Change:
    return _each(_selects(settings), _digest)


def _digest(value: AnyValue) -> AnyValue:
    """SHA-256 in hex of text (UTF-8) or a number (little-endian); empty text for bytes, lists and maps."""
    kind = value.WhichOneof("value")
    if kind == "string_value":
        data = value.string_value.encode()
    elif kind == "bool_value":
        data = struct.pack("<?", value.bool_value)
    elif kind == "int_value":
        data = struct.pack("<q", value.int_value)
    elif kind == "double_value":
        data = struct.pack("<d", value.double_value)
    else:
        return AnyValue(string_value="")
    return AnyValue(string_value=hashlib.sha256(data).hexdigest())


def _extract(settings: ActionSettings) -> Change:
    search = compile_pattern(settings.pattern).search

    def change(attributes: Any) -> bool:
        source = find(attributes, settings.key)
        if source is None or source.WhichOneof("value") != "string_value":
            return False
        match = search(source.string_value)
        if match is None:
            return False
        texts = match.groupdict(default="")
        changes = [put(attributes, name, AnyValue(string_value=text)) for name, text in texts.items()]
        return any(changes)

    return change


def _convert(settings: ActionSettings) -> Change:
    return _each(
        settings.key.__eq__, {"int": _to_int, "double": _to_double, "string": _to_string}[settings.converted_type]
    )


_INT = re.compile(r"[+-]?[0-9]{1,19}")
_DOUBLE = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?")


def _to_int(value: AnyValue) -> AnyValue | None:
    """Doubles lose their fraction; text must be a decimal integer of 64 bits."""
    kind = value.WhichOneof("value")
    if kind == "bool_value":
        return AnyValue(int_value=int(value.bool_value))
    if kind == "double_value" and abs(value.double_value) < 2**63:
        return AnyValue(int_value=int(value.double_value))
    if kind == "string_value" and _INT.fullmatch(value.string_value) and -(2**63) <= int(value.string_value) < 2**63:
        return AnyValue(int_value=int(value.string_value))
    return None


def _to_double(value: AnyValue) -> AnyValue | None:
    """Text must be a decimal number; one that is too large for a double stays text."""
    kind = value.WhichOneof("value")
    if kind == "bool_value":
        return AnyValue(double_value=float(value.bool_value))
    if kind == "int_value":
        return AnyValue(double_value=float(value.int_value))
    if kind == "string_value" and _DOUBLE.fullmatch(value.string_value) and abs(float(value.string_value)) != math.inf:
        return AnyValue(double_value=float(value.string_value))
    return None


def _to_string(value: AnyValue) -> AnyValue | None:
    return None if value.WhichOneof("value") == "string_value" else AnyValue(string_value=text_of(value))


_COMPILERS: dict[str, Callable[[ActionSettings], Change]] = {
    "insert": _setting,
    "update": _setting,
    "upsert": _setting,
    "delete": _delete,
    "hash": _hash,
    "extract": _extract,
    "convert": _convert,
}
