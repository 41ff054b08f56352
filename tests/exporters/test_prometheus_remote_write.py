"""The remote-write exporter against a receiver that records every byte."""

from collections.abc import AsyncIterator
from types import SimpleNamespace
from typing import Any, cast

import pytest
import snappy
import structlog
from aiohttp import web
from aiohttp.test_utils import TestServer
from opentelemetry.proto.metrics.v1.metrics_pb2 import Metric
from pydantic import ValidationError

from exporters import ALIASES, EXPORTERS
from exporters.prometheus_remote_write import PrometheusRemoteWrite, PrometheusRemoteWriteSettings
from pipeline.batch import Batch, Signal
from pipeline.component import Context, Request
from pipeline.deadline import Deadline
from pipeline.errors import Refused, Rejected, TooLarge
from pipeline.telemetry import Telemetry
from tests.wire.test_remote_write import WriteRequest, at, attributes, counter, decode, gauge, histogram, named, payload

_URL = "http://localhost:9090/api/v1/write"


class Receiver:
    """Records requests and answers with what it is told to."""

    def __init__(self) -> None:
        self.requests: list[tuple[dict[str, str], bytes]] = []
        self.answer: dict[str, Any] = {"status": 204}
        application = web.Application()
        application.router.add_post("/api/v1/write", self._write)
        self.server = TestServer(application)

    async def _write(self, request: web.Request) -> web.Response:
        self.requests.append((dict(request.headers), await request.read()))
        return web.Response(**self.answer)

    @property
    def url(self) -> str:
        return str(self.server.make_url("/api/v1/write"))


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    one = Receiver()
    async with one.server:
        yield one


@pytest.fixture
def telemetry() -> Telemetry:
    return Telemetry()


def build(telemetry: Telemetry, endpoint: str = _URL, **settings: Any) -> PrometheusRemoteWrite:
    health = SimpleNamespace(problems=dict)
    context = Context("prometheus_remote_write", telemetry, structlog.get_logger(), health, Deadline(1.0))
    return PrometheusRemoteWriteSettings(endpoint=endpoint, **settings).build(context)


def batch(*metrics: Metric) -> Batch:
    return Batch.received(Signal.METRICS, payload(*metrics).SerializeToString())


async def test_request_as_the_protocol_wants_it(receiver: Receiver, telemetry: Telemetry) -> None:
    """The headers of version 1.0, one Snappy block of series, and the operator's headers beside."""
    one = batch(counter("http.requests", at(1_732_000_000_123, 7.0, attributes=attributes(http__method="GET"))))
    async with build(telemetry, receiver.url, headers={"X-Scope-OrgID": "clinic"}) as exporter:
        assert [await exporter.send(request) for request in exporter.encode(one).requests] == [0]
    ((headers, body),) = receiver.requests
    assert headers["Content-Type"] == "application/x-protobuf"
    assert headers["Content-Encoding"] == "snappy"
    assert headers["X-Prometheus-Remote-Write-Version"] == "0.1.0"
    assert headers["User-Agent"].startswith("telescrub/")
    assert headers["X-Scope-OrgID"] == "clinic"
    assert decode(body) == [(named("http_requests_total", http_method="GET"), [(1_732_000_000_123, 7.0)])]


def test_settings_reach_the_translation(telemetry: Telemetry) -> None:
    """Names, labels and limits are as configured; the Collector's keys mean what they mean there."""
    data = payload(
        gauge("cpu", at(5, 1.0), at(6, 2.0), unit="s"),
        resource=attributes(service__name="api", host__name="h", zone="z"),
        name="lib",
    )
    exporter = build(
        telemetry,
        namespace="clinic",
        external_labels={"region": "eu"},
        add_metric_suffixes=False,
        disable_scope_info=True,
        target_info={"enabled": False},
        resource_to_telemetry_conversion={"enabled": True, "exclude_service_attributes": True},
        max_samples_per_send=1,
        send_metadata=True,
    )
    requests = exporter.encode(Batch.received(Signal.METRICS, data.SerializeToString())).requests
    labels = named("clinic_cpu", host_name="h", zone="z", region="eu", job="api")
    assert [decode(request.body) for request in requests] == [[], [(labels, [(5, 1.0)])], [(labels, [(6, 2.0)])]]
    assert [request.items for request in requests] == [0, 1, 1]
    promoted = build(
        telemetry, promote_resource_attributes=["zone"], translation_strategy="UnderscoreEscapingWithSuffixes"
    )
    ((series, _), info) = decode(
        promoted.encode(Batch.received(Signal.METRICS, data.SerializeToString())).requests[0].body
    )
    assert series == named("cpu_seconds", zone="z", job="api", otel_scope_name="lib")
    assert info == (named("target_info", job="api", host_name="h", zone="z"), [(6, 1.0)])


