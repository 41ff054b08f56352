"""`include` and `exclude` of `attributes`: which spans, log records and data points the actions apply to."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from opentelemetry.proto.logs.v1.logs_pb2 import SeverityNumber
from opentelemetry.proto.trace.v1.trace_pb2 import Span
from pydantic import Field, field_validator, model_validator

from config.settings import Settings
from processors.otlp_objects import any_value, compile_pattern, find, text_of
from wire.signal import Signal

__all__ = ["Candidate", "ItemMatchSettings", "Matcher", "compile_match"]


class AttributeMatchSettings(Settings):
    """An attribute that must be there, with this value if one is given."""

    key: str = Field(min_length=1)
    """The attribute."""
    value: Any = None
    """With `strict`: the value, of the same type. With `regexp`: a pattern for its text. Left out: any value."""

    @field_validator("value")
    @classmethod
    def _is_attribute_value(cls, value: object) -> object:
        if value is not None:
            any_value(value)
        return value


class LibraryMatchSettings(Settings):
    """An instrumentation scope by name, and by version if one is given."""

    name: str
    """The scope's name."""
    version: str | None = None
    """The scope's version; left out: any."""


class SeverityMatchSettings(Settings):
    """Log records from a severity upwards."""

    min: int = Field(ge=0, le=max(SeverityNumber.values()))
    """The lowest severity number that matches (9 = INFO, 13 = WARN, 17 = ERROR)."""
    match_undefined: bool = False
    """Whether records without a severity match."""


class ItemMatchSettings(Settings):
    """Properties of an item; all that are given must fit. Of a list one must, of `attributes` and `resources` all."""

    match_type: Literal["strict", "regexp"]
    """How texts are compared: equal, or found anywhere in them by a regular expression."""
    services: tuple[str, ...] = ()
    """The resource's `service.name`."""
    resources: tuple[AttributeMatchSettings, ...] = ()
    """Resource attributes."""
    libraries: tuple[LibraryMatchSettings, ...] = ()
    """Instrumentation scopes."""
    attributes: tuple[AttributeMatchSettings, ...] = ()
    """Attributes of the span, log record or data point."""
    span_names: tuple[str, ...] = ()
    """Names of spans; traces only."""
    span_kinds: tuple[str, ...] = ()
    """Kinds of spans, as `SPAN_KIND_SERVER`; traces only."""
    log_bodies: tuple[str, ...] = ()
    """Bodies of log records that are text; logs only."""
    log_severity_texts: tuple[str, ...] = ()
    """Severity texts; logs only."""
    log_severity_number: SeverityMatchSettings | None = None
    """Severity numbers; logs only."""
    metric_names: tuple[str, ...] = ()
    """Names of metrics; metrics only."""

    @model_validator(mode="after")
    def _compiles(self) -> "ItemMatchSettings":
        if not compile_tests(self):
            raise ValueError(
                "nothing to match is given; give services, span_names, attributes, resources or another property"
            )
        return self

    def signals(self) -> frozenset[Signal]:
        """The signals that have what is asked for."""
        signals = frozenset(Signal)
        if self.span_names or self.span_kinds:
            signals &= {Signal.TRACES}
        if self.log_bodies or self.log_severity_texts or self.log_severity_number:
            signals &= {Signal.LOGS}
        if self.metric_names:
            signals &= {Signal.METRICS}
        return signals


@dataclass(frozen=True, slots=True)
class Candidate:
    """What is matched: a span or log record, or a data point's metric, with its attributes and where it stands."""

    resource: Any
    scope: Any
    item: Any
    attributes: Any


Matcher = Callable[[Candidate], bool]
_TextTest = Callable[[str], bool]


def compile_match(include: ItemMatchSettings | None, exclude: ItemMatchSettings | None) -> Matcher:
    """Whether the actions apply: included (by default all are) and not excluded."""
    included = compile_tests(include) if include else []
    excluded = compile_tests(exclude) if exclude else []

    def applies(candidate: Candidate) -> bool:
        if not all(test(candidate) for test in included):
            return False
        return not excluded or not all(test(candidate) for test in excluded)

    return applies


