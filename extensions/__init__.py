"""Every extension there is: the table of `extensions:` in the configuration, and other spellings of its names."""

from extensions.health_check import HealthCheckSettings
from pipeline.component import ExtensionSettings

__all__ = ["ALIASES", "EXTENSIONS"]

EXTENSIONS: dict[str, type[ExtensionSettings]] = {
    "health_check": HealthCheckSettings,
}

ALIASES: dict[str, str] = {}
