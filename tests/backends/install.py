"""Builds or installs the pinned real programs: ``python -m tests.backends.install [NAME …]``.

Every program gets a folder ``<name>-<version>`` in the cache directory (``$TELESCRUB_CACHE``, else
``~/.cache/telescrub``), made in a temporary folder beside it and then renamed, so a folder that is there is complete.
Go programs are built from small modules of our own (``tests/backends/<name>/go.mod``) rather than with
``go install package@version``: that refuses modules with ``replace`` lines, and ours carry a ``go.sum``, so every
source file is checked. A folder remembers the digest of the recipe it was made from; after a change of the recipe it
counts as not installed.

Only the standard library is used, so that this runs before anything else is installed.
"""

from __future__ import annotations

import argparse
import contextlib
import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

RECIPES = Path(__file__).resolve().parent
ERROR_LINES = 25
DIGEST_FILE = "recipe.sha256"


class InstallError(Exception):
    """A program could not be installed; the message is the end of what the failing tool said."""


@dataclass(frozen=True)
class Program:
    """One real program: what it is called, how it is made, and what of it is run."""

    name: str
    title: str
    version: str
    entry: str
    """The file that is run, relative to the program's folder."""
    make: Callable[[Program, Path], None]
    """Fills an empty folder with the program."""
    package: str = ""
    """Go: the main package. Debian: the package with its version pattern."""
    go_flags: tuple[str, ...] = ()
    version_variable: str = ""
    """Go: the string variable which the program reports as its version."""
    recipe_name: str = ""
    """The folder here that it is made from, where that is not its name."""

    @property
    def recipe(self) -> Path:
        return RECIPES / (self.recipe_name or self.name)

    @property
    def folder(self) -> Path:
        return cache_directory() / f"{self.name}-{self.version}"

    @property
    def label(self) -> str:
        return f"{self.name} {self.version}"


def cache_directory() -> Path:
    """Where the programs are kept: never inside the repository, because some are hundreds of megabytes."""
    chosen = os.environ.get("TELESCRUB_CACHE")
    return Path(chosen) if chosen else Path.home() / ".cache" / "telescrub"


def installed(name: str) -> Path | None:
    """The file to run for a program, or None when it is not installed or was made from another recipe."""
    program = PROGRAMS[name]
    with contextlib.suppress(OSError):
        if (program.folder / DIGEST_FILE).read_text() == recipe_digest(program):
            return program.folder / program.entry
    return None


def how_to_get(name: str) -> str:
    """One sentence for somebody whose test needs a program that is not there."""
    program = PROGRAMS[name]
    return f"{program.title} {program.version} is not installed: run `make backends`"


