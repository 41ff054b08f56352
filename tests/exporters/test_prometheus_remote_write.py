"""The remote-write exporter against a receiver that records every byte."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
import snappy

from exporters.http_client import NoAnswer
from exporters.prometheus_remote_write import PrometheusRemoteWrite, WriteRequest
from pipeline.batch import Batch, Signal
from pipeline.component import Request
from pipeline.errors import Refused, Rejected
from pipeline.telemetry import Telemetry
from tests.exporters.remote_write_receiver import V2, Receiver, batch, build
from tests.wire.remote_write_messages import Read, decode
from tests.wire.remote_write_messages import WriteRequest as WriteRequestMessage
from tests.wire.test_remote_write import at, attributes, counter, gauge, histogram, named, payload
from tests.wire.test_remote_write_native import exponential_histogram


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    one = Receiver()
    async with one.server:
        yield one


@pytest.fixture
def telemetry() -> Telemetry:
    return Telemetry()


async def deliver(exporter: PrometheusRemoteWrite, one: Batch) -> list[int]:
    """What is rejected of each request of a batch."""
    return [await exporter.send(request) for request in exporter.encode(one).requests]


async def test_request_as_the_protocol_wants_it(receiver: Receiver, telemetry: Telemetry) -> None:
    """The headers of version 1.0, one Snappy block of series, and the operator's headers beside."""
    one = batch(counter("http.requests", at(1_732_000_000_123, 7.0, attributes=attributes(http__method="GET"))))
    async with build(
        telemetry, receiver.url, headers={"X-Scope-OrgID": "clinic"}, authorization={"credentials": "not-real"}
    ) as exporter:
        assert await deliver(exporter, one) == [0]
    ((headers, body),) = receiver.requests
    assert headers["Content-Type"] == "application/x-protobuf"
    assert headers["Content-Encoding"] == "snappy"
    assert headers["X-Prometheus-Remote-Write-Version"] == "0.1.0"
    assert headers["User-Agent"].startswith("telescrub/")
    assert headers["X-Scope-OrgID"] == "clinic"
    assert headers["Authorization"] == "Bearer not-real"
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
    requests = exporter.encode(batch(data=data)).requests
    labels = named("clinic_cpu", host_name="h", zone="z", region="eu", job="api")
    assert [decode(request.body) for request in requests] == [[], [(labels, [(5, 1.0)])], [(labels, [(6, 2.0)])]]
    assert [(request.items, request.lane) for request in requests] == [(0, 0), (1, 0), (1, 0)]
    promoted = build(
        telemetry, promote_resource_attributes=["zone"], translation_strategy="UnderscoreEscapingWithSuffixes"
    )
    ((series, _), info) = decode(promoted.encode(batch(data=data)).requests[0].body)
    assert series == named("cpu_seconds", zone="z", job="api", otel_scope_name="lib")
    assert info == (named("target_info", job="api", host_name="h", zone="z"), [(5, 1.0), (6, 1.0)])


@pytest.mark.parametrize(
    ("escaping", "name", "label"),
    [
        ("underscores", "cpu_time_seconds", "host_name"),
        ("dots", "cpu_dot_time__seconds", "host_dot_name"),
        ("values", "U__cpu_2e_time__seconds", "U__host_2e_name"),
        ("allow-utf-8", "cpu.time_seconds", "host.name"),
    ],
)
def test_utf8_names(telemetry: Telemetry, escaping: str, name: str, label: str) -> None:
    """A UTF-8 strategy keeps names over 2.0, and over 1.0 writes them as it is told to."""
    one = batch(gauge("cpu.time", at(5, 1.0, attributes=attributes(host__name="h")), unit="s"))
    strategy = "NoUTF8EscapingWithSuffixes"
    for message, expected in ((V2, ("cpu.time_seconds", "host.name")), ("prometheus.WriteRequest", (name, label))):
        exporter = build(telemetry, protobuf_message=message, translation_strategy=strategy, escaping=escaping)
        ((labels, _),) = decode(exporter.encode(one).requests[0].body, two=message == V2)
        assert dict(labels) == {"__name__": expected[0], expected[1]: "h"}


