"""JSON logs as OTLP: the shape of every logger, every kind of framing, and the limits."""

import io
import json
from pathlib import Path
from typing import Any

import orjson
import pytest
import structlog
from hypothesis import given, settings
from hypothesis import strategies as st
from opentelemetry.proto.common.v1.common_pb2 import AnyValue
from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord, LogsData
from structlog.typing import EventDict

from wire import json_logs_record, json_logs_severity, json_logs_time, otlp
from wire.json_logs import to_otlp
from wire.json_logs_fields import Spelling
from wire.signal import Signal

RECEIVED = 1_795_241_900_000_000_000
TRACE_ID = "5b8efff798038103d269b633813fc60c"
SPAN_ID = "eee19b7ec3c1b174"
TIME = 1_795_231_064_797_000_000
"""2026-11-21T03:17:44.797Z"""


def plain(value: AnyValue) -> Any:
    """An OTLP value as a Python one; the empty value is None."""
    kind = value.WhichOneof("value")
    if kind == "kvlist_value":
        return {pair.key: plain(pair.value) for pair in value.kvlist_value.values}
    if kind == "array_value":
        return [plain(one) for one in value.array_value.values]
    return None if kind is None else getattr(value, kind)


def described(record: LogRecord) -> dict[str, Any]:
    """What a record says, without what it does not say and without the observed time, which all have."""
    assert record.observed_time_unix_nano == RECEIVED
    said = {
        "time": record.time_unix_nano,
        "severity": (record.severity_text, record.severity_number),
        "trace_id": record.trace_id.hex(),
        "span_id": record.span_id.hex(),
        "flags": record.flags,
        "attributes": {pair.key: plain(pair.value) for pair in record.attributes},
        "dropped": record.dropped_attributes_count,
    }
    body = {"body": plain(record.body)} if record.HasField("body") else {}
    return {key: value for key, value in said.items() if value and value != ("", 0)} | body


def mapped(body: bytes | str, *, failures: int = 0, max_depth: int = 20) -> list[dict[str, Any]]:
    """The records of a body, with their resource where they have one."""
    text = body if isinstance(body, bytes) else body.encode()
    logs = to_otlp(text, RECEIVED, max_depth=max_depth)
    assert otlp.sanitize(Signal.LOGS, logs.payload) == (logs.payload, logs.items)
    assert logs.parse_failures == failures
    found = []
    for resource in LogsData.FromString(logs.payload).resource_logs:
        origin = {pair.key: plain(pair.value) for pair in resource.resource.attributes}
        for record in resource.scope_logs[0].log_records:
            found.append(described(record) | ({"resource": origin} if origin else {}))
    assert len(found) == logs.items
    return found


def one(fields: dict[str, Any]) -> dict[str, Any]:
    [record] = mapped(orjson.dumps(fields))
    return record


# Loggers


def at_the_time(_: Any, __: str, event: EventDict) -> EventDict:
    """A structlog processor: its TimeStamper, but at a known time."""
    event["timestamp"] = "2026-11-21T03:17:44.797000Z"
    return event


def test_structlog() -> None:
    """What structlog itself writes: ISO time, level, event, bound values and a formatted exception."""
    out = io.StringIO()
    log = structlog.wrap_logger(
        structlog.PrintLogger(out),
        processors=[
            structlog.processors.add_log_level,
            at_the_time,
            structlog.processors.format_exc_info,
            structlog.processors.JSONRenderer(),
        ],
    )
    log.warning("slot taken", room=3, visit={"kind": "first"})
    try:
        raise ValueError("no slot")
    except ValueError:
        log.exception("failed")
    first, second = mapped(out.getvalue())
    assert first == {
        "time": TIME,
        "severity": ("warning", 13),
        "body": "slot taken",
        "attributes": {"room": 3, "visit": {"kind": "first"}},
    }
    trace = second["attributes"]["exception.stacktrace"]
    assert (second["body"], second["severity"]) == ("failed", ("error", 17))
    assert trace.startswith("Traceback (most recent call last):")
    assert trace.endswith("ValueError: no slot")


