"""Every connector there is: the table of `connectors:` in the configuration, and other spellings of its names."""

from pipeline.component import ConnectorSettings

__all__ = ["ALIASES", "CONNECTORS"]

CONNECTORS: dict[str, type[ConnectorSettings]] = {}

ALIASES: dict[str, str] = {}
