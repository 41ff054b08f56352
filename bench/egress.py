"""What the egress check costs: against making the same requests, for clean batches.

python -m bench.egress
"""

from collections.abc import Mapping
from functools import partial

import structlog
from opentelemetry.proto.metrics.v1.metrics_pb2 import MetricsData

from bench.payloads import logs, spans
from bench.redaction import microseconds
from exporters.loki import LokiSettings
from exporters.otlp_grpc import OtlpGrpcExporterSettings
from exporters.prometheus_remote_write import PrometheusRemoteWriteSettings
from pipeline.batch import Batch, Signal
from pipeline.component import Context, Encoded, ExporterSettings, Inspector
from pipeline.deadline import Deadline
from pipeline.telemetry import Telemetry
from processors.redact_phi import RedactPhiSettings

_ITEMS = 512


class _Healthy:
    def problems(self) -> Mapping[str, str]:
        return {}


def points(count: int) -> bytes:
    """A metrics payload of as many series of one gauge, with four labels each."""
    data = MetricsData()
    metric = data.resource_metrics.add().scope_metrics.add().metrics.add(name="http.server.active_requests")
    for number in range(count):
        point = metric.gauge.data_points.add(time_unix_nano=10**18, as_double=1.0)
        route = f"/wards/{number}/beds"
        for key, value in {"http.request.method": "GET", "http.route": route, "zone": "a", "pod": "api-7"}.items():
            point.attributes.add(key=key).value.string_value = value
    return data.SerializeToString()


def _checked(settings: ExporterSettings, inspector: Inspector, encoded: Encoded) -> None:
    assert not any(inspector.findings(settings.content(request)) for request in encoded.requests)


def main() -> None:
    """Print the table."""
    context = Context("bench", Telemetry(), structlog.get_logger(), _Healthy(), Deadline(1.0))
    redact, inspector = RedactPhiSettings().build(context), RedactPhiSettings().inspector()
    print("µs of CPU per item: making the request, and looking at it once more (egress_check)")
    batches = {
        "otlp_grpc, clean spans": (OtlpGrpcExporterSettings(endpoint="localhost:1"), Signal.TRACES, spans(_ITEMS)),
        "loki, redacted nested JSON": (
            LokiSettings.model_validate({"endpoint": "http://localhost", "limits": {"reject_old_samples_max_age": 0}}),
            Signal.LOGS,
            logs(_ITEMS),
        ),
        "prometheus_remote_write, series": (
            PrometheusRemoteWriteSettings(endpoint="http://localhost/w"),
            Signal.METRICS,
            points(_ITEMS),
        ),
    }
    for name, (settings, signal, payload) in batches.items():
        batch = redact.process(Batch(signal, payload, _ITEMS))
        assert batch is not None
        encoded = settings.build(context).encode(batch)
        make = microseconds(lambda own=settings, what=batch: own.build(context).encode(what), _ITEMS)  # type: ignore[misc]
        check = microseconds(partial(_checked, settings, inspector, encoded), _ITEMS)
        print(f"{make:8.2f} {check:8.2f}  {name}")


if __name__ == "__main__":
    main()
