"""The `jaeger` exporter: `otlp_grpc` with Jaeger's defaults. Jaeger takes OTLP since 1.35, and traces alone."""

from config.tls import ClientTls
from exporters.otlp_grpc import OtlpGrpcExporterSettings
from pipeline.batch import Signal

__all__ = ["JaegerSettings"]


class JaegerSettings(OtlpGrpcExporterSettings):
    """Settings of `jaeger`."""

    endpoint: str = "localhost:4317"
    """`host:port` of Jaeger's OTLP/gRPC port."""
    tls: ClientTls = ClientTls(insecure=True)
    """Plain text unless set: Jaeger listens without TLS by default."""

    def signals(self) -> frozenset[Signal]:
        return frozenset({Signal.TRACES})
