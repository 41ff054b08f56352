"""What leaves: remote-write of both versions, the page for Prometheus, pushes to Loki; and what destinations answer."""

import re
from random import Random
from typing import Any

import snappy
from prometheus_client.parser import text_string_to_metric_families as families

from exporters.http_client import Answer
from exporters.loki import LokiSettings
from exporters.otlp_answer import rejected_items
from exporters.prometheus import PrometheusSettings
from exporters.prometheus_remote_write import PrometheusRemoteWriteSettings
from exporters.prometheus_remote_write_answers import complaint, has_bad_series, is_not_understood, raise_for
from exporters.prometheus_table import Table
from exporters.prometheus_text import text
from pipeline.batch import Batch
from pipeline.component import Exporter, ExporterSettings
from pipeline.errors import Refused, Rejected
from tests.fuzz import words
from tests.fuzz.mutate import damaged
from tests.fuzz.target import Check, Target, must, otlp_of, received, signal_of
from tests.fuzz.watch import Log, check_texts, context
from tests.wire.remote_write_messages import Request as RemoteWrite2
from tests.wire.remote_write_messages import WriteRequest
from wire.protobuf import fields
from wire.signal import Signal

__all__ = ["EXPORTING"]

_AT_MOST = 2_000
"""Batches, after which an exporter with a memory begins anew."""


def _metrics(random: Random) -> bytes:
    return otlp_of(random, Signal.METRICS)


def _logs(random: Random) -> bytes:
    return otlp_of(random, Signal.LOGS)


def _remote_write(two: bool) -> Check:
    protocol = "io.prometheus.write.v2.Request" if two else "prometheus.WriteRequest"
    written = {"endpoint": "http://localhost:9/write", "protobuf_message": protocol, "max_samples_per_send": 20}
    message: Any = RemoteWrite2 if two else WriteRequest
    return _requests(PrometheusRemoteWriteSettings.model_validate(written), message)


def _loki() -> Check:
    return _requests(LokiSettings.model_validate({"endpoint": "http://localhost:9/"}), None)


def _requests(settings: ExporterSettings, message: Any) -> Check:
    log = Log()
    exporter: Exporter | None = None
    used = 0

    def check(data: bytes) -> bool:
        nonlocal exporter, used
        batch = received(data)
        if batch is None or batch.signal not in settings.signals():
            return False
        if exporter is None or used % _AT_MOST == 0:
            exporter = settings.build(context("fuzzed", log))
        used += 1
        encoded = exporter.encode(batch)
        log.check()
        lost = sum(encoded.dropped.values())
        must(0 <= lost <= batch.items, "more items are left out than there were")
        for request in encoded.requests:
            must(request.items <= batch.items, "a request carries more items than there were")
            body = snappy.decompress(request.body)
            if message is not None:
                _check_message(message.FromString(body))
            else:
                list(fields(body, 0, len(body)))
            said = settings.content(request)
            must(Batch.received(said.signal, said.payload).payload == said.payload, "what is said is not clean")
        return True

    return check


def _check_message(message: Any) -> None:
    size = message.ByteSize()
    message.DiscardUnknownFields()
    must(message.ByteSize() == size, "a body has fields that remote-write does not know")
    must(message.timeseries or message.metadata, "a body says nothing")


_MOST_BYTES = 64 * 1024
"""Of a page that is read again: the library that does it is slow. Prometheus does not look at what numbers mean, as
that library does for OpenMetrics, so that it is the plain format that is read."""

_RESERVED = re.compile(rb"[{,]__")
"""Labels that begin so are Prometheus' own; it takes them, as its translator for OTLP makes them, and that library does
not."""


def _page() -> Check:
    log = Log()
    table: Table | None = None
    used = 0

    def check(data: bytes) -> bool:
        nonlocal table, used
        batch = received(data)
        if batch is None or batch.signal is not Signal.METRICS:
            return False
        if table is None or used % 20 == 0:
            table = Table(PrometheusSettings().naming(), 300.0)
        used += 1
        table.add(batch.decode(), float(used))
        log.check()
        for timestamps in (False, True):
            page = text(table, open_metrics=True, timestamps=timestamps)
            must(page.endswith(b"# EOF\n"), "a page of OpenMetrics does not end")
            page = text(table, open_metrics=False, timestamps=timestamps)
            if len(page) < _MOST_BYTES and not _RESERVED.search(page):
                list(families(page.decode()))
        return True

    return check


_ANSWERS = (
    *(
        b"",
        b"{}",
        b"null",
        b"[1]",
        b"\x0a\x02\x08\x01",
        b'{"partialSuccess":{"rejectedSpans":"7"}}',
        b"total ignored: 3",
    ),
    *(
        b"out of order",
        b"too old sample",
        b"total ignored: 1 out of 1 for stream: ",
        words.CANARY.encode(),
        b"\xff" * 9,
    ),
)
_HEADER_VALUES = (
    *("", "0", "1", "-1", "1e9", "9" * 400, "²", "٣", "1 2", "nan", "inf", "Wed, 21 Oct 2026 07:28:00 GMT", "\udcff"),
    *(
        "Wed, 21 Oct 9999 99:99:99 GMT",
        "Mon, 1 Jan 0001 00:00:00 +9999",
        "Wed, 21 Oct 2026 07:28:00 -0000",
        words.CANARY,
    ),
)
_STATUSES = (200, 204, 301, 400, 401, 404, 413, 415, 429, 500, 502, 503, 599)


def _answer(random: Random) -> bytes:
    """The first byte is the status, then the headers' values, each ended by a zero byte, then the body."""
    head = bytes((random.randrange(len(_STATUSES)),))
    values = [random.choice(_HEADER_VALUES).encode(errors="surrogateescape") for _ in range(3)]
    if random.random() < 0.3:
        values = [damaged(random, value) for value in values]
    body = random.choice(_ANSWERS)
    return head + b"\0".join(values) + b"\0" + (damaged(random, body) if random.random() < 0.7 else body)


_NAMES = (
    *("Retry-After", "X-Prometheus-Remote-Write-Samples-Written", "X-Prometheus-Remote-Write-Histograms-Written"),
)


def _answers() -> Check:
    def check(data: bytes) -> bool:
        parts = data[1:].split(b"\0", 3)
        values = [part.decode(errors="surrogateescape") for part in parts[:3]]
        status = _STATUSES[data[0] % len(_STATUSES)] if data else 200
        answer = Answer(status, dict(zip(_NAMES, values, strict=False)), parts[-1])
        must(rejected_items(signal_of(data), answer.body) >= 0, "fewer than no items were rejected")
        must(rejected_items(signal_of(data), answer.body, is_json=True) >= 0, "fewer than no items were rejected")
        must(words.CANARY not in complaint(answer), "a complaint quotes the answer")
        has_bad_series(answer)
        is_not_understood(answer)
        try:
            raise_for(answer)
        except (Refused, Rejected) as error:
            check_texts(error)
            after = error.retry_after_seconds if isinstance(error, Refused) else None
            must(after is None or after >= 0, "a destination asks for a time that is none")
            return False
        return True

    return check


EXPORTING = {
    "remote_write_1": Target(_metrics, lambda: _remote_write(False), 6),
    "remote_write_2": Target(_metrics, lambda: _remote_write(True), 6),
    "prometheus_page": Target(_metrics, _page, 3),
    "loki": Target(_logs, _loki, 6),
    "answers": Target(_answer, _answers, 6),
}
