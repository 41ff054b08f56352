"""Which keys a settings model takes at a place inside it: found by following its annotations."""

import types
from collections.abc import Iterator
from typing import Annotated, Any, Union, get_args, get_origin

from pydantic import AliasChoices, BaseModel
from pydantic.fields import FieldInfo

from config.nodes import Steps

__all__ = ["keys_at"]


def keys_at(model: type[BaseModel], steps: Steps) -> list[str]:
    """The keys that are valid in the map at `steps` of a model's section, sorted."""
    candidates: list[Any] = [model]
    for step in steps:
        candidates = [inner for each in candidates for inner in _inside(each, step)]
    models = [each for each in candidates if isinstance(each, type) and issubclass(each, BaseModel)]
    return sorted({key for each in models for name, field in each.model_fields.items() for key in _keys(name, field)})


def _keys(name: str, field: FieldInfo) -> list[str]:
    alias = field.validation_alias or field.alias
    if isinstance(alias, AliasChoices):
        return [choice for choice in alias.choices if isinstance(choice, str)]
    return [alias] if isinstance(alias, str) else [name]


def _inside(annotation: Any, step: str | int) -> Iterator[Any]:
    """The types a value may have one step further in."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        for name, field in annotation.model_fields.items():
            if step in _keys(name, field):
                yield from _members(field.annotation)
    elif arguments := get_args(annotation):
        yield from _members(arguments[-1] if get_origin(annotation) is dict else arguments[0])


def _members(annotation: Any) -> Iterator[Any]:
    """A type without `Annotated`, a union as its members."""
    origin = get_origin(annotation)
    if origin is Annotated:
        yield from _members(get_args(annotation)[0])
    elif origin in (Union, types.UnionType):
        for each in get_args(annotation):
            yield from _members(each)
    else:
        yield annotation
