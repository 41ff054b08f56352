"""Redacts attribute values and log bodies in place, at any depth, in the Collector's order: ignored keys, keys that are
not allowed, allowed values, blocked keys, blocked values, sanitizers.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from processors.collector.keys import IGNORED, REMOVED, rule
from processors.collector.means import Means
from processors.collector.sanitizers import Statement, system_of
from processors.collector.summary import Summary
from processors.otlp_objects import remove_if, text_of
from processors.redaction.budget import OverBudget
from processors.redaction.octets import is_text, readable, unpacked

__all__ = ["Values"]

_MOST_UNPACKED = 2**20
Sanitize = Callable[[str], tuple[str, list[str]]]


@dataclass(frozen=True, slots=True)
class _Place:
    """Where a value is. `listed`: the list of allowed keys holds for the keys within it."""

    path: str
    listed: bool
    numbers: bool
    sanitize: Sanitize

    def below(self, step: str) -> "_Place":
        return replace(self, path=f"{self.path}.{step}" if self.path else step)


class Values:
    """Redacts by what a configuration says. The rules that acted are added to `means.texts.acts`."""

    def __init__(self, means: Means, is_log: bool) -> None:
        self._means = means
        self._is_log = is_log
        self._acts = means.texts.acts
        self._keys: tuple[Any, set[str]] | None = None

    def text(self, text: str, listed: bool = False) -> str:
        """A text without blocked values; one that cannot be looked at is masked as a whole."""
        try:
            before = text.encode()
            after = self._means.texts.redacted(before, listed)
            return text if after is before or after == before else after.decode("utf-8", "replace")
        except OverBudget:
            self._acts.append("over_budget")
            return "****"

    def allows(self, text: str) -> bool:
        """Whether an allowed value is in a text, which then stays as it is."""
        return self._means.allowed_values.first(text.encode()) is not None

    def attributes(self, attributes: Any, listed: bool) -> Summary:
        """Redact a list of attributes."""
        summary = Summary()
        statement = Statement(system_of(attributes), self._is_log)
        remove_if(attributes, lambda entry: self._attribute(attributes, entry, listed, statement, summary))
        return summary

    def _attribute(self, attributes: Any, entry: Any, listed: bool, statement: Statement, summary: Summary) -> bool:
        """Redact one attribute; whether it must go."""
        key, value = entry.key, entry.value
        code = (self._means.keys.listed if listed else self._means.keys.within)(key)
        if code == IGNORED:
            summary.ignored.append(key)
            return False
        if code == REMOVED:
            self._acts.append("not_allowed_key")
            summary.redacted.append(self._shown(key))
            return True
        if self.allows(text_of(value) if self._means.all_types else value.string_value):
            summary.allowed.append(self._shown(key))
        elif code >= 0:
            self._mask(value, code)
            summary.masked.append(self._shown(key))
        else:
            place = _Place(key, False, self._means.all_types, lambda text: self._sanitized(key, text, statement))
            within = Summary()
            self._value(value, place, within)
            if within.masked:
                summary.masked.append(self._shown(key))
        return self._key_goes(attributes, entry)

    def _sanitized(self, key: str, text: str, statement: Statement) -> tuple[str, list[str]]:
        return self._means.sanitizers.attribute(key, text, statement)

    def body(self, body: Any) -> Summary:
        """Redact the body of a log record; of numbers in it, too, the Collector looks at the text."""
        summary = Summary()
        self._value(body, _Place("", True, True, self._means.sanitizers.body), summary)
        return summary

    def _value(self, value: Any, place: _Place, summary: Summary) -> None:
        match value.WhichOneof("value"):
            case "kvlist_value":
                entries = value.kvlist_value.values
                remove_if(entries, lambda entry: self._pair(entries, entry, place, summary))
            case "array_value":
                for number, inner in enumerate(value.array_value.values):
                    self._value(inner, place.below(f"[{number}]"), summary)
            case None:
                return
            case kind:
                self._leaf(value, str(kind), place, summary)

    def _pair(self, entries: Any, entry: Any, place: _Place, summary: Summary) -> bool:
        """Redact a pair of a map; whether it must go."""
        code = (self._means.keys.listed if place.listed else self._means.keys.within)(entry.key)
        if code == IGNORED:
            summary.ignored.append(place.below(entry.key).path)
            return False
        inner = place.below(self._shown(entry.key))
        if code == REMOVED:
            self._acts.append("not_allowed_key")
            summary.redacted.append(inner.path)
            return True
        if code >= 0:
            self._mask(entry.value, code)
            summary.masked.append(inner.path)
        else:
            self._value(entry.value, inner, summary)
        return self._key_goes(entries, entry)

    def _leaf(self, value: Any, kind: str, place: _Place, summary: Summary) -> None:
        if kind == "bytes_value":
            self._bytes(value, place, summary)
            return
        is_text_value = kind == "string_value"
        if not is_text_value and not place.numbers:
            return
        before = value.string_value if is_text_value else text_of(value)
        after = self._redacted(before, place, summary)
        if after != before:
            value.string_value = after

    def _redacted(self, before: str, place: _Place, summary: Summary) -> str:
        """A text that is a value, and not only part of one."""
        name = place.path or "body"
        if self.allows(before):
            summary.allowed.append(name)
            return before
        after, rules = place.sanitize(self.text(before, place.listed))
        self._acts += rules
        if after != before:
            summary.masked.append(name)
        return after

    def _bytes(self, value: Any, place: _Place, summary: Summary) -> None:
        """Bytes that are text are redacted as such; others go as a whole if something is in them."""
        content = value.bytes_value
        if is_text(content):
            after = self._redacted(content.decode(), place, summary).encode()
            if after != content:
                value.bytes_value = after
        elif any(self.text(text) != text for text in _texts_in(content)):
            summary.masked.append(place.path or "body")
            value.bytes_value = self._means.mask(content)

    def _mask(self, value: Any, code: int) -> None:
        self._acts.append(rule("blocked_key_pattern", code))
        value.string_value = self._means.mask(text_of(value).encode()).decode()

    def _shown(self, key: str) -> str:
        """A key as it may be named in a summary."""
        before = len(self._acts)
        shown = self.text(key)
        del self._acts[before:]
        return shown

    def _key_goes(self, entries: Any, entry: Any) -> bool:
        """Redact the key itself; of two that become equal the later goes."""
        if self._means.keys.names(entry.key):
            return False
        key = self.text(entry.key)
        if key == entry.key:
            return False
        if self._keys is None or self._keys[0] is not entries:
            self._keys = (entries, {other.key for other in entries})
        taken = key in self._keys[1]
        self._keys[1].add(key)
        entry.key = key
        return taken


def _texts_in(content: bytes) -> list[str]:
    """What can be read in bytes that are no text."""
    plain = unpacked(content, _MOST_UNPACKED)
    texts = [content, *readable(content), *([] if plain is None else [plain])]
    return [text.decode("utf-8", "replace") for text in texts]
