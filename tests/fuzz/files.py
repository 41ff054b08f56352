"""Files that others may have written into: configurations, the audit ledger, what processors remember."""

import atexit
import shutil
import tempfile
from contextlib import suppress
from pathlib import Path
from random import Random

from audit.anchors import anchors_in
from audit.report import Format, report
from audit.verify import verify
from config.errors import ConfigError
from config.load import Source, load
from pipeline.__main__ import catalogue
from pipeline.state import StateFile
from tests.audit.ledgers import KEY, written
from tests.fuzz import words
from tests.fuzz.mutate import damaged
from tests.fuzz.target import Check, Target, must
from tests.fuzz.watch import Log, context

__all__ = ["FILES"]

_ROOT = Path(__file__).parent.parent.parent
_CONFIGS = [
    path.read_text()
    for path in (_ROOT / "config" / "default.yaml", *sorted((_ROOT / "config" / "examples").glob("*.yaml")))
]
_SCALARS = (
    *("~", "yes", "012", "0x1F", "1e999", ".nan", "-.inf", "12:30", "${env:SECRET}", "${env:NONE}", "${env:SECRET:-x}"),
    *(
        "${file:/proc/self/mem}",
        "${file:.}",
        "${",
        "$$",
        "${env:}",
        "!!python/object:os.system x",
        "*anchor",
        "&anchor x",
    ),
    *(
        "<<: *anchor",
        "[]",
        "{}",
        "|\n  x",
        "1s",
        "-1s",
        "1e400h",
        "10GiB",
        "localhost:99999",
        "[::1]:0",
        "'",
        '"\\ud800"',
    ),
    *(
        "(a+)+$",
        "/(/",
        "\u2028",
        "\x85",
        "\ufeff",
        "? x",
        "- - -",
        "%YAML 9",
        "---",
        "...",
        "null",
        "9" * 5000,
        "{" * 500,
    ),
)


def _config(random: Random) -> bytes:
    """A configuration that works, some of its lines changed, or its values."""
    lines = random.choice(_CONFIGS).splitlines()
    for _ in range(random.choice((0, 1, 1, 2, 5))):
        at = random.randrange(len(lines))
        match random.randrange(6):
            case 0:
                del lines[at : at + random.choice((1, 3))]
                lines = lines or [""]
            case 1:
                lines[at:at] = random.choice(_CONFIGS).splitlines()[at : at + 3]
            case 2:
                lines[at] = " " * random.randrange(9) + lines[at].strip()
            case 3:
                name, colon, _ = lines[at].partition(":")
                lines[at] = f"{name}{colon} {random.choice(_SCALARS)}"
            case 4:
                lines[at] = f"{lines[at]}{random.choice(_SCALARS)}"
            case _:
                lines[at] = lines[at].replace(random.choice("abcde:-{}[]"), random.choice(":-{}[]&*!|>'\"%@`#, \t"))
    text = "\n".join(lines).encode(errors="replace")
    return damaged(random, text) if random.random() < 0.2 else text


_SECRET = "zhiddenz"
_ENVIRONMENT = {"SECRET": _SECRET, "HOME": "/"}


def _configs() -> Check:
    table = catalogue()
    folder = _folder()
    # Compiling the rules that come with Telescrub takes a second, once.
    load([Source("default.yaml", _CONFIGS[0], folder)], table, {})

    def check(data: bytes) -> bool:
        source = Source("fuzzed.yaml", data.decode(errors="replace"), folder)
        try:
            config = load([source], table, _ENVIRONMENT)
        except ConfigError as error:
            must(error.problems, "a configuration is refused without a problem")
            must(_SECRET not in str(error), "a problem quotes a variable of the environment")
            return False
        must(config.service, "a configuration without a service is taken")
        return True

    return check


def _folder() -> Path:
    """A new one, in memory where that can be, until the process ends."""
    memory = Path("/dev/shm")
    made = Path(tempfile.mkdtemp(prefix="telescrub-fuzz-", dir=memory if memory.is_dir() else None))
    atexit.register(shutil.rmtree, made, ignore_errors=True)
    return made


