"""The servers of this folder really run, take data and give it back: what every end-to-end test builds on."""

from __future__ import annotations

import json
import os
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import pytest
import snappy

from tests.backends.clients import ClientError, run_telemetrygen, send_with_node
from tests.backends.process import DIE_WITH_US, Answer, Json, ServerError, request, wait_until
from tests.backends.servers import Collector, Jaeger, Loki, Prometheus, spans_in

pytestmark = pytest.mark.end_to_end

SSN = "536-90-4399"
TRACE_ID = "5b8efff798038103d269b633813fc60c"
SPAN_ID = "eee19b7ec3c1b174"
MINUTE = 60 * 1_000_000_000
COLLECTOR = """
receivers:
  otlp:
    protocols:
      grpc: {endpoint: "127.0.0.1:@otlp_grpc@"}
      http: {endpoint: "127.0.0.1:@otlp_http@"}
exporters:
  file: {path: "@directory@/out.json", flush_interval: 50ms}
service:
  pipelines:
    traces: {receivers: [otlp], exporters: [file]}
    metrics: {receivers: [otlp], exporters: [file]}
    logs: {receivers: [otlp], exporters: [file]}
"""


@pytest.fixture(scope="module", params=["prometheus", "prometheus-debian"])
def prometheus(request: pytest.FixtureRequest) -> Iterator[Prometheus]:
    """Both versions of Prometheus."""
    with Prometheus(request.param) as server:
        yield server


@pytest.fixture(scope="module")
def jaeger() -> Iterator[Jaeger]:
    with Jaeger() as server:
        yield server


@pytest.fixture(scope="module")
def loki() -> Iterator[Loki]:
    with Loki() as server:
        yield server


@pytest.fixture(scope="module")
def collector() -> Iterator[Collector]:
    """A Collector that writes all it gets to a file."""
    with Collector(COLLECTOR) as server:
        yield server


def varint(number: int) -> bytes:
    """A protobuf varint: https://protobuf.dev/programming-guides/encoding/."""
    encoded = bytearray()
    while number > 0x7F:
        encoded.append(number & 0x7F | 0x80)
        number >>= 7
    encoded.append(number)
    return bytes(encoded)


def field(number: int, value: bytes | str | int | float) -> bytes:
    """One protobuf field: text and messages with their length, a float as a double, an int as a varint."""
    if isinstance(value, float):
        return varint(number << 3 | 1) + struct.pack("<d", value)
    if isinstance(value, int):
        return varint(number << 3) + varint(value)
    content = value.encode() if isinstance(value, str) else value
    return varint(number << 3 | 2) + varint(len(content)) + content


def labels_v1(number: int, labels: dict[str, str]) -> bytes:
    return b"".join(field(number, field(1, name) + field(2, value)) for name, value in sorted(labels.items()))


def series_v1(labels: dict[str, str], value: float, milliseconds: int, exemplar: dict[str, str] | None = None) -> bytes:
    """A prometheus.WriteRequest (remote-write 1.0) with one series of one sample, and perhaps an exemplar."""
    series = labels_v1(1, labels) + field(2, field(1, value) + field(2, milliseconds))
    if exemplar:
        series += field(3, labels_v1(1, exemplar) + field(2, value) + field(3, milliseconds))
    return field(1, series)


def write(server: Prometheus, message: bytes, *, version: Literal["0.1.0", "2.0.0"] = "0.1.0") -> Answer:
    """POST a remote-write message, as a sender of that version does."""
    proto = ";proto=io.prometheus.write.v2.Request" if version == "2.0.0" else ""
    headers = {
        "Content-Type": f"application/x-protobuf{proto}",
        "Content-Encoding": "snappy",
        "X-Prometheus-Remote-Write-Version": version,
    }
    return request("POST", server.write_url, body=snappy.compress(message), headers=headers)


