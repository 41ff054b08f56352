"""`resource` does the actions of `attributes` on resources."""

import pytest
from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord
from opentelemetry.proto.metrics.v1.metrics_pb2 import Metric
from opentelemetry.proto.trace.v1.trace_pb2 import Span
from pydantic import ValidationError

from pipeline.batch import Batch
from processors.resource import Resource, ResourceSettings
from tests.payloads import context, logs, metrics, pairs, traces


def resource(*attributes: dict[str, object]) -> Resource:
    return ResourceSettings.model_validate({"attributes": attributes}).build(context("resource"))


def gauge() -> Metric:
    metric = Metric(name="m")
    metric.gauge.data_points.add(as_int=1)
    return metric


BEFORE = {"host.name": "node-1", "env": "old"}
AFTER = {"env": "new", "host": "node-1"}


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (traces([Span(attributes=pairs(BEFORE))], BEFORE), traces([Span(attributes=pairs(BEFORE))], AFTER)),
        (logs([LogRecord(attributes=pairs(BEFORE))], BEFORE), logs([LogRecord(attributes=pairs(BEFORE))], AFTER)),
        (metrics([gauge()], [gauge()], resource=BEFORE), metrics([gauge()], [gauge()], resource=AFTER)),
    ],
)
def test_only_resources_change(before: Batch, after: Batch) -> None:
    """In every signal and envelope; items keep their attributes."""
    tested = resource(
        {"key": "env", "action": "upsert", "value": "new"},
        {"key": "host", "action": "insert", "from_attribute": "host.name"},
        {"key": "host.name", "action": "delete"},
    )
    assert tested.process(before) == after


def test_a_missing_resource_gets_one() -> None:
    """Inserting makes the message."""
    assert resource({"key": "env", "action": "insert", "value": "x"}).process(logs([LogRecord()])) == logs(
        [LogRecord()], {"env": "x"}
    )


def test_no_change_passes_the_same_batch() -> None:
    """Nothing is encoded anew."""
    batch = traces([Span()], {"env": "x"})
    assert resource({"key": "env", "action": "insert", "value": "y"}).process(batch) is batch


def test_no_actions_are_refused() -> None:
    """An empty list does nothing, so it is a mistake."""
    with pytest.raises(ValidationError):
        ResourceSettings.model_validate({"attributes": []})
