"""A destination that is away: a full queue turns real SDKs away, and their retries deliver everything; stopping."""

import json
import threading
from collections.abc import Iterator

import grpc
import pytest
from google.rpc.error_details_pb2 import RetryInfo
from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter as GrpcTraces
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter as HttpTraces
from opentelemetry.proto.trace.v1.trace_pb2 import TracesData
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor, SpanExporter, SpanExportResult
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from tests.backends.process import request, wait_until
from tests.backends.servers import Jaeger, spans_in
from tests.end_to_end.daemon import Telescrub
from wire.signal import Signal

pytestmark = pytest.mark.end_to_end

RETRY = {"initial_interval": "200ms", "max_interval": "500ms", "max_elapsed_time": "60s"}


@pytest.fixture
def jaeger() -> Iterator[Jaeger]:
    with Jaeger() as running:
        yield running


def daemon(jaeger: Jaeger, queue_size: int = 1, storage: str = "file_storage") -> Telescrub:
    exporter = {
        "endpoint": jaeger.otlp_grpc_endpoint,
        "timeout": "1s",
        "retry_on_failure": RETRY,
        "sending_queue": {"queue_size": queue_size, "num_consumers": 1, "storage": storage},
    }
    return Telescrub({"traces": {"jaeger": exporter}})


def made_spans(service: str, count: int) -> list[ReadableSpan]:
    memory = InMemorySpanExporter()
    provider = TracerProvider(resource=Resource.create({"service.name": service}))
    provider.add_span_processor(SimpleSpanProcessor(memory))
    for number in range(count):
        provider.get_tracer("clinic").start_span(f"step {number}").end()
    return list(memory.get_finished_spans())


def one_span() -> bytes:
    data = TracesData()
    data.resource_spans.add().scope_spans.add().spans.add(name="x", trace_id=b"\x01" * 16, span_id=b"\x02" * 8)
    return data.SerializeToString()


def test_what_a_full_queue_answers(jaeger: Jaeger) -> None:
    """gRPC: UNAVAILABLE with RetryInfo in both trailers. HTTP: 503 with Retry-After and a Status."""
    with daemon(jaeger) as telescrub:
        jaeger.stop()
        with grpc.insecure_channel(telescrub.address("otlp_grpc")) as channel:
            call = channel.unary_unary(Signal.TRACES.method)
            call(one_span(), timeout=5)
            with pytest.raises(grpc.RpcError) as caught:
                call(one_span(), timeout=5)
        assert caught.value.code() is grpc.StatusCode.UNAVAILABLE
        assert caught.value.details() == "exporter jaeger has 1 of 1 requests waiting; retry after 1 s"
        trailers = dict(caught.value.trailing_metadata())
        assert RetryInfo.FromString(trailers["google.rpc.retryinfo-bin"]).retry_delay.seconds == 1
        assert "grpc-status-details-bin" in trailers
        body = b'{"resourceSpans":[{"scopeSpans":[{"spans":[{"name":"x"}]}]}]}'
        url = f"{telescrub.url('otlp_http')}/v1/traces"
        answer = request("POST", url, body=body, headers={"Content-Type": "application/json"})
        assert (answer.status, answer.headers["Retry-After"], json.loads(answer.body)["code"]) == (503, "1", 14)
        assert telescrub.metric("otelcol_receiver_refused_spans") == 2
        assert telescrub.metric("otelcol_exporter_enqueue_failed_spans") == 2
        jaeger.start()


@pytest.mark.parametrize("protocol", ["grpc", "http"])
def test_retries_deliver_everything(jaeger: Jaeger, protocol: str) -> None:
    """Jaeger is away, the queue fills, the SDK is turned away and tries again; Jaeger comes back and has all, once."""
    batches = [made_spans(f"{protocol}-{number}", 5) for number in range(3)]
    with daemon(jaeger) as telescrub:
        jaeger.stop()
        exporter: SpanExporter
        if protocol == "grpc":
            exporter = GrpcTraces(endpoint=telescrub.address("otlp_grpc"), insecure=True, timeout=60)
        else:
            exporter = HttpTraces(f"{telescrub.url('otlp_http')}/v1/traces", timeout=60)
        results: list[SpanExportResult] = []
        sending = threading.Thread(target=lambda: results.extend(exporter.export(batch) for batch in batches))
        sending.start()
        wait_until(lambda: telescrub.metric("otelcol_receiver_refused_spans") >= 5, what="a refusal", seconds=30)
        jaeger.start()
        sending.join(90)
        exporter.shutdown()
        assert results == [SpanExportResult.SUCCESS] * 3
        wait_until(lambda: telescrub.metric("otelcol_exporter_queue_size") == 0, seconds=30)
        expected = sorted(f"{span.context.span_id:016x}" for batch in batches for span in batch)

        def stored() -> list[str] | None:
            found = [s["spanId"] for n in range(3) for s in spans_in(jaeger.find(f"{protocol}-{n}", 0, 2**62))]
            return sorted(found) if len(found) >= len(expected) else None

        assert wait_until(stored, what="every span", seconds=30) == expected


def test_stopping_delivers_what_waits(jaeger: Jaeger) -> None:
    """SIGTERM during an outage, with a queue in memory: not ready at once; what waits is delivered when Jaeger is back;
    exit code 0.
    """
    with daemon(jaeger, queue_size=10, storage="none") as telescrub:
        jaeger.stop()
        with grpc.insecure_channel(telescrub.address("otlp_grpc")) as channel:
            channel.unary_unary(Signal.TRACES.method)(one_span(), timeout=5)
        telescrub.tell_to_stop()
        wait_until(lambda: request("GET", f"{telescrub.url('health')}/").status == 503, what="draining")
        jaeger.start()
        assert telescrub.exit_code(40) == 0
        assert "stopped before everything was sent" not in telescrub.log
        wait_until(lambda: jaeger.trace("01" * 16), what="the span")


@pytest.mark.parametrize("storage", ["none", "file_storage"])
def test_stopping_says_what_is_left(jaeger: Jaeger, storage: str) -> None:
    """The daemon ends, in the end, and says how much was left, and where; what is in a file is sent after the next
    start.
    """
    with daemon(jaeger, queue_size=10, storage=storage) as telescrub:
        telescrub.shutdown_timeout("2s")
        telescrub.stop()
        telescrub.start()
        jaeger.stop()
        with grpc.insecure_channel(telescrub.address("otlp_grpc")) as channel:
            channel.unary_unary(Signal.TRACES.method)(one_span(), timeout=5)
        telescrub.tell_to_stop()
        assert telescrub.exit_code(20) == 0
        [line] = [json.loads(line) for line in telescrub.log.splitlines() if "stopped before everything" in line]
        assert (line["component"], line["signal"], line["items_left"]) == ("jaeger", "traces", 1)
        jaeger.start()
        if storage == "file_storage":
            telescrub.start()
            wait_until(lambda: jaeger.trace("01" * 16), what="the span")
