"""The pattern engine: all expressions are compiled here, and none by a build of it that overlooks matches.

What is compiled for redaction is kept in memory and in the user's cache folder: compiling all packs takes 6 s, loading
what was compiled some milliseconds (2026-11-21).

A file of the cache is named by the SHA-256 of what it was compiled from and begins with that of its content. It is read
only if nobody but the user can have written it; one that is damaged, or made for another processor, is compiled anew.
"""

import contextlib
import hashlib
import os
import stat
import tempfile
from collections.abc import Iterable, Sequence
from functools import cache, lru_cache
from importlib.metadata import version
from pathlib import Path

import hyperscan

__all__ = ["Line", "compiled", "database"]

Line = tuple[str, int]
"""An expression and its flags."""

_CANARY = (r"x[0-9]*y", b"x yy0-09bby-xb9y xy")
"""What hyperscan 0.7.23 to 0.9.1 miss: their Vectorscan 5.4.12 overlooks matches of expressions in which a repetition
that may be empty stands between two characters (Vectorscan's issues 358 and 382)."""

_NEVER = (r"\x00{64}", 0)
"""For sets of rules that look for nothing in texts: a database must hold something."""
_VERSION = version("hyperscan")
_WORTH_A_FILE = 2**18
"""In bytes; what is smaller is compiled in no time."""

_MOST_FILES = 50
_SUFFIX = ".hyperscan"


def compiled(lines: Sequence[Line]) -> hyperscan.Database:
    """Expressions compiled together; their numbers are their places in `lines`.

    Raises: `hyperscan.error` for what the engine does not take, `RuntimeError` if it is known to overlook matches.
    """
    _refuse_a_blind_engine()
    return _compile(lines)


def database(expressions: Iterable[Line]) -> hyperscan.Database:
    """The same from the cache, with a scratch space of its own: two engines may run at once.

    Every line of a text is for itself, for in the buffer of all leaves a leaf is a line. Raises: as `compiled`.
    """
    _refuse_a_blind_engine()
    lines = tuple((text, flags | hyperscan.HS_FLAG_MULTILINE) for text, flags in expressions) or (_NEVER,)
    loaded = _loaded(_dumped(lines))
    if loaded is None:
        # A file may be from a processor with other abilities.
        loaded = hyperscan.loadb(_dump(lines), mode=hyperscan.HS_MODE_BLOCK)
    loaded.scratch = hyperscan.Scratch(loaded)
    return loaded


@cache
def _sees_everything() -> bool:
    expression, text = _CANARY
    found: list[int] = []
    _compile([(expression, 0)]).scan(text, match_event_handler=lambda number, *_: found.append(number))
    return bool(found)


def _refuse_a_blind_engine() -> None:
    if not _sees_everything():
        raise RuntimeError("this build of hyperscan overlooks matches; install hyperscan==0.7.8")


def _compile(lines: Sequence[Line]) -> hyperscan.Database:
    made = hyperscan.Database(mode=hyperscan.HS_MODE_BLOCK)
    made.compile(
        expressions=[text.encode() for text, _ in lines],
        ids=list(range(len(lines))),
        flags=[flags for _, flags in lines],
    )
    return made


def _dump(lines: Sequence[Line]) -> bytes:
    return bytes(hyperscan.dumpb(_compile(lines)))


def _loaded(dumped: bytes) -> hyperscan.Database | None:
    with contextlib.suppress(hyperscan.error):
        return hyperscan.loadb(dumped, mode=hyperscan.HS_MODE_BLOCK)
    return None


@lru_cache(maxsize=16)
def _dumped(lines: tuple[Line, ...]) -> bytes:
    # Where there is no home or no room, everything is compiled anew.
    with contextlib.suppress(OSError, RuntimeError):
        path = _folder() / f"{_name(lines)}{_SUFFIX}"
        dumped = _read(path)
        if dumped is None:
            dumped = _dump(lines)
            if len(dumped) > _WORTH_A_FILE:
                _write(path, dumped)
        return dumped
    return _dump(lines)


def _folder() -> Path:
    """By the XDG Base Directory specification; a relative path counts as none."""
    cache = Path(os.environ.get("XDG_CACHE_HOME", ""))
    return (cache if cache.is_absolute() else Path.home() / ".cache") / "telescrub" / "patterns"


def _name(lines: tuple[Line, ...]) -> str:
    return hashlib.sha256(repr((_VERSION, os.uname().machine, lines)).encode()).hexdigest()


def _read(path: Path) -> bytes | None:
    """None if there is nothing to be trusted. Raises: `OSError`."""
    if not path.exists():
        return None
    with path.open("rb") as file:
        about = os.fstat(file.fileno())
        if about.st_uid != os.geteuid() or about.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
            return None
        content = file.read()
    digest, dumped = content[:32], content[32:]
    return dumped if hashlib.sha256(dumped).digest() == digest else None


def _write(path: Path, dumped: bytes) -> None:
    """Whole or not at all; the oldest give way. Raises: `OSError`."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    # Made with mode 0600.
    file, name = tempfile.mkstemp(dir=path.parent)
    try:
        with os.fdopen(file, "wb") as stream:
            stream.write(hashlib.sha256(dumped).digest() + dumped)
        Path(name).replace(path)
    except OSError:
        Path(name).unlink(missing_ok=True)
        raise
    newest_last = sorted(path.parent.glob(f"*{_SUFFIX}"), key=lambda each: each.stat().st_mtime)
    for old in newest_last[:-_MOST_FILES]:
        old.unlink(missing_ok=True)