def _ledger_of(key: bytes | None) -> dict[str, bytes]:
    folder = _folder()
    files = {path.name: path.read_bytes() for path in sorted(written(folder, key, 900).iterdir())}
    shutil.rmtree(folder)
    return files


_SEPARATOR = b"\n==== "
_JSON_VALUES = (
    *(b"null", b"-1", b"1e400", b"99999999999999999999", b"true", b'""', b"[]", b"{}", b'"' + b"z" * 64 + b'"', b'"0"'),
    *(
        b'"2026-13-45"',
        b'"9999-12-31T23:59:59.999999Z"',
        b'"0001-01-01T00:00:00+23:59"',
        b'"<script>x</script>"',
        b'"\\ud800"',
    ),
)


def _ledger(random: Random) -> bytes:
    """Files of a ledger, one after the other, of which lines were changed, put elsewhere or taken out."""
    files = _ledger_of(None if random.random() < 0.5 else KEY) if not _LEDGERS else random.choice(_LEDGERS)
    parts = []
    for name, content in files.items():
        lines = content.splitlines(keepends=True)
        for _ in range(random.choice((0, 0, 1, 2))):
            at = random.randrange(len(lines)) if lines else 0
            match random.randrange(4):
                case 0:
                    del lines[at : at + 1]
                case 1:
                    lines[at:at] = lines[:1]
                case _:
                    lines[at : at + 1] = [_other_value(random, line) for line in lines[at : at + 1]]
        changed = b"".join(lines)
        parts.append(name.encode() + b"\n" + (damaged(random, changed) if random.random() < 0.2 else changed))
    return _SEPARATOR.join(parts)


def _other_value(random: Random, line: bytes) -> bytes:
    """A row with another value under one of its keys."""
    pieces = line.split(b'":')
    at = random.randrange(1, len(pieces)) if len(pieces) > 1 else 0
    rest = pieces[at].partition(b',"') if at else (b"", b"", b"")
    if at:
        pieces[at] = random.choice(_JSON_VALUES) + rest[1] + rest[2]
    return b'":'.join(pieces)


_LEDGERS: list[dict[str, bytes]] = []


def _ledgers() -> Check:
    if not _LEDGERS:
        _LEDGERS.extend((_ledger_of(None), _ledger_of(KEY)))
    folder = _folder()

    def check(data: bytes) -> bool:
        for path in folder.iterdir():
            path.unlink()
        for part in data.split(_SEPARATOR):
            name, _, content = part.partition(b"\n")
            (folder / _file_name(name)).write_bytes(content)
        key = None if b'"chain":"sha256"' in data else KEY
        verdict = verify([folder], key)
        forms: tuple[Format, ...] = ("html", "csv", "json")
        for form in forms:
            made = report([folder], None, None, form, key)
            must("<script>" not in made or form != "html", "a report holds markup of a ledger")
        with suppress(ValueError):
            anchors_in(data.decode(errors="replace"))
        return not verdict.problems

    return check


def _file_name(name: bytes) -> str:
    return (
        name.decode()
        if name in (b"ledger.head", b"ledger-000001.jsonl", b"ledger-000002.jsonl")
        else "ledger-000003.jsonl"
    )


def _state(random: Random) -> bytes:
    log = Log()
    folder = _folder()
    state = StateFile(folder, "fuzzed", context("fuzzed", log).log)
    try:
        state.rewrite([["word", random.randrange(99), words.CANARY] for _ in range(random.randrange(9))])
        state.append([["more", [1, None]] for _ in range(random.randrange(3))])
        state.close()
        return damaged(random, (folder / "fuzzed.state").read_bytes())
    finally:
        shutil.rmtree(folder)


def _states() -> Check:
    log = Log()
    folder = _folder()

    def check(data: bytes) -> bool:
        (folder / "fuzzed.state").write_bytes(data)
        records, _ = StateFile(folder, "fuzzed", context("fuzzed", log).log).read()
        found = list(records)
        log.check()
        return bool(found)

    return check


FILES = {
    "config": Target(_config, _configs, 2),
    "ledger": Target(_ledger, _ledgers, 1),
    "state": Target(_state, _states, 2),
}
