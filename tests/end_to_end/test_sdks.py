"""Real SDKs through Telescrub into the real destinations: ids, names, values and times as they were sent."""

import logging
import time
from collections.abc import Iterator
from typing import Any, Literal

import pytest
from opentelemetry._logs import SeverityNumber
from opentelemetry.exporter.otlp.proto.grpc._log_exporter import OTLPLogExporter as GrpcLogs
from opentelemetry.exporter.otlp.proto.grpc.metric_exporter import OTLPMetricExporter as GrpcMetrics
from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter as GrpcTraces
from opentelemetry.exporter.otlp.proto.http._log_exporter import OTLPLogExporter as HttpLogs
from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter as HttpMetrics
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter as HttpTraces
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import SimpleLogRecordProcessor
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.trace import SpanKind, Status, StatusCode

from tests.backends.clients import run_telemetrygen, send_with_node
from tests.backends.process import wait_until
from tests.end_to_end.stack import Stack

pytestmark = pytest.mark.end_to_end

SSN, EMAIL, MRN = "536-90-4399", "jane.roe@example.org", "4471203988"


@pytest.fixture(scope="module")
def stack() -> Iterator[Stack]:
    with Stack() as running:
        yield running


class Python:
    """The Python SDK with its three exporters over one protocol."""

    def __init__(self, stack: Stack, protocol: Literal["grpc", "http"]) -> None:
        daemon = stack.telescrub
        self.service = f"python-{protocol}"
        resource = Resource.create({"service.name": self.service, "service.instance.id": "one"})
        grpc: dict[str, Any] = {"endpoint": daemon.address("otlp_grpc"), "insecure": True}
        spans = GrpcTraces(**grpc) if protocol == "grpc" else HttpTraces(f"{daemon.url('otlp_http')}/v1/traces")
        metrics = GrpcMetrics(**grpc) if protocol == "grpc" else HttpMetrics(f"{daemon.url('otlp_http')}/v1/metrics")
        logs = GrpcLogs(**grpc) if protocol == "grpc" else HttpLogs(f"{daemon.url('otlp_http')}/v1/logs")
        self.tracing, self.logging = TracerProvider(resource=resource), LoggerProvider(resource=resource)
        self.tracing.add_span_processor(SimpleSpanProcessor(spans))
        self.logging.add_log_record_processor(SimpleLogRecordProcessor(logs))
        self.metering = MeterProvider([PeriodicExportingMetricReader(metrics, 3_600_000)], resource)

    def shutdown(self) -> None:
        for provider in (self.tracing, self.logging, self.metering):
            provider.shutdown()


@pytest.fixture(params=["grpc", "http"])
def python(stack: Stack, request: pytest.FixtureRequest) -> Iterator[Python]:
    sdk = Python(stack, request.param)
    yield sdk
    sdk.shutdown()


def attributes(span: dict[str, Any]) -> dict[str, Any]:
    return {each["key"]: next(iter(each["value"].values()), None) for each in span.get("attributes", [])}


def test_python_traces(stack: Stack, python: Python) -> None:
    """Ids, parent, kind, status, times and clean attributes arrive; the planted values do not."""
    tracer = python.tracing.get_tracer("clinic", "1.2.3")
    with tracer.start_as_current_span("GET /patients/{id}", kind=SpanKind.SERVER) as parent:
        parent.set_attribute("patient_id", int(MRN))
        parent.set_attribute("http.response.status_code", 503)
        parent.set_attribute("http.route", "/patients/{id}")
        with tracer.start_as_current_span(f"lookup {SSN}") as child:
            child.set_status(Status(StatusCode.ERROR, f"no record for {EMAIL}"))
            child.add_event("read", {"user.email": EMAIL})
    assert isinstance(parent, ReadableSpan)
    assert isinstance(child, ReadableSpan)
    trace_id = f"{parent.context.trace_id:032x}"
    stored = wait_until(lambda: found if len(found := stack.spans({trace_id})) == 2 else None, what="two spans")
    top, inner = stored[f"{parent.context.span_id:016x}"], stored[f"{child.context.span_id:016x}"]
    assert (top["name"], top["kind"], int(top["startTimeUnixNano"])) == ("GET /patients/{id}", 2, parent.start_time)
    assert inner["parentSpanId"] == f"{parent.context.span_id:016x}"
    assert inner["status"]["code"] == 2
    assert attributes(top)["http.response.status_code"] == "503"
    assert attributes(top)["http.route"] == "/patients/{id}"
    _assert_nothing_planted(stack)


