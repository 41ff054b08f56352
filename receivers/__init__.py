"""Every receiver there is: the table of `receivers:` in the configuration, and other spellings of its names."""

from pipeline.component import ReceiverSettings

__all__ = ["ALIASES", "RECEIVERS"]

RECEIVERS: dict[str, type[ReceiverSettings]] = {}

ALIASES: dict[str, str] = {}
