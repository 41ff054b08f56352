"""Trying rules out before they count: `telescrub test` and `telescrub redact`, with the daemon's own engine."""