def test_remote_write_is_stored(prometheus: Prometheus) -> None:
    """A remote-write 1.0 request comes back as query result, series, range and exemplar."""
    now = int(time.time())
    labels = {"__name__": "beds_free", "ward": "w1"}
    assert write(prometheus, series_v1(labels, 7.5, now * 1000, {"trace_id": TRACE_ID})).status == 204
    assert prometheus.query("beds_free", now) == [{"metric": labels, "value": [now, "7.5"]}]
    assert prometheus.query_range("beds_free", now, now, 1) == [{"metric": labels, "values": [[now, "7.5"]]}]
    assert prometheus.series('{ward="w1"}') == [labels]
    (found,) = prometheus.exemplars("beds_free", now - 60, now + 60)
    assert found["seriesLabels"] == labels
    assert found["exemplars"] == [{"labels": {"trace_id": TRACE_ID}, "value": "7.5", "timestamp": now}]


def test_prometheus_dump_is_complete(prometheus: Prometheus) -> None:
    """The dump has metric names, label names, label values, sample values and exemplars."""
    labels = {"__name__": "dump_name", "dump_label": "dump value"}
    message = series_v1(labels, 123.25, int(time.time() * 1000), {"dump_exemplar": "exemplar value"})
    assert write(prometheus, message).status == 204
    expected = {"dump_name", "dump_label", "dump value", "123.25", "dump_exemplar", "exemplar value"}
    assert expected <= set(prometheus.texts_stored())


def test_series_without_name_in_dump() -> None:
    """The dump of an old Prometheus, which stores a series without a name, shows it."""
    with Prometheus("prometheus-debian") as server:
        assert write(server, series_v1({"nameless": SSN}, 1.0, int(time.time() * 1000))).status == 204
        assert server.everything_stored()["series"] == [{"nameless": SSN}]


def test_dotted_name_in_dump() -> None:
    """The dump of a current Prometheus shows names that are not of the classic form, label values included."""
    labels = {"__name__": "beds.free", "ward.name": SSN}
    with Prometheus() as server:
        assert write(server, series_v1(labels, 1.0, int(time.time() * 1000))).status == 204
        assert server.everything_stored()["series"] == [labels]


def test_remote_write_2_by_version() -> None:
    """The current Prometheus stores a remote-write 2.0 request and counts it; the old one drops it with a 2xx."""
    now = int(time.time() * 1000)
    symbols = b"".join(field(4, text) for text in ("", "__name__", "beds_used"))
    series = field(5, field(1, varint(1) + varint(2)) + field(2, field(1, 3.0) + field(2, now)))
    with Prometheus() as new, Prometheus("prometheus-debian") as old:
        written = write(new, symbols + series, version="2.0.0")
        ignored = write(old, symbols + series, version="2.0.0")
        header = "X-Prometheus-Remote-Write-Samples-Written"
        assert (written.status, written.headers.get(header)) == (204, "1")
        assert (ignored.status, ignored.headers.get(header)) == (204, None)
        assert new.series() == [{"__name__": "beds_used"}]
        assert old.series() == []


def test_out_of_order_window() -> None:
    """Samples behind the newest are refused, unless a window is asked for."""
    now = int(time.time() * 1000)
    messages = [series_v1({"__name__": "late"}, 1.0, now - behind) for behind in (0, 60_000)]
    with Prometheus() as strict, Prometheus(out_of_order_time_window="10m") as lenient:
        assert [write(strict, message).status for message in messages] == [204, 400]
        assert [write(lenient, message).status for message in messages] == [204, 204]


def otlp_trace(start: int) -> Json:
    """An OTLP JSON request with one span."""
    span = {
        "traceId": TRACE_ID,
        "spanId": SPAN_ID,
        "name": "admit",
        "kind": 2,
        "startTimeUnixNano": str(start),
        "endTimeUnixNano": str(start + 1_000_000),
        "attributes": [{"key": "note", "value": {"stringValue": SSN}}],
    }
    resource = {"attributes": [{"key": "service.name", "value": {"stringValue": "ward"}}]}
    scope_spans = [{"scope": {"name": "by-hand"}, "spans": [span]}]
    return {"resourceSpans": [{"resource": resource, "scopeSpans": scope_spans}]}


