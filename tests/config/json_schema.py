"""A validator for the part of JSON Schema that `config.schema` uses; an unknown keyword is an error: none slips by."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

__all__ = ["errors", "undescribed"]

_ANNOTATIONS = {
    "$schema",
    "$defs",
    "title",
    "description",
    "default",
    "format",
    "writeOnly",
    "discriminator",
    "examples",
}
_TYPES: Mapping[str, tuple[type, ...]] = {
    "object": (dict,),
    "array": (list,),
    "string": (str,),
    "integer": (int,),
    "number": (int, float),
    "boolean": (bool,),
    "null": (type(None),),
}


def errors(schema: Mapping[str, Any], value: Any, root: Mapping[str, Any] | None = None, path: str = "") -> list[str]:
    """What is wrong with a value by a schema (draft 2020-12)."""
    root = root or schema
    found = []
    for keyword, argument in schema.items():
        if keyword not in _ANNOTATIONS:
            found += list(_keyword(keyword, argument, schema, value, root, path))
    return found


def _keyword(
    keyword: str, argument: Any, schema: Mapping[str, Any], value: Any, root: Mapping[str, Any], path: str
) -> Iterator[str]:
    is_text, is_number = isinstance(value, str), isinstance(value, int | float) and not isinstance(value, bool)
    match keyword:
        case "$ref":
            yield from errors(root["$defs"][argument.removeprefix("#/$defs/")], value, root, path)
        case "type":
            names = [argument] if isinstance(argument, str) else argument
            if not any(_has_type(value, name) for name in names):
                yield f"{path}: not {argument}"
        case "anyOf" | "oneOf":
            if not any(not errors(each, value, root, path) for each in argument):
                yield f"{path}: none of the alternatives"
        case "enum" | "const":
            if value not in (argument if keyword == "enum" else [argument]):
                yield f"{path}: not a valid choice"
        case "pattern":
            if is_text and not re.search(argument, value):
                yield f"{path}: pattern"
        case "minLength" | "maxLength" | "minItems" | "maxItems" | "minProperties" | "maxProperties":
            fits = isinstance(value, {"L": str, "I": list, "P": dict}[keyword[3]])
            if fits and (len(value) < argument if keyword.startswith("min") else len(value) > argument):
                yield f"{path}: {keyword}"
        case "minimum" | "exclusiveMinimum" | "maximum" | "exclusiveMaximum":
            if is_number and not _within(keyword, argument, value):
                yield f"{path}: {keyword}"
        case "required":
            if isinstance(value, dict):
                yield from (f"{path}: {name} is missing" for name in argument if name not in value)
        case "items":
            for index, each in enumerate(value if isinstance(value, list) else []):
                yield from errors(argument, each, root, f"{path}/{index}")
        case "properties" | "patternProperties" | "additionalProperties":
            yield from _properties(keyword, argument, schema, value, root, path)
        case "propertyNames":
            for name in value if isinstance(value, dict) else ():
                yield from errors(argument, name, root, f"{path}/{name}")
        case "uniqueItems":
            if argument and isinstance(value, list) and len({repr(each) for each in value}) < len(value):
                yield f"{path}: uniqueItems"
        case _:
            raise NotImplementedError(keyword)


def _has_type(value: Any, name: str) -> bool:
    return isinstance(value, _TYPES[name]) and (isinstance(value, bool) == (name == "boolean"))


def _within(keyword: str, limit: float, value: float) -> bool:
    if keyword.startswith("exclusive"):
        return value > limit if keyword.endswith("Minimum") else value < limit
    return value >= limit if keyword == "minimum" else value <= limit


def _properties(
    keyword: str, argument: Any, schema: Mapping[str, Any], value: Any, root: Mapping[str, Any], path: str
) -> Iterator[str]:
    for name, each in value.items() if isinstance(value, dict) else ():
        named = name in schema.get("properties", {})
        patterns = [pattern for pattern in schema.get("patternProperties", {}) if re.search(pattern, name)]
        if keyword == "properties" and named:
            yield from errors(argument[name], each, root, f"{path}/{name}")
        elif keyword == "patternProperties":
            for pattern in patterns:
                yield from errors(argument[pattern], each, root, f"{path}/{name}")
        elif keyword == "additionalProperties" and not named and not patterns:
            if isinstance(argument, dict):
                yield from errors(argument, each, root, f"{path}/{name}")
            elif not argument:
                yield f"{path}: no {name}"


def undescribed(schema: Mapping[str, Any]) -> list[str]:
    """The keys of all definitions that have no description, neither of their own nor by their definition."""
    definitions = schema["$defs"]
    return [
        f"{name}.{key}"
        for name, definition in definitions.items()
        for key, each in definition.get("properties", {}).items()
        if "description" not in each
        and "description" not in definitions.get(each.get("$ref", "")[len("#/$defs/") :], {})
    ]
