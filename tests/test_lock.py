"""The lock files that the image is installed from: they agree with pyproject.toml, and every file has a hash."""

import re
import tomllib
from importlib.metadata import PackageNotFoundError, requires
from pathlib import Path
from typing import NamedTuple

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
NEEDED = {
    "requirements.lock": PROJECT["project"]["dependencies"],
    "requirements-build.lock": PROJECT["build-system"]["requires"],
}
IMAGE = {"python_version": "3.13", "python_full_version": "3.13.0", "sys_platform": "linux", "platform_system": "Linux"}


class Pin(NamedTuple):
    version: str
    hashes: int


def pins(name: str) -> dict[str, Pin]:
    """The packages of a lock file."""
    text = (ROOT / name).read_text().replace("\\\n", " ")
    found = {}
    for line in text.splitlines():
        match = re.fullmatch(r"([a-z0-9.-]+)==(\S+)( ; [^#]*?)?((?: +--hash=sha256:[0-9a-f]{64})+)", line)
        assert match is not None, f"{name} has a line that pins nothing: {line[:80]}"
        found[match[1]] = Pin(match[2], match[4].count("--hash"))
    return found


@pytest.mark.parametrize("name", NEEDED)
def test_it_agrees_with_the_project(name: str) -> None:
    """Every dependency is there in a version that is asked for; after a change: `make lock`."""
    pinned = pins(name)
    for requirement in map(Requirement, NEEDED[name]):
        pin = pinned.get(canonicalize_name(requirement.name))
        assert pin is not None, f"{requirement.name} is not in {name}; run `make lock`"
        assert requirement.specifier.contains(pin.version), f"{requirement} is {pin.version} in {name}; run `make lock`"


def test_it_is_complete() -> None:
    """What dependencies need themselves is there, too, in versions that they take."""
    pinned = pins("requirements.lock")
    waiting, seen = [Requirement(each) for each in NEEDED["requirements.lock"]], set()
    while waiting:
        asked = waiting.pop()
        key = (asked.name, frozenset(asked.extras))
        if key in seen:
            continue
        seen.add(key)
        for needed in map(Requirement, _requires(asked.name)):
            wanted = [
                needed.marker is None or needed.marker.evaluate(IMAGE | {"extra": extra})
                for extra in ("", *asked.extras)
            ]
            if any(wanted):
                assert needed.specifier.contains(pinned[canonicalize_name(needed.name)].version), str(needed)
                waiting.append(needed)


def _requires(name: str) -> list[str]:
    try:
        return requires(name) or []
    except PackageNotFoundError:
        # Of another platform or Python.
        return []


@pytest.mark.parametrize("name", NEEDED)
def test_no_address(name: str) -> None:
    """Where packages come from is the business of who builds: no registry is named."""
    assert "://" not in (ROOT / name).read_text()


def test_the_image_takes_nothing_else() -> None:
    """Every installation in the Dockerfile is by hashes, or from what was downloaded by them."""
    text = (ROOT / "Dockerfile").read_text().replace("\\\n", " ")
    commands = re.findall(r"pip (?:wheel|install)[^&\n]*", text)
    assert len(commands) == 4
    assert all("--require-hashes" in command or "--no-index" in command for command in commands)