def test_structlog_dict_tracebacks() -> None:
    """Exceptions as maps: type and message are found, the frames stay an array."""
    out = io.StringIO()
    log = structlog.wrap_logger(
        structlog.PrintLogger(out),
        processors=[structlog.processors.dict_tracebacks, structlog.processors.JSONRenderer()],
    )
    try:
        raise ValueError("no slot")
    except ValueError:
        log.error("failed", exc_info=True)
    [record] = mapped(out.getvalue())
    attributes = record["attributes"]
    assert (attributes["exception.type"], attributes["exception.message"]) == ("ValueError", "no slot")
    assert attributes["exception"][0]["frames"][0]["name"] == "test_structlog_dict_tracebacks"


def test_structlog_epoch() -> None:
    """structlog's default time stamp is seconds as a float; the digits that were written are kept."""
    assert one({"event": "e", "timestamp": 1795231064.797123}) == {"time": TIME + 123_000, "body": "e"}


def test_python_json_logger() -> None:
    """A comma before the milliseconds, no zone, and the trace ids of OTel's logging instrumentation."""
    line = (
        '{"asctime": "2026-11-21 03:17:44,797", "levelname": "CRITICAL", "name": "app.visits", "message": "m",'
        ' "exc_info": "Traceback", "otelTraceID": "%s", "otelSpanID": "%s", "otelTraceSampled": true,'
        ' "otelServiceName": "visits"}'
    )
    assert mapped(line % (TRACE_ID, SPAN_ID)) == [
        {
            "time": TIME,
            "severity": ("CRITICAL", 21),
            "body": "m",
            "attributes": {"name": "app.visits", "exception.stacktrace": "Traceback"},
            "trace_id": TRACE_ID,
            "span_id": SPAN_ID,
            "flags": 1,
            "resource": {"service.name": "visits"},
        }
    ]


def test_no_active_span() -> None:
    """OTel's instrumentation writes "0" outside a span, which is no id and stays an attribute."""
    assert one({"message": "m", "otelTraceID": "0", "otelSpanID": "0"}) == {
        "body": "m",
        "attributes": {"otelTraceID": "0", "otelSpanID": "0"},
    }


def test_pino() -> None:
    """Milliseconds, levels by tens, `err`."""
    line = (
        '{"level":50,"time":1795231064797,"pid":3637,"hostname":"vm","req":{"id":5},'
        '"err":{"type":"Error","message":"no slot","stack":"Error: no slot\\n    at f","code":7},'
        '"trace_id":"%s","span_id":"%s","trace_flags":"01","msg":"failed"}'
    )
    assert mapped(line % (TRACE_ID, SPAN_ID)) == [
        {
            "time": TIME,
            "severity": ("50", 17),
            "body": "failed",
            "attributes": {
                "pid": 3637,
                "req": {"id": 5},
                "err": {"code": 7},
                "exception.type": "Error",
                "exception.message": "no slot",
                "exception.stacktrace": "Error: no slot\n    at f",
            },
            "trace_id": TRACE_ID,
            "span_id": SPAN_ID,
            "flags": 1,
            "resource": {"host.name": "vm"},
        }
    ]


def test_bunyan() -> None:
    """ISO time, `err` with a name; what remains of an emptied map is nothing."""
    line = (
        '{"name":"visits","hostname":"vm","pid":3637,"level":30,"err":{"message":"m","name":"TypeError","stack":"s"},'
        '"msg":"slot taken","time":"2026-11-21T03:17:44.797Z","v":0}'
    )
    exception = {"exception.type": "TypeError", "exception.message": "m", "exception.stacktrace": "s"}
    assert mapped(line) == [
        {
            "time": TIME,
            "severity": ("30", 9),
            "body": "slot taken",
            "attributes": {"name": "visits", "pid": 3637, "v": 0, **exception},
            "resource": {"host.name": "vm"},
        }
    ]


