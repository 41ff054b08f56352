"""The checks that Prometheus' public compliance suite makes of a remote-write sender, for 1.0 and 2.0, through the
whole way from the queue to a receiver that records every byte."""

import struct
from collections.abc import AsyncIterator
from itertools import pairwise
from typing import Any

import pytest
import snappy
import structlog
from opentelemetry.proto.metrics.v1.metrics_pb2 import Metric

from exporters.prometheus_remote_write import PrometheusRemoteWriteSettings
from pipeline.batch import Batch
from pipeline.queues.queue import Merge, Queue
from pipeline.sending.sender import Sender
from pipeline.telemetry import Telemetry
from tests.exporters.remote_write_receiver import V2, Receiver, batch, context_of
from tests.payloads import put_released
from tests.pipeline.sending.test_sender import Time
from tests.wire.remote_write_messages import Read, Request, WriteRequest
from tests.wire.test_remote_write import at, attributes, bits, counter, gauge, histogram, named, payload
from tests.wire.test_remote_write_native import exponential_histogram

V1 = "prometheus.WriteRequest"
WRITTEN = "X-Prometheus-Remote-Write-Samples-Written"


class Peer:
    """The receiver, and a sender to it that speaks `message`; waits between attempts are only noted."""

    def __init__(self, message: str) -> None:
        self.message = message
        self.receiver = Receiver()
        self.time = Time()
        self.telemetry = Telemetry()

    @property
    def two(self) -> bool:
        return self.message == V2

    async def send(self, *batches: Batch, endpoint: str = "", **settings: Any) -> list[Read]:
        """All series that arrive, over all requests."""
        settings = {"endpoint": endpoint or self.receiver.url, "protobuf_message": self.message, **settings}
        made = PrometheusRemoteWriteSettings.model_validate(settings)
        context = context_of(self.telemetry)
        queue = Queue("prometheus_remote_write", made.sending_queue, {})
        exporter = made.build(context)
        async with Sender(context, exporter, made, queue, lambda _: Merge(), clock=self.time, sleep=self.time.sleep):
            for one in batches:
                await put_released(queue, one)
        return [one for series in self.receiver.bodies for one in series]

    def dropped(self, reason: str) -> float:
        labels = {"component": "prometheus_remote_write", "signal": "metrics", "reason": reason}
        return self.telemetry.registry.get_sample_value("telescrub_dropped_items_total", labels) or 0

    def answer(self, *answers: dict[str, Any]) -> None:
        """Answer this to the first requests, and 204 to all that follow."""
        left = list(answers)
        self.receiver.answer = lambda series: left.pop(0) if left else {"status": 204}


@pytest.fixture(params=[V1, V2])
async def peer(request: pytest.FixtureRequest) -> AsyncIterator[Peer]:
    one = Peer(request.param)
    async with one.receiver.server:
        yield one


def everything() -> Batch:
    """One of each type."""
    point = at(9_000, start_time_unix_nano=4_000 * 10**6, count=1, sum=1.0)
    metrics = [
        counter("c", at(9_000, 7.0, start_time_unix_nano=4_000 * 10**6, attributes=attributes(z="1", A="2", m=""))),
        gauge("g", at(9_000, 1.0)),
        histogram("h", {**point, "bucket_counts": [1, 0], "explicit_bounds": [1.0]}),
        exponential_histogram("e", {**point, "zero_count": 1}),
        Metric(name="s", summary={"data_points": [{**point, "quantile_values": [{"quantile": 0.5}]}]}),  # type: ignore[arg-type]
    ]
    for metric in metrics:
        metric.description, metric.unit = f"Help of {metric.name}.", "s"
    return batch(data=payload(*metrics, resource=attributes(service__name="api", host__name="h")))


async def test_headers(peer: Peer) -> None:
    """Content type with the message, encoding, version, and who sends."""
    await peer.send(everything())
    ((headers, _),) = peer.receiver.requests
    assert headers["Content-Type"] == ("application/x-protobuf" + (f";proto={V2}" if peer.two else ""))
    assert headers["Content-Encoding"] == "snappy"
    assert headers["X-Prometheus-Remote-Write-Version"] == ("2.0.0" if peer.two else "0.1.0")
    assert headers["User-Agent"].startswith("telescrub/")