def test_metadata_goes_first(telemetry: Telemetry) -> None:
    """With `send_metadata` a request of its own tells the types; 2.0 has them with each series."""
    one = batch(counter("c", at(5, 1.0)))
    first = build(telemetry, send_metadata=True).encode(one).requests[0]
    request = WriteRequestMessage.FromString(snappy.decompress(first.body))
    assert [(one.type, one.metric_family_name) for one in request.metadata] == [(1, "c_total")]
    assert len(build(telemetry, send_metadata=True, protobuf_message=V2).encode(one).requests) == 1


def test_what_was_sent_is_not_sent_again(telemetry: Telemetry) -> None:
    """Late and repeated points are dropped and counted at the source; a batch of nothing else makes no request."""
    exporter = build(telemetry)
    assert len(exporter.encode(batch(gauge("g", at(10, 1.0)))).requests) == 1
    again = exporter.encode(batch(gauge("g", at(9, 1.0), at(10, 1.0))))
    assert (again.requests, again.dropped) == ([], {"out_of_order": 1, "duplicate": 1})
    delta = exporter.encode(batch(counter("d", at(1, 1.0), temporality=1)))
    assert (delta.requests, delta.dropped) == ([], {"delta_temporality": 1})


def test_series_stay_in_order_over_requests(telemetry: Telemetry) -> None:
    """However a batch is cut, the samples of a series come in order of time, in one lane."""
    exporter = build(telemetry, max_samples_per_send=3, max_batch_request_parallelism=2)
    points = [at(time, count=time, sum=1.0) for time in (5, 3, 4, 1, 2)]
    requests = exporter.encode(batch(histogram("h", *points), histogram("k", *points))).requests
    times: dict[Any, list[int]] = {}
    lanes: dict[Any, set[int]] = {}
    for request in requests:
        for labels, samples in decode(request.body):
            times.setdefault(labels, []).extend(time for time, _ in samples)
            lanes.setdefault(labels, set()).add(request.lane)
    assert list(times.values()) == [[1, 2, 3, 4, 5]] * 6
    assert all(len(found) == 1 for found in lanes.values())
    assert {request.lane for request in requests} == {0, 1}


def test_cache_is_shown(telemetry: Telemetry) -> None:
    """How many points found their series by its bytes is a metric of the daemon."""
    exporter = build(telemetry)
    for time in (1, 2, 3, 4):
        exporter.encode(batch(gauge("g", at(time, 1.0))))
    labels = {"exporter": "prometheus_remote_write"}
    assert telemetry.registry.get_sample_value("telescrub_series_cache_hit_ratio", labels) == 0.75
    assert telemetry.registry.get_sample_value("telescrub_series_cache_size", labels) == 1


def _gauges(count: int) -> Batch:
    return batch(*(gauge(f"g{number}", at(5, 1.0)) for number in range(count)))


def _bad(*names: str) -> Any:
    """A receiver of 1.0 that takes nothing of a request with a series of one of these names."""

    def answer(series: list[Read]) -> dict[str, Any]:
        found = {dict(one.labels)["__name__"] for one in series}
        return {"status": 400, "text": "out of order sample"} if found & set(names) else {"status": 204}

    return answer


def _taken(receiver: Receiver) -> set[str]:
    """The series in requests that were taken."""
    good = [series for series in receiver.bodies if receiver.answer(series)["status"] == 204]
    return {dict(one.labels)["__name__"] for series in good for one in series}


async def test_one_bad_series_costs_itself_alone(receiver: Receiver, telemetry: Telemetry) -> None:
    """A request that is refused is halved until what is bad stands alone."""
    receiver.answer = _bad("g3", "g9")
    async with build(telemetry, receiver.url) as exporter:
        assert await deliver(exporter, _gauges(16)) == [2]
    assert _taken(receiver) == {f"g{number}" for number in range(16)} - {"g3", "g9"}
    assert len(receiver.requests) <= 1 + 2 * 2 * 4