def test_jaeger_gives_a_trace_back(jaeger: Jaeger) -> None:
    """An OTLP JSON trace comes back by id and by service, and is in the dump."""
    start = time.time_ns()
    assert jaeger.trace(TRACE_ID) is None
    sent = otlp_trace(start)
    answer = request(
        "POST",
        f"{jaeger.otlp_http_endpoint}/v1/traces",
        body=json.dumps(sent).encode(),
        headers={"Content-Type": "application/json"},
    )
    assert answer.status == 200
    trace = wait_until(lambda: jaeger.trace(TRACE_ID), what="the trace")
    (span,) = spans_in(trace)
    (sent_span,) = spans_in(sent)
    assert span == span | sent_span
    assert "ward" in jaeger.services()
    assert spans_in(jaeger.find("ward", start - MINUTE, start + MINUTE)) == [span]
    assert spans_in(jaeger.find("ward", start + MINUTE, start + 2 * MINUTE)) == []
    assert {"ward", "admit", "by-hand", "note", SSN} <= set(jaeger.texts_stored())


@pytest.mark.parametrize("flags", [[], ["--otlp-http"]])
def test_telemetrygen_to_jaeger(jaeger: Jaeger, flags: list[str]) -> None:
    """The load generator's traces arrive, over gRPC and over HTTP."""
    start = time.time_ns()
    endpoint = jaeger.otlp_http_endpoint.removeprefix("http://") if flags else jaeger.otlp_grpc_endpoint
    service = f"load{''.join(flags)}"
    run_telemetrygen("traces", endpoint, "--traces=20", "--rate=0", f"--service={service}", *flags)

    def trace_ids() -> set[str]:
        return {span["traceId"] for span in spans_in(jaeger.find(service, start - MINUTE, start + MINUTE))}

    wait_until(lambda: len(trace_ids()) >= 20, what="20 traces")
    assert len(trace_ids()) == 20


def test_node_to_jaeger(jaeger: Jaeger) -> None:
    """What the JavaScript SDK says it sent is what Jaeger has, integers included."""
    sent = send_with_node(jaeger.otlp_http_endpoint, seed=5, count=2, signals=["traces"])["traces"]
    stored = [span for trace_id in {span["trace_id"] for span in sent} for span in spans_of(jaeger, trace_id)]
    expected = {(span["trace_id"], span["span_id"], span["name"], span["start_time_unix_nano"]) for span in sent}
    assert len(expected) == 4
    assert {(span["traceId"], span["spanId"], span["name"], span["startTimeUnixNano"]) for span in stored} == expected
    assert {"1005000", "MRN-1005001", f"seen today, SSN {SSN}"} <= set(jaeger.texts_stored())


def spans_of(jaeger: Jaeger, trace_id: str) -> list[Json]:
    """The spans of one trace, once it is there."""
    return spans_in(wait_until(lambda: jaeger.trace(trace_id), what=f"trace {trace_id}"))


def test_node_says_when_refused(jaeger: Jaeger) -> None:
    """Jaeger takes traces only: the client's failure is an error with its reason, not silence."""
    with pytest.raises(ClientError, match="exit code 1"):
        send_with_node(jaeger.otlp_http_endpoint, signals=["metrics"])


def push(server: Loki, labels: dict[str, str], *values: Json) -> Answer:
    body = json.dumps({"streams": [{"stream": labels, "values": values}]}).encode()
    return request("POST", server.push_url, body=body, headers={"Content-Type": "application/json"})


def test_loki_gives_a_line_back(loki: Loki) -> None:
    """A pushed line comes back with labels and structured metadata apart, and is in the dump."""
    now = time.time_ns()
    labels = {"service_name": "ward", "level": "info"}
    assert push(loki, labels, [str(now), f"seen {SSN}", {"trace_id": TRACE_ID}]).status == 204
    (stream,) = wait_until(lambda: loki.query_range('{service_name="ward"}', now - MINUTE, now + MINUTE))
    assert stream["stream"] == labels
    ((stamp, line, extra),) = stream["values"]
    assert (stamp, line) == (str(now), f"seen {SSN}")
    assert extra["structuredMetadata"]["trace_id"] == TRACE_ID
    assert set(loki.labels()) >= {"service_name", "level"}
    assert loki.series('{service_name="ward"}') == [labels]
    assert {"ward", "info", f"seen {SSN}", "trace_id", TRACE_ID} <= set(loki.texts_stored())