async def test_reserved_headers(peer: Peer) -> None:
    """The operator cannot take the protocol's headers away."""
    with pytest.raises(ValueError, match="the protocol sets content-type itself"):
        await peer.send(everything(), headers={"Content-Type": "text/plain"})


async def test_snappy_block(peer: Peer) -> None:
    """A block, not a frame: it begins with its length, and it is the message."""
    await peer.send(everything())
    ((_, body),) = peer.receiver.requests
    assert not body.startswith(b"\xff\x06\x00\x00sNaPpY")
    message = (Request if peer.two else WriteRequest).FromString(snappy.decompress(body))
    assert len(message.timeseries) == 11


async def test_symbols(peer: Peer) -> None:
    """2.0: the first is empty, none is twice, references are in pairs and all point to one."""
    await peer.send(everything())
    if peer.two:
        request = Request.FromString(snappy.decompress(peer.receiver.requests[0][1]))
        assert request.symbols[0] == ""
        assert len(set(request.symbols)) == len(request.symbols)
        for series in request.timeseries:
            assert len(series.labels_refs) % 2 == 0
            assert all(0 < ref < len(request.symbols) for ref in series.labels_refs)
            assert max(series.metadata.help_ref, series.metadata.unit_ref) < len(request.symbols)


async def test_labels(peer: Peer) -> None:
    """Sorted by bytes, none twice, none empty, a legal name in each series."""
    for series in await peer.send(everything()):
        names = [name for name, _ in series.labels]
        assert names == sorted(set(names), key=str.encode)
        assert all(name and value for name, value in series.labels)
        assert dict(series.labels)["__name__"].isidentifier()


async def test_job_and_instance(peer: Peer) -> None:
    """Every series says whose it is."""
    assert {dict(series.labels)["job"] for series in await peer.send(everything())} == {"api"}


async def test_repeated_label(peer: Peer) -> None:
    """Of an attribute that is there twice one label is left."""
    twice = [*attributes(a="1"), *attributes(a="2")]
    (series,) = await peer.send(batch(gauge("g", at(5, 1.0, attributes=twice))))
    assert series.labels == named("g", a="1")


async def test_values(peer: Peer) -> None:
    """Every kind of value bit by bit, a NaN as the ordinary one."""
    values = [0.0, -0.0, -1.5, 1e308, 5e-324, float("inf"), float("-inf"), float("nan")]
    (series,) = await peer.send(batch(gauge("g", *(at(place + 1, value) for place, value in enumerate(values)))))
    expected = [struct.pack(">d", value).hex() for value in values[:-1]]
    assert [bits(sample[1]) for sample in series.samples] == [*expected, "7ff8000000000001"]


async def test_timestamps(peer: Peer) -> None:
    """Milliseconds since 1970; start times, in 2.0, not after them, and only where there is a start."""
    for series in await peer.send(everything()):
        name, kinds = dict(series.labels)["__name__"], [*series.samples, *series.histograms]
        times = [one[0] if isinstance(one, tuple) else one.timestamp for one in kinds]
        assert times == [9_000]
        starts = [one[2] for one in series.samples if len(one) > 2]
        starts += [one.start_timestamp for one in series.histograms if peer.two]
        assert starts == ([4_000] if peer.two and name not in ("g_seconds", "target_info") else [])


async def test_unknown_start(peer: Peer) -> None:
    """A start at the point's own time means that it is not known, and one after it would be wrong."""
    points = [at(time, 1.0, start_time_unix_nano=9 * 10**6) for time in (8, 9)]
    (series,) = await peer.send(batch(counter("c", *points)))
    assert series.samples == [(8, 1.0), (9, 1.0)]


async def test_samples_or_histograms(peer: Peer) -> None:
    """A series has one of them, and at least one."""
    for series in await peer.send(everything()):
        assert bool(series.samples) != bool(series.histograms)


