"""When `target_info` is sent, and when it ends."""

from typing import Any

from opentelemetry.proto.common.v1.common_pb2 import KeyValue

from tests.wire.test_remote_write import arrived, at, attributes, bits, gauge, named, payload, run
from wire.remote_write import Options, Translator

_MINUTE = 60_000


def infos(translator: Translator, resource: list[KeyValue], *times: int) -> dict[Any, list[Any]]:
    """The `target_info` series of a payload with points at these times."""
    data = payload(gauge("g", *(at(time, 1.0) for time in times)), resource=resource)
    found = arrived(run(data, translator=translator))
    return {labels: samples for labels, samples in found.items() if ("__name__", "target_info") in labels}


def _resource(**more: str) -> list[KeyValue]:
    return attributes(service__name="api", **more)


def test_every_half_lookback() -> None:
    """At the first point, every two and a half minutes, and at the last."""
    found = infos(Translator(Options()), _resource(host="h"), _MINUTE, 7 * _MINUTE)
    times = [_MINUTE, _MINUTE + 150_000, _MINUTE + 300_000, 7 * _MINUTE]
    assert found == {named("target_info", job="api", host="h"): [(time, 1.0) for time in times]}


def test_not_twice_at_one_time() -> None:
    """Further payloads go on where the last one ended."""
    translator = Translator(Options())
    infos(translator, _resource(host="h"), 1, 5)
    assert infos(translator, _resource(host="h"), 5) == {}
    assert list(infos(translator, _resource(host="h"), 5, 9).values()) == [[(9, 1.0)]]


def test_few_samples_over_ages() -> None:
    """One point of another age does not make millions of samples."""
    (samples,) = infos(Translator(Options()), _resource(host="h"), 1, 1_700_000_000_000).values()
    assert len(samples) <= 102


def test_what_a_target_was_ends() -> None:
    """When the resource of a target changes, the series that told the old one ends there with a stale marker."""
    translator = Translator(Options())
    infos(translator, _resource(version="1"), 5)
    found = infos(translator, _resource(version="2"), 9)
    old, new = (named("target_info", job="api", version=version) for version in "12")
    assert found[new] == [(9, 1.0)]
    ((time, value),) = found[old]
    assert (time, bits(value)) == (9, "7ff0000000000002")
    assert list(infos(translator, _resource(version="2"), 12)) == [new]
