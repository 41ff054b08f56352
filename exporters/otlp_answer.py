"""What OTLP destinations answer, over gRPC and HTTP alike: how many items they rejected."""

from google.protobuf.json_format import Parse, ParseError
from google.protobuf.message import DecodeError, Message
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceResponse
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceResponse
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse

from pipeline.batch import Signal

__all__ = ["rejected_items"]

_RESPONSES: dict[Signal, tuple[type[Message], str]] = {
    Signal.TRACES: (ExportTraceServiceResponse, "rejected_spans"),
    Signal.METRICS: (ExportMetricsServiceResponse, "rejected_data_points"),
    Signal.LOGS: (ExportLogsServiceResponse, "rejected_log_records"),
}


def rejected_items(signal: Signal, body: bytes, *, is_json: bool = False) -> int:
    """Items a destination did not keep although it answered OK (`partial_success`). Its `error_message` may quote data
    and is not read.

    An empty or unreadable answer means none: 2xx alone says that the data was taken.
    """
    message, field = _RESPONSES[signal]
    try:
        response = Parse(body, message(), ignore_unknown_fields=True) if is_json else message.FromString(body)
    except (DecodeError, ParseError, ValueError, RecursionError):
        # Of JSON: what is not UTF-8, and what is nested deeply.
        return 0
    return max(int(getattr(response.partial_success, field)), 0)  # type: ignore[attr-defined]
