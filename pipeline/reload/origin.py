"""Where a running daemon's configuration comes from, so that it can be read again."""

import hashlib
import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import cast

from config.catalogue import Catalogue
from config.load import Source, load
from config.model import Config
from pipeline.component import ProcessorSettings

__all__ = ["Origin"]


class Origin:
    """The sources of a configuration, asked for anew each time. All methods read files, and belong into a thread."""

    def __init__(self, sources: Callable[[], Sequence[Path | Source]], catalogue: Catalogue) -> None:
        self.sources, self.catalogue = sources, catalogue

    def load(self) -> Config:
        """The configuration as it is now. Raises: `ConfigError`."""
        return self.candidate(self.sources())

    def candidate(self, sources: Sequence[Path | Source]) -> Config:
        """Another configuration, in this process's environment. Raises: `ConfigError`."""
        return load(list(sources), self.catalogue, os.environ)

    def digest(self, config: Config) -> bytes:
        """Of the content of all files that the sources and the rules of `config` are read from; symlinks, which
        Kubernetes exchanges, are followed.
        """
        found = hashlib.sha256()
        for path in self.files(config):
            try:
                content = path.read_bytes()
            except OSError:
                content = b""
            found.update(hashlib.sha256(content).digest())
        return found.digest()

    def files(self, config: Config) -> Iterator[Path]:
        """Those files, in the order in which they are read."""
        yield from (each for each in self.sources() if isinstance(each, Path))
        for settings in config.processors.values():
            yield from cast(ProcessorSettings, settings).files()
