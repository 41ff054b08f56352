"""Exemplars: their labels, their limits, and where they stand."""

from typing import Any

import pytest

from tests.wire.remote_write_messages import Read, read
from tests.wire.test_remote_write import any_value, at, attributes, bodies, counter, gauge, histogram, payload, run
from wire.remote_write import Options, Translator

_TRACE, _SPAN = bytes(range(16)), bytes(range(8))
_IDS = {"trace_id": _TRACE.hex(), "span_id": _SPAN.hex()}


def exemplar(milliseconds: int, value: float | int, **fields: Any) -> dict[str, Any]:
    kind = "as_int" if isinstance(value, int) else "as_double"
    return {"time_unix_nano": milliseconds * 10**6, kind: value, "trace_id": _TRACE, "span_id": _SPAN, **fields}


def sent(translator: Translator, *metrics: Any) -> list[Read]:
    translation = run(payload(*metrics), translator=translator)
    two = translator.two
    return [one for body in bodies(translation, two=two) for one in read(body.data, two=two)]


@pytest.mark.parametrize("two", [False, True])
def test_of_a_counter(two: bool) -> None:
    """Integers and doubles in order of time, with ids and attributes; a gauge's are left out."""
    first = exemplar(4, 7, filtered_attributes=attributes(user__tier="a", trace_id="mine"))
    point = at(5, 9.0, exemplars=[exemplar(5, 2.5), first])
    count, level = sent(Translator(Options(), two=two), counter("c", point), gauge("g", point))
    assert count.exemplars == [({**_IDS, "user_tier": "a"}, 7.0, 4), (_IDS, 2.5, 5)]
    assert level.exemplars == []


@pytest.mark.parametrize("two", [False, True])
def test_of_a_histogram(two: bool) -> None:
    """Each is with the first bucket whose bound is not below it."""
    point = at(
        5,
        count=4,
        bucket_counts=[2, 1, 1],
        explicit_bounds=[1.0, 5.0],
        exemplars=[exemplar(3, 1.0), exemplar(4, 1.5), exemplar(5, 99.0), exemplar(5, 0.5)],
    )
    found = sent(Translator(Options(), two=two), histogram("h", point))
    values = {dict(one.labels).get("le"): [each[1] for each in one.exemplars] for one in found}
    assert values == {"1": [1.0, 0.5], "5": [1.5], "+Inf": [99.0], None: []}


def test_of_a_native_histogram() -> None:
    """All are with the one series."""
    for two in (False, True):
        from tests.wire.test_remote_write_native import exponential_histogram

        point = at(5, count=1, sum=1.0, zero_count=1, exemplars=[exemplar(4, 1.0), exemplar(3, 2.0)])
        (one,) = sent(Translator(Options(), two=two), exponential_histogram("h", point))
        assert [each[1:] for each in one.exemplars] == [(2.0, 3), (1.0, 4)]


def test_most_characters() -> None:
    """128 characters of names and values, not bytes; over that only the ids are kept."""
    room = 128 - sum(len(name) + len(text) for name, text in _IDS.items()) - len("k")
    for length, kept in ((room, True), (room + 1, False)):
        long = [{"key": "k", "value": any_value("é" * length)}]
        point = at(5, 1.0, exemplars=[exemplar(5, 1, filtered_attributes=long)])
        ((found, _, _),) = sent(Translator(Options()), counter("c", point))[0].exemplars
        assert (len(found) == 3) == kept


def test_without_a_span() -> None:
    """Ids that are empty or zero are no labels, and one without a time gets the point's."""
    point = at(5, 1.0, exemplars=[exemplar(0, 1, trace_id=b"\x00" * 16, span_id=b"")])
    assert sent(Translator(Options()), counter("c", point))[0].exemplars == [({}, 1.0, 5)]


def test_not_twice() -> None:
    """An exemplar that an SDK sends again with the next point is not sent again."""
    translator = Translator(Options(), two=True)
    first, second = exemplar(4, 1), exemplar(6, 2)
    assert len(sent(translator, counter("c", at(5, 1.0, exemplars=[first])))[0].exemplars) == 1
    (again,) = sent(translator, counter("c", at(7, 2.0, exemplars=[first, second])))
    assert again.exemplars == [(_IDS, 2.0, 6)]
