"""Placement number N of a seed: which identifier, in which place, in which disguise, sent in which way."""

import json
from dataclasses import dataclass
from functools import cached_property
from random import Random
from typing import Literal

from google.protobuf.message import Message

from tests.oracle.disguises import DISGUISES, KEY_OF, needs
from tests.oracle.facts import Fact
from tests.oracle.identifiers import IDENTIFIERS
from tests.oracle.places import PLACES, Path, is_body, payload

__all__ = ["UNDER_KEY", "Placement", "is_marker", "never_planted"]

UNDER_KEY = ("under key", "under key as number", "under key as double")
_JSON_LOGS = ("message", "field", "nested field", "key", "line of text")
_ALL_PLACES = (*PLACES, *(f"json_logs {form}" for form in _JSON_LOGS))
_ALL_IDENTIFIERS = tuple(IDENTIFIERS)


def marker(number: int) -> str:
    """A number in letters: digits would look like identifiers."""
    letters = ""
    while number or len(letters) < 5:
        number, digit = divmod(number, 20)
        letters = "bcdfghjklmnpqrstvwxz"[digit] + letters
    return f"it{letters}"


def is_marker(text: str) -> bool:
    """Whether a text is one of them."""
    return text.startswith("it") and len(text) >= 7 and text.isalpha() and not set(text[2:]) & set("aeiouy")


@dataclass
class Placement:
    """One canary. The same seed and number give the same one."""

    seed: int
    number: int

    @cached_property
    def _random(self) -> Random:
        return Random(f"{self.seed}:{self.number}")

    @cached_property
    def _choice(self) -> tuple[str, Fact, str, str]:
        random = self._random
        identifier = random.choice(_ALL_IDENTIFIERS)
        fact = IDENTIFIERS[identifier](random)
        place = random.choice(_ALL_PLACES)
        disguise = random.choice(_NAMES)
        while not _fits(disguise, fact, place):
            disguise = random.choice(_NAMES)
        return identifier, fact, place, disguise

    @property
    def identifier(self) -> str:
        return self._choice[0]

    @property
    def fact(self) -> Fact:
        return self._choice[1]

    @property
    def place(self) -> str:
        return self._choice[2]

    @property
    def disguise(self) -> str:
        return self._choice[3]

    @property
    def cell(self) -> tuple[str, str, str]:
        """Identifier, place, disguise: what leaks are counted by."""
        return self.identifier, self.place, self.disguise

    @property
    def signal(self) -> str:
        """`traces`, `metrics`, `logs` or `json_logs`."""
        return self.place.partition(" ")[0]

    @property
    def transport(self) -> Literal["grpc", "http_json", "json_logs"]:
        """How it is sent: one in eight as OTLP/JSON."""
        if self.signal == "json_logs":
            return "json_logs"
        return "http_json" if self.number % 8 == 0 else "grpc"

    @cached_property
    def marker(self) -> str:
        """An attribute of the item, by which it is known again."""
        return marker(self.number)

    def message(self, time_ns: int) -> Message:
        """The OTLP payload; every item has the same time, so that no item's time looks like an identifier."""
        paths = PLACES[self.place]
        path: Path = paths[self.number % len(paths)]
        return payload(path, self._content(path), self.marker, time_ns)

    def line(self) -> bytes:
        """The line of JSON (or not) for `json_logs`."""
        form = self.place.removeprefix("json_logs ")
        if form == "line of text":
            return f"{self.marker} {self._text()}".replace("\n", " ").replace("\r", " ").encode()
        record: dict[str, object] = {"level": "warn", "oracle.item": self.marker, "message": "work done"}
        if form == "message":
            record["message"] = self._text()
        elif form == "key":
            record[self._text()] = 1
        else:
            key, value = self._pair()
            record |= {"context": {"inner": {key: value}}} if form == "nested field" else {key: value}
        return json.dumps(record, ensure_ascii=self.number % 2 == 0).encode()

    def _text(self) -> str:
        return DISGUISES[self.disguise](self.fact)

    def _pair(self) -> tuple[str, object]:
        """A key and a value: one that says what the value is, or one that says nothing."""
        if self.disguise not in UNDER_KEY:
            return KEY_OF.get(self.disguise, "note"), self._text()
        value = self.fact.value
        if self.disguise == "under key":
            return self.fact.key, value
        return self.fact.key, float(value) if "double" in self.disguise else int(value)

    def _content(self, path: Path) -> object:
        shape = self.place.partition(":")[2]
        if not shape:
            return self._text()
        if shape == "key":
            return self._text(), "yes"
        if shape == "map key":
            key, value = "context", {"rows": {self._text(): "yes"}}
            return value if is_body(path[-1]) else (key, value)
        return self._shaped(shape, *self._pair(), in_body=is_body(path[-1]))

    def _shaped(self, shape: str, key: str, value: object, in_body: bool) -> object:
        if shape == "bytes" and isinstance(value, str):
            value = value.encode()
        if shape == "list":
            value = ["first", value]
        if shape in ("map", "deep map"):
            inner: dict[str, object] = {"step": 2, key: value}
            key, value = "context", {"a": {"b": [{"c": inner}]}} if shape == "deep map" else inner
        elif in_body and self.disguise in UNDER_KEY:
            return {key: value}
        return value if in_body else (key, value)


_PAIRS = ("text", "bytes", "list", "map", "deep map", "field", "nested field")
"""Shapes in which a text has a key; the others are texts, and keys themselves."""


_NAMES = (*DISGUISES, *UNDER_KEY * 3)


def _fits(disguise: str, fact: Fact, place: str) -> bool:
    """Whether this fact can be disguised like that in this place."""
    form = place.partition(":")[2] or place.removeprefix("json_logs ")
    if disguise in UNDER_KEY:
        is_number = fact.value.isdigit() and len(fact.value) < 16 and form != "bytes"
        return form in _PAIRS and (disguise == UNDER_KEY[0] or is_number)
    # Without a key of its own nothing says that a text is SQL or an exception.
    if (disguise.startswith("sql") or disguise == "exception") and (form not in _PAIRS or place in _BARE_BODIES):
        return False
    if disguise in _OF_LINES and form == "line of text":
        return False
    return needs(disguise, fact)


_OF_LINES = ("multipart", "base64 in lines")
"""Made of several lines, without which they are not what they are."""
_BARE_BODIES = frozenset(f"logs LogRecord.body:{form}" for form in ("text", "bytes", "list"))


def never_planted(seed: int, number: int) -> Fact:
    """A canary of a run that never was, of the same class as that of a placement."""
    return IDENTIFIERS[_ALL_IDENTIFIERS[number % len(_ALL_IDENTIFIERS)]](Random(f"never {seed}:{number}"))
