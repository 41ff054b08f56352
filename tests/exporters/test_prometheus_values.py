"""What points say, where they say it in a strange way."""

import math

import pytest
from opentelemetry.proto.metrics.v1.metrics_pb2 import ExponentialHistogramDataPoint

from exporters.prometheus_values import VALUES, Buckets
from wire.prometheus_names import Kind


@pytest.mark.parametrize("scale", [-(2**31), -1000, -12, -11])
def test_the_coarsest_scales(scale: int) -> None:
    """From -11 on, the bucket above 1 has no end: one point of scale -2^31 took seconds and 256 MiB."""
    point = ExponentialHistogramDataPoint(scale=scale, count=5)
    point.positive.offset = -1
    point.positive.bucket_counts.extend([2, 3])
    value = VALUES[Kind.EXPONENTIAL_HISTOGRAM](point)
    assert isinstance(value, Buckets)
    assert [pair for pair in zip(value.bounds, value.totals, strict=True) if pair[0] > 0] == [(1.0, 2)]
    assert value.count == 5


def test_the_finest_scale() -> None:
    """All buckets are one."""
    point = ExponentialHistogramDataPoint(scale=2**31 - 1, count=5)
    point.positive.offset = -(2**31)
    point.positive.bucket_counts.extend([5])
    value = VALUES[Kind.EXPONENTIAL_HISTOGRAM](point)
    assert isinstance(value, Buckets)
    assert (value.totals[-1], math.inf in value.bounds) == (5, False)
