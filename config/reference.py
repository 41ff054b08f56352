"""The settings of every component as a text to read, made from the settings models so that it cannot be out of date."""

import sys
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, get_args

from pydantic import WithJsonSchema
from pydantic.fields import FieldInfo

from config.catalogue import KINDS, Catalogue
from config.settings import DURATION_SCHEMA, SIZE_SCHEMA, Settings

__all__ = ["Row", "reference", "rows", "summary"]


@dataclass(frozen=True, slots=True)
class Row:
    """One key: its path below the component (`protocols::grpc::endpoint`), its default, what it is."""

    path: str
    default: str
    meaning: str


def reference(catalogue: Catalogue) -> str:
    """Every component's settings, as Markdown."""
    parts = [
        "# Settings of every component\n\nMade by `telescrub components --markdown`; the texts are those of the code.\n"
    ]
    for kind in KINDS:
        parts.append(f"\n## {kind}\n")
        for name, model in sorted(catalogue.table(kind).items()):
            other = sorted(alias for alias, target in catalogue.aliases(kind).items() if target == name)
            also = f" Also written {', '.join(f'`{each}`' for each in other)}." if other else ""
            parts.append(f"\n### {name}\n\n{summary(model)}{also}\n\n{_table(model)}")
    return "".join(parts)


def summary(model: type[Settings]) -> str:
    """What a component is: the first paragraph of its module."""
    paragraph = (sys.modules[model.__module__].__doc__ or "").strip().partition("\n\n")[0]
    text = " ".join(paragraph.split())
    what = text.partition(": ")[2] if text.startswith(("`", "The `")) else text
    return f"{what[:1].upper()}{what[1:]}"


def _table(model: type[Settings]) -> str:
    lines = [f"| `{row.path}` | {row.default} | {row.meaning.replace('|', '&#124;')} |" for row in rows(model)]
    return "\n".join(["| key | default | meaning |", "|---|---|---|", *lines, ""]) if lines else "No settings.\n"


def rows(model: type[Settings], prefix: str = "") -> Iterator[Row]:
    """Every key of a settings model, those of models within it too."""
    for name, field in model.model_fields.items():
        path = f"{prefix}{_written_name(name, field)}"
        yield Row(path, _default(field), " ".join((field.description or "").split()))
        if (inner := _inner(field.annotation)) is not None:
            yield from rows(inner, f"{path}::")


def _written_name(name: str, field: FieldInfo) -> str:
    alias = field.validation_alias
    return alias if isinstance(alias, str) else name


def _inner(annotation: Any) -> type[Settings] | None:
    """The settings model in an annotation, be it optional or in a list."""
    if isinstance(annotation, type) and issubclass(annotation, Settings):
        return annotation
    return next((inner for each in get_args(annotation) if (inner := _inner(each)) is not None), None)


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return "required"
    default = field.get_default(call_default_factory=True, validated_data={})
    if default is None or isinstance(default, Settings) or default in ("", [], {}, ()):
        return ""
    schemas = [each.json_schema for each in field.metadata if isinstance(each, WithJsonSchema)]
    if DURATION_SCHEMA in schemas:
        return f"`{default:g}s`"
    if SIZE_SCHEMA in schemas and default % 1024 == 0:
        return f"`{default >> 20}MiB`" if default % 2**20 == 0 else f"`{default >> 10}KiB`"
    if isinstance(default, bool):
        return f"`{str(default).lower()}`"
    return ", ".join(f"`{each}`" for each in default) if isinstance(default, list | tuple) else f"`{default}`"