@pytest.mark.parametrize(
    ("line", "severity", "attributes"),
    [
        # winston
        (
            '{"level":"error","message":"m","stack":"s","timestamp":"2026-11-21T03:17:44.797Z"}',
            ("error", 17),
            {"exception.stacktrace": "s"},
        ),
        # zap
        (
            '{"level":"dpanic","ts":1795231064.797,"caller":"a/b.go:7","msg":"m","stacktrace":"s","logger":"l"}',
            ("dpanic", 18),
            {"caller": "a/b.go:7", "logger": "l", "exception.stacktrace": "s"},
        ),
        # logrus
        (
            '{"error":"no slot","level":"warning","msg":"m","time":"2026-11-21T05:17:44.797+02:00"}',
            ("warning", 13),
            {"exception.message": "no slot"},
        ),
        # Go slog
        (
            '{"time":"2026-11-21T03:17:44.797000000Z","level":"ERROR+2","source":{"line":7},"msg":"m"}',
            ("ERROR+2", 19),
            {"source": {"line": 7}},
        ),
        # zerolog
        (
            '{"level":"trace","time":1795231064797,"error":"no slot","message":"m"}',
            ("trace", 1),
            {"exception.message": "no slot"},
        ),
        # Rust tracing
        (
            '{"timestamp":"2026-11-21T03:17:44.797Z","level":"INFO","fields":{"message":"m","room":3},'
            '"target":"t","span":{"name":"s"},"spans":[{"name":"s"}]}',
            ("INFO", 9),
            {"fields": {"room": 3}, "target": "t", "span": {"name": "s"}, "spans": [{"name": "s"}]},
        ),
        # logstash-logback-encoder
        (
            '{"@timestamp":"2026-11-21T03:17:44.797+00:00","@version":"1","message":"m","logger_name":"l",'
            '"level":"WARN","level_value":30000,"stack_trace":"s"}',
            ("WARN", 13),
            {"@version": "1", "logger_name": "l", "exception.stacktrace": "s"},
        ),
        # Logback's JsonEncoder
        (
            '{"sequenceNumber":0,"timestamp":1795231064797,"nanoseconds":797000000,"level":"INFO",'
            '"message":"in {}","formattedMessage":"m","throwable":{"className":"E","message":"e","stepArray":[]}}',
            ("INFO", 9),
            {
                "sequenceNumber": 0,
                "message": "in {}",
                "throwable": {"stepArray": []},
                "exception.type": "E",
                "exception.message": "e",
            },
        ),
        # Log4j 2's JsonLayout
        (
            '{"instant":{"epochSecond":1795231064,"nanoOfSecond":797000000},"thread":"t","level":"FATAL","message":"m",'
            '"thrown":{"name":"E","message":"e","extendedStackTrace":"s"}}',
            ("FATAL", 21),
            {"thread": "t", "exception.type": "E", "exception.message": "e", "exception.stacktrace": "s"},
        ),
        # Serilog's compact format
        (
            '{"@t":"2026-11-21T03:17:44.7970000Z","@m":"m","@mt":"in {Room}","@l":"Verbose","@x":"s","Room":3}',
            ("Verbose", 1),
            {"@mt": "in {Room}", "Room": 3, "exception.stacktrace": "s"},
        ),
        # .NET's console formatter
        (
            '{"EventId":0,"LogLevel":"Critical","Category":"c","Message":"m","Timestamp":"2026-11-21T03:17:44.797Z"}',
            ("Critical", 21),
            {"EventId": 0, "Category": "c"},
        ),
        # Monolog
        (
            '{"message":"m","context":{"room":3},"level":500,"level_name":"CRITICAL","channel":"c",'
            '"datetime":"2026-11-21T03:17:44.797000+00:00"}',
            ("CRITICAL", 18),
            {"context": {"room": 3}, "channel": "c"},
        ),
        # loguru
        (
            '{"text":"t","record":{"level":{"name":"SUCCESS","no":25},"message":"m","time":{"timestamp":1795231064.797}}}',
            ("SUCCESS", 10),
            {"text": "t", "record": {"level": {"no": 25}}},
        ),
    ],
)
def test_loggers(line: str, severity: tuple[str, int], attributes: dict[str, Any]) -> None:
    """Time, message and severity of each, and what is left as attributes."""
    assert mapped(line) == [{"time": TIME, "severity": severity, "body": "m", "attributes": attributes}]


def test_serilog_default_level() -> None:
    """Serilog leaves the level Information out; without a rendered message the template is the body."""
    assert one({"@t": "2026-11-21T03:17:44.797Z", "@mt": "t", "@tr": TRACE_ID, "@sp": SPAN_ID}) == {
        "time": TIME,
        "severity": ("", 9),
        "body": "t",
        "trace_id": TRACE_ID,
        "span_id": SPAN_ID,
    }


