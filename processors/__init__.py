"""Every processor there is: the table of `processors:` in the configuration, and other spellings of its names."""

from pipeline.component import ProcessorSettings

__all__ = ["ALIASES", "PROCESSORS"]

PROCESSORS: dict[str, type[ProcessorSettings]] = {}

ALIASES: dict[str, str] = {}
