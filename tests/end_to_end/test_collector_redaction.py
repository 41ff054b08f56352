"""The real Collector's `redaction` and ours, over the same inputs."""

import string
from collections.abc import Iterator
from typing import Any

import pytest
import yaml

from pipeline.batch import Batch
from processors.collector_redaction import CollectorRedactionSettings
from processors.otlp_objects import points, scopes
from tests.backends.process import request, wait_until
from tests.backends.require import backend
from tests.backends.servers import Collector
from tests.payloads import context
from tests.processors.collector.behaviours import BEHAVIOURS, Behaviour
from wire.signal import Signal

pytestmark = pytest.mark.end_to_end

LENGTH_BYTES = 4


def port_name(number: int) -> str:
    """A name of a port in letters only."""
    return "case_" + "".join(string.ascii_lowercase[int(digit)] for digit in f"{number:03d}")


def config() -> str:
    """One pipeline for each behaviour."""
    made: dict[str, Any] = {"receivers": {}, "processors": {}, "exporters": {}, "service": {"pipelines": {}}}
    for number, behaviour in enumerate(BEHAVIOURS):
        made["receivers"][f"otlp/{number}"] = {"protocols": {"http": {"endpoint": f"127.0.0.1:@{port_name(number)}@"}}}
        made["processors"][f"redaction/{number}"] = dict(behaviour.settings)
        made["exporters"][f"file/{number}"] = {
            "path": f"@directory@/{number}.bin",
            "format": "proto",
            "flush_interval": "50ms",
        }
        made["service"]["pipelines"][f"{behaviour.given.signal.value}/{number}"] = {
            "receivers": [f"otlp/{number}"],
            "processors": [f"redaction/{number}"],
            "exporters": [f"file/{number}"],
        }
    return yaml.safe_dump(made)


@pytest.fixture(scope="module")
def collector() -> Iterator[Collector]:
    backend("otelcol")
    with Collector(config()) as running:
        yield running


def of_collector(collector: Collector, number: int, given: Batch) -> Batch:
    """What the real Collector makes of a batch."""
    url = f"http://{collector.address(port_name(number))}/v1/{given.signal.value}"
    answer = request("POST", url, body=given.payload, headers={"Content-Type": "application/x-protobuf"})
    assert answer.status == 200
    path = collector.directory / f"{number}.bin"
    written = wait_until(lambda: path.read_bytes() if path.exists() else b"")
    assert int.from_bytes(written[:LENGTH_BYTES]) == len(written) - LENGTH_BYTES
    return Batch.received(given.signal, written[LENGTH_BYTES:])


def value_of(value: Any) -> object:
    kind = value.WhichOneof("value")
    if kind == "array_value":
        return [value_of(inner) for inner in value.array_value.values]
    if kind == "kvlist_value":
        return {entry.key: value_of(entry.value) for entry in value.kvlist_value.values}
    return None if kind is None else (kind, getattr(value, kind))


def said(batch: Batch | None) -> list[object]:
    """Attributes, name and body of every item; how the messages around are written does not matter."""
    assert batch is not None
    found: list[object] = []
    for _, _, items in scopes(batch.signal, batch.decode()):
        for item in items:
            for holder in points(item) if batch.signal is Signal.METRICS else (item,):
                attributes = {entry.key: value_of(entry.value) for entry in holder.attributes}
                body = value_of(item.body) if batch.signal is Signal.LOGS else item.name
                found.append((attributes, body))
    return found


@pytest.mark.parametrize("behaviour", BEHAVIOURS, ids=lambda behaviour: behaviour.title)
def test_what_comes_out_is_the_same(collector: Collector, behaviour: Behaviour) -> None:
    """Every attribute, body and name."""
    theirs = of_collector(collector, BEHAVIOURS.index(behaviour), behaviour.given)
    ours = CollectorRedactionSettings.model_validate(behaviour.settings).build(context("redaction"))
    assert said(ours.process(behaviour.given)) == said(theirs)
