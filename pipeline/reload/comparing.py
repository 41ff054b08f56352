"""`telescrub validate --against`: what a configuration would change of a running daemon, or of other files."""

import os
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import orjson

from config.load import Source
from pipeline.operating.admin import AUTHORIZATION
from pipeline.reload.changes import changes
from pipeline.reload.origin import Origin

__all__ = ["NotComparable", "compare", "lines"]

_TIMEOUT_SECONDS = 60.0
"""Compiling nothing, but reading and checking rules on a busy machine."""


class NotComparable(Exception):
    """The daemon does not answer, or would not take the configuration; `problems` say why."""

    def __init__(self, problems: Sequence[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


def compare(origin: Origin, against: str) -> Mapping[str, Any]:
    """`pipeline.reload.changes.Changes`, as plain values. `against` is the URL of an admin endpoint, whose daemon reads
    the configuration with its own environment, or the path of a configuration file.

    Raises: `ConfigError`; `NotComparable`.
    """
    if against.startswith(("http://", "https://")):
        return _asked(f"{against.rstrip('/')}/-/diff", list(map(_file, origin.sources())))
    old, new = origin.candidate([Path(against)]), origin.load()
    return asdict(changes(old, new))


def _file(source: Path | Source) -> Mapping[str, str]:
    if isinstance(source, Source):
        return {"name": source.name, "text": source.text, "folder": str(source.folder.resolve())}
    try:
        text = source.read_text("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise NotComparable([f"{source}: the file cannot be read: {_why(error)}"]) from None
    return {"name": str(source), "text": text, "folder": str(source.parent.resolve())}


def _why(error: OSError | UnicodeDecodeError) -> str:
    return str(error.strerror) if isinstance(error, OSError) else "it is not UTF-8 text"


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *arguments: Any) -> None:
        return None


def _asked(url: str, files: Sequence[Mapping[str, str]]) -> Mapping[str, Any]:
    headers = {"Content-Type": "application/json"}
    if authorization := os.environ.get(AUTHORIZATION):
        headers["Authorization"] = authorization
    request = urllib.request.Request(url, orjson.dumps({"files": files}), headers)
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}), _NoRedirects)
    try:
        with opener.open(request, timeout=_TIMEOUT_SECONDS) as answer:
            told: Mapping[str, Any] = orjson.loads(answer.read())
            return told
    except urllib.error.HTTPError as error:
        with error:
            raise NotComparable(_problems(url, error)) from None
    except (OSError, orjson.JSONDecodeError):
        raise NotComparable([f"{url} does not answer as the admin endpoint of a daemon does"]) from None


def _problems(url: str, error: urllib.error.HTTPError) -> list[str]:
    if error.code == 400:
        return list(orjson.loads(error.read())["problems"])
    return [f"{url} answered {error.code}; with auth, set {AUTHORIZATION} to what it wants to see"]


def lines(told: Mapping[str, Any]) -> Iterator[str]:
    """What is told, for people."""
    for what in ("kept", "new", "removed"):
        for name in told[what]:
            yield f"{what:8} {name}"
    for name, keys in told["changed"].items():
        yield f"{'changed':8} {name}: {', '.join(keys)}"
