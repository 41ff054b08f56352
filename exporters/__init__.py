"""Every exporter there is: the table of `exporters:` in the configuration, and other spellings of its names."""

from exporters.jaeger import JaegerSettings
from exporters.otlp_grpc import OtlpGrpcExporterSettings
from exporters.otlp_http import OtlpHttpExporterSettings
from exporters.prometheus_remote_write import PrometheusRemoteWriteSettings
from pipeline.component import ExporterSettings

__all__ = ["ALIASES", "EXPORTERS"]

EXPORTERS: dict[str, type[ExporterSettings]] = {
    "jaeger": JaegerSettings,
    "otlp_grpc": OtlpGrpcExporterSettings,
    "otlp_http": OtlpHttpExporterSettings,
    "prometheus_remote_write": PrometheusRemoteWriteSettings,
}

ALIASES: dict[str, str] = {
    "otlp": "otlp_grpc",
    "otlphttp": "otlp_http",
    "prometheusremotewrite": "prometheus_remote_write",
}
