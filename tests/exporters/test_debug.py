"""The debug exporter: counts in the log, nothing of the data."""

from types import SimpleNamespace

import pytest
import structlog
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.trace.v1.trace_pb2 import ResourceSpans, ScopeSpans, Span, TracesData
from structlog.testing import capture_logs

from exporters import EXPORTERS
from exporters.debug import DebugSettings
from pipeline.batch import Batch, Signal
from pipeline.component import Context
from pipeline.deadline import Deadline
from pipeline.telemetry import Telemetry


@pytest.mark.parametrize("verbosity", ["basic", "normal", "detailed"])
async def test_counts_alone_are_logged(verbosity: str) -> None:
    """Whatever the verbosity, a batch is one line with signal, items, bytes and resources."""
    secret = KeyValue(key="ssn", value=AnyValue(string_value="536-90-4399"))
    spans = ResourceSpans(scope_spans=[ScopeSpans(spans=[Span(name="visit", attributes=[secret])] * 2)])
    payload = TracesData(resource_spans=[spans] * 3).SerializeToString()
    settings = EXPORTERS["debug"].model_validate({"verbosity": verbosity})
    with capture_logs() as lines:
        health = SimpleNamespace(problems=dict)
        context = Context("debug", Telemetry(), structlog.get_logger(), health, Deadline(10.0))
        async with settings.build(context) as debug:
            (request,) = debug.encode(Batch(Signal.TRACES, payload, 6)).requests
            assert request.items == 6
            assert await debug.send(request) == 0
    assert lines == [
        {
            "event": "batch",
            "log_level": "info",
            "signal": "traces",
            "items": 6,
            "bytes": len(payload),
            "resources": 3,
        }
    ]


def test_settings() -> None:
    """It takes every signal and the Collector's key."""
    assert DebugSettings().signals() == frozenset(Signal)
    assert DebugSettings().verbosity == "basic"
