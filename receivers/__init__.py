"""Every receiver there is: the table of `receivers:` in the configuration, and other spellings of its names."""

from pipeline.component import ReceiverSettings
from receivers.json_logs import JsonLogsSettings
from receivers.otlp import OtlpSettings

__all__ = ["ALIASES", "RECEIVERS"]

RECEIVERS: dict[str, type[ReceiverSettings]] = {
    "json_logs": JsonLogsSettings,
    "otlp": OtlpSettings,
}

ALIASES: dict[str, str] = {}
