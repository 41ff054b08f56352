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
