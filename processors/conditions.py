"""The condition language of `filter`: a small part of the Collector's OTTL, parsed when the configuration is loaded.

    condition   = conjunction { "or" conjunction }
    conjunction = negation { "and" negation }
    negation    = "not" negation | "(" condition ")" | IsMatch(value, "regex") | value operator value | true | false
    operator    = "==" | "!=" | "<" | "<=" | ">" | ">="
    value       = path | "text" | number | true | false | nil | ENUM

A path is a field of what is tested or of what that stands in: `name`, `attributes["k"]["nested"]`,
`resource.attributes["k"]`, `instrumentation_scope.name`, `span.name`; a bare field belongs to the condition's own
context. Missing attributes are nil. Values of different types are unequal and neither is less than the other; whole
numbers and decimals compare as numbers, maps and lists with nothing. A parsed condition is a plain function that does
not raise.
"""

import json
import operator
import re
from collections.abc import Callable
from typing import Any, NamedTuple, NoReturn, TypeAlias

from opentelemetry.proto.common.v1.common_pb2 import AnyValue
from opentelemetry.proto.logs.v1.logs_pb2 import SeverityNumber
from opentelemetry.proto.metrics.v1.metrics_pb2 import AggregationTemporality
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status

from processors.condition_paths import LEVELS, METRIC_TYPES, Reader, Scene, Value, field_reader
from processors.otlp_objects import compile_pattern, text_of
from wire.signal import Signal

__all__ = ["Condition", "Test", "parse_condition"]

Test: TypeAlias = Callable[[Scene], bool]


class Condition(NamedTuple):
    """A parsed condition: whether a scene fulfils it, and whether it is about its part (span event or data point)."""

    test: Test
    needs_part: bool


def parse_condition(text: str, signal: Signal, context: str | None = None) -> Condition:
    """Parse a condition on `context` (`resource`, `span`, `spanevent`, `metric`, `datapoint`, `log`).

    Without a context every path must begin with one, and the innermost named is what the condition is about.
    Raises: `ValueError` with the character (from 1) where it goes wrong and what is valid there.
    """
    parser = _Parser(text, signal, context)
    test = parser.condition()
    if parser.token.kind != "end":
        parser.fail(f"{parser.token.text} is too much; join conditions with and, or")
    depth = parser.depth if context is None else LEVELS[signal][context].depth
    return Condition(test, needs_part=depth == 3)


class _Token(NamedTuple):
    kind: str
    text: str
    at: int


_TOKENS = re.compile(
    r"""(?P<space>\s+)
      | (?P<text>"(?:[^"\\]|\\.)*")
      | (?P<number>[+-]?(?:\d+\.\d*|\.\d+|\d+))
      | (?P<name>[A-Za-z_][A-Za-z0-9_]*(?:\.[A-Za-z_][A-Za-z0-9_]*)*)
      | (?P<operator>==|!=|<=|>=|<|>)
      | (?P<mark>[()\[\],])""",
    re.VERBOSE | re.ASCII,
)


def _tokens(text: str) -> list[_Token]:
    tokens = []
    at = 0
    while at < len(text):
        match = _TOKENS.match(text, at)
        if match is None:
            hint = "this text has no closing quote" if text[at] == '"' else f"{text[at]} means nothing here"
            raise ValueError(f"at character {at + 1}: {hint}")
        if match.lastgroup != "space":
            tokens.append(_Token(match.lastgroup or "", match[0], at))
        at = match.end()
    return [*tokens, _Token("end", "the end", len(text))]


_ENUMS: dict[str, int] = {
    **dict(Span.SpanKind.items()),
    **dict(Status.StatusCode.items()),
    **dict(SeverityNumber.items()),
    **dict(AggregationTemporality.items()),
    **{f"METRIC_DATA_TYPE_{name.upper()}": number for number, name in enumerate(METRIC_TYPES)},
}
_ENUM_FAMILIES = "SPAN_KIND_…, STATUS_CODE_…, SEVERITY_NUMBER_…, METRIC_DATA_TYPE_… or AGGREGATION_TEMPORALITY_…"
_CONSTANTS: dict[str, Value] = {"true": True, "false": False, "nil": None}
_WORDS = {"and", "or", "not"}


