"""Series that do not come any more."""

from typing import Any

from opentelemetry.proto.metrics.v1.metrics_pb2 import Metric

from tests.wire.test_remote_write import arrived, at, attributes, bits, counter, gauge, histogram, payload, run
from tests.wire.test_remote_write_native import exponential_histogram
from wire.remote_write import Options, Translator

STALE = "7ff0000000000002"


class Clock:
    """Seconds that pass when they are told to."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


def translator(clock: Clock, seconds: float = 60.0, capacity: int = 1000) -> Translator:
    return Translator(Options(stale_after_seconds=seconds), capacity=capacity, clock=clock)


def sent(tested: Translator, instance: str, *metrics: Metric) -> dict[str, list[tuple[int, str]]]:
    """What leaves for the metrics of one instance: by name and instance, the times and bits of the samples."""
    resource = attributes(service__name="api", service__instance__id=instance, host=instance)
    found = arrived(run(payload(*metrics, resource=resource), translator=tested))
    named: dict[str, Any] = {
        f"{dict(labels)['__name__']} {dict(labels)['instance']}": each for labels, each in found.items()
    }
    return {name: [(time, bits(value)) for time, value in each] for name, each in named.items()}


def test_a_resource_that_went_away() -> None:
    """All its series end a millisecond after their last samples, once, `target_info` among them."""
    clock = Clock()
    tested = translator(clock)
    sent(tested, "gone", counter("c", at(5, 1.0)), gauge("g", at(6, 1.0)))
    clock.now = 60.0
    assert list(sent(tested, "here", gauge("g", at(1000, 1.0)))) == ["g here", "target_info here"]
    clock.now = 120.0
    found = sent(tested, "here", gauge("g", at(2000, 1.0)))
    assert {name: each for name, each in found.items() if "gone" in name} == {
        "c_total gone": [(6, STALE)],
        "g gone": [(7, STALE)],
        "target_info gone": [(7, STALE)],
    }
    clock.now = 180.0
    assert list(sent(tested, "here", gauge("g", at(4000, 1.0)))) == ["g here", "target_info here"]


def test_every_series_of_a_histogram() -> None:
    """Buckets, sum and count; and one that comes again goes on after its marker."""
    clock = Clock()
    tested = translator(clock)
    explicit: dict[str, Any] = {"count": 3, "sum": 1.0, "bucket_counts": [1, 2], "explicit_bounds": [0.5]}
    sent(tested, "i", histogram("h", at(5, **explicit)), exponential_histogram("e", at(5, count=0, sum=0.0)))
    for minute in (1, 2):
        clock.now = 60.0 * minute
        found = sent(tested, "i", gauge("g", at(minute, 1.0)))
    markers = {name: each for name, each in found.items() if name[0] == "h"}
    assert markers == {f"h_{part} i": [(6, STALE)] for part in ("bucket", "sum", "count")}
    again = run(payload(gauge("x"), histogram("h", at(7, **explicit))), translator=tested)
    assert again.points == 1


def test_silence_of_all() -> None:
    """After an interruption of everything, what comes again has not ended."""
    clock = Clock()
    tested = translator(clock)
    sent(tested, "a", gauge("g", at(1, 1.0)))
    sent(tested, "b", gauge("g", at(1, 1.0)))
    clock.now = 3600.0
    assert "g b" not in sent(tested, "a", gauge("g", at(9, 1.0)))
    clock.now = 3630.0
    sent(tested, "b", gauge("g", at(9, 1.0)))
    clock.now = 3670.0
    assert "g b" not in sent(tested, "a", gauge("g", at(10, 1.0)))


def test_no_marker_unless_asked_for() -> None:
    """And no more is remembered than series are."""
    clock = Clock()
    for seconds, capacity in ((0.0, 1000), (60.0, 1)):
        tested = translator(clock, seconds, capacity)
        for instance in ("x", "y"):
            sent(tested, instance, gauge("g", at(1, 1.0)))
        for hours in (1, 2, 3):
            clock.now += 3600.0 * hours
            assert "g y" not in sent(tested, "x", gauge("g", at(10 * hours, 1.0)))
