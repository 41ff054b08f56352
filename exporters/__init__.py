"""Every exporter there is: the table of `exporters:` in the configuration, and other spellings of its names."""

from exporters.debug import DebugSettings
from exporters.file import FileSettings
from exporters.jaeger import JaegerSettings
from exporters.loki import LokiSettings
from exporters.otlp_grpc import OtlpGrpcExporterSettings
from exporters.otlp_http import OtlpHttpExporterSettings
from exporters.prometheus import PrometheusSettings
from exporters.prometheus_remote_write import PrometheusRemoteWriteSettings
from pipeline.component import ExporterSettings

__all__ = ["ALIASES", "EXPORTERS"]

EXPORTERS: dict[str, type[ExporterSettings]] = {
    "debug": DebugSettings,
    "file": FileSettings,
    "jaeger": JaegerSettings,
    "loki": LokiSettings,
    "otlp_grpc": OtlpGrpcExporterSettings,
    "otlp_http": OtlpHttpExporterSettings,
    "prometheus": PrometheusSettings,
    "prometheus_remote_write": PrometheusRemoteWriteSettings,
}

ALIASES: dict[str, str] = {
    "otlp": "otlp_grpc",
    "otlphttp": "otlp_http",
    "prometheusremotewrite": "prometheus_remote_write",
}