def test_metadata_goes_first(telemetry: Telemetry) -> None:
    """With `send_metadata` a request of its own tells the types."""
    exporter = build(telemetry, send_metadata=True)
    first = exporter.encode(batch(counter("c", at(5, 1.0)))).requests[0]
    request = WriteRequest.FromString(snappy.decompress(first.body))
    assert [(one.type, one.metric_family_name) for one in request.metadata] == [(1, "c_total")]


def test_what_was_sent_is_not_sent_again(telemetry: Telemetry) -> None:
    """Late and repeated points are dropped and counted at the source; a batch of nothing else makes no request."""
    exporter = build(telemetry)
    assert len(exporter.encode(batch(gauge("g", at(10, 1.0)))).requests) == 1
    again = exporter.encode(batch(gauge("g", at(9, 1.0), at(10, 1.0))))
    assert (again.requests, again.dropped) == ([], {"out_of_order": 1, "duplicate": 1})
    delta = exporter.encode(batch(counter("d", at(1, 1.0), temporality=1)))
    assert (delta.requests, delta.dropped) == ([], {"delta_temporality": 1})


def test_series_stay_in_order_over_requests(telemetry: Telemetry) -> None:
    """However a batch is cut, the samples of a series come in order of time."""
    exporter = build(telemetry, max_samples_per_send=3)
    points = [at(time, count=time, sum=1.0) for time in (5, 3, 4, 1, 2)]
    times: dict[Any, list[int]] = {}
    for request in exporter.encode(batch(histogram("h", *points))).requests:
        for labels, samples in decode(request.body):
            times.setdefault(labels, []).extend(time for time, _ in samples)
    assert list(times.values()) == [[1, 2, 3, 4, 5]] * 3


_PATIENT = "label value patient 536-90-4399"


@pytest.mark.parametrize(
    ("status", "body", "message"),
    [
        (429, "", "the destination answered 429"),
        (500, "too old sample", "the destination answered 500: a sample is too old"),
        (503, "", "the destination answered 503"),
    ],
)
async def test_retryable_answers(
    receiver: Receiver, telemetry: Telemetry, status: int, body: str, message: str
) -> None:
    """429 and every 5xx may pass later, no sooner than the destination asks for."""
    receiver.answer = {"status": status, "text": body, "headers": {"Retry-After": "7"}}
    async with build(telemetry, receiver.url) as exporter:
        with pytest.raises(Refused) as caught:
            await exporter.send(Request(Signal.METRICS, b"\x00", 0))
    assert (str(caught.value), caught.value.retry_after_seconds) == (message, 7.0)


@pytest.mark.parametrize(
    ("status", "body", "message"),
    [
        (
            400,
            f"out of order sample, {_PATIENT}",
            "the destination answered 400: a sample is older than one that is stored",
        ),
        (
            400,
            "out of bounds: timestamp is too far in the future (limit",
            "the destination answered 400: a time is too far in the past or in the future",
        ),
        (400, _PATIENT, "the destination answered 400: a label is not accepted"),
        (400, "s/z: corrupt input", "the destination answered 400"),
        (401, "", "the destination answered 401"),
        (404, "", "the destination answered 404"),
        (301, "", "the destination answered 301"),
        (
            413,
            "",
            "the destination answered 413: the request is too large; "
            "lower max_batch_size_bytes or max_samples_per_send",
        ),
    ],
)
async def test_final_answers(receiver: Receiver, telemetry: Telemetry, status: int, body: str, message: str) -> None:
    """What can never pass is rejected, in words of ours; never as too large, as a batch cannot be translated twice."""
    receiver.answer = {"status": status, "text": body, "headers": {"Retry-After": "7"}}
    async with build(telemetry, receiver.url) as exporter:
        with pytest.raises(Rejected) as caught:
            await exporter.send(Request(Signal.METRICS, b"\x00", 0))
    assert str(caught.value) == message
    assert not isinstance(caught.value, TooLarge)


