"""Compiled expressions, kept in memory and in the user's cache folder: compiling all packs takes 6 s, loading what was
compiled some milliseconds (2026-11-21).

A file of the cache is named by the SHA-256 of what it was compiled from and begins with that of its content. It is read
only if nobody but the user can have written it; one that is damaged, or made for another processor, is compiled anew.
"""

import contextlib
import hashlib
import os
import stat
import tempfile
from collections.abc import Iterable
from functools import lru_cache
from importlib.metadata import version
from pathlib import Path

import hyperscan

__all__ = ["database"]

_NEVER = (r"\x00{64}", 0)
"""For sets of rules that look for nothing in texts: a database must hold something."""
_VERSION = version("hyperscan")
_WORTH_A_FILE = 2**18
"""In bytes; what is smaller is compiled in no time."""

_MOST_FILES = 50
_SUFFIX = ".hyperscan"

Lines = tuple[tuple[str, int], ...]


def database(expressions: Iterable[tuple[str, int]]) -> hyperscan.Database:
    """The compiled expressions, each with its flags, and a scratch space of their own: two engines may run at once.

    Every line is for itself, for in the buffer of all leaves a leaf is a line.
    """
    lines = tuple((text, flags | hyperscan.HS_FLAG_MULTILINE) for text, flags in expressions) or (_NEVER,)
    loaded = _loaded(_compiled(lines))
    if loaded is None:
        # A file may be from a processor with other abilities.
        loaded = hyperscan.loadb(_compile(lines), mode=hyperscan.HS_MODE_BLOCK)
    loaded.scratch = hyperscan.Scratch(loaded)
    return loaded


def _loaded(compiled: bytes) -> hyperscan.Database | None:
    with contextlib.suppress(hyperscan.error):
        return hyperscan.loadb(compiled, mode=hyperscan.HS_MODE_BLOCK)
    return None


@lru_cache(maxsize=16)
def _compiled(lines: Lines) -> bytes:
    # Where there is no home or no room, everything is compiled anew.
    with contextlib.suppress(OSError, RuntimeError):
        path = _folder() / f"{_name(lines)}{_SUFFIX}"
        compiled = _read(path)
        if compiled is None:
            compiled = _compile(lines)
            if len(compiled) > _WORTH_A_FILE:
                _write(path, compiled)
        return compiled
    return _compile(lines)


def _compile(lines: Lines) -> bytes:
    compiler = hyperscan.Database(mode=hyperscan.HS_MODE_BLOCK)
    compiler.compile(
        expressions=[text.encode() for text, _ in lines],
        ids=list(range(len(lines))),
        flags=[flags for _, flags in lines],
    )
    return bytes(hyperscan.dumpb(compiler))


def _folder() -> Path:
    """By the XDG Base Directory specification; a relative path counts as none."""
    cache = Path(os.environ.get("XDG_CACHE_HOME", ""))
    return (cache if cache.is_absolute() else Path.home() / ".cache") / "telescrub" / "patterns"


def _name(lines: Lines) -> str:
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
    digest, compiled = content[:32], content[32:]
    return compiled if hashlib.sha256(compiled).digest() == digest else None


def _write(path: Path, compiled: bytes) -> None:
    """Whole or not at all; the oldest give way. Raises: `OSError`."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    # Made with mode 0600.
    file, name = tempfile.mkstemp(dir=path.parent)
    try:
        with os.fdopen(file, "wb") as stream:
            stream.write(hashlib.sha256(compiled).digest() + compiled)
        Path(name).replace(path)
    except OSError:
        Path(name).unlink(missing_ok=True)
        raise
    newest_last = sorted(path.parent.glob(f"*{_SUFFIX}"), key=lambda each: each.stat().st_mtime)
    for old in newest_last[:-_MOST_FILES]:
        old.unlink(missing_ok=True)