ECS = {
    "time": TIME,
    "severity": ("WARN", 13),
    "body": "m",
    "trace_id": TRACE_ID,
    "span_id": SPAN_ID,
    "resource": {
        "service.name": "visits",
        "deployment.environment.name": "test",
        "service.instance.id": "n1",
        "container.image.name": "i",
    },
}


def test_ecs_dotted() -> None:
    """Elastic's keys with dots; service and container become the resource."""
    fields = {
        "@timestamp": "2026-11-21T03:17:44.797Z",
        "log.level": "WARN",
        "log.logger": "l",
        "message": "m",
        "trace.id": TRACE_ID,
        "transaction.id": "00f067aa0ba902b7",
        "span.id": SPAN_ID,
        "service.name": "visits",
        "service.environment": "test",
        "service.node.name": "n1",
        "container.image.name": "i",
        "error.type": "E",
        "error.stack_trace": "s",
    }
    left = {"log.logger": "l", "transaction.id": "00f067aa0ba902b7"}
    assert one(fields) == ECS | {"attributes": left | {"exception.type": "E", "exception.stacktrace": "s"}}


def test_ecs_nested() -> None:
    """The same as maps, and what is not taken stays in them."""
    fields = {
        "@timestamp": "2026-11-21T03:17:44.797Z",
        "log": {"level": "WARN", "logger": "l"},
        "message": "m",
        "trace": {"id": TRACE_ID},
        "span": {"id": SPAN_ID},
        "service": {"name": "visits", "environment": "test", "node": {"name": "n1"}},
        "container": {"image": {"name": "i"}},
        "error": {"type": "E", "stack_trace": "s", "id": "7"},
        "ecs": {"version": "8.11"},
    }
    left = {"log": {"logger": "l"}, "error": {"id": "7"}, "ecs": {"version": "8.11"}}
    assert one(fields) == ECS | {"attributes": left | {"exception.type": "E", "exception.stacktrace": "s"}}


def test_gelf() -> None:
    """Syslog levels; the underscore of additional fields goes, unless the name without it is taken."""
    fields = {
        "version": "1.1",
        "host": "vm",
        "short_message": "m",
        "full_message": "m and more",
        "timestamp": 1795231064.797,
        "level": 4,
        "_level_name": "WARN",
        "_trace_id": TRACE_ID,
        "_patient_id": "P-1",
        "_host": "other",
        "_error_type": "E",
    }
    assert one(fields) == {
        "time": TIME,
        "severity": ("WARN", 13),
        "body": "m",
        "trace_id": TRACE_ID,
        "attributes": {
            "full_message": "m and more",
            "patient_id": "P-1",
            "_host": "other",
            "exception.type": "E",
        },
        "resource": {"host.name": "vm"},
    }


def test_logger_json_basic() -> None:
    """Elixir's LoggerJSON: `severity`, `trace`, `span`, and a message that is a map."""
    fields = {
        "time": "2026-11-21T03:17:44.797Z",
        "severity": "critical",
        "message": {"room": 3, "tags": ["a", None]},
        "trace": TRACE_ID,
        "span": SPAN_ID,
        "metadata": {"line": 7},
    }
    assert one(fields) == {
        "time": TIME,
        "severity": ("critical", 18),
        "body": {"room": 3, "tags": ["a", None]},
        "trace_id": TRACE_ID,
        "span_id": SPAN_ID,
        "attributes": {"metadata": {"line": 7}},
    }


def test_logger_json_datadog() -> None:
    """Datadog's nested keys and decimal ids."""
    fields = {
        "syslog": {"hostname": "vm", "severity": "notice", "timestamp": "2026-11-21T03:17:44.797Z"},
        "message": "m",
        "dd.trace_id": "1234567890123456789",
        "dd.span_id": 42,
        "logger": {"line": 7},
    }
    assert one(fields) == {
        "time": TIME,
        "severity": ("notice", 10),
        "body": "m",
        "trace_id": "0000000000000000112210f47de98115",
        "span_id": "000000000000002a",
        "attributes": {"logger": {"line": 7}},
        "resource": {"host.name": "vm"},
    }


