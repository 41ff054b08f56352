"""One JSON object of a logger as an OTel log record: what each key means, whatever the logger.

Every concept (message, exception, resource; time, severity and trace context in modules of their own) has one table of
spellings. What no table takes becomes an attribute as it stands, nested maps included.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from opentelemetry.proto.common.v1.common_pb2 import AnyValue
from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord
from opentelemetry.proto.resource.v1.resource_pb2 import Resource

from wire.json_logs_fields import Fields, spelled, take, text
from wire.json_logs_severity import take_severity
from wire.json_logs_time import take_time
from wire.json_logs_trace import take_trace_context

__all__ = ["fill_record", "plain_gelf", "take_resource"]


def _anything(value: Any) -> Any:
    return value


_MESSAGE = (
    *spelled(_anything, "formattedMessage", "RenderedMessage", "@m", "message", "Message", "msg", "short_message"),
    *spelled(_anything, "fields.message", "record.message", "MESSAGE"),
    *spelled(text, "event", "log", "@mt", "MessageTemplate"),
    *spelled(_anything, "body", "Body"),
)

_EXCEPTION = {
    "exception.type": spelled(
        text,
        *("exception.type", "error.type", "err.type", "err.name", "error.name", "error_type", "exc_type"),
        *("throwable.className", "thrown.name", "exception.class", "exception.exception_class"),
    ),
    "exception.message": spelled(
        text,
        *("exception.message", "error.message", "err.message", "error_message", "throwable.message"),
        *("thrown.message", "exception.exception_message", "error", "err"),
    ),
    "exception.stacktrace": spelled(
        text,
        *("exception.stacktrace", "error.stack_trace", "err.stack", "error.stack", "error_stack_trace"),
        *("stack_trace", "stacktrace", "stack", "@x", "exception", "exc_info", "errorVerbose"),
        *("exception.stack_trace", "thrown.extendedStackTrace", "Exception"),
    ),
}

_RESOURCE = {
    "service.name": spelled(text, "service", "serviceContext.service", "dd.service", "otelServiceName"),
    "service.version": spelled(text, "serviceContext.version", "dd.version"),
    "deployment.environment.name": spelled(text, "service.environment", "dd.env"),
    "service.instance.id": spelled(text, "service.node.name"),
    "host.name": spelled(text, "host", "hostname", "syslog.hostname"),
}
_RESOURCE_GROUPS = ("service", "host", "cloud", "container")
"""ECS field sets that say where a record comes from, as `service.name` or as `{"service": {"name": …}}`."""
_FLAT_LEVELS = 3
"""ECS has no deeper path in these sets than `container.image.hash.all`; what is deeper stays a map."""


class _TooDeep(Exception):
    """A value is nested deeper than allowed."""


def plain_gelf(fields: Fields) -> Fields:
    """A GELF 1.1 record without its version and without the underscore of additional fields; any other as it is."""
    if not ("short_message" in fields and "host" in fields and fields.get("version") in ("1.0", "1.1")):
        return fields
    return {
        name[1:] if name.startswith("_") and name[1:] not in fields else name: value
        for name, value in fields.items()
        if name != "version"
    }


def take_resource(fields: Fields, max_depth: int) -> Resource:
    """Where a record comes from, which leaves it: service, host, cloud and container."""
    found = {name: value for name, table in _RESOURCE.items() if (value := take(fields, table)) is not None}
    for key in list(fields):
        group, dot, _ = key.partition(".")
        if group in _RESOURCE_GROUPS and (dot or isinstance(fields[key], dict)):
            for name, value in _flat(key, fields.pop(key), _FLAT_LEVELS):
                found.setdefault(name, value)
    resource = Resource()
    _fill_attributes(resource, dict(sorted(found.items())), max_depth)
    return resource


def _flat(name: str, value: Any, levels: int) -> Iterator[tuple[str, Any]]:
    if not isinstance(value, dict) or levels == 0:
        yield name, value
        return
    for key, inner in value.items():
        yield from _flat(f"{name}.{key}", inner, levels - 1)


def fill_record(record: LogRecord, fields: Fields, max_depth: int) -> None:
    """Fill a record from what `take_resource` left, except the observed time.

    An attribute or message nested deeper than `max_depth` maps and arrays is dropped whole and counted in
    `dropped_attributes_count`.
    """
    severity = take_severity(fields)
    record.severity_text = severity.text
    record.severity_number = severity.number  # type: ignore[assignment]
    record.time_unix_nano = take_time(fields) or 0
    record.trace_id, record.span_id, record.flags = take_trace_context(fields)
    message = take(fields, _MESSAGE)
    exception = _take_exception(fields)
    if message is not None:
        _fill_body(record, message, max_depth)
    _fill_attributes(record, {**fields, **exception}, max_depth)


def _take_exception(fields: Fields) -> Fields:
    """The attributes of an exception; structlog's `dict_tracebacks` is a list whose frames stay where they are."""
    found = {name: value for name, table in _EXCEPTION.items() if (value := take(fields, table)) is not None}
    chain = fields.get("exception")
    if isinstance(chain, list) and chain and isinstance(chain[0], dict):
        for name, key in (("exception.type", "exc_type"), ("exception.message", "exc_value")):
            if isinstance(value := chain[0].get(key), str):
                found.setdefault(name, value)
    return found


def _fill_body(record: LogRecord, message: Any, max_depth: int) -> None:
    try:
        _fill(record.body, message, max_depth)
    except _TooDeep:
        record.ClearField("body")
        record.dropped_attributes_count += 1


def _fill_attributes(target: LogRecord | Resource, values: Mapping[str, Any], max_depth: int) -> None:
    for key, value in values.items():
        try:
            _fill(target.attributes.add(key=key).value, value, max_depth)
        except _TooDeep:
            del target.attributes[-1]
            target.dropped_attributes_count += 1


def _fill(target: AnyValue, value: Any, depth: int) -> None:
    """A JSON value as an OTLP one: null is the empty value, an integer beyond 64 bits its decimal text."""
    if isinstance(value, str):
        target.string_value = value
    elif isinstance(value, bool):
        target.bool_value = value
    elif isinstance(value, int):
        _fill_integer(target, value)
    elif isinstance(value, float):
        target.double_value = value
    elif value is None:
        target.SetInParent()
    else:
        _fill_nested(target, value, depth)


def _fill_integer(target: AnyValue, value: int) -> None:
    if -(2**63) <= value < 2**63:
        target.int_value = value
    else:
        target.string_value = str(value)


def _fill_nested(target: AnyValue, value: Any, depth: int) -> None:
    if depth == 0:
        raise _TooDeep
    if isinstance(value, dict):
        target.kvlist_value.SetInParent()
        for key, inner in value.items():
            _fill(target.kvlist_value.values.add(key=key).value, inner, depth - 1)
    else:
        target.array_value.SetInParent()
        for inner in value:
            _fill(target.array_value.values.add(), inner, depth - 1)
