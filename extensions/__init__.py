"""Every extension there is: the table of `extensions:` in the configuration, and other spellings of its names."""

from pipeline.component import ExtensionSettings

__all__ = ["ALIASES", "EXTENSIONS"]

EXTENSIONS: dict[str, type[ExtensionSettings]] = {}

ALIASES: dict[str, str] = {}