def test_google_cloud() -> None:
    """Google's trace names, with the project in the trace id."""
    fields = {
        "time": "2026-11-21T03:17:44.797Z",
        "severity": "WARNING",
        "message": "m",
        "logging.googleapis.com/trace": f"projects/p-1/traces/{TRACE_ID}",
        "logging.googleapis.com/spanId": SPAN_ID,
        "logging.googleapis.com/trace_sampled": True,
        "serviceContext": {"service": "visits", "version": "7"},
        "httpRequest": {"status": 200},
    }
    assert one(fields) == {
        "time": TIME,
        "severity": ("WARNING", 13),
        "body": "m",
        "trace_id": TRACE_ID,
        "span_id": SPAN_ID,
        "flags": 1,
        "attributes": {"httpRequest": {"status": 200}},
        "resource": {"service.name": "visits", "service.version": "7"},
    }


# Concepts


@pytest.mark.parametrize(
    ("value", "nanoseconds"),
    [
        (1795231064, 1795231064 * 10**9),
        (1795231064.5, 17952310645 * 10**8),
        (1795231064797, TIME),
        (1795231064797123, TIME + 123_000),
        (1795231064797123456, TIME + 123_456),
        ("1795231064.797123456", TIME + 123_456),
        ("1795231064797", TIME),
        ("2026-11-21T03:17:44.797123456789Z", TIME + 123_456),
        ("2026-11-21T03:17:44Z", TIME - 797_000_000),
        ("2026-11-21 03:17:44,797", TIME),
        ("2026/11/21 03:17:44.797", TIME),
        ("2026-11-21t03:17:44.797z", TIME),
        ("2026-11-20T19:17:44.797-0800", TIME),
        ("2026-11-21 04:47:44.797 +01:30", TIME),
        ("2026-11-21T04:17:44.797+01", TIME),
        ({"seconds": 1795231064, "nanos": 797000000}, TIME),
    ],
)
def test_times(value: Any, nanoseconds: int) -> None:
    """Each unit by its magnitude, and each way to write a date."""
    assert one({"time": value}) == {"time": nanoseconds}


@pytest.mark.parametrize(
    "value",
    [
        True, 0, 12.5, -1795231064, 99_999_999, 2**63, "", "yesterday", "2026-02-30T00:00:00Z", "2026-11-21",
        "2026-11-21T25:00:00Z", "1969-12-31T23:59:59Z", "9999-12-31T23:59:59Z", {"seconds": 7},
        {"seconds": 1795231064, "x": 1}, [],
    ],
)  # fmt: skip
def test_no_times(value: Any) -> None:
    """What is no time stays an attribute: durations, dates that do not exist, years beyond 64 bits."""
    expected = str(value) if value == 2**63 else value
    assert one({"time": value}) == {"attributes": {"time": expected}}


def test_second_best_time() -> None:
    """A time that cannot be read does not hide one that can."""
    assert one({"timestamp": "soon", "ts": 1795231064797}) == {"time": TIME, "attributes": {"timestamp": "soon"}}


@pytest.mark.parametrize(
    ("fields", "severity"),
    [
        ({"level": 10}, ("10", 1)),
        ({"level": 35}, ("35", 9)),
        ({"level": "60"}, ("60", 21)),
        ({"level": 0}, ("0", 21)),
        ({"level": 7}, ("7", 5)),
        ({"PRIORITY": "6"}, ("6", 9)),
        ({"levelno": 30}, ("30", 13)),
        ({"level_value": 40000}, ("40000", 17)),
        ({"level": "E"}, ("E", 17)),
        ({"level": "Fine"}, ("Fine", 6)),
        ({"level": "DEBUG-4"}, ("DEBUG-4", 1)),
        ({"level": "INFO+1"}, ("INFO+1", 10)),
        ({"severity": "emergency"}, ("emergency", 21)),
        ({"severity_text": "Info", "severity_number": 11}, ("Info", 11)),
        ({"severity_number": 24}, ("24", 24)),
    ],
)
def test_severities(fields: dict[str, Any], severity: tuple[str, int]) -> None:
    """The scale of a number goes by its key and size; the text is the original spelling."""
    assert one(fields) == {"severity": severity}


@pytest.mark.parametrize(
    "fields",
    [{"level": "third floor"}, {"level": 8}, {"level": True}, {"level": 1.5}, {"severity": "moderate"}, {"level": 999}],
)
def test_no_severities(fields: dict[str, Any]) -> None:
    """What is no level stays an attribute."""
    assert one(fields) == {"attributes": fields}


