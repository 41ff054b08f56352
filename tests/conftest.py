"""Shared by all tests: with TELESCRUB_UNCOMPILED=1 the kernels of wire/ are imported as Python even where they are
compiled.
"""

import os
import sys
from importlib.machinery import SOURCE_SUFFIXES, FileFinder, SourceFileLoader
from pathlib import Path

import pytest

from tests.receivers.tls import Certificates

_WIRE = Path(__file__).parent.parent / "wire"


def _source_of_wire_alone(path: str) -> FileFinder:
    if Path(path) != _WIRE:
        raise ImportError("another folder")
    return FileFinder(path, (SourceFileLoader, SOURCE_SUFFIXES))


if os.environ.get("TELESCRUB_UNCOMPILED") == "1":
    sys.path_hooks.insert(0, _source_of_wire_alone)
    sys.path_importer_cache.clear()


@pytest.fixture(scope="session")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    """Certificates of an authority of the tests' own."""
    return Certificates(tmp_path_factory.mktemp("certificates"))
