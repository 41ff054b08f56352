"""What remote-write requests of both versions say."""

from typing import Any

import pytest
import snappy
from opentelemetry.proto.logs.v1.logs_pb2 import LogsData
from opentelemetry.proto.metrics.v1.metrics_pb2 import Metric

from exporters.prometheus_remote_write import PrometheusRemoteWriteSettings
from tests.payloads import context, metrics, pairs
from tests.wire.remote_write_messages import WriteRequest
from wire.protobuf import length_delimited, varint
from wire.sent_remote_write import said


def read(body: bytes) -> tuple[set[tuple[str, object]], set[str]]:
    """The pairs and the texts."""
    data: Any = LogsData.FromString(said(body)).resource_logs[0]
    attributes = {(e.key, getattr(e.value, e.value.WhichOneof("value"))) for e in data.resource.attributes}
    return attributes, {record.body.string_value for record in data.scope_logs[0].log_records}


def test_what_the_exporter_sends() -> None:
    """Every label once, `job` and `instance` under their OTLP keys, names and help as texts."""
    metric = Metric(name="user.maria@x.com", description="of maria@x.com", unit="s")
    metric.gauge.data_points.add(
        time_unix_nano=10**18, as_double=1, attributes=pairs({"user.maria@x.com": "a", "n": 7})
    )
    batch = metrics([metric], resource={"service.name": "api", "service.namespace": "ns", "service.instance.id": "i-1"})
    settings = PrometheusRemoteWriteSettings(endpoint="http://localhost/w", send_metadata=True)
    requests = settings.build(context("prometheus")).encode(batch).requests
    found = [read(request.body) for request in requests]
    attributes = set().union(*(each for each, _ in found))
    texts = set().union(*(each for _, each in found))
    assert {("user_maria_x_com", "a"), ("n", "7"), ("service.name", "ns/api")} <= attributes
    assert ("service.instance.id", "i-1") in attributes
    assert {"user_maria_x_com_seconds", "user.maria@x.com", "of maria@x.com", "seconds"} <= texts


def test_version_2() -> None:
    """Symbols, references, exemplars; what no label uses is help, unit or name."""
    symbols = ["", "__name__", "visits", "ward", "12", "trace_id", "abc", "visits of a ward", "a:b"]
    exemplar = length_delimited(0x0A, bytes((5, 6)))
    series = length_delimited(0x0A, bytes((1, 2, 3, 4))) + length_delimited(0x22, exemplar)
    series += length_delimited(0x2A, b"\x18\x07\x20\x08")
    body = b"".join(length_delimited(0x22, each.encode()) for each in symbols) + length_delimited(0x2A, series)
    attributes, texts = read(snappy.compress(body))
    assert attributes == {("ward", "12"), ("trace_id", "abc")}
    assert texts == {"", "visits", "visits of a ward", "a b"}


@pytest.mark.parametrize("milliseconds", range(1_790_000_000_000, 1_790_000_000_016))
def test_exemplars_of_version_1(milliseconds: int) -> None:
    """Their times are numbers, whatever else their bytes could be read as."""
    request = WriteRequest()
    series = request.timeseries.add()
    series.labels.add(name="__name__", value="visits")
    labels = [{"name": "trace_id", "value": "abc"}]
    series.exemplars.add(labels=labels, value=1.0, timestamp=milliseconds)
    assert read(snappy.compress(request.SerializeToString())) == ({("trace_id", "abc")}, {"visits"})


def test_large_references() -> None:
    """References are varints."""
    symbols = [f"s{number}" for number in range(300)]
    series = length_delimited(0x0A, varint(299) + varint(298))
    body = b"".join(length_delimited(0x22, each.encode()) for each in symbols) + length_delimited(0x2A, series)
    assert read(snappy.compress(body))[0] == {("s299", "s298")}


def test_garbage() -> None:
    """What cannot be read is an exception, so that it is not sent."""
    with pytest.raises(IndexError):
        said(snappy.compress(length_delimited(0x2A, length_delimited(0x0A, b"\x01\x02"))))
    with pytest.raises(snappy.UncompressError):
        said(b"\xff\xff")