@pytest.mark.parametrize(
    ("key", "value", "expected"),
    [
        ("traceId", TRACE_ID.upper(), TRACE_ID),
        ("X-B3-TraceId", "eee19b7ec3c1b174", "0000000000000000eee19b7ec3c1b174"),
        ("trace_id", "1-5759e988-bd862e3fe1be46a994272793", "5759e988bd862e3fe1be46a994272793"),
        ("X-Amzn-Trace-Id", "Root=1-5759e988-bd862e3fe1be46a994272793", "5759e988bd862e3fe1be46a994272793"),
        ("dd.trace_id", TRACE_ID, TRACE_ID),
        ("dd.trace_id", "1" * 16, "00000000000000000003f28cb71571c7"),
        ("mdc.trace_id", TRACE_ID, TRACE_ID),
    ],
)
def test_trace_ids(key: str, value: str, expected: str) -> None:
    """Every spelling of a trace id."""
    assert one({key: value}) == {"trace_id": expected}


def test_traceparent() -> None:
    """A W3C header has all three."""
    assert one({"traceparent": f"00-{TRACE_ID}-{SPAN_ID}-01"}) == {"trace_id": TRACE_ID, "span_id": SPAN_ID, "flags": 1}


@pytest.mark.parametrize(
    "fields",
    [
        {"trace_id": "0" * 32},
        {"trace_id": "zz"},
        {"trace_id": 7},
        {"trace_id": TRACE_ID[:-1] + " "},
        {"dd.trace_id": "18446744073709551616"},
        {"span_id": SPAN_ID},
        {"traceparent": "00-" + "0" * 32 + "-" + SPAN_ID + "-01"},
    ],
)
def test_no_trace_ids(fields: dict[str, Any]) -> None:
    """What is no id stays an attribute, and so does a span id alone."""
    assert one(fields) == {"attributes": fields}


def test_values() -> None:
    """Every JSON value keeps its type; integers beyond 64 bits become text."""
    fields = {"s": "", "t": True, "i": -(2**63), "h": 2**64 - 1, "d": 1.5, "n": None, "a": [1, "x", []], "m": {"k": {}}}
    assert one(fields) == {"attributes": fields | {"h": "18446744073709551615"}}


def test_records_by_resource() -> None:
    """Records of one resource stand together, in their order."""
    lines = '{"service":"a","msg":"1"}\n{"msg":"2"}\n{"service.name":"a","msg":"3"}\n{"service":{"name":"b"},"msg":"4"}'
    assert mapped(lines) == [
        {"body": "1", "resource": {"service.name": "a"}},
        {"body": "3", "resource": {"service.name": "a"}},
        {"body": "2"},
        {"body": "4", "resource": {"service.name": "b"}},
    ]
    assert len(LogsData.FromString(to_otlp(lines.encode(), RECEIVED).payload).resource_logs) == 3


# Framing


def bodies(body: bytes | str, *, failures: int = 0) -> list[Any]:
    return [record.get("body") for record in mapped(body, failures=failures)]


@pytest.mark.parametrize("body", ["", " \r\n", "[]", "\ufeff", "\n\n"])
def test_nothing(body: str) -> None:
    """A body without a record."""
    assert mapped(body) == []


@pytest.mark.parametrize(
    "body",
    [
        '[{"msg":"1"},{"msg":"2"}]',
        '{"msg":"1"}\n{"msg":"2"}',
        '\ufeff{"msg":"1"}\r\n\r\n{"msg":"2"}\r\n',
        '{"msg":"1"}{"msg":"2"}',
        '{\n "msg": "1"\n}\n{\n "msg": "2"\n}\n',
        '[{"msg":"1"}]\n[{"msg":"2"}]\n',
        '{"msg":"1"}\0{"msg":"2"}\0',
    ],
)
def test_two_records(body: str) -> None:
    """An array, lines, CRLF with a byte order mark and blank lines, objects run together, printed, or ended by NUL."""
    assert bodies(body) == ["1", "2"]


def test_pretty_object() -> None:
    """One object over several lines."""
    assert bodies('{\n  "msg": "1"\n}') == ["1"]


