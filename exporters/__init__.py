"""Every exporter there is: the table of `exporters:` in the configuration, and other spellings of its names."""

from pipeline.component import ExporterSettings

__all__ = ["ALIASES", "EXPORTERS"]

EXPORTERS: dict[str, type[ExporterSettings]] = {}

ALIASES: dict[str, str] = {}
