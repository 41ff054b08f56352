"""What groups of commands do, `telescrub queue` and others; `pipeline/__main__.py` puts them together."""
