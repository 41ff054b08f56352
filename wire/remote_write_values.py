"""What points have in common on their way to Prometheus: special values, and the reasons to leave a point out."""

import struct
from enum import StrEnum

from opentelemetry.proto.metrics.v1.metrics_pb2 import DataPointFlags

__all__ = ["NAN", "NO_RECORDED_VALUE", "STALE", "Reason", "Unfit", "ordinary", "start_time"]

(NAN,) = struct.unpack("<d", struct.pack("<Q", 0x7FF8000000000001))
"""What every NaN of a payload is sent as: the one bit pattern that Prometheus takes for an ordinary NaN."""

(STALE,) = struct.unpack("<d", struct.pack("<Q", 0x7FF0000000000002))
"""The stale marker. A signalling NaN: any arithmetic on it makes it an ordinary one, so it is only ever handed on."""

NO_RECORDED_VALUE: int = DataPointFlags.DATA_POINT_FLAGS_NO_RECORDED_VALUE_MASK


class Reason(StrEnum):
    """Why a data point was dropped; the values of the label `reason`."""

    DELTA_TEMPORALITY = "delta_temporality"
    DUPLICATE = "duplicate"
    INVALID_LABEL = "invalid_label"
    INVALID_NAME = "invalid_name"
    MALFORMED_POINT = "malformed_point"
    NO_SUM = "no_sum"
    NO_TIMESTAMP = "no_timestamp"
    NO_VALUE = "no_value"
    OUT_OF_ORDER = "out_of_order"
    SCALE_TOO_COARSE = "scale_too_coarse"
    TYPE_CONFLICT = "type_conflict"
    UNSPECIFIED_TEMPORALITY = "unspecified_temporality"


class Unfit(Exception):
    """A data point or a whole metric that remote-write cannot carry."""

    def __init__(self, reason: Reason) -> None:
        super().__init__(reason.value)
        self.reason = reason


def ordinary(value: float) -> float:
    """The value; for any NaN the one that is no stale marker."""
    return value if value == value else NAN


def start_time(nanoseconds: int, milliseconds: int) -> int:
    """The start of a point that ends at `milliseconds`, in milliseconds; 0 where it is not known.

    OTLP has the start at the point's own time where the true one is not known (metrics data model, Resets and Gaps).
    """
    start = nanoseconds // 1_000_000
    return start if start < milliseconds else 0
