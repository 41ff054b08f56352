"""What redaction does to every field of OTLP; `python -m processors.redaction.place_table` prints it as a page."""

from collections.abc import Iterator

from wire import schema

__all__ = ["HAPPENS", "TREATMENT", "markdown"]

HAPPENS = {
    "text": "redacted as text",
    "pairs": "each key as text; each value by its key and as text, at any depth",
    "series": "as other attributes, but an attribute with something in it is dropped: a mask would join time series",
    "body": "redacted as text or, if structured, as attributes are",
    "key": "redacted as text; of two keys that become equal the later attribute goes",
    "value": "by its key, whatever its type; text and bytes also as text",
    "within": "its fields, each as said here",
    "kept": "never changed",
    "removed": "removed on the way in, as every field that OTLP's definition does not have",
}
"""What can happen to a field."""

# By message, every field of OTLP. A test fails when OTLP has another one: say here what happens to it, and see to it.
_TREATMENT = {
    "TracesData": {"within": "resource_spans"},
    "MetricsData": {"within": "resource_metrics"},
    "LogsData": {"within": "resource_logs"},
    "ResourceSpans": {"text": "schema_url", "within": "resource scope_spans"},
    "ResourceMetrics": {"text": "schema_url", "within": "resource scope_metrics"},
    "ResourceLogs": {"text": "schema_url", "within": "resource scope_logs"},
    "Resource": {"pairs": "attributes", "within": "entity_refs", "kept": "dropped_attributes_count"},
    "ScopeSpans": {"text": "schema_url", "within": "scope spans"},
    "ScopeMetrics": {"text": "schema_url", "within": "scope metrics"},
    "ScopeLogs": {"text": "schema_url", "within": "scope log_records"},
    "KeyValue": {"key": "key", "value": "value", "removed": "key_strindex"},
    "EntityRef": {"text": "schema_url type id_keys description_keys"},
    "InstrumentationScope": {"text": "name version", "pairs": "attributes", "kept": "dropped_attributes_count"},
    "Span": {
        "text": "trace_state name",
        "pairs": "attributes",
        "within": "events links status",
        "kept": "trace_id span_id parent_span_id flags kind start_time_unix_nano end_time_unix_nano "
        "dropped_attributes_count dropped_events_count dropped_links_count",
    },
    "Metric": {
        "text": "name description unit",
        "pairs": "metadata",
        "within": "gauge sum histogram exponential_histogram summary",
    },
    "LogRecord": {
        "text": "severity_text event_name",
        "pairs": "attributes",
        "body": "body",
        "kept": "time_unix_nano observed_time_unix_nano severity_number dropped_attributes_count "
        "flags trace_id span_id",
    },
    "AnyValue": {
        "value": "string_value bool_value int_value double_value array_value kvlist_value bytes_value",
        "removed": "string_value_strindex",
    },
    "Event": {"text": "name", "pairs": "attributes", "kept": "time_unix_nano dropped_attributes_count"},
    "Link": {"text": "trace_state", "pairs": "attributes", "kept": "trace_id span_id dropped_attributes_count flags"},
    "Status": {"text": "message", "kept": "code"},
    "Gauge": {"within": "data_points"},
    "Sum": {"within": "data_points", "kept": "aggregation_temporality is_monotonic"},
    "Histogram": {"within": "data_points", "kept": "aggregation_temporality"},
    "ExponentialHistogram": {"within": "data_points", "kept": "aggregation_temporality"},
    "Summary": {"within": "data_points"},
    "ArrayValue": {"value": "values"},
    "KeyValueList": {"value": "values"},
    "NumberDataPoint": {
        "series": "attributes",
        "within": "exemplars",
        "kept": "start_time_unix_nano time_unix_nano as_double as_int flags",
    },
    "HistogramDataPoint": {
        "series": "attributes",
        "within": "exemplars",
        "kept": "start_time_unix_nano time_unix_nano count sum bucket_counts explicit_bounds flags min max",
    },
    "ExponentialHistogramDataPoint": {
        "series": "attributes",
        "within": "positive negative exemplars",
        "kept": "start_time_unix_nano time_unix_nano count sum scale zero_count flags min max zero_threshold",
    },
    "SummaryDataPoint": {
        "series": "attributes",
        "within": "quantile_values",
        "kept": "start_time_unix_nano time_unix_nano count sum flags",
    },
    "Exemplar": {"series": "filtered_attributes", "kept": "time_unix_nano as_double as_int span_id trace_id"},
    "Buckets": {"kept": "offset bucket_counts"},
    "ValueAtQuantile": {"kept": "quantile value"},
}

TREATMENT = {
    f"{message}.{field}": treatment
    for message, treatments in _TREATMENT.items()
    for treatment, fields in treatments.items()
    for field in fields.split()
}
"""A key of `HAPPENS` for every field, by the names that `places.place_name` gives."""


def _type(message: int, number: int) -> str:
    field = schema.FIELDS.get((message, number))
    if field is not None and field.message_type is not None:
        return str(field.message_type.name)
    return _TYPES[schema.KIND[message * schema.WIDTH + number]]


_TYPES = {
    schema.UNKNOWN: "index into a table of texts that traces, metrics and logs do not have",
    schema.TEXT: "text",
    schema.BYTES: "bytes",
    schema.TRACE_ID: "id, 16 bytes",
    schema.SPAN_ID: "id, 8 bytes",
    schema.NUMBER: "number",
    schema.NUMBERS: "numbers",
}


def _rows() -> Iterator[tuple[str, str, str]]:
    """Of each field its name, its type and a key of `HAPPENS`."""
    for message, descriptor in enumerate(schema.MESSAGES):
        for field in descriptor.fields:
            name = f"{descriptor.name}.{field.name}"
            yield name, _type(message, field.number), TREATMENT[name]


def _table(treatments: frozenset[str]) -> Iterator[str]:
    yield from ("| field | type | what happens |", "|---|---|---|")
    for name, kind, treatment in _rows():
        if treatment in treatments:
            yield f"| `{name}` | {kind} | {HAPPENS[treatment]} |"


_SECTIONS = {
    "Looked at": ("text", "pairs", "series", "body", "key", "value"),
    "Messages, looked into": ("within",),
    "Never changed": ("kept",),
    "Removed": ("removed",),
}
_INTRODUCTION = """# Every field of OTLP, and what redaction does to it
Made from the code by `make docs`; a test fails when OTLP has a field that is not here. What "redacted" means is said in
[redaction.md](redaction.md)."""


def markdown() -> str:
    """The text of docs/redaction_places.md.

    Raises: `KeyError` if a field has no treatment.
    """
    lines = [_INTRODUCTION]
    for title, treatments in _SECTIONS.items():
        lines += ["", f"## {title}", *_table(frozenset(treatments))]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    print(markdown(), end="")
