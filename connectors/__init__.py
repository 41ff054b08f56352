"""Every connector there is: the table of `connectors:` in the configuration, and other spellings of its names."""

from connectors.forward import ForwardSettings
from pipeline.component import ConnectorSettings

__all__ = ["ALIASES", "CONNECTORS"]

CONNECTORS: dict[str, type[ConnectorSettings]] = {"forward": ForwardSettings}

ALIASES: dict[str, str] = {}
