"""Destinations that fail, in short; `make outages` is the long form, with what is an hour of each."""

import os
from collections.abc import Iterator

import grpc
import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse
from opentelemetry.proto.trace.v1.trace_pb2 import TracesData

from tests.backends.process import wait_until
from tests.chaos.outages import Outages, Trouble, troubles
from tests.chaos.recorder import Recorder, takes_all
from tests.end_to_end.daemon import Telescrub
from wire.signal import Signal

pytestmark = [
    pytest.mark.end_to_end,
    # Of connections that the proxy breaks in their handshake; the daemon is a process of its own.
    pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning"),
]

CHOSEN = (
    "jaeger: down",
    "loki: flapping",
    "prometheus: slow",
    "jaeger: silent",
    "prometheus: reset",
    "loki: unanswered",
    "prometheus: unanswered",
    "jaeger: bad TLS",
    "loki: 429, later",
    "prometheus: 500",
    "loki: 413",
    "otlp: RESOURCE_EXHAUSTED, later",
    "otlp: too large",
)
MIB = 2**20
LETTERS = bytes(b"ghijklmnopqrstuv wxyz GHIJKLMNOP"[each % 32] for each in range(256))


@pytest.fixture(scope="module")
def outages() -> Iterator[Outages]:
    with Outages() as running:
        yield running


@pytest.mark.parametrize("trouble", [each for each in troubles() if str(each) in CHOSEN], ids=str)
def test_outage(outages: Outages, trouble: Trouble) -> None:
    """While one destination fails the others get everything; afterwards it has everything too, and the daemon's memory
    and files are what they were.
    """
    seen = outages.run(trouble, entries=30, tries=4)
    assert seen.is_good, str(seen)
    assert not seen.entries or seen.tries >= 4


def one_span(name: str) -> bytes:
    data = TracesData()
    data.resource_spans.add().scope_spans.add().spans.add(name=name, trace_id=b"\x01" * 16, span_id=b"\x02" * 8)
    return data.SerializeToString()


def refuses(_signal: Signal, _body: bytes, context: grpc.ServicerContext) -> bytes:
    context.abort(grpc.StatusCode.UNAVAILABLE, "for the test")
    raise AssertionError


def recorded(recorder: Recorder) -> Telescrub:
    retry = {"initial_interval": "50ms", "max_interval": "200ms"}
    plain = {"tls": {"insecure": True}, "compression": "none"}
    exporter = {"endpoint": recorder.endpoint, **plain, "retry_on_failure": retry}
    return Telescrub({"traces": {"otlp_grpc": exporter}})


def test_partial_success() -> None:
    """What a destination takes in part is counted as such, and never sent again: it does not say which part."""
    with Recorder() as recorder, recorded(recorder) as daemon:
        answer = ExportTraceServiceResponse()
        answer.partial_success.rejected_spans = 1
        recorder.judge = lambda *_: answer.SerializeToString()
        with grpc.insecure_channel(daemon.address("otlp_grpc")) as channel:
            channel.unary_unary(Signal.TRACES.method)(one_span("x") * 3, timeout=10)
        wait_until(lambda: daemon.metric("otelcol_exporter_sent_spans"), what="an answer")
        assert daemon.metric("otelcol_exporter_sent_spans") == 2
        assert daemon.metric("telescrub_dropped_items_total", reason="partial_success") == 1
        assert daemon.metric("otelcol_exporter_queue_size") == 0
    assert len(recorder.receipts) == 1


def test_what_waits_is_not_in_memory() -> None:
    """Once what is next in line is in memory, no more comes to it: the 64th MiB that waits takes none, nor the one
    after. When all is sent, the files give their space back.
    """
    with Recorder(slow=0) as recorder, recorded(recorder) as daemon:
        with grpc.insecure_channel(daemon.address("otlp_grpc")) as channel:
            call = channel.unary_unary(Signal.TRACES.method)
            call(one_span("x"), timeout=60)
            wait_until(lambda: recorder.receipts, what="the first span")
            recorder.judge = refuses
            files = daemon.queue_bytes()
            resident = []
            for _ in range(3):
                for _ in range(32):
                    call(one_span(random_text(MIB)), timeout=60)
                resident.append(daemon.resident_bytes())
        assert daemon.queue_bytes() > 80 * MIB
        assert resident[2] - resident[0] < 16 * MIB
        recorder.judge = takes_all
        wait_until(lambda: daemon.metric("otelcol_exporter_queue_size") == 0, seconds=120, what="an empty queue")
        assert daemon.metric("otelcol_exporter_sent_spans") == 97
        wait_until(lambda: daemon.queue_bytes() <= files, seconds=60, what="files as before")


def random_text(size: int) -> str:
    """Words of letters, of which rules find next to nothing."""
    return os.urandom(size).translate(LETTERS).decode()
