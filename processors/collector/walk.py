"""The way through a decoded payload: every text of it is looked at, whatever field it is in.

Fields are found in the messages themselves, so that one which OTLP gets later is looked at, too.
"""

from collections import Counter
from typing import Any

from google.protobuf.descriptor import FieldDescriptor

from pipeline.component import Redacted
from processors.collector.means import Means
from processors.collector.summary import Summary
from processors.collector.values import Values
from wire import schema

__all__ = ["Walk"]

_ITEMS = frozenset(message.name for number, message in enumerate(schema.MESSAGES) if schema.ITEM[number])
_NOT_LISTED = ("Metric",)
"""Messages whose attributes no list of allowed keys is about: `prometheus.type` in a metric's metadata."""
_NOT_SUMMED_UP = ("Metric", "Link", "Exemplar")
"""Messages to whose attributes no summary is added: the Collector's processor does not know them."""
_ACTIONS = {"not_allowed_key": "drop", "over_budget": "mask", "url_sanitizer": "mask", "db_sanitizer": "mask"}
"""Of what is never hashed."""


class Walk:
    """Redacts one payload in place. What was done is in `counts`; items on which it failed are empty, and `failed`."""

    def __init__(self, means: Means, is_log: bool) -> None:
        self._means = means
        self._values = Values(means, is_log)
        self.counts: Counter[Redacted] = Counter()
        self.failed = 0
        self.summed_up = False
        means.texts.acts.clear()

    def message(self, message: Any) -> None:
        """All fields of a message, and of those within it."""
        fields = message.ListFields()
        name = message.DESCRIPTOR.name
        for field, value in fields:
            place = f"{name}.{field.name}"
            kind = field.message_type.name if field.message_type is not None else ""
            if kind == "KeyValue":
                summary = self._values.attributes(value, listed=name not in _NOT_LISTED)
                if name not in _NOT_SUMMED_UP:
                    self._sum_up(summary, "redaction", value)
            elif kind == "AnyValue":
                self._sum_up(self._values.body(value), "redaction.body", message.attributes)
            elif kind:
                for inner in value if field.is_repeated else (value,):
                    self._inner(inner)
            elif field.type == FieldDescriptor.TYPE_STRING:
                self._text(message, field, value)
            self._count(place)

    def _inner(self, message: Any) -> None:
        if message.DESCRIPTOR.name not in _ITEMS:
            self.message(message)
            return
        try:
            self.message(message)
        except Exception:
            message.Clear()
            self._means.texts.acts.clear()
            self.failed += 1

    def _text(self, message: Any, field: Any, value: Any) -> None:
        if field.is_repeated:
            for number, text in enumerate(value):
                value[number] = self._redacted(text)
            return
        setattr(message, field.name, self._redacted(value))
        if field.full_name == _SPAN_NAME and not self._values.allows(value):
            message.name, rules = self._means.sanitizers.span_name(message)
            self._means.texts.acts.extend(rules)

    def _redacted(self, text: str) -> str:
        return text if self._values.allows(text) else self._values.text(text)

    def _sum_up(self, summary: Summary, prefix: str, attributes: Any) -> None:
        self.summed_up = summary.write(self._means.summary, prefix, attributes) or self.summed_up

    def _count(self, place: str) -> None:
        for rule in self._means.texts.acts:
            self.counts[Redacted(rule, _ACTIONS.get(rule, self._means.action), place)] += 1
        self._means.texts.acts.clear()


_SPAN_NAME = "opentelemetry.proto.trace.v1.Span.name"