async def test_half_of_everything_bad(receiver: Receiver, telemetry: Telemetry) -> None:
    """However many are bad, no good one is lost."""
    bad = {f"g{number}" for number in range(0, 300, 2)} | {f"g{number}" for number in range(150)}
    receiver.answer = _bad(*bad)
    async with build(telemetry, receiver.url) as exporter:
        assert await deliver(exporter, _gauges(300)) == [len(bad)]
    assert _taken(receiver) == {f"g{number}" for number in range(300)} - bad


async def test_nothing_good(receiver: Receiver, telemetry: Telemetry) -> None:
    """Where nothing at all is taken, the fault is another: it is given up before every series was tried."""
    receiver.answer = lambda series: {"status": 400, "text": "out of bounds"}
    async with build(telemetry, receiver.url) as exporter:
        with pytest.raises(Rejected, match="the destination answered 400: a time is too far in the past or in the fut"):
            await deliver(exporter, _gauges(1000))
    assert len(receiver.requests) < 250


@pytest.mark.parametrize(
    ("message", "stored"), [("prometheus.WriteRequest", None), (V2, "1"), (V2, "0")], ids=["1.0", "2.0", "2.0, nothing"]
)
async def test_a_repeat_after_a_lost_answer(
    receiver: Receiver, telemetry: Telemetry, message: str, stored: str | None
) -> None:
    """Samples that are out of order then are there; without a lost answer they are refused."""
    headers = {} if stored is None else {"X-Prometheus-Remote-Write-Samples-Written": stored}
    refusal = {"status": 400, "text": "out of order sample", "headers": headers}
    receiver.answer = lambda series: refusal if any(len(one.samples) > 1 for one in series) else {"status": 204}
    twice = batch(gauge("g1", at(5, 1.0), at(6, 2.0)), gauge("g2", at(5, 1.0)))
    async with build(telemetry, receiver.url, protobuf_message=message) as exporter:
        (request,) = exporter.encode(twice).requests
        receiver.hangs_up = True
        with pytest.raises(NoAnswer):
            await exporter.send(request)
        receiver.hangs_up = False
        assert await exporter.send(request) == 0
        (request,) = exporter.encode(batch(gauge("g3", at(5, 1.0), at(6, 2.0)))).requests
        if stored == "1":
            assert await exporter.send(request) == 1
        else:
            with pytest.raises(Rejected):
                await exporter.send(request)


async def test_a_repeat_with_another_complaint(receiver: Receiver, telemetry: Telemetry) -> None:
    """A lost answer excuses nothing but samples that are out of order."""
    receiver.answer = lambda series: {"status": 400, "text": "out of bounds"}
    async with build(telemetry, receiver.url) as exporter:
        (request,) = exporter.encode(_gauges(3)).requests
        receiver.hangs_up = True
        with pytest.raises(NoAnswer):
            await exporter.send(request)
        receiver.hangs_up = False
        with pytest.raises(Rejected):
            await exporter.send(request)


async def test_old_prometheus_and_hopeless_data(receiver: Receiver, telemetry: Telemetry) -> None:
    """A 500 for data that will never be taken does not hold up the rest; any other 500 is tried again."""
    one = batch(*(gauge(f"g{number}", at(5, 1.0)) for number in range(4)))
    bad = _bad("g2")
    receiver.answer = lambda series: (
        {**bad(series), "status": 500, "text": "too old sample"} if len(bad(series)) > 1 else {"status": 204}
    )
    async with build(telemetry, receiver.url) as exporter:
        assert await deliver(exporter, one) == [1]
        receiver.answer = lambda series: {"status": 500, "text": "disk full"}
        with pytest.raises(Refused, match="the destination answered 500"):
            await deliver(exporter, batch(gauge("g1", at(6, 1.0))))