@pytest.mark.parametrize("status", [200, 202, 204])
async def test_any_2xx_is_success(receiver: Receiver, telemetry: Telemetry, status: int) -> None:
    """The body of a success is of no interest."""
    receiver.answer = {"status": status}
    async with build(telemetry, receiver.url) as exporter:
        assert await exporter.send(Request(Signal.METRICS, b"\x00", 0)) == 0


async def test_no_receiver(telemetry: Telemetry) -> None:
    """A refused connection may pass later."""
    async with build(telemetry, "http://127.0.0.1:1/api/v1/write") as exporter:
        with pytest.raises(Refused, match="no answer: "):
            await exporter.send(Request(Signal.METRICS, b"\x00", 0))


def test_defaults() -> None:
    """One request at a time, quick retries that end, the Collector's sizes, and metrics only."""
    settings = PrometheusRemoteWriteSettings(endpoint=_URL)
    retry = settings.retry_on_failure
    assert (retry.initial_interval, retry.max_interval, retry.max_elapsed_time) == (0.05, 5.0, 300.0)
    assert (settings.sending_queue.num_consumers, settings.max_batch_size_bytes) == (1, 3_000_000)
    assert settings.signals() == {Signal.METRICS}
    partly = PrometheusRemoteWriteSettings(endpoint=_URL, retry_on_failure=cast("Any", {"max_elapsed_time": "1m"}))
    assert partly.retry_on_failure.initial_interval == 0.05


def test_the_collectors_queue() -> None:
    """`remote_write_queue` is `sending_queue`, and editors know both."""
    settings = PrometheusRemoteWriteSettings.model_validate(
        {"endpoint": _URL, "remote_write_queue": {"enabled": True, "queue_size": 10_000, "num_consumers": 1}}
    )
    assert settings.sending_queue.queue_size == 10_000
    assert {"sending_queue", "remote_write_queue"} <= set(
        PrometheusRemoteWriteSettings.model_json_schema()["properties"]
    )


def test_names_in_the_table() -> None:
    """Both of the Collector's spellings name this exporter."""
    assert EXPORTERS[ALIASES["prometheusremotewrite"]] is PrometheusRemoteWriteSettings


_ORDER = (
    "Value error, Prometheus takes the samples of a series in order only, so requests go one after the other; "
    "leave num_consumers out or set it to 1"
)
_ESCAPED = (
    "Value error, remote-write 1.0 takes escaped names only; use UnderscoreEscapingWithSuffixes or "
    "UnderscoreEscapingWithoutSuffixes"
)


@pytest.mark.parametrize(
    ("settings", "place", "message"),
    [
        ({"remote_write_queue": {"num_consumers": 5}}, "remote_write_queue.num_consumers", _ORDER),
        (
            {"sending_queue": {"enabled": False}},
            "sending_queue.enabled",
            "Value error, the queue cannot be switched off; it keeps what was acknowledged; limit it with queue_size",
        ),
        (
            {"headers": {"user-agent": "x", "Content-Type": "y"}},
            "headers",
            "Value error, the protocol sets content-type, user-agent itself; leave it out",
        ),
        ({"translation_strategy": "NoTranslation"}, "translation_strategy", _ESCAPED),
        (
            {"external_labels": {"__x": "y"}},
            "external_labels",
            "Value error, label names are letters, digits and underscores, no digit first, nor two underscores",
        ),
        (
            {"external_labels": {"x": ""}},
            "external_labels",
            "Value error, a label without a value is no label; give it one or leave it out",
        ),
        (
            {"endpoint": "prometheus:9090"},
            "endpoint",
            "Value error, give the whole address, such as http://prometheus:9090/api/v1/write",
        ),
        (
            {"endpoint": "http://user:secret@localhost/w"},
            "endpoint",
            "Value error, put no user or password into the address; set the header Authorization instead",
        ),
    ],
)
def test_settings_that_cannot_be(settings: dict[str, Any], place: str, message: str) -> None:
    """Each is refused where it stands, with the remedy."""
    with pytest.raises(ValidationError) as caught:
        PrometheusRemoteWriteSettings.model_validate({"endpoint": _URL, **settings})
    assert [(".".join(map(str, error["loc"])), error["msg"]) for error in caught.value.errors()] == [(place, message)]