def test_not_objects() -> None:
    """What is JSON but no object becomes text."""
    assert bodies('["a", 7, null, {"msg":"m"}, [1, {"k": 2}]]') == ["a", "7", "null", "m", '[1,{"k":2}]']
    assert bodies('{"msg":"m"}\n"a"\n7') == ["m", "a", "7"]


def test_not_json() -> None:
    """A line that does not parse becomes text as it is, and is counted."""
    assert bodies('{"msg":"1"}\n  at line 7\n{"msg":"2"', failures=2) == ["1", "  at line 7", '{"msg":"2"']
    assert bodies('{"msg":"1"} and more', failures=1) == ["1", "and more"]
    assert bodies('[{"msg":"1"},', failures=1) == ['[{"msg":"1"},']
    assert bodies("[info] 7 started", failures=1) == ["[info] 7 started"]


def test_invalid_utf8() -> None:
    """Bytes that are no UTF-8 are replaced, in text and within an object."""
    assert bodies(b"caf\xe9 open", failures=1) == ["caf\ufffd open"]
    assert bodies(b'{"msg":"caf\xe9"}') == ["caf\ufffd"]


def test_what_orjson_refuses() -> None:
    """NaN, which Python writes, a lone surrogate and an integer of a hundred digits do not spoil their record."""
    lines = '{"msg":"a","x":NaN}\n{"msg":"b\\ud800","\\udc00":1}\n{"msg":"c","x":NaN,"i":%s}' % ("9" * 100)
    first, second, third = mapped(lines)
    assert repr(first) == "{'attributes': {'x': nan}, 'body': 'a'}"
    assert second == {"body": "b?", "attributes": {"?": 1}}
    assert third["attributes"]["i"] == "9" * 100


def test_duplicate_keys() -> None:
    """The last of a key given twice counts; nothing of the first goes on."""
    logs = to_otlp(b'{"msg":"m","a":"536-90-4399","a":"x"}', RECEIVED)
    assert b"536-90-4399" not in logs.payload


def test_docker() -> None:
    """The inner object is the record; the outer time serves where the inner has none."""
    inner = json.dumps({"level": "info", "msg": "m"}) + "\n"
    timed = json.dumps({"msg": "m", "time": "2026-11-21T03:17:44.797Z"}) + "\n"
    outer = {"stream": "stderr", "time": "2026-11-21T03:17:45.797000000Z"}
    lines = "\n".join(json.dumps({"log": text, **outer}) for text in (inner, timed, "plain\n"))
    attributes = {"log.iostream": "stderr"}
    assert mapped(lines) == [
        {"time": TIME + 10**9, "severity": ("info", 9), "body": "m", "attributes": attributes},
        {"time": TIME, "body": "m", "attributes": attributes},
        {"time": TIME + 10**9, "body": "plain", "attributes": attributes},
    ]


def test_fluent_bit() -> None:
    """A shipper's own keys stay beside those of the record, whose own win."""
    fields = {
        "date": 1795231064.797,
        "log": '{"msg":"m","kubernetes":7}',
        "stream": "stdout",
        "kubernetes": {"pod_name": "p"},
        "tag": "t",
    }
    attributes = {"kubernetes": 7, "tag": "t", "log.iostream": "stdout"}
    assert one(fields) == {"time": TIME, "body": "m", "attributes": attributes}


def test_docker_pieces() -> None:
    """A line that Docker cut at 16 KiB is one record again; the streams do not mix."""
    whole = json.dumps({"msg": "x" * 40_000})
    pieces = [whole[at : at + 16_384] for at in range(0, len(whole), 16_384)]
    lines = [{"log": piece, "stream": "stdout"} for piece in pieces[:-1]]
    lines += [{"log": "other\n", "stream": "stderr"}, {"log": pieces[-1] + "\n", "stream": "stdout"}]
    assert bodies(orjson.dumps(lines)) == ["other", "x" * 40_000]


