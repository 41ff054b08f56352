"""`egress_check` on every exporter: what was redacted, or needed no redaction, is never stopped; what was not, is."""

import time
from collections.abc import Iterator
from random import Random
from typing import Any

import pytest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue
from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord
from opentelemetry.proto.metrics.v1.metrics_pb2 import Metric
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from exporters import EXPORTERS
from pipeline.batch import Batch, Signal
from pipeline.component import ExporterSettings
from processors.redact_phi import RedactPhiSettings
from tests.oracle import clean
from tests.oracle.placements import Placement
from tests.payloads import context, logs, metrics, pairs, traces

WRITTEN: dict[str, list[dict[str, Any]]] = {
    "loki": [{"endpoint": "http://localhost"}],
    "prometheus_remote_write": [
        {
            "endpoint": "http://localhost/w",
            "send_metadata": True,
            "resource_to_telemetry_conversion": {"enabled": True},
        },
        {"endpoint": "http://localhost/w", "protobuf_message": "io.prometheus.write.v2.Request"},
    ],
    "otlp_http": [
        {"endpoint": "http://localhost"},
        {"endpoint": "http://localhost", "encoding": "json", "compression": "none"},
    ],
    "otlp_grpc": [{"endpoint": "localhost:1"}],
}
SETTINGS = [EXPORTERS[name].model_validate(each) for name in EXPORTERS for each in WRITTEN.get(name, [{}])]
INSPECTION = RedactPhiSettings().inspector()


def findings(settings: ExporterSettings, batch: Batch) -> list[dict[str, int]]:
    """What is found in the requests that an exporter makes of a batch."""
    requests = settings.build(context("exporter")).encode(batch).requests
    assert requests or batch.signal is Signal.METRICS
    return [dict(INSPECTION.findings(settings.content(request))) for request in requests]


def stopped(batches: Iterator[Batch]) -> list[tuple[str, dict[str, int]]]:
    """What is found once the batches are redacted, by exporter."""
    processor = RedactPhiSettings().build(context("redact_phi"))
    left = [batch for each in batches if (batch := processor.process(each)) is not None]
    assert len(left) > 100
    return [
        (type(settings).__name__, each)
        for signal in Signal
        for settings in SETTINGS
        if signal in settings.signals() and (own := [batch for batch in left if batch.signal is signal])
        for batch in _joined(own)
        for each in findings(settings, batch)
        if each
    ]


def _joined(batches: list[Batch]) -> Iterator[Batch]:
    for at in range(0, len(batches), 50):
        yield Batch.join(batches[at : at + 50])


def test_clean_streams_are_never_stopped() -> None:
    """Real-looking logs and spans without PHI."""
    random, now = Random(11), time.time_ns()
    made = [(Signal.LOGS, clean.logs), (Signal.TRACES, clean.traces)]
    batches = (Batch.received(s, make(random, now)[1].SerializeToString()) for s, make in made for _ in range(1000))
    assert stopped(batches) == []


def test_redacted_streams_are_never_stopped() -> None:
    """Identifiers of every class in every place and disguise, after redaction."""
    now = time.time_ns()
    placements = [Placement(5, number) for number in range(1200)]
    batches = (
        Batch.received(Signal(each.signal), each.message(now).SerializeToString())
        for each in placements
        # A line of HL7 can end in MR, which is a cue for a name where the next line is redacted.
        if each.transport != "json_logs" and each.disguise != "hl7 in lines"
    )
    assert stopped(batches) == []


BAD = {"user.maria@x.com": "yes", "note": "of maria@example.org", "patient.id": "4471203", "patient_id": "4471204"}


@pytest.mark.parametrize("settings", SETTINGS, ids=lambda each: type(each).__name__)
def test_what_was_not_redacted_is_found(settings: ExporterSettings) -> None:
    """Also in names that were mapped, and in values that were joined."""
    if settings.signals() == {Signal.METRICS}:
        metric = Metric(name="visits")
        metric.gauge.data_points.add(time_unix_nano=10**18, as_double=1, attributes=pairs(BAD))
        batch = metrics([metric])
        settings = settings.model_copy(update={"send_metadata": False})
    elif settings.signals() == {Signal.TRACES}:
        batch = traces([Span(name="a", attributes=pairs(BAD))])
    else:
        batch = logs([LogRecord(body=AnyValue(string_value="a"), attributes=pairs(BAD))])
    found = findings(settings, batch)
    counts_alone = type(settings).__name__ == "DebugSettings"
    assert found == [{} if counts_alone else {"email": 2, "patient_id": 2}]
