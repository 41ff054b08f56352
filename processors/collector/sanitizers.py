"""The Collector's two sanitizers, for URLs and for statements of databases: where each applies."""

from collections.abc import Iterator
from typing import Any, NamedTuple

from opentelemetry.proto.trace.v1.trace_pb2 import Span

from config.settings import Settings
from processors.collector.databases import ENGINES, SYSTEMS, in_body
from processors.collector.urls import sanitized, sanitized_within
from processors.otlp_objects import find

__all__ = ["DbSanitizerSettings", "Sanitizers", "Statement", "UrlSanitizerSettings"]


class UrlSanitizerSettings(Settings):
    """Path segments that look like ids become `*`; query and fragment go."""

    enabled: bool = False
    """Whether URLs are sanitized: under `attributes`, in log bodies, in span names."""
    attributes: tuple[str, ...] = ()
    """Keys of attributes whose values are URLs."""
    sanitize_span_name: bool = True
    """Also the names of client and server spans with a slash in them."""


class DbEngineSettings(Settings):
    """One kind of database."""

    enabled: bool = False
    """Whether its statements are sanitized: under `attributes`, in log bodies, in span names."""
    attributes: tuple[str, ...] = ()
    """Keys of attributes whose values are statements."""


class DbSanitizerSettings(Settings):
    """Values in statements become `?`, by the kind of database that `db.system.name` or `db.system` tells."""

    sanitize_span_name: bool = True
    """Also the names of client, server and internal spans."""
    allow_fallback_without_system: bool = False
    """Where no attribute tells the system: every enabled kind that lists the attribute, one after the other. For log
    records always."""
    sql: DbEngineSettings = DbEngineSettings()
    """Databases that speak SQL."""
    redis: DbEngineSettings = DbEngineSettings()
    """Redis: keys stay, values go."""
    valkey: DbEngineSettings = DbEngineSettings()
    """Valkey, as Redis."""
    memcached: DbEngineSettings = DbEngineSettings()
    """Memcached: the command stays, the data after its first line go."""
    mongo: DbEngineSettings = DbEngineSettings()
    """MongoDB: the keys of a query in JSON stay."""
    opensearch: DbEngineSettings = DbEngineSettings()
    """OpenSearch, as MongoDB."""
    es: DbEngineSettings = DbEngineSettings()
    """Elasticsearch, as MongoDB."""


class Statement(NamedTuple):
    """What stands around an attribute: the system of its database, or nothing; whether the record is one of a log."""

    system: str
    is_log: bool


_HTTP = (
    *("http.route", "http.request.method", "http.request.method_original", "http.response.status_code", "url.full"),
    *("http.scheme", "http.target", "http.method", "http.url"),
)
_NAMED_BY_URL = (Span.SPAN_KIND_CLIENT, Span.SPAN_KIND_SERVER)
_NAMED_BY_STATEMENT = (*_NAMED_BY_URL, Span.SPAN_KIND_INTERNAL)


def system_of(attributes: Any) -> str:
    """The database's system among some attributes, in lower case; empty if there is none."""
    values = (find(attributes, key) for key in ("db.system.name", "db.system"))
    return next((value.string_value.lower() for value in values if value is not None and value.string_value), "")


class Sanitizers:
    """Every method gives the text and the rules that changed it."""

    def __init__(self, url: UrlSanitizerSettings, db: DbSanitizerSettings) -> None:
        self._url = url
        self._db = db
        kinds = {name: getattr(db, name) for name in ENGINES}
        self._kinds = {name: kind for name, kind in kinds.items() if kind.enabled}
        self.attributes = {key for kind in self._kinds.values() for key in kind.attributes}
        self.attributes |= set(url.attributes) if url.enabled else set()
        self.in_names = bool((url.enabled and url.sanitize_span_name) or (self._kinds and db.sanitize_span_name))
        self.in_bodies = bool(url.enabled or self._kinds)

    def attribute(self, key: str, text: str, statement: Statement) -> tuple[str, list[str]]:
        """The value of an attribute."""
        if key not in self.attributes:
            return text, []
        url = text
        if self._url.enabled and key in self._url.attributes:
            url = _text(sanitized(text.encode()))
        new = url
        for name in self._kinds_for(key, statement):
            new = ENGINES[name](new)
        return new, _rules(text, url, new)

    def _kinds_for(self, key: str, statement: Statement) -> Iterator[str]:
        listed = [name for name, kind in self._kinds.items() if key in kind.attributes]
        if statement.system:
            yield from [name for name in listed if statement.system in SYSTEMS[name]][:1]
        elif statement.is_log or self._db.allow_fallback_without_system:
            yield from listed

    def body(self, text: str) -> tuple[str, list[str]]:
        """The text of a log record."""
        url = _text(sanitized_within(text.encode())) if self._url.enabled else text
        new = in_body(url, self._kinds)
        return new, _rules(text, url, new)

    def span_name(self, span: Any) -> tuple[str, list[str]]:
        """The name of a span, whose attributes are as they came."""
        url = self._by_url(span)
        new = url if url != span.name else self._by_statement(span)
        return new, _rules(span.name, url, new)

    def _by_url(self, span: Any) -> str:
        applies = self._url.enabled and self._url.sanitize_span_name and span.kind in _NAMED_BY_URL
        name = str(span.name)
        if not applies or not ("/" in name or any(find(span.attributes, key) is not None for key in _HTTP)):
            return name
        new = _text(sanitized(name.encode()))
        # A name without a slash that is one id may be a word of the program after all: `q7` or `HttpGet2`.
        return name if new in ("", "*") else new

    def _by_statement(self, span: Any) -> str:
        system = system_of(span.attributes)
        if not (self._db.sanitize_span_name and system and span.kind in _NAMED_BY_STATEMENT):
            return str(span.name)
        kind = next((name for name in self._kinds if system in SYSTEMS[name]), None)
        return str(span.name) if kind is None else ENGINES[kind](span.name) or "?"


def _text(text: bytes) -> str:
    return text.decode("utf-8", "replace")


def _rules(before: str, url: str, after: str) -> list[str]:
    return ["url_sanitizer"] * (url != before) + ["db_sanitizer"] * (after != url)