def test_python_metrics(stack: Stack, python: Python) -> None:
    """Counters, gauges and histograms have the values and the names Prometheus gives them."""
    meter = python.metering.get_meter("clinic")
    visits = meter.create_counter("clinic.visits", unit="{visit}")
    visits.add(3, {"ward": "north", "user.email": EMAIL})
    visits.add(4, {"ward": "south"})
    duration = meter.create_histogram(
        "clinic.visit.duration", unit="s", explicit_bucket_boundaries_advisory=[0.5, 1, 5]
    )
    for seconds in (0.25, 0.75, 2.0):
        duration.record(seconds, {"ward": "north"})
    meter.create_up_down_counter("clinic.waiting").add(7)
    python.metering.force_flush()
    mine = f'job="{python.service}"'
    query = stack.prometheus.query
    wait_until(lambda: query(f"clinic_visits_total{{{mine}}}"), what="the counter")
    wards = {each["metric"].get("ward"): each["value"][1] for each in query(f"clinic_visits_total{{{mine}}}")}
    assert wards == {"north": "3", "south": "4"}
    buckets = query(f"clinic_visit_duration_seconds_bucket{{{mine}}}")
    assert {each["metric"]["le"]: each["value"][1] for each in buckets} == {"0.5": "1", "1": "2", "5": "3", "+Inf": "3"}
    assert query(f"clinic_visit_duration_seconds_sum{{{mine}}}")[0]["value"][1] == "3"
    assert query(f"clinic_waiting{{{mine}}}")[0]["value"][1] == "7"
    assert query(f"target_info{{{mine}}}")[0]["metric"]["instance"] == "one"
    _assert_nothing_planted(stack)


def test_python_logs(stack: Stack, python: Python) -> None:
    """Body, severity, time and trace context arrive; the planted values do not."""
    logger = python.logging.get_logger("clinic")
    at = time.time_ns()
    logger.emit(
        timestamp=at,
        observed_timestamp=at + 1,
        severity_number=SeverityNumber.WARN,
        severity_text="WARN",
        body=f"visit closed, ssn {SSN}",
        attributes={"ward": "north", "patient": {"email": EMAIL, "id": int(MRN)}},
    )
    python.logging.force_flush()

    def entry() -> tuple[int, str, dict[str, str]] | None:
        return next((each for each in stack.entries() if each[2]["service_name"] == python.service), None)

    when, line, labels = wait_until(entry, what="the line")
    assert (when, line.split(",")[0]) == (at, "visit closed")
    assert (labels["severity_text"], labels["severity_number"], labels["ward"]) == ("WARN", "13", "north")
    _assert_nothing_planted(stack)


def test_node(stack: Stack) -> None:
    """The JavaScript SDK over HTTP/JSON, whose integers are JSON numbers."""
    sent = send_with_node(stack.telescrub.url("otlp_http"), seed=5, count=4)
    spans = {each["span_id"]: each for each in sent["traces"]}
    traces = {each["trace_id"] for each in sent["traces"]}
    stored = wait_until(lambda: found if len(found := stack.spans(traces)) == len(spans) else None, what="every span")
    for span_id, span in spans.items():
        assert stored[span_id]["name"] == span["name"]
        assert stored[span_id]["startTimeUnixNano"] == span["start_time_unix_nano"]
        assert stored[span_id]["endTimeUnixNano"] == span["end_time_unix_nano"]
    job = f'job="{sent["service_name"]}"'
    wait_until(lambda: stack.prometheus.query(f"clinic_visits_total{{{job}}}"), what="the counter")

    def lines() -> list[str] | None:
        found = [line for _, line, labels in stack.entries() if labels["service_name"] == sent["service_name"]]
        return found if len(found) == len(sent["logs"]) else None

    assert all(line.startswith("visit ") for line in wait_until(lines, what="every line"))
    stored_text = "\n".join(text for texts in stack.stored().values() for text in texts)
    for each in sent["traces"]:
        assert str(each["attributes"]["patient_id"]) not in stored_text.replace(each["start_time_unix_nano"], "")
        assert each["attributes"]["user.email"] not in stored_text
    _assert_nothing_planted(stack)


@pytest.mark.parametrize("flags", [(), ("--otlp-http",)])
def test_telemetrygen(stack: Stack, flags: tuple[str, ...]) -> None:
    """A real load driver: everything it sends is accepted and passed on."""
    port = "otlp_http" if flags else "otlp_grpc"
    before = stack.telescrub.metric("otelcol_exporter_sent_spans")
    run_telemetrygen("traces", stack.telescrub.address(port), "--traces=200", "--child-spans=2", "--rate=0", *flags)
    wait_until(
        lambda: stack.telescrub.metric("otelcol_exporter_sent_spans") == before + 600, what="600 spans", seconds=30
    )
    assert stack.telescrub.metric("otelcol_receiver_refused_spans") == 0


def _assert_nothing_planted(stack: Stack) -> None:
    stack.wait_until_sent()
    stored = {**stack.stored(), "log": [stack.telescrub.log]}
    for name, texts in stored.items():
        whole = "\n".join(texts)
        assert [kind for kind in (SSN, EMAIL, SSN.replace("-", ""), MRN) if kind in whole] == [], name


logging.getLogger("opentelemetry").setLevel(logging.CRITICAL)
