import json
from itertools import islice

import pytest

from demo.planted import Search
from demo.telemetry import KEPT, RUN, Round, generate, run_name
from wire.signal import Signal

START = 1_790_000_000 * 10**9
SECOND = 10**9


def rounds(count: int, seed: int = 7) -> list[Round]:
    return list(islice(generate(seed, START, interval_nano=SECOND), count))


def raw(one: Round, signal: Signal) -> bytes:
    if signal is Signal.LOGS:
        return b"\n".join(line.text for line in one.logs)
    return (one.traces if signal is Signal.TRACES else one.metrics).SerializeToString(deterministic=True)


def test_the_same_seed_gives_the_same_bytes() -> None:
    """And another seed gives none of the same values."""
    first, again, other = rounds(3), rounds(3), rounds(3, seed=8)
    for signal in Signal:
        assert [raw(one, signal) for one in first] == [raw(one, signal) for one in again]
    values = {planted.value for one in first for planted in one.planted}
    assert not values & {planted.value for one in other for planted in one.planted}


@pytest.mark.parametrize("signal", list(Signal))
def test_what_is_listed_is_there(signal: Signal) -> None:
    """Every planted string is found in the bytes of its signal; what is called clean contains none of them."""
    for one in rounds(3):
        mine = [planted for planted in one.planted if planted.signal is signal]
        data = raw(one, signal)
        missing = [p for p in mine if not Search([p]).find(data) and "integer" not in p.place]
        assert missing == []


def test_clean_texts_are_there_and_clean() -> None:
    """The texts that must survive occur in every run and contain nothing planted."""
    some = rounds(12)
    search = Search(planted for one in some for planted in one.planted)
    for signal, texts in KEPT.items():
        data = b"".join(raw(one, signal) for one in some)
        assert [text for text in texts if text.encode() not in data] == []
        assert search.find(" ".join(texts).encode()) == []


def test_another_runs_values_are_not_found() -> None:
    """The rate of chance hits is nought."""
    foreign = Search(planted for one in rounds(10, seed=99) for planted in one.planted)
    assert foreign.find(b"".join(raw(one, signal) for one in rounds(10) for signal in Signal)) == []


def test_spans_form_trees() -> None:
    """Parents are in the same trace and began earlier; ids are unique; every resource names its service and the run."""
    request = rounds(1)[0].traces
    spans = [span for each in request.resource_spans for scope in each.scope_spans for span in scope.spans]
    by_id = {span.span_id: span for span in spans}
    assert len(by_id) == len(spans)
    for span in spans:
        assert (len(span.trace_id), len(span.span_id)) == (16, 8)
        assert span.start_time_unix_nano < span.end_time_unix_nano
        if span.parent_span_id:
            parent = by_id[span.parent_span_id]
            assert parent.trace_id == span.trace_id
            assert parent.start_time_unix_nano <= span.start_time_unix_nano
    for each in request.resource_spans:
        attributes = {item.key: item.value.string_value for item in each.resource.attributes}
        assert attributes[RUN] == run_name(7)
        assert attributes["service.name"]


def test_counters_grow_from_one_start() -> None:
    """Every series seen stays, its start time stays, its value never falls; the totals without users add up."""
    before: dict[tuple[str, str, str], int] = {}
    for number, one in enumerate(rounds(6)):
        now: dict[tuple[str, str, str], int] = {}
        for each in one.metrics.resource_metrics:
            service = each.resource.attributes[0].value.string_value
            for metric in each.scope_metrics[0].metrics:
                for point in metric.sum.data_points:
                    assert point.start_time_unix_nano == START
                    assert point.time_unix_nano == START + (number + 1) * SECOND
                    now[service, metric.name, str(point.attributes)] = point.as_int
        assert before.keys() <= now.keys()
        assert [key for key, value in before.items() if now[key] < value] == []
        assert sum(now.values()) == sum(one.totals.values())
        before = now


def test_histograms_are_consistent() -> None:
    """The count is the sum of the buckets, and the exemplar points to a span of the round."""
    one = rounds(4)[-1]
    ids = {span.span_id for each in one.traces.resource_spans for span in each.scope_spans[0].spans}
    metrics = [metric for each in one.metrics.resource_metrics for metric in each.scope_metrics[0].metrics]
    points = [point for metric in metrics for point in metric.histogram.data_points]
    assert points
    assert [point for point in points if point.count != sum(point.bucket_counts)] == []
    exemplars = [exemplar for point in points for exemplar in point.exemplars]
    assert len(exemplars) == 3
    assert {exemplar.span_id for exemplar in exemplars} <= ids


def test_log_lines_belong_to_spans() -> None:
    """Each line is JSON with the run's name, and its ids are those of a span of the round."""
    one = rounds(1)[0]
    ids = {(s.trace_id, s.span_id) for each in one.traces.resource_spans for s in each.scope_spans[0].spans}
    for line in one.logs:
        assert json.loads(line.text)[RUN] == run_name(7)
        assert (line.trace_id, line.span_id) in ids
        assert line.span_id.hex().encode() in line.text
    assert {line.logger for line in one.logs} == {"structlog", "pino", "ecs", "logger_json"}
    bodies = dict(one.log_requests())
    assert sum(len(body.splitlines()) for body in bodies.values()) == one.items[Signal.LOGS]


def test_items_are_counted() -> None:
    """Spans, data points and lines of a round."""
    assert rounds(1)[0].items == {Signal.TRACES: 24, Signal.METRICS: 50, Signal.LOGS: 12}


def test_every_kind_is_planted_in_every_signal_it_belongs_to() -> None:
    """English and Brazilian identifiers in traces and logs, user labels in metrics."""
    kinds: dict[Signal, set[str]] = {}
    for planted in rounds(2)[1].planted:
        kinds.setdefault(planted.signal, set()).add(planted.kind)
    everything = {
        "name", "patient_id", "user_id", "mrn", "ssn", "email", "phone", "date_of_birth", "card", "cpf",
        "cnpj", "cns", "cep", "phone_br",
    }  # fmt: skip
    assert kinds[Signal.TRACES] == everything
    assert kinds[Signal.LOGS] == everything
    assert kinds[Signal.METRICS] == {"user_id", "email", "patient_id"}
