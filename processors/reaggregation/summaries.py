"""Summaries: count and sum. Quantiles of several cannot be told from the quantiles of each."""

from typing import Any, NamedTuple

from opentelemetry.proto.metrics.v1.metrics_pb2 import SummaryDataPoint

__all__ = ["Summary", "added", "fields", "grown", "read", "zero"]

_MAX_COUNT = 2**64 - 1


class Summary(NamedTuple):
    """What can be added up of a summary."""

    observed: int
    sum: float


def read(point: bytes) -> Summary:
    """The value of a serialized SummaryDataPoint."""
    message: Any = SummaryDataPoint.FromString(point)
    return Summary(message.count, message.sum)


def grown(value: Summary, last: Summary) -> Summary | None:
    """What came since `last`; None if the summary began anew."""
    return Summary(value.observed - last.observed, value.sum - last.sum) if value.observed >= last.observed else None


def added(total: Summary, growth: Summary) -> Summary | None:
    """Both; None if the count overflows."""
    count = total.observed + growth.observed
    return Summary(count, total.sum + growth.sum) if count <= _MAX_COUNT else None


def fields(value: Summary) -> bytes:
    """The value as fields of a SummaryDataPoint."""
    return SummaryDataPoint(count=value.observed, sum=value.sum).SerializeToString()


def zero(_: Summary) -> Summary:
    """The summary of nothing."""
    return Summary(0, 0.0)
