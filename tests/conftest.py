"""Shared by all tests: with TELESCRUB_UNCOMPILED=1 the kernels of wire/ are imported as Python even where they are
compiled.
"""

import os
import sys
from collections.abc import Iterator
from importlib.machinery import SOURCE_SUFFIXES, FileFinder, SourceFileLoader
from itertools import count
from pathlib import Path

import pytest
from blockbuster import blockbuster_ctx
from hypothesis import settings

from tests.receivers.tls import Certificates

# No test asserts on time. The gate tries the same examples each time; by hand, every run searches further.
settings.register_profile("search", deadline=None)
settings.register_profile("gate", deadline=None, derandomize=True)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "search"))

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


_runs = count()


@pytest.fixture(scope="session")
def data_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("data")


@pytest.fixture(autouse=True)
def data_of_its_own(data_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a daemon keeps on disk unless it is told where: no test finds what another left there."""
    monkeypatch.setenv("TELESCRUB_DATA_DIR", str(data_folder / str(next(_runs))))


@pytest.fixture(autouse=True)
def nothing_blocks(request: pytest.FixtureRequest) -> Iterator[None]:
    """A test whose code blocks the event loop, on a file, a socket or a sleep, fails."""
    if request.node.get_closest_marker("end_to_end"):
        yield
        return
    with blockbuster_ctx(["receivers", "processors", "exporters", "extensions", "pipeline"]) as found:
        # gRPC takes locks of its own when it is collected, whoever happens to run then.
        for name in ("threading.Lock.acquire", "threading.Lock.acquire_lock"):
            found.functions[name].deactivate()
        yield
