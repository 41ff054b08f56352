"""What the README says exists: commands, make targets, files, ports."""

import re
from pathlib import Path

from typer.testing import CliRunner

from pipeline.__main__ import app

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text()
COMMANDS = [line for block in re.findall(r"```console\n(.*?)```", README, re.DOTALL) for line in block.splitlines()]


def test_commands_exist() -> None:
    """Every `telescrub …` of the README is a command with the options it is given."""
    for line in COMMANDS:
        if match := re.match(r"\.venv/bin/telescrub (\w+)(.*)", line):
            shown = CliRunner().invoke(app, [match[1], "--help"])
            assert shown.exit_code == 0, line
            assert all(option in shown.output for option in re.findall(r"--\w+", match[2])), line


def test_make_targets_exist() -> None:
    """Every `make …` of the README is a target."""
    targets = re.findall(r"^([\w-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert set(re.findall(r"`?make ([\w-]+)`", README)) <= set(targets)


def test_links_lead_somewhere() -> None:
    """Every relative link is a file or folder."""
    for target in re.findall(r"\]\((?!http)([^)#]+)", README):
        assert (ROOT / target).exists(), target


def test_addresses_are_those_of_the_default_configuration() -> None:
    """The ports in the README are the ones the built-in configuration listens on."""
    default = (ROOT / "config" / "default.yaml").read_text()
    named = set(re.findall(r"localhost:(\d+)", "\n".join(line for line in COMMANDS if line.startswith("curl"))))
    assert named == {"13133", "8888", "4319"}
    assert all(f":{port}" in default for port in named)