async def test_away_while_halving(receiver: Receiver, telemetry: Telemetry) -> None:
    """If the receiver goes away in between, the whole request is sent again later, which harms nothing."""
    receiver.answer = _bad("g1")
    async with build(telemetry, receiver.url) as exporter:
        (request,) = exporter.encode(_gauges(4)).requests
        receiver.answer = lambda series: {"status": 400 if len(series) > 2 else 503}
        with pytest.raises(Refused):
            await exporter.send(request)
        receiver.answer = _bad("g1")
        assert await exporter.send(request) == 1


async def test_away_after_half_was_taken(receiver: Receiver, telemetry: Telemetry) -> None:
    """What was taken is not sent again, and so is not called out of order; a bad series is still found."""
    stored: list[str] = []

    def answer(series: list[Read]) -> dict[str, Any]:
        names = [dict(one.labels)["__name__"] for one in series]
        if "g3" in names or set(names) & set(stored):
            return {"status": 400, "text": "out of order sample"}
        if stored and is_away:
            return {"status": 503}
        stored.extend(names)
        return {"status": 204}

    receiver.answer = answer
    twice = batch(*(gauge(f"g{number}", at(5, 1.0), at(6, 2.0)) for number in range(8)))
    async with build(telemetry, receiver.url) as exporter:
        (request,) = exporter.encode(twice).requests
        is_away = True
        with pytest.raises(Refused):
            await exporter.send(request)
        is_away = False
        assert await exporter.send(request) == 2
    assert sorted(stored) == [f"g{number}" for number in range(8) if number != 3]


def test_request_hides_its_body(telemetry: Telemetry) -> None:
    """Its `repr` has a size and a count."""
    (request,) = build(telemetry).encode(batch(gauge("secret", at(5, 1.0)))).requests
    assert repr(request) == f"Request(metrics, 1 items, {len(request.body)} bytes)"


async def test_request_of_2_0(receiver: Receiver, telemetry: Telemetry) -> None:
    """The headers of version 2.0, with types and start times in the body."""
    point = at(9_000, 7.0, start_time_unix_nano=4_000 * 10**6)
    async with build(telemetry, receiver.url, protobuf_message=V2) as exporter:
        assert await deliver(exporter, batch(counter("c", point, unit="By"), gauge("g", point))) == [0]
    ((headers, _),) = receiver.requests
    assert headers["Content-Type"] == f"application/x-protobuf;proto={V2}"
    assert headers["X-Prometheus-Remote-Write-Version"] == "2.0.0"
    count, level = receiver.bodies[0]
    assert (count.samples, count.metadata) == ([(9_000, 7.0, 4_000)], (1, "", "bytes"))
    assert (level.samples, level.metadata) == ([(9_000, 7.0)], (2, "", ""))


@pytest.mark.parametrize("status", [415, 204, 200])
async def test_falls_back(telemetry: Telemetry, status: int) -> None:
    """A receiver that does not know 2.0, whether it says so or silently throws it away, gets the same data as 1.0."""
    receiver = Receiver(knows_2=False)
    receiver.answer = lambda series: {"status": status if series and series[0].metadata else 204}
    native = exponential_histogram("n", at(5, count=1, sum=1.0, zero_count=1, start_time_unix_nano=10**6))
    exemplar = {"time_unix_nano": 5 * 10**6, "as_int": 1, "trace_id": bytes(range(16))}
    one = batch(counter("c", at(5, 7.0, exemplars=[exemplar])), native, histogram("h", at(5, count=1, sum=2.0)))
    async with receiver.server, build(telemetry, receiver.url, protobuf_message=V2) as exporter:
        (request,) = exporter.encode(one).requests
        assert await exporter.send(request) == 0
        assert await exporter.send(request) == 0
        assert await deliver(exporter, batch(counter("c", at(6, 8.0)))) == [0]
    types = [headers["Content-Type"] for headers, _ in receiver.requests]
    assert types == [f"application/x-protobuf;proto={V2}", *["application/x-protobuf"] * 3]
    two, first, again, later = receiver.bodies
    assert [one._replace(metadata=None) for one in two if not one.histograms] == [
        one for one in first if not one.histograms
    ]
    assert first == again
    ((found,),) = [one.histograms for one in first if one.histograms]
    assert (found.count_int, found.timestamp) == (1, 5)
    assert [one.samples for one in later] == [[(6, 8.0)]]


