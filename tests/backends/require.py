"""What a test does when a real program it needs is not installed: skip and say how to get it, or fail where it must be.

On a developer's machine a missing program must not get in the way; where the whole suite has to run,
``REQUIRE_BACKENDS=1`` keeps a test from passing silently by not running.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.backends.install import how_to_get, installed


def backend(name: str) -> Path:
    """The file to run for a program of ``install.PROGRAMS``; without it the calling test is skipped, or fails."""
    path = installed(name)
    if path is not None:
        return path
    if os.environ.get("REQUIRE_BACKENDS") == "1":
        pytest.fail(how_to_get(name))
    pytest.skip(how_to_get(name))
