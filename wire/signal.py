"""The three kinds of telemetry, and the words for what they are counted in."""

from enum import StrEnum

__all__ = ["Signal"]


class Signal(StrEnum):
    """One of OTLP's signals; its value is the key of `service.pipelines` and the last part of `/v1/<signal>`."""

    TRACES = "traces"
    METRICS = "metrics"
    LOGS = "logs"

    @property
    def items(self) -> str:
        """What one item is called in the Collector's self-metrics."""
        return {"traces": "spans", "metrics": "metric_points", "logs": "log_records"}[self.value]

    @property
    def service(self) -> str:
        """The gRPC service that takes it (OTLP 1.11, OTLP/gRPC)."""
        name = {
            "traces": "trace.v1.TraceService",
            "metrics": "metrics.v1.MetricsService",
            "logs": "logs.v1.LogsService",
        }
        return f"opentelemetry.proto.collector.{name[self.value]}"

    @property
    def method(self) -> str:
        """The full name of that service's one method."""
        return f"/{self.service}/Export"
