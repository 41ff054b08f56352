"""The payloads that benchmarks send: spans as a service sends them, clean and with PHI, and logs of nested JSON."""

import os

import orjson
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord, LogsData
from opentelemetry.proto.trace.v1.trace_pb2 import Span, TracesData

__all__ = ["PHI_PER_SPAN", "logs", "spans"]

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
PHI_PER_SPAN = {"patient_id": "4471203", "note": "confirmation sent to jane.roe@example.org"}
"""Two more attributes, which two rules act on."""


def _pairs(attributes: dict[str, str]) -> list[KeyValue]:
    return [KeyValue(key=key, value=AnyValue(string_value=value)) for key, value in attributes.items()]


def spans(count: int, *, name: str = "GET /patients/{id}/records", with_phi: bool = False) -> bytes:
    """A traces payload of spans with nine string attributes each; with PHI two more."""
    data = TracesData()
    resource = data.resource_spans.add()
    resource.resource.attributes.extend(_pairs({"service.name": "records-api"}))
    attributes = _pairs({**_ATTRIBUTES, **(PHI_PER_SPAN if with_phi else {})})
    made = [
        Span(
            trace_id=os.urandom(16),
            span_id=os.urandom(8),
            name=name,
            kind=Span.SPAN_KIND_SERVER,
            start_time_unix_nano=10**18,
            end_time_unix_nano=10**18 + number,
            attributes=attributes,
        )
        for number in range(count)
    ]
    resource.scope_spans.add(spans=made)
    return data.SerializeToString()


def logs(count: int) -> bytes:
    """A logs payload whose bodies are nested JSON with three identifiers."""
    body = {
        "msg": "visit closed",
        "patient": {"email": "jane.roe@example.org", "ssn": "536-90-4399"},
        "phone": "+1 517 555 0131",
    }
    text = orjson.dumps({"level": "info", "request": {"id": 7, "body": body}, "duration_ms": 12.5}).decode()
    data = LogsData()
    records = [LogRecord(time_unix_nano=10**18 + n, body=AnyValue(string_value=text)) for n in range(count)]
    data.resource_logs.add().scope_logs.add(log_records=records)
    return data.SerializeToString()