async def test_exemplars(peer: Peer) -> None:
    """With trace and span, a value and a time."""
    exemplar = {"time_unix_nano": 5 * 10**6, "as_double": 0.5, "trace_id": b"\x01" * 16, "span_id": b"\x02" * 8}
    (series,) = await peer.send(batch(counter("c", at(5, 1.0, exemplars=[exemplar]))))
    assert series.exemplars == [({"trace_id": "01" * 16, "span_id": "02" * 8}, 0.5, 5)]


async def test_metadata(peer: Peer) -> None:
    """2.0: type, help and unit with each series; 1.0: in a request of their own."""
    found = await peer.send(everything(), send_metadata=True)
    expected = {"c_seconds_total": 1, "g_seconds": 2, "h_seconds": 3, "e_seconds": 3, "s_seconds": 5}
    if peer.two:
        told = {dict(series.labels)["__name__"]: series.metadata for series in found}
        for name, kind in expected.items():
            whole = told.get(name) or told[f"{name}_count"]
            assert whole == (kind, f"Help of {name[0]}.", "seconds")
    else:
        request = WriteRequest.FromString(snappy.decompress(peer.receiver.requests[0][1]))
        assert {each.metric_family_name: each.type for each in request.metadata} == expected


async def test_batches(peer: Peer) -> None:
    """No request is over the limits, several may be under way, and nothing is missing."""
    gauges = [gauge(f"g{number}", at(5, 1.0)) for number in range(500)]
    found = await peer.send(batch(*gauges), max_samples_per_send=30, max_batch_request_parallelism=3)
    assert sorted(dict(series.labels)["__name__"] for series in found) == sorted(f"g{n}" for n in range(500))
    assert max(map(len, peer.receiver.bodies)) == 30
    assert 1 < peer.receiver.under_way <= 3


async def test_order(peer: Peer) -> None:
    """The samples of a series arrive in order of time, whatever the order and the batches they came in."""
    times = [9, 3, 7, 1, 8]
    batches = [batch(*(gauge(f"g{n}", *(at(10 * k + t, 1.0) for t in times)) for n in range(20))) for k in range(4)]
    arrived: dict[Any, list[int]] = {}
    for series in await peer.send(*batches, max_samples_per_send=7):
        arrived.setdefault(series.labels, []).extend(sample[0] for sample in series.samples)
    assert len(arrived) == 20
    assert all(earlier < later for found in arrived.values() for earlier, later in pairwise(found))
    assert {len(found) for found in arrived.values()} == {20}


async def test_staleness(peer: Peer) -> None:
    """A series that ends is marked with the exact bits."""
    found = await peer.send(batch(gauge("g", at(5, 1.0))), batch(gauge("g", at(6, flags=1))))
    assert [bits(sample[1]) for series in found for sample in series.samples][-1] == "7ff0000000000002"


@pytest.mark.parametrize("status", [500, 502, 503, 504])
async def test_backoff(peer: Peer, status: int) -> None:
    """5xx is tried again with the same bytes, after waits that grow, with jitter, up to a limit."""
    peer.answer(*[{"status": status}] * 9)
    await peer.send(everything())
    assert len({body for _, body in peer.receiver.requests}) == 1
    assert len(peer.receiver.requests) == 10
    expected = [min(0.05 * 2**attempt, 5.0) for attempt in range(9)]
    assert all(0.5 * wait <= slept <= 1.5 * wait for slept, wait in zip(peer.time.slept, expected, strict=True))
    assert peer.time.slept != expected


async def test_backoff_ends(peer: Peer) -> None:
    """A receiver that never takes a request does not stop what comes after it for ever."""
    peer.answer(*[{"status": 500}] * 200)
    await peer.send(batch(gauge("g", at(5, 1.0))), retry_on_failure={"max_elapsed_time": "60s"})
    assert peer.time.now <= 60
    assert peer.dropped("retries_exhausted") == 1