def recipe_digest(program: Program) -> str:
    """A digest of everything that decides what gets built: the program's table entry and its recipe folder."""
    settings = (program.name, program.version, program.package, program.go_flags, program.version_variable)
    digest = hashlib.sha256(repr(settings).encode())
    for path in sorted(path for path in program.recipe.glob("*") if path.is_file()):
        digest.update(path.name.encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()


def install(name: str) -> str:
    """Install one program unless it is there, and say in one line what was done.

    Raises:
        InstallError: a tool failed; the message has its last lines.
    """
    program = PROGRAMS[name]
    with locked(program):
        if installed(name):
            return f"{program.label}: already there"
        print(f"{program.label}: installing …", file=sys.stderr, flush=True)
        start = time.monotonic()
        with tempfile.TemporaryDirectory(dir=cache_directory(), prefix=f".{name}-", ignore_cleanup_errors=True) as temp:
            made = Path(temp) / "made"
            made.mkdir()
            program.make(program, made)
            if not (made / program.entry).is_file():
                raise InstallError(f"the installation has no file {program.entry}")
            (made / DIGEST_FILE).write_text(recipe_digest(program))
            if program.folder.exists():
                program.folder.rename(Path(temp) / "outdated")
            made.rename(program.folder)
        return f"{program.label}: installed in {time.monotonic() - start:.0f} s"


@contextlib.contextmanager
def locked(program: Program) -> Iterator[None]:
    """Let one process at a time install a program; the second one waits and then finds it there."""
    cache_directory().mkdir(parents=True, exist_ok=True)
    with (cache_directory() / f"{program.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def run(command: Sequence[str | Path], *, cwd: Path, env: dict[str, str] | None = None) -> None:
    """Run a tool quietly.

    Raises:
        InstallError: the tool is missing or failed.
    """
    if not shutil.which(command[0]):
        raise InstallError(f"the command {command[0]} was not found")
    done = subprocess.run(
        command,
        cwd=cwd,
        env=os.environ | (env or {}),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        check=False,
    )
    if done.returncode:
        ending = "\n".join(done.stdout.splitlines()[-ERROR_LINES:])
        raise InstallError(f"`{' '.join(map(str, command))}` ended with exit code {done.returncode}:\n{ending}")


# CGO off: no C compiler is needed and the result runs on any libc. -buildvcs off: the modules are no checkouts.
GO_ENVIRONMENT = {"CGO_ENABLED": "0", "GOFLAGS": "-buildvcs=false", "GOWORK": "off"}


def go_build(package: str, output: Path, *, cwd: Path, flags: Sequence[str] = (), linker_flags: str = "-s -w") -> None:
    """Build one main package from the module in ``cwd``, with exactly the versions its go.mod and go.sum name."""
    command: list[str | Path] = [
        "go",
        "build",
        "-mod=readonly",
        "-trimpath",
        *flags,
        "-ldflags",
        linker_flags,
        "-o",
        output,
        package,
    ]
    run(command, cwd=cwd, env=GO_ENVIRONMENT)


def make_go_program(program: Program, folder: Path) -> None:
    """Build the main package of our wrapper module."""
    linker_flags = "-s -w"
    if program.version_variable:
        linker_flags += f" -X {program.version_variable}={program.version}"
    output = folder / program.entry
    go_build(program.package, output, cwd=program.recipe, flags=program.go_flags, linker_flags=linker_flags)


def make_collector(program: Program, folder: Path) -> None:
    """Generate the Collector's main package with its own builder, then build it with the versions of our go.sum."""
    with tempfile.TemporaryDirectory(dir=folder.parent) as temp:
        work = Path(temp)
        builder = work / "builder"
        go_build("go.opentelemetry.io/collector/cmd/builder", builder, cwd=program.recipe)
        manifest = program.recipe / "manifest.yaml"
        generate: list[str | Path] = [builder, "--skip-get-modules", "--skip-compilation", f"--config={manifest}"]
        run(generate, cwd=work, env=GO_ENVIRONMENT | {"TMPDIR": temp})  # It leaves a temporary folder behind.
        for name in ("go.mod", "go.sum"):
            shutil.copy(program.recipe / name, work / "generated" / name)
        go_build(program.package, folder / program.entry, cwd=work / "generated")


def make_debian_program(program: Program, folder: Path) -> None:
    """Unpack a Debian package without installing it: it depends on nothing but libc and on scripts we do not run."""
    with tempfile.TemporaryDirectory(dir=folder.parent) as temp:
        work = Path(temp)
        # Run by root, apt downloads as a user of its own, who may not write into our folder.
        download = ["apt-get", "-o", "APT::Sandbox::User=root", "download", program.package]
        try:
            run(download, cwd=work)
        except InstallError:
            run(["apt-get", "update"], cwd=work)
            run(download, cwd=work)
        (package,) = work.glob("*.deb")
        run(["dpkg-deb", "-x", package, folder], cwd=work)


def make_node_program(program: Program, folder: Path) -> None:
    """Install exactly the lock file's packages, beside a copy of our script."""
    for path in program.recipe.glob("*"):
        if path.is_file():
            shutil.copy(path, folder)
    run(["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund"], cwd=folder)


# In the order in which they are installed: what most tests need first.
PROGRAMS = {
    program.name: program
    for program in (
        Program(
            name="prometheus-debian",
            title="Prometheus (Debian's)",
            version="2.42",
            entry="usr/bin/prometheus",
            make=make_debian_program,
            package="prometheus=2.42.*",
        ),
        Program(
            name="node-otlp",
            title="The OpenTelemetry JavaScript SDK",
            version="0.223.0",
            entry="send.mjs",
            make=make_node_program,
            recipe_name="node",
        ),
        Program(
            name="telemetrygen",
            title="telemetrygen",
            version="0.160.0",
            entry="telemetrygen",
            make=make_go_program,
            package="github.com/open-telemetry/opentelemetry-collector-contrib/cmd/telemetrygen",
        ),
        Program(
            name="prometheus",
            title="Prometheus",
            version="3.14.0",
            entry="prometheus",
            make=make_go_program,
            package="github.com/prometheus/prometheus/cmd/prometheus",
            # Leaves out the service discoveries and with them the SDKs of every cloud: a fraction of the build time.
            go_flags=("-tags", "remove_all_sd"),
            version_variable="github.com/prometheus/common/version.Version",
        ),
        Program(
            name="jaeger",
            title="Jaeger",
            version="2.13.0",
            entry="jaeger",
            make=make_go_program,
            package="github.com/jaegertracing/jaeger/cmd/jaeger",
            version_variable="github.com/jaegertracing/jaeger/internal/version.latestVersion",
        ),
        Program(
            name="loki",
            title="Loki",
            version="3.7.6",
            entry="loki",
            make=make_go_program,
            package="github.com/grafana/loki/v3/cmd/loki",
            version_variable="github.com/grafana/loki/v3/pkg/util/build.Version",
        ),
        Program(
            name="otelcol",
            title="The OpenTelemetry Collector",
            version="0.159.0",
            entry="otelcol",
            make=make_collector,
            package=".",
        ),
    )
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Install the named programs, or all; the exit code is 1 when one of them failed."""
    parser = argparse.ArgumentParser(prog="python -m tests.backends.install", description=main.__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"{', '.join(PROGRAMS)}; all, when none is named")
    names = parser.parse_args(arguments).names or list(PROGRAMS)
    if unknown := [name for name in names if name not in PROGRAMS]:
        parser.error(f"unknown program {', '.join(unknown)}; valid are {', '.join(PROGRAMS)}")
    os.nice(10)  # Builds take minutes on every core; whoever works on the machine goes first.
    failed = []
    for name in names:
        try:
            print(install(name), flush=True)
        except (InstallError, OSError) as error:
            failed.append(name)
            print(f"{PROGRAMS[name].label}: FAILED: {error}", flush=True)
    if failed:
        print(f"not installed: {', '.join(failed)}", flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
