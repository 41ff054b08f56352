"""Finding deltas."""

import pytest
from opentelemetry.proto.metrics.v1.metrics_pb2 import Metric

from processors.reaggregation.temporality import has_deltas
from tests.payloads import metrics, pairs


@pytest.mark.parametrize("kind", ["sum", "histogram", "exponential_histogram"])
def test_wherever_they_stand(kind: str) -> None:
    """In any metric of a payload that has a temporality; data points do not matter."""
    gauge, total, delta = Metric(name="g"), Metric(name="t"), Metric(name="d")
    gauge.gauge.data_points.add(as_int=1, time_unix_nano=1, attributes=pairs({"a": 1}))
    for metric, temporality in ((total, 2), (delta, 1)):
        data = getattr(metric, kind)
        data.aggregation_temporality = temporality
        data.data_points.add(time_unix_nano=1, attributes=pairs({"a": 1}))
    assert not has_deltas(metrics([gauge, total], [Metric()]).payload)
    assert has_deltas(metrics([gauge], [total, delta]).payload)
