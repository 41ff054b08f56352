"""Prometheus names for OTLP metrics, attributes and units, as the library otlptranslator gives them.

Names come again and again, so every answer is remembered, in bounded tables.
"""

import re
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache

__all__ = ["Escaping", "Kind", "Naming", "Strategy", "escape", "label_name", "metric_name", "unit_name"]

_REMEMBERED = 16_384
"""Answers kept per function, about 300 bytes each: more names than a healthy fleet has."""


class Kind(StrEnum):
    """What a metric is, as far as names and metadata care."""

    GAUGE = "gauge"
    COUNTER = "counter"
    """A monotonic sum."""
    UPDOWN = "updown"
    """A sum that may fall: a gauge that gets no `_ratio`."""
    HISTOGRAM = "histogram"
    EXPONENTIAL_HISTOGRAM = "exphist"
    SUMMARY = "summary"


class Strategy(StrEnum):
    """The values of `translation_strategy`: whether names keep their UTF-8, and whether unit and type are appended."""

    UNDERSCORE_ESCAPING_WITH_SUFFIXES = "UnderscoreEscapingWithSuffixes"
    UNDERSCORE_ESCAPING_WITHOUT_SUFFIXES = "UnderscoreEscapingWithoutSuffixes"
    NO_UTF8_ESCAPING_WITH_SUFFIXES = "NoUTF8EscapingWithSuffixes"
    NO_TRANSLATION = "NoTranslation"

    @property
    def escapes(self) -> bool:
        return self.value.startswith("UnderscoreEscaping")

    @property
    def appends(self) -> bool:
        return self.value.endswith("WithSuffixes")


_UNITS = {
    "d": "days", "h": "hours", "min": "minutes", "s": "seconds",
    "ms": "milliseconds", "us": "microseconds", "ns": "nanoseconds",
    "By": "bytes", "KiBy": "kibibytes", "MiBy": "mebibytes", "GiBy": "gibibytes", "TiBy": "tibibytes",
    "KBy": "kilobytes", "MBy": "megabytes", "GBy": "gigabytes", "TBy": "terabytes",
    "m": "meters", "V": "volts", "A": "amperes", "J": "joules", "W": "watts", "g": "grams",
    "Cel": "celsius", "Hz": "hertz", "1": "", "%": "percent",
}  # fmt: skip
"""Words for UCUM units. The OpenTelemetry specification has tebibytes and kBy; the library has tibibytes and KBy."""

_PER_UNITS = {"s": "second", "m": "minute", "h": "hour", "d": "day", "w": "week", "mo": "month", "y": "year"}

_TOKEN = re.compile(r"[A-Za-z0-9:]+")
_TOKEN_OR_UNDERSCORE = re.compile(r"[A-Za-z0-9:_]+")
_NOT_IN_METRIC = re.compile(r"[^A-Za-z0-9:]+")
_NOT_IN_LABEL = re.compile(r"[^A-Za-z0-9]")
_NOT_IN_LABEL_RUN = re.compile(r"[^A-Za-z0-9]+")


@lru_cache(_REMEMBERED)
def metric_name(name: str, unit: str, kind: Kind, strategy: Strategy, namespace: str = "") -> str | None:
    """The Prometheus name of a metric; None if nothing legal is left of it. `namespace` is put in front as it is."""
    if strategy.escapes:
        escape = _escaped_with_suffixes if strategy.appends else _escaped
        escaped = escape(name, unit, kind, namespace)
        return escaped if escaped.strip("_") else None
    whole = f"{namespace}_{name}" if namespace else name
    return _with_suffixes(whole, unit, kind) if strategy.appends else whole


def _escaped(name: str, unit: str, kind: Kind, namespace: str) -> str:
    escaped = "_".join(_TOKEN_OR_UNDERSCORE.findall(name))
    return f"{namespace}_{escaped}" if namespace else _not_a_digit_first(escaped)


def _escaped_with_suffixes(name: str, unit: str, kind: Kind, namespace: str) -> str:
    tokens: list[str] = _TOKEN.findall(name)
    tokens += _unit_tokens(unit, tokens)
    suffix = _type_suffix(unit, kind)
    if suffix:
        tokens = [*(token for token in tokens if token != suffix), suffix]
    return _not_a_digit_first("_".join([namespace, *tokens] if namespace else tokens))


def _unit_tokens(unit: str, present: list[str]) -> list[str]:
    """What of a unit is to be appended to a name made of the tokens `present`."""
    main, per = (_clean(part) for part in _unit_words(unit))
    per = "" if per == "per_" else per.removesuffix("_")
    if per:
        main = main.removesuffix("_")
    return [part for part in (main, per) if part and part not in present]


def _type_suffix(unit: str, kind: Kind) -> str:
    if kind is Kind.COUNTER:
        return "total"
    return "ratio" if kind is Kind.GAUGE and unit == "1" else ""