class _Parser:
    """Recursive descent over the tokens; `depth` is the innermost level that a path named."""

    def __init__(self, text: str, signal: Signal, context: str | None) -> None:
        self._tokens = _tokens(text)
        self._index = 0
        self._levels = LEVELS[signal]
        self._context = context
        self.depth = 0

    @property
    def token(self) -> _Token:
        return self._tokens[self._index]

    def fail(self, sentence: str, token: _Token | None = None) -> NoReturn:
        raise ValueError(f"at character {(token or self.token).at + 1}: {sentence}")

    def _next(self) -> _Token:
        token = self.token
        self._index += 1
        return token

    def _take(self, text: str) -> bool:
        """Step over the mark or word if it stands here."""
        found = self.token.kind in ("mark", "name") and self.token.text == text
        self._index += found
        return found

    def _need(self, text: str) -> None:
        if not self._take(text):
            self.fail(f"{text} is missing before {self.token.text}")

    def condition(self) -> Test:
        tests = [self._conjunction()]
        while self._take("or"):
            tests.append(self._conjunction())
        return tests[0] if len(tests) == 1 else lambda scene: any(test(scene) for test in tests)

    def _conjunction(self) -> Test:
        tests = [self._negation()]
        while self._take("and"):
            tests.append(self._negation())
        return tests[0] if len(tests) == 1 else lambda scene: all(test(scene) for test in tests)

    def _negation(self) -> Test:
        if self._take("not"):
            inner = self._negation()
            return lambda scene: not inner(scene)
        if self._take("("):
            grouped = self.condition()
            self._need(")")
            return grouped
        if self.token.kind == "name" and self._tokens[self._index + 1].text == "(":
            return self._function()
        return self._comparison()

    def _function(self) -> Test:
        name = self._next()
        if name.text != "IsMatch":
            self.fail(f'there is no function {name.text}; the only one is IsMatch(path, "regex")', name)
        self._need("(")
        value = self._value()
        self._need(",")
        pattern = self.token
        if pattern.kind != "text":
            self.fail("IsMatch needs a regular expression in double quotes here")
        try:
            search = compile_pattern(self._text()).search
        except ValueError as error:
            self.fail(str(error), pattern)
        self._need(")")
        return lambda scene: _matches(search, value(scene))

    def _comparison(self) -> Test:
        start = self.token
        left = self._value()
        if self.token.kind != "operator":
            if start.text in ("true", "false"):
                return lambda scene: start.text == "true"
            self.fail(f"a comparison (==, !=, <, <=, >, >=) is missing before {self.token.text}")
        compare = _OPERATORS[self._next().text]
        right = self._value()
        return lambda scene: compare(left(scene), right(scene))

    def _value(self) -> Reader:
        kind, text, _ = self.token
        if kind == "text":
            literal: Value = self._text()
        elif kind == "number":
            literal = float(text) if "." in text else int(text)
            self._index += 1
        elif kind == "name" and text in _CONSTANTS:
            literal = _CONSTANTS[text]
            self._index += 1
        elif kind == "name" and text.isupper():
            literal = self._enum()
        elif kind == "name" and text not in _WORDS:
            return self._path()
        else:
            self.fail(f'a path, "text", number, true, false or nil is missing before {text}')
        return lambda scene: literal

    def _text(self) -> str:
        try:
            text: str = json.loads(self.token.text, strict=False)
        except ValueError:
            self.fail("this text has a backslash that escapes nothing; write two for a backslash")
        self._index += 1
        return text

    def _enum(self) -> int:
        token = self._next()
        if token.text not in _ENUMS:
            self.fail(f"there is no constant {token.text}; constants are {_ENUM_FAMILIES}", token)
        return _ENUMS[token.text]

    def _path(self) -> Reader:
        token = self._next()
        if self.token.text == "(":
            self.fail(f'there is no function {token.text}; the only one is IsMatch(path, "regex")', token)
        level_name, field_name = self._split(token)
        level = self._levels[level_name]
        field = level.fields.get(field_name)
        if field is None:
            valid = ", ".join(sorted(name + '["key"]' * field.must_key for name, field in level.fields.items()))
            self.fail(f"{level_name} has no field {field_name or 'here'}; it has {valid}", token)
        keys = self._keys()
        if field.must_key and not keys:
            self.fail(f'{token.text} needs a key: {token.text}["key"]', token)
        if keys and not field.keyed:
            self.fail(f"{token.text} has no keys", token)
        self.depth = max(self.depth, level.depth)
        return field_reader(level, field, keys)

    def _split(self, token: _Token) -> tuple[str, str]:
        """The level and the field that a path names."""
        first, _, rest = token.text.partition(".")
        if first not in self._levels:
            if self._context is not None:
                return self._context, token.text
            names = ", ".join(f"{name}.…" for name in self._levels)
            self.fail(f"say what {token.text} belongs to; paths are {names}", token)
        if self._context is not None and self._levels[first].depth > self._levels[self._context].depth:
            self.fail(f"a condition on a {self._context} cannot look into a {first}", token)
        return first, rest

    def _keys(self) -> tuple[str, ...]:
        keys = []
        while self._take("["):
            if self.token.kind != "text":
                self.fail('a key in double quotes is missing here, as in attributes["key"]')
            keys.append(self._text())
            self._need("]")
        return tuple(keys)


def _matches(search: Callable[[str], object], value: Value) -> bool:
    """Numbers, booleans, maps and lists are matched as text, as in the Collector; nil matches nothing."""
    if value is None:
        return False
    if isinstance(value, AnyValue):
        text = text_of(value)
    elif isinstance(value, str):
        text = value
    elif isinstance(value, bytes):
        text = text_of(AnyValue(bytes_value=value))
    elif isinstance(value, bool):
        text = "true" if value else "false"
    else:
        text = text_of(AnyValue(double_value=value)) if isinstance(value, float) else str(value)
    return search(text) is not None


def _family(value: Value) -> type | None:
    """What a value may be compared with; None for maps and lists, which compare with nothing."""
    if isinstance(value, bool):
        return bool
    if isinstance(value, int | float):
        return float
    return None if isinstance(value, AnyValue) else type(value)


def _equal(left: Value, right: Value) -> bool:
    family = _family(left)
    return family is not None and family is _family(right) and left == right


def _ordered(compare: Callable[[Any, Any], bool]) -> Callable[[Value, Value], bool]:
    def test(left: Value, right: Value) -> bool:
        family = _family(left)
        return family not in (None, type(None)) and family is _family(right) and compare(left, right)

    return test


_OPERATORS: dict[str, Callable[[Value, Value], bool]] = {
    "==": _equal,
    "!=": lambda left, right: not _equal(left, right),
    "<": _ordered(operator.lt),
    "<=": _ordered(operator.le),
    ">": _ordered(operator.gt),
    ">=": _ordered(operator.ge),
}