def compile_tests(settings: ItemMatchSettings) -> list[Matcher]:
    """One test for each property that is given.

    Raises: `ValueError` for a regular expression that does not compile.
    """
    tests: list[Matcher] = []

    def add(wanted: Sequence[str], read: Callable[[Candidate], str | None]) -> None:
        if wanted:
            tests.append(_text_property(_text_test(settings.match_type, wanted), read))

    add(settings.services, lambda candidate: _service(candidate.resource))
    add(settings.span_names, lambda candidate: str(candidate.item.name))
    add(settings.span_kinds, lambda candidate: _kind(candidate.item.kind))
    add(settings.log_bodies, lambda candidate: _string(candidate.item.body))
    add(settings.log_severity_texts, lambda candidate: str(candidate.item.severity_text))
    add(settings.metric_names, lambda candidate: str(candidate.item.name))
    if settings.log_severity_number:
        tests.append(_severity(settings.log_severity_number))
    if settings.libraries:
        tests.append(_library(settings))
    for wanted in settings.resources:
        tests.append(_attribute(settings.match_type, wanted, lambda candidate: candidate.resource.attributes))
    for wanted in settings.attributes:
        tests.append(_attribute(settings.match_type, wanted, lambda candidate: candidate.attributes))
    return tests


def _text_test(match_type: str, wanted: Sequence[str]) -> _TextTest:
    if match_type == "strict":
        return frozenset(wanted).__contains__
    searches = [compile_pattern(pattern).search for pattern in wanted]
    return lambda text: any(search(text) for search in searches)


def _text_property(test: _TextTest, read: Callable[[Candidate], str | None]) -> Matcher:
    def matches(candidate: Candidate) -> bool:
        text = read(candidate)
        return text is not None and test(text)

    return matches


def _service(resource: Any) -> str | None:
    value = find(resource.attributes, "service.name")
    return None if value is None else _string(value)


def _string(value: Any) -> str | None:
    return value.string_value if value.WhichOneof("value") == "string_value" else None


_KINDS = {int(number): name for name, number in Span.SpanKind.items()}


def _kind(kind: int) -> str | None:
    return _KINDS.get(kind)


def _severity(settings: SeverityMatchSettings) -> Matcher:
    def matches(candidate: Candidate) -> bool:
        number: int = candidate.item.severity_number
        return number >= settings.min if number else settings.match_undefined

    return matches


def _library(settings: ItemMatchSettings) -> Matcher:
    tests = [
        (
            _text_test(settings.match_type, [library.name]),
            None if library.version is None else _text_test(settings.match_type, [library.version]),
        )
        for library in settings.libraries
    ]

    def matches(candidate: Candidate) -> bool:
        scope = candidate.scope
        return any(name(scope.name) and (version is None or version(scope.version)) for name, version in tests)

    return matches


def _attribute(match_type: str, wanted: AttributeMatchSettings, read: Callable[[Candidate], Any]) -> Matcher:
    fits = _value_test(match_type, wanted)

    def matches(candidate: Candidate) -> bool:
        value = find(read(candidate), wanted.key)
        return value is not None and fits(value)

    return matches


def _value_test(match_type: str, wanted: AttributeMatchSettings) -> Callable[[Any], bool]:
    if wanted.value is None:
        return lambda value: True
    if match_type == "strict":
        expected = any_value(wanted.value)
        return lambda value: bool(value == expected)
    if not isinstance(wanted.value, str):
        raise ValueError("with match_type regexp the value of an attribute is a pattern and must be text; quote it")
    search = compile_pattern(wanted.value).search
    scalars = ("string_value", "bool_value", "int_value", "double_value")
    return lambda value: value.WhichOneof("value") in scalars and search(text_of(value)) is not None