async def test_retry_after(peer: Peer) -> None:
    """429 is tried again, no sooner than the receiver asks for."""
    peer.answer({"status": 429, "headers": {"Retry-After": "30"}})
    await peer.send(everything())
    assert peer.time.slept == [30.0]
    assert len(peer.receiver.requests) == 2


@pytest.mark.parametrize("status", [400, 401, 403, 404, 413, 422])
async def test_no_retry(peer: Peer, status: int) -> None:
    """Any other 4xx is final: a series is not sent again, and it is counted."""
    peer.answer(*[{"status": status}] * 9)
    await peer.send(batch(gauge("g", at(5, 1.0))))
    assert (len(peer.receiver.requests), peer.time.slept) == (1, [])
    assert peer.dropped("rejected") == 1


@pytest.mark.parametrize("status", [200, 202, 204])
async def test_success(peer: Peer, status: int) -> None:
    """Every 2xx is one, with or without a body, and 2.0 stays 2.0."""
    peer.receiver.answer = lambda series: {"status": status, "text": "" if status == 204 else "stored"}
    await peer.send(batch(gauge("g", at(5, 1.0))), batch(gauge("g", at(6, 1.0))))
    assert len(peer.receiver.requests) == 2
    assert len({headers["Content-Type"] for headers, _ in peer.receiver.requests}) == 1
    assert (
        peer.telemetry.registry.get_sample_value(
            "otelcol_exporter_sent_metric_points", {"exporter": "prometheus_remote_write"}
        )
        == 2
    )


async def test_fall_back(peer: Peer) -> None:
    """415 to 2.0 is followed by 1.0 at once, and from then on; to 1.0 it is final."""
    peer.answer({"status": 415})
    await peer.send(batch(gauge("g", at(5, 1.0))), batch(gauge("g", at(6, 1.0))))
    types = [headers["Content-Type"] for headers, _ in peer.receiver.requests]
    assert types == ([f"application/x-protobuf;proto={V2}"] if peer.two else ["application/x-protobuf"]) + [
        "application/x-protobuf"
    ] * (2 if peer.two else 1)
    assert peer.dropped("rejected") == (0 if peer.two else 1)


async def test_partial_write(peer: Peer) -> None:
    """What 2.0 says was not written is counted; in 1.0 it is found by halving. Neither loses the rest."""

    def answer(series: list[Read]) -> dict[str, Any]:
        bad = [one for one in series if ("__name__", "bad") in one.labels]
        headers = {WRITTEN: str(len(series) - len(bad))} if peer.two else {}
        return {"status": 400 if bad else 204, "text": "out of order sample", "headers": headers}

    peer.receiver.answer = answer
    await peer.send(batch(*(gauge(name, at(5, 1.0)) for name in ("a", "bad", "c", "d"))))
    assert peer.dropped("partial_success") == 1
    good = peer.receiver.bodies if peer.two else [one for one in peer.receiver.bodies if answer(one)["status"] == 204]
    found = [dict(one.labels)["__name__"] for series in good for one in series]
    assert sorted(set(found) - {"bad"}) == ["a", "c", "d"]


async def test_large_error_body(peer: Peer) -> None:
    """An error of megabytes is not kept, and nothing of it shows."""
    peer.receiver.answer = lambda series: {"status": 400, "text": "patient 536-90-4399 " * 300_000}
    with structlog.testing.capture_logs() as logs:
        await peer.send(batch(gauge("g", at(5, 1.0))))
    assert peer.dropped("rejected") == 1
    assert "536-90-4399" not in str(logs)


async def test_connection_refused(peer: Peer) -> None:
    """Nobody there is as 5xx: tried again, then given up and counted."""
    await peer.send(
        batch(gauge("g", at(5, 1.0))),
        endpoint="http://127.0.0.1:1/api/v1/write",
        retry_on_failure={"max_elapsed_time": "10s"},
    )
    assert len(peer.time.slept) > 5
    assert peer.dropped("retries_exhausted") == 1


async def test_nothing_to_send(peer: Peer) -> None:
    """No request without series."""
    await peer.send(batch(counter("d", at(5, 1.0), temporality=1)))
    assert peer.receiver.requests == []