async def test_order_survives_the_fall_back(telemetry: Telemetry) -> None:
    """What was sent while 2.0 was tried is not sent again, nor overtaken by what is older."""
    receiver = Receiver(knows_2=False)
    async with receiver.server, build(telemetry, receiver.url, protobuf_message=V2) as exporter:
        first = batch(counter("c", at(6, 1.0, attributes=attributes(A="1"))), histogram("h", at(6, count=1)))
        await deliver(exporter, first)
        again = exporter.encode(first)
        assert (again.requests, again.dropped) == ([], {"duplicate": 2})
        assert exporter.encode(batch(histogram("h", at(5, count=1)))).dropped == {"out_of_order": 1}


async def test_falls_back_with_utf8_names(telemetry: Telemetry) -> None:
    """What was made for 2.0 gets names of 1.0 on the way, and what is made afterwards has them."""
    receiver = Receiver(knows_2=False)
    async with (
        receiver.server,
        build(telemetry, receiver.url, protobuf_message=V2, translation_strategy="NoTranslation") as exporter,
    ):
        for time in (5, 6):
            await deliver(exporter, batch(gauge("a.b", at(time, 1.0, attributes=attributes(z__y="1", z_y="2")))))
    assert [one.labels for series in receiver.bodies[1:] for one in series] == [named("a_b", z_y="1;2")] * 2


async def test_custom_buckets_fall_back(telemetry: Telemetry) -> None:
    """1.0 has none: what was made already is counted as not taken, later histograms are classic."""
    receiver = Receiver(knows_2=False)
    async with (
        receiver.server,
        build(telemetry, receiver.url, protobuf_message=V2, convert_histograms_to_nhcb=True) as exporter,
    ):
        assert await deliver(exporter, batch(histogram("h", at(5, count=1)), gauge("g", at(5, 1.0)))) == [1]
        assert await deliver(exporter, batch(histogram("h", at(6, count=1)))) == [0]
    assert [len(series) for series in receiver.bodies] == [2, 1, 2]


@pytest.mark.parametrize(("stored", "rejected"), [("3", 0), ("2", 1), ("1", 2)])
async def test_partly_written(receiver: Receiver, telemetry: Telemetry, stored: str, rejected: int) -> None:
    """2.0 keeps the good part of a request and says how much it was: the rest is counted, nothing is sent again."""
    header = "X-Prometheus-Remote-Write-Samples-Written"
    receiver.answer = lambda series: {"status": 400, "text": "out of order", "headers": {header: stored}}
    async with build(telemetry, receiver.url, protobuf_message=V2) as exporter:
        assert await deliver(exporter, _gauges(3)) == [rejected]
        receiver.answer = lambda series: {"status": 400, "text": "out of order", "headers": {header: "0"}}
        with pytest.raises(Rejected, match="a sample is older than one that is stored"):
            await deliver(exporter, batch(gauge("other", at(5, 1.0))))
    assert len(receiver.requests) == 2


async def test_no_receiver(telemetry: Telemetry) -> None:
    """A refused connection may pass later."""
    async with build(telemetry, "http://127.0.0.1:1/api/v1/write") as exporter:
        (request,) = exporter.encode(_gauges(1)).requests
        with pytest.raises(Refused, match="no answer: "):
            await exporter.send(request)


def test_requests_are_of_this_exporter(telemetry: Telemetry) -> None:
    """What `encode` gives says which version it is of."""
    (request,) = build(telemetry, protobuf_message=V2).encode(_gauges(2)).requests
    assert isinstance(request, Request)
    assert isinstance(request, WriteRequest)
    assert (request.signal, request.two, request.samples, request.items) == (Signal.METRICS, True, 2, 2)