def test_loki_takes_old_lines(loki: Loki) -> None:
    """Lines of some days ago are taken and found, so that tests may use fixed times."""
    then = time.time_ns() - 8 * 24 * 60 * MINUTE
    assert push(loki, {"service_name": "archive"}, [str(then), "old"]).status == 204
    streams = wait_until(lambda: loki.query_range('{service_name="archive"}', then - MINUTE, then + MINUTE))
    assert [value[:2] for value in streams[0]["values"]] == [[str(then), "old"]]
    assert "old" in loki.texts_stored()


def test_loki_limits() -> None:
    """Loki's limits can be set, to be refused on purpose."""
    with Loki(limits={"max_line_size": 10}) as server:
        answer = push(server, {"service_name": "ward"}, [str(time.time_ns()), "x" * 11])
        assert answer.status == 400
        assert b"max entry size '10'" in answer.body


def test_data_survives_an_outage() -> None:
    """After stop and start, and after kill and start, a server is at the same address with its data."""
    now = int(time.time())
    with Prometheus() as server:
        url = server.write_url
        assert write(server, series_v1({"__name__": "kept"}, 1.0, now * 1000)).status == 204
        for end in (server.stop, server.kill):
            end()
            with pytest.raises(OSError, match="refused"):
                request("GET", server.url)
            server.start()
            assert server.write_url == url
            assert server.query("kept", now) == [{"metric": {"__name__": "kept"}, "value": [now, "1"]}]


def test_nothing_left_behind() -> None:
    """After its block a server's process and folder are gone."""
    with Prometheus() as server:
        assert server.log_path.is_file()
        url = server.url
    assert not server.directory.exists()
    with pytest.raises(OSError, match="refused"):
        request("GET", url)


@pytest.mark.skipif(not DIE_WITH_US, reason="only Linux ends a child with its parent")
def test_ends_with_a_killed_test_run(tmp_path: Path) -> None:
    """A test run that is killed, and so cannot clean up, leaves no server running."""
    script = (
        "from tests.backends.servers import Prometheus as P; p = P().__enter__(); print(p.url, flush=True); input()"
    )
    pipe = subprocess.PIPE
    environment = os.environ | {"TMPDIR": str(tmp_path), "PYTHONPATH": str(Path(__file__).parents[2])}
    with subprocess.Popen([sys.executable, "-c", script], stdin=pipe, stdout=pipe, env=environment) as run:
        assert run.stdout is not None
        url = run.stdout.readline().decode().strip()
        assert request("GET", f"{url}/-/ready").status == 200
        run.kill()
    wait_until(lambda: not listens(url), what="the server to end")


def listens(url: str) -> bool:
    try:
        request("GET", url)
    except OSError:
        return False
    return True


def test_outlives_the_starting_thread() -> None:
    """A server started by a thread that has ended goes on running."""
    with Prometheus() as server:
        server.stop()
        thread = threading.Thread(target=server.start)
        thread.start()
        thread.join()
        time.sleep(0.2)
        assert request("GET", f"{server.url}/-/ready").status == 200


def test_failed_start_shows_the_log() -> None:
    """A server that cannot start says why, in its own words."""
    with (
        pytest.raises(ServerError, match=r"(?s)prometheus ended with exit code 1; .*no-such-flag"),
        Prometheus(flags=["--no-such-flag"]),
    ):
        pass


def test_node_to_collector(collector: Collector) -> None:
    """All three signals of the JavaScript SDK arrive at the real Collector's HTTP receiver."""
    sent = send_with_node(f"http://127.0.0.1:{collector.port('otlp_http')}", seed=9, count=2)
    lines = wait_until(lambda: lines_of(collector.directory / "out.json", 3), what="three lines in the file")
    text = "\n".join(lines)
    assert all(span["span_id"] in text for span in sent["traces"])
    assert all(f'"name":"{point["name"]}"' in text for point in sent["metrics"])
    assert all(record["time_unix_nano"] in text for record in sent["logs"])


def lines_of(path: Path, count: int) -> list[str] | None:
    """The lines of a file once there are as many, each complete."""
    text = path.read_text() if path.exists() else ""
    return text.splitlines() if text.count("\n") >= count else None
