"""`python -m tests.fuzz.guided --seconds 60`: every target led by coverage, with atheris, so many seconds each.

Python code is instrumented; the kernels of `wire/` only where TELESCRUB_UNCOMPILED=1 keeps them Python, and what
libraries have compiled (protobuf, the pattern engine, gRPC) is not. Messages are changed field by field, everything
else as libFuzzer does it. Exit code 1 if anything failed; its input is in the folder that is printed.
"""

import argparse
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from random import Random

_PACKAGES = ("audit", "config", "exporters", "pipeline", "processors", "receivers", "wire")
_SEEDS = 300
_SERVERS = ("http", "grpc")


def main() -> int:
    """Run each target in a process of its own: libFuzzer ends the process that it runs in."""
    options = argparse.ArgumentParser(prog="python -m tests.fuzz.guided", description=__doc__)
    options.add_argument("--seconds", type=int, default=60, help="for each target")
    options.add_argument("--target", action="append", help="only these; again for more")
    options.add_argument("--corpus", type=Path, default=Path(tempfile.gettempdir()) / "telescrub-fuzz-guided")
    options.add_argument("--within", help=argparse.SUPPRESS)
    chosen = options.parse_args()
    if chosen.within:
        _fuzz(chosen.within, chosen.corpus / chosen.within, chosen.seconds)
    from tests.fuzz.targets import TARGETS

    os.nice(10)
    failed = [
        name
        for name in chosen.target or [each for each in TARGETS if each not in _SERVERS]
        if _run(name, chosen.corpus, chosen.seconds)
    ]
    print(f"failed: {', '.join(failed) or 'none'}; inputs are in {chosen.corpus}")
    return int(bool(failed))


def _run(name: str, corpus: Path, seconds: int) -> bool:
    command = [sys.executable, "-m", "tests.fuzz.guided", "--within", name]
    command += ["--seconds", str(seconds), "--corpus", str(corpus)]
    ended = subprocess.run(command, capture_output=True, text=True, errors="replace", check=False)
    lines = ended.stderr.splitlines()
    last = next((line for line in reversed(lines) if line.startswith("#") and "cov:" in line), "no line was reached")
    units = next((line.rpartition(" ")[2] for line in lines if "number_of_executed_units" in line), "?")
    print(f"{name:20} {units:>9} inputs; {last[:90]}", flush=True)
    if ended.returncode:
        print("\n".join(lines[-40:]), flush=True)
    return ended.returncode != 0


def _fuzz(name: str, corpus: Path, seconds: int) -> None:
    """Never returns."""
    import atheris  # type: ignore[import-untyped]

    import tests.conftest  # The kernels as Python, if asked for.

    assert tests.conftest
    with atheris.instrument_imports(include=list(_PACKAGES)):
        from tests.fuzz.targets import TARGETS
    target = TARGETS[name]
    corpus.mkdir(parents=True, exist_ok=True)
    for number in range(_SEEDS):
        if len(data := target.make(Random(number))) < 2**14:
            (corpus / f"seed-{number}").write_bytes(data)
    check = target.open()

    def one(data: bytes) -> None:
        check(data)

    flags = [
        f"-max_total_time={seconds}",
        "-timeout=10",
        "-rss_limit_mb=3000",
        "-max_len=32768",
        "-print_final_stats=1",
    ]
    atheris.Setup(
        [name, *flags, f"-artifact_prefix={corpus.parent}/{name}-", str(corpus)],
        one,
        **({"custom_mutator": _change} if target.make in _messages() else {}),
    )
    atheris.Fuzz()


def _messages() -> list[object]:
    """How inputs are made that are OTLP, the first byte aside."""
    from tests.fuzz import exporting, processing
    from tests.fuzz.target import request

    return [request, processing._metrics, exporting._metrics, exporting._logs]


def _change(data: bytes, most: int, seed: int) -> bytes:
    from tests.fuzz.messages import message
    from tests.fuzz.mutate import damaged, mutated
    from tests.fuzz.target import signal_of
    from tests.fuzz.trees import read
    from wire import schema

    random, signal = Random(seed), signal_of(data)
    try:
        tree = read(data[1:], schema.ROOT[signal])
    except (ValueError, IndexError, RecursionError):
        return damaged(random, data)[:most]
    changed = data[:1] + mutated(random, tree, message(random, signal))
    return changed if len(changed) <= most else damaged(random, data)[:most]


if __name__ == "__main__":
    sys.exit(main())