def test_cri() -> None:
    """Lines of the Kubernetes runtimes: time, stream, pieces joined, inner JSON read."""
    lines = (
        "2026-11-21T03:17:44.797Z stdout F plain text\n"
        '2026-11-21T03:17:44.797Z stderr P {"msg":\n'
        "2026-11-21T03:17:44.797Z stdout F \n"
        '2026-11-21T03:17:45.797Z stderr F "m"}\n'
        "2026-11-21T03:17:44.797000001+00:00 stdout P:x cut off\n"
    )
    assert mapped(lines) == [
        {"time": TIME, "body": "plain text", "attributes": {"log.iostream": "stdout"}},
        {"time": TIME, "body": "", "attributes": {"log.iostream": "stdout"}},
        {"time": TIME, "body": "m", "attributes": {"log.iostream": "stderr"}},
        {"time": TIME + 1, "body": "cut off", "attributes": {"log.iostream": "stdout"}},
    ]


# Limits


def test_depth() -> None:
    """An attribute, a message or a resource value nested too deep is dropped whole and counted; the rest stays."""
    assert mapped('{"a":[[[1]]],"b":[[1]],"message":{"x":[[]]}}', max_depth=2) == [
        {"attributes": {"b": [[1]]}, "dropped": 2}
    ]
    assert mapped('{"service":{"a":{"b":{"c":{"d":{"e":1}}}}},"msg":"m"}', max_depth=1) == [{"body": "m"}]


@pytest.mark.parametrize("levels", [21, 300, 1_000, 3_000, 100_000])
@pytest.mark.parametrize(("opening", "closing"), [("[", "]"), ('{"a":', "}"), ('{"service":', "}")])
def test_extreme_nesting(levels: int, opening: str, closing: str) -> None:
    """However deep, there is one clean record and no crash; beyond what parsers take it is text."""
    body = '{"x":' + opening * levels + "1" + closing * levels + "}"
    logs = to_otlp(body.encode(), RECEIVED)
    assert (logs.items, logs.parse_failures) == (1, int(levels > 1_000))
    assert otlp.sanitize(Signal.LOGS, logs.payload) == (logs.payload, 1)


def test_deep_array_element() -> None:
    """A nested array without an object in a body becomes text, or nothing where it is too deep to be written."""
    assert bodies("[[[1]]]") == ["[[1]]"]
    assert bodies("[" * 600 + "]" * 600, failures=1) == [""]


def test_long_line() -> None:
    """A line of 10 MB that is no JSON is a record."""
    assert bodies("x" * 10_000_000, failures=1) == ["x" * 10_000_000]


JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
KEYS = st.text(max_size=6) | st.sampled_from(
    ["time", "level", "message", "msg", "trace_id", "dd.trace_id", "span_id", "trace_flags", "log", "stream", "error",
     "err", "exception", "host", "service", "service.name", "severity", "@t", "trace", "nanoseconds", "version",
     "short_message"]
)  # fmt: skip


@settings(max_examples=150, deadline=None)
@given(st.lists(st.dictionaries(KEYS, JSON_VALUES, max_size=6), max_size=4))
def test_any_objects(objects: list[dict[str, Any]]) -> None:
    """Any objects give as many clean records."""
    texts = [json.dumps(fields) for fields in objects]
    logs = to_otlp("\n".join(texts).encode(), RECEIVED)
    assert (logs.items, logs.parse_failures) == (len(objects), 0)
    assert otlp.sanitize(Signal.LOGS, logs.payload) == (logs.payload, len(objects))


@settings(max_examples=150, deadline=None)
@given(st.binary(max_size=60) | st.text(alphabet='{}[]":,a1\n\r\\ ud8\0', max_size=60).map(str.encode))
def test_any_bytes(body: bytes) -> None:
    """Any bytes at all give clean OTLP."""
    logs = to_otlp(body, RECEIVED)
    assert otlp.sanitize(Signal.LOGS, logs.payload) == (logs.payload, logs.items)


def test_documented_spellings() -> None:
    """docs/json_logs.md names every key that is looked for."""
    documented = (Path(__file__).parents[2] / "docs" / "json_logs.md").read_text()
    tables: list[tuple[Spelling[Any], ...]] = [
        json_logs_time._TIME,
        json_logs_severity._SPELLED,
        json_logs_severity._NUMBERED,
        json_logs_record._MESSAGE,
        *json_logs_record._EXCEPTION.values(),
        *json_logs_record._RESOURCE.values(),
    ]
    names = [spelling.name for table in tables for spelling in table]
    assert [name for name in names if f"`{name}`" not in documented] == []
