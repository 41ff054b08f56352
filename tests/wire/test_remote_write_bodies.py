"""Bodies taken apart again. What 2.0 is as 1.0 is tested with the exporter that needs it, against a receiver."""

from hypothesis import given
from hypothesis import strategies as st

from tests.wire.remote_write_messages import decode, read
from tests.wire.test_remote_write import at, bodies, counter, gauge, histogram, named, payload, run
from wire.remote_write_bodies import as_1_0, halves
from wire.remote_write_requests import metadata_bodies


def _body(series: int, *, two: bool) -> bytes:
    data = payload(*(gauge(f"g{number}", at(5, float(number))) for number in range(series)))
    return bodies(run(data, two=two), two=two)[0].data


@given(st.integers(1, 9), st.booleans())
def test_halves_are_the_whole(count: int, two: bool) -> None:
    """Every series is in one of them, and they differ by one at most."""
    body = _body(count, two=two)
    parts = halves(body, two=two)
    assert [len(read(part, two=two)) for part, _ in parts] == [number for _, number in parts]
    assert max(number for _, number in parts) == (count + 1) // 2
    found = [one for part, _ in parts for one in decode(part, two=two)]
    assert sorted(found) == sorted(decode(body, two=two))


def test_a_fair_sample() -> None:
    """Whether neighbours are bad or every other series is, either half has some of them."""
    for bad in (range(50), range(50, 100), range(0, 100, 2), range(1, 100, 2)):
        names = {f"g{number}" for number in bad}
        for part, _ in halves(_body(100, two=False), two=False):
            assert 10 < sum(labels[0][1] in names for labels, _ in decode(part)) < 40


def test_points_of_a_series_stay_in_order() -> None:
    """A series that is there several times stays together; alone it is parted in the middle."""
    points = [at(time, count=1) for time in (1, 2, 3)]
    (body,) = bodies(run(payload(histogram("h", *points))))
    parts = sorted(decode(part) for part, _ in halves(body.data, two=False))
    named_so = [named("h_bucket", le="+Inf"), named("h_count")]
    assert parts == [[(labels, [(time, 1.0)]) for time in (1, 2, 3)] for labels in named_so]
    count = max((part for part, _ in halves(body.data, two=False)), key=decode)
    assert [[samples for _, samples in decode(part)] for part, _ in halves(count, two=False)] == [
        [[(1, 1.0)], [(2, 1.0)]],
        [[(3, 1.0)]],
    ]


def test_nothing_to_halve() -> None:
    """Metadata has no series, and one series has no half."""
    metric = counter("c", at(5, 1.0))
    assert halves(metadata_bodies(run(payload(metric)).families, 1000)[0].data, two=False) == []
    assert [number for _, number in halves(_body(1, two=True), two=True)] == [1]


def test_2_0_as_1_0() -> None:
    """The same labels and samples; names become what they are renamed to, sorted again, those that meet joined."""
    data = payload(gauge("g", at(5, 1.0, attributes=[])), histogram("h", at(5, count=1, sum=2.0)))
    (body,) = bodies(run(data, two=True), two=True)
    same, left_out = as_1_0(body.data, lambda name, value: (name, value))
    assert (decode(same), left_out) == (decode(body.data, two=True), 0)
    renamed, _ = as_1_0(body.data, lambda name, value: ("le", value))
    assert decode(renamed)[0] == ((("le", "g"),), [(5, 1.0)])
