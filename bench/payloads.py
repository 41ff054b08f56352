"""The payloads that benchmarks send: spans as a service sends them, clean and with PHI, and logs of nested JSON."""

import os

import orjson
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord, LogsData
from opentelemetry.proto.trace.v1.trace_pb2 import Span, TracesData

__all__ = ["logs", "phi_of_span", "spans"]

_ATTRIBUTES = {
    "http.request.method": "GET",
    "http.route": "/patients/{id}/records",
    "url.scheme": "https",
    "server.address": "records-api.clinic.svc.cluster.local",
    "network.protocol.version": "1.1",
    "user_agent.original": "Mozilla/5.0 (X11; Linux x86_64) Gecko/20100101 Firefox/140.0",
    "deployment.environment.name": "production",
    "code.function.name": "RecordsController.show",
    "thread.name": "http-nio-8080-exec-7",
}


def phi_of_span(number: int) -> dict[str, str]:
    """Two more attributes, which two rules act on; each span's are others."""
    return {"patient_id": str(4_471_203 + number), "note": f"confirmation sent to jane.roe{number}@example.org"}


def _pairs(attributes: dict[str, str]) -> list[KeyValue]:
    return [KeyValue(key=key, value=AnyValue(string_value=value)) for key, value in attributes.items()]


def spans(count: int, *, name: str = "GET /patients/{id}/records", with_phi: bool = False) -> bytes:
    """A traces payload of spans with nine string attributes each; with PHI two more."""
    data = TracesData()
    resource = data.resource_spans.add()
    resource.resource.attributes.extend(_pairs({"service.name": "records-api"}))
    made = [
        Span(
            trace_id=os.urandom(16),
            span_id=os.urandom(8),
            name=name,
            kind=Span.SPAN_KIND_SERVER,
            start_time_unix_nano=10**18,
            end_time_unix_nano=10**18 + number,
            attributes=_pairs({**_ATTRIBUTES, **(phi_of_span(number) if with_phi else {})}),
        )
        for number in range(count)
    ]
    resource.scope_spans.add(spans=made)
    return data.SerializeToString()


def logs(count: int) -> bytes:
    """A logs payload whose bodies are nested JSON with three identifiers."""
    data = LogsData()
    records = [LogRecord(time_unix_nano=10**18 + n, body=AnyValue(string_value=_log_body(n))) for n in range(count)]
    data.resource_logs.add().scope_logs.add(log_records=records)
    return data.SerializeToString()


def _log_body(number: int) -> str:
    body = {
        "msg": "visit closed",
        "patient": {"email": f"jane.roe{number}@example.org", "ssn": f"536-90-{number % 10_000:04d}"},
        "phone": f"+1 517 555 {number % 10_000:04d}",
    }
    return orjson.dumps({"level": "info", "request": {"id": 7, "body": body}, "duration_ms": 12.5}).decode()