def _with_suffixes(name: str, unit: str, kind: Kind) -> str:
    """UTF-8 names: suffixes in the order unit, per unit, type; one that ends the name already is not doubled."""
    main, per = _unit_words(unit)
    suffix = _type_suffix(unit, kind)
    for ending in (suffix, per):
        # With the character before it, whatever it is: so the library, to the letter ("subtotal" becomes "su_total").
        if ending and name.endswith(ending) and len(name) > len(ending) + 1:
            name = name[: -len(ending) - 1]
    if main and not name.endswith(main):
        name = f"{name}_{main}"
    return "_".join(part for part in (name, per, suffix) if part)


def _not_a_digit_first(name: str) -> str:
    return f"_{name}" if name[:1].isdigit() else name


@lru_cache(_REMEMBERED)
def unit_name(unit: str) -> str:
    """The word for a UCUM unit, as it stands in names and in UNIT metadata: `By/s` → `bytes_per_second`."""
    words = "_".join(word for word in map(_clean, _unit_words(unit)) if word)
    return words.removeprefix("_").removesuffix("_")


def _unit_words(unit: str) -> tuple[str, str]:
    """The unit and what it is per, in words, not cleaned yet; annotations in braces are not units."""
    main, _, per = (part.strip() for part in unit.partition("/"))
    main, per = ("" if "{" in part or "}" in part else part for part in (main, per))
    return _UNITS.get(main, main), f"per_{_PER_UNITS.get(per, per)}" if per else ""


def _clean(unit: str) -> str:
    return _NOT_IN_METRIC.sub("_", unit).removeprefix("_")


@lru_cache(_REMEMBERED)
def label_name(key: str, *, preserve_underscores: bool = True, sanitize_underscore: bool = True) -> str | None:
    """The escaped label name of an attribute key; None if nothing legal is left of it.

    `preserve_underscores` keeps runs of underscores, `sanitize_underscore` puts `key` before a single leading one.
    Both are on in Prometheus' own OTLP endpoint, and both off in the library by itself and in OpenTelemetry's text.
    """
    name = _NOT_IN_LABEL.sub("_", key) if preserve_underscores else _collapsed(key)
    if name[:1].isdigit():
        name = f"key_{name}"
    elif sanitize_underscore and name.startswith("_") and not name.startswith("__"):
        name = f"key{name}"
    return name if name.strip("_") else None


def _collapsed(key: str) -> str:
    """Every run of other characters as one underscore, but for the marks of a reserved name: `__like_this__`."""
    if key.startswith("__") and key.endswith("__") and len(key) > 4:
        return f"__{_NOT_IN_LABEL_RUN.sub('_', key[2:-2])}__"
    return _NOT_IN_LABEL_RUN.sub("_", key)


class Escaping(StrEnum):
    """How names of a UTF-8 strategy are written where only the old alphabet is understood: Prometheus' own schemes."""

    ALLOW_UTF_8 = "allow-utf-8"
    """As they are."""
    UNDERSCORES = "underscores"
    """Every other character as `_`."""
    DOTS = "dots"
    """`.` as `_dot_`, `_` as `__`, every other character as `__`."""
    VALUES = "values"
    """`U__` first, `_` as `__`, every other character as `_<code point in hexadecimal>_`: can be undone."""


_LEGACY_METRIC = re.compile(r"[A-Za-z_:][A-Za-z0-9_:]*")
_LEGACY_LABEL = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


@lru_cache(_REMEMBERED)
def escape(name: str, escaping: Escaping, *, colons: bool) -> str:
    """A name in the old alphabet, of which a metric's name may have `colons` and a label's may not.

    Source: prometheus/common, `EscapeName`. `""` stays `""`.
    """
    legal = (_LEGACY_METRIC if colons else _LEGACY_LABEL).fullmatch(name) is not None
    if escaping is Escaping.ALLOW_UTF_8 or not name or (legal and escaping is not Escaping.DOTS):
        return name
    text = "".join(_escaped_character(character, escaping, place, colons) for place, character in enumerate(name))
    return f"U__{text}" if escaping is Escaping.VALUES else text


def _escaped_character(character: str, escaping: Escaping, place: int, colons: bool) -> str:
    if character == "_" and escaping is not Escaping.UNDERSCORES:
        return "__"
    if character.isascii() and (character.isalpha() or character in ("_:" if colons else "_")):
        return character
    if character.isascii() and character.isdigit() and place:
        return character
    if escaping is Escaping.UNDERSCORES:
        return "_"
    if escaping is Escaping.DOTS:
        return "_dot_" if character == "." else "__"
    return f"_{ord(character):x}_"


@dataclass(frozen=True, slots=True)
class Naming:
    """How metrics and labels are named: by a strategy, and by an escaping where UTF-8 names are not understood."""

    strategy: Strategy = Strategy.UNDERSCORE_ESCAPING_WITH_SUFFIXES
    namespace: str = ""
    escaping: Escaping = Escaping.ALLOW_UTF_8

    def metric(self, name: str, unit: str, kind: Kind) -> str | None:
        """The name of a metric; None if there is none left."""
        whole = metric_name(name, unit, kind, self.strategy, self.namespace)
        return escape(whole, self.escaping, colons=True) if whole else None

    def label(self, key: str) -> str | None:
        """The name of a label; None if there is none left."""
        if self.strategy.escapes:
            return label_name(key)
        return escape(key, self.escaping, colons=False) or None
