"""A tree of values → a settings model, or every problem with its place: between YAML's positions and pydantic.

What YAML typed is put right by what the model asks for: a number where a text belongs is the text that was written, an
empty value where a map or list belongs is an empty one.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from config.errors import Problem
from config.fields import keys_at
from config.nodes import List, Map, Node, Scalar, Steps, plain, problem_at, walk
from config.sentences import CUSTOM, NULLS, RETYPED, expectation, sentence, unknown, wrong_type

__all__ = ["check"]

Model = TypeVar("Model", bound=BaseModel)
_ABOUT_KEYS = {"extra_forbidden", "missing"}


@dataclass(frozen=True, slots=True)
class _Found:
    """One of pydantic's errors and where it belongs in the tree."""

    steps: Steps
    node: Node
    error: Mapping[str, Any]

    @property
    def kind(self) -> str:
        return str(self.error["type"])


def check(model: type[Model], node: Node, path: Steps, problems: list[Problem]) -> Model | None:
    """The settings in a tree that stands at `path` of the file; None if anything is wrong: see `problems`."""
    instead: dict[Steps, Any] = {}
    while True:
        try:
            return model.model_validate(plain(node, instead))
        except ValidationError as error:
            found = _located(node, error)
        repairs = {each.steps: _repair(each) for each in found if _repair(each) is not None}
        if not repairs.keys() - instead.keys():
            break
        instead |= repairs
    masked = _custom_sentences(model, node, instead)
    deepest = [each for each in found if not (expectation(each.error) and _has_deeper(each, found))]
    for each in deepest:
        if not (isinstance(each.node, Scalar) and each.node.broken):
            at_key = each.kind in _ABOUT_KEYS
            # A validator may have several things to say (every rule of a pack), one a line.
            for text in _sentence(model, each, deepest, masked).splitlines():
                problem = problem_at(each.node, (*path, *each.steps), text, at_key=at_key)
                problems += [problem] if problem not in problems else []
    return None


def _located(node: Node, error: ValidationError) -> list[_Found]:
    errors = error.errors(include_url=False, include_input=False)
    return [_Found(*walk(node, each["loc"]), dict(each)) for each in errors]


def _repair(found: _Found) -> Any:
    """What to take instead of a value that pydantic refused for its type; None if there is nothing."""
    if not isinstance(found.node, Scalar):
        return None
    if found.node.value is None:
        return NULLS.get(found.kind)
    retyped = found.kind in RETYPED and not isinstance(found.node.value, str)
    return found.node.text if retyped else None


def _custom_sentences(model: type[BaseModel], node: Node, instead: Mapping[Steps, Any]) -> dict[Steps, str]:
    """What the model's own validators say when they do not see a text that came from the environment or a file."""
    try:
        model.model_validate(plain(node, instead, masked=True))
    except ValidationError as error:
        return {each.steps: sentence(each.node, each.error) for each in _located(node, error) if each.kind in CUSTOM}
    return {}


def _sentence(model: type[BaseModel], each: _Found, others: Sequence[_Found], masked: Mapping[Steps, str]) -> str:
    if each.kind == "extra_forbidden":
        return unknown("key", str(each.steps[-1]), keys_at(model, each.steps[:-1]))
    if each.kind == "missing":
        return f"the key '{each.error['loc'][-1]}' is required and missing"
    if expectation(each.error):
        nouns = [noun for other in others if other.steps == each.steps and (noun := expectation(other.error))]
        return wrong_type(each.node, nouns)
    return _own_sentence(each, masked) if each.kind in CUSTOM else sentence(each.node, each.error)


def _has_deeper(found: _Found, others: Sequence[_Found]) -> bool:
    """Whether a union's other members went further: what is wrong deepest down is what was meant."""
    return any(len(each.steps) > len(found.steps) and each.steps[: len(found.steps)] == found.steps for each in others)


def _own_sentence(found: _Found, masked: Mapping[Steps, str]) -> str:
    """A validator's sentence, unless it might tell what a reference stands for."""
    references = [each for each in _scalars(found.node) if each.referenced]
    if not references:
        return sentence(found.node, found.error)
    safe = masked.get(found.steps, "")
    if safe and not any(_tells(safe, each) for each in references):
        return safe
    written = ", ".join(sorted({each.written for each in references}))
    return f"what {written} stands for is not valid here"


def _tells(text: str, scalar: Scalar) -> bool:
    """Numbers are not masked; they may not stand in the sentence either."""
    is_number = isinstance(scalar.value, int | float) and not isinstance(scalar.value, bool)
    return is_number and re.search(rf"(?<!\w){re.escape(scalar.text)}(?!\w)", text) is not None


def _scalars(node: Node) -> Iterator[Scalar]:
    if isinstance(node, Scalar):
        yield node
    children = node.entries.values() if isinstance(node, Map) else node.items if isinstance(node, List) else ()
    for child in children:
        yield from _scalars(child)
