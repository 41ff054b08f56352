"""The demo's telemetry through Telescrub into the real destinations: all of it arrives, nothing that was planted."""

import asyncio
import json
import time
from collections.abc import Iterator
from itertools import islice
from typing import Literal

import pytest
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from demo.planted import Search
from demo.send import Sender
from demo.telemetry import KEPT, Round, generate
from tests.backends.process import wait_until
from tests.end_to_end.stack import Stack
from wire.signal import Signal

pytestmark = pytest.mark.end_to_end

ROUNDS = 8
SECOND = 10**9


def rounds(seed: int) -> list[Round]:
    """Rounds that end now, so that every destination takes their times."""
    return list(islice(generate(seed, time.time_ns() - ROUNDS * SECOND, interval_nano=SECOND), ROUNDS))


async def send(stack: Stack, sent: list[Round]) -> Sender:
    daemon = stack.telescrub
    async with Sender(daemon.address("otlp_grpc"), daemon.url("json_logs")) as sender:
        for one in sent:
            await sender.send(one)
    return sender


@pytest.mark.parametrize("prometheus", ["prometheus", "prometheus-debian"])
def test_everything_arrives_and_nothing_planted(prometheus: Literal["prometheus", "prometheus-debian"]) -> None:
    """Every span by its ids, every log line, every counter's sum; and no planted value in anything that is stored."""
    sent = rounds(seed=20)
    with Stack(prometheus) as stack:
        sender = asyncio.run(send(stack, sent))
        assert dict(sender.refused) == dict.fromkeys(Signal, 0)
        stack.wait_until_sent()
        spans = {span.span_id.hex(): span for span in _spans(sent)}
        traces = {span.trace_id.hex() for span in _spans(sent)}
        stored_spans = wait_until(
            lambda: found if len(found := stack.spans(traces)) == len(spans) else None, what="every span", seconds=30
        )
        for span_id, span in spans.items():
            stored = stored_spans[span_id]
            assert int(stored["startTimeUnixNano"]) == span.start_time_unix_nano
            assert int(stored["endTimeUnixNano"]) == span.end_time_unix_nano
            assert stored.get("parentSpanId", "") == span.parent_span_id.hex()
            assert stored["kind"] == span.kind
        assert len(stack.entries()) == sum(len(one.logs) for one in sent)
        assert stack.telescrub.metric("telescrub_dropped_items_total") == 0
        for (service, metric, labels), total in sent[-1].totals.items():
            # What is added up waits for others of its interval.
            query, expected = _series(service, metric, dict(labels)), [str(total)]
            wait_until(
                lambda query=query, expected=expected: (  # type: ignore[misc]
                    [each["value"][1] for each in stack.prometheus.query(query)] == expected
                ),
                what=f"{total} of {metric}",
            )
        stored_texts = stack.stored()
        log = stack.telescrub.log
        page = json.dumps(stack.telescrub.metric("telescrub_redactions_total"))
    everywhere = {**stored_texts, "telescrub's own log": [log], "its metrics": [page]}
    search = Search(planted for one in sent for planted in one.planted)
    leaks = {name: search.find("\n".join(texts).encode()) for name, texts in everywhere.items()}
    assert {name: [(leak.kind, leak.place) for leak in found] for name, found in leaks.items() if found} == {}
    for signal, destination in ((Signal.TRACES, "jaeger"), (Signal.LOGS, "loki")):
        text = "\n".join(stored_texts[destination])
        assert [kept for kept in KEPT[signal] if kept not in text] == []


def _series(service: str, metric: str, labels: dict[str, str]) -> str:
    """The query for a counter whose labels that name people are gone."""
    matchers = {"job": service, **{name.replace(".", "_"): value for name, value in labels.items()}}
    inner = ", ".join(f'{name}="{value}"' for name, value in matchers.items())
    return f"{metric.replace('.', '_')}_total{{{inner}}}"


def _spans(sent: list[Round]) -> Iterator[Span]:
    for one in sent:
        for resource in one.traces.resource_spans:
            for scope in resource.scope_spans:
                yield from scope.spans
