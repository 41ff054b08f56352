"""The JSON Schema of the whole configuration file: by it an editor completes keys, explains them and marks errors.

As `load` does, it takes a reference where a number is wanted, a number for a text, and nothing for a map or list.
"""

from collections.abc import Callable, Mapping
from typing import Any

from pydantic.json_schema import models_json_schema

from config.cases import Case
from config.catalogue import KINDS, Catalogue, Kind
from config.model import Service
from config.settings import Settings
from config.yaml_source import typed

__all__ = ["schema"]

_REFERENCE = {"type": "string", "pattern": r"\$\{.+\}"}
_ANNOTATIONS = ("description", "default", "examples", "deprecated")
_RESTRICTIONS = ("enum", "const", "pattern", "minLength", "maxLength")
_FREE_FORMATS = (None, "password", "path", "file-path", "directory-path")
_KINDS_IN_WORDS: Mapping[Kind, str] = {
    "receivers": "Telemetry comes in. Ids are `type` or `type/name`.",
    "processors": "Telemetry is changed. Ids are `type` or `type/name`.",
    "exporters": "Telemetry goes out. Ids are `type` or `type/name`.",
    "connectors": "One pipeline's end is another's beginning. Ids are `type` or `type/name`.",
    "extensions": "What runs beside the pipelines. Ids are `type` or `type/name`.",
}

_TESTS = "What `telescrub test` runs: inputs, and what must and must not come out."


def schema(catalogue: Catalogue) -> dict[str, Any]:
    """The schema (JSON Schema draft 2020-12) of a file with the catalogue's components."""
    models: set[type[Settings]] = {model for kind in KINDS for model in catalogue.table(kind).values()} | {
        Case,
        Service,
    }
    ordered = sorted(models, key=lambda model: (model.__module__, model.__qualname__))
    references, definitions = models_json_schema([(model, "validation") for model in ordered])
    reference_of = {model: references[model, "validation"] for model in ordered}
    sections = {kind: _section(catalogue, kind, reference_of) for kind in KINDS}
    tests = {"type": ["array", "null"], "description": _TESTS, "items": reference_of[Case]}
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Telescrub configuration",
        "type": "object",
        "properties": {**sections, "service": reference_of[Service], "tests": tests},
        "additionalProperties": False,
        "$defs": {name: _loosened(each) for name, each in definitions.get("$defs", {}).items()},
    }


def _section(catalogue: Catalogue, kind: Kind, reference_of: Mapping[type[Settings], Any]) -> dict[str, Any]:
    """A map of components. Types stand among `properties`, too, because that is what editors complete from."""
    names = sorted({*catalogue.table(kind), *catalogue.aliases(kind)})
    models = {name: model for name in names if (model := catalogue.settings(kind, name))}
    return {
        "type": ["object", "null"],
        "description": _KINDS_IN_WORDS[kind],
        "properties": {name: reference_of[model] for name, model in models.items()},
        "patternProperties": {f"^{name}/.+$": reference_of[model] for name, model in models.items()},
        "additionalProperties": False,
    }


def _loosened(node: dict[str, Any]) -> dict[str, Any]:
    """A schema of pydantic's as one of what may be written in the file."""
    result = {key: _inner(key, value) for key, value in node.items() if key != "title"}
    kinds = result.get("type", [])
    kinds = {kinds} if isinstance(kinds, str) else set(kinds)
    if kinds & {"object", "array"}:
        result["type"] = sorted({*kinds, "null"})
    elif kinds == {"string"} and not _is_restricted(result):
        result["type"] = ["string", "number", "boolean"]
    elif kinds - {"null"} or "enum" in result or "const" in result:
        outer = {key: result.pop(key) for key in _ANNOTATIONS if key in result}
        result = {**outer, "anyOf": [_retyped(result), _REFERENCE]}
    return result


def _is_restricted(text: Mapping[str, Any]) -> bool:
    return any(key in text for key in _RESTRICTIONS) or text.get("format") not in _FREE_FORMATS


def _retyped(node: dict[str, Any]) -> dict[str, Any]:
    """Choices of texts, with those that YAML takes for numbers (`min_version: 1.2`) in both forms."""
    if "enum" not in node:
        return node
    numbers = [typed(each) for each in node["enum"] if isinstance(each, str) and typed(each) != each]
    return {**{key: value for key, value in node.items() if key != "type"}, "enum": [*node["enum"], *numbers]}


def _inner(key: str, value: Any) -> Any:
    handle: Callable[[Any], Any] = _loosened
    if key in ("properties", "patternProperties"):
        return {name: handle(each) for name, each in value.items()}
    if key in ("anyOf", "oneOf", "allOf", "prefixItems"):
        return [handle(each) for each in value]
    if key in ("items", "additionalProperties", "propertyNames") and isinstance(value, dict):
        return handle(value)
    return value
