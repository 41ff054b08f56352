"""A body of JSON logs taken apart into entries: an object, an array, lines of JSON, and what container runtimes wrap.

It fails soft: what is no JSON object becomes an entry of text, and is counted where it does not parse at all.
"""

import json
import re
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

import orjson

from wire.json_logs_fields import Fields
from wire.json_logs_time import take_time, unix_nano

__all__ = ["Entry", "entries"]

_BOM = b"\xef\xbb\xbf"
_BLANK = " \t\r\n\0,"
"""What may stand between JSON values: GELF over TCP ends its frames with NUL, and a broken array leaves commas."""


class Entry(NamedTuple):
    """One log record yet to be mapped: an object, or None and its text.

    `time` (nanoseconds, 0 for none) is the container runtime's; `failed` marks text that does not parse.
    """

    fields: Fields | None
    text: str = ""
    time: int = 0
    failed: bool = False


class _Piece(NamedTuple):
    """A line, or a piece of a long one, as a container runtime wraps it; `outer` holds what it says beside the text."""

    outer: Fields
    time: int
    stream: str
    text: str
    complete: bool


def entries(body: bytes) -> Iterator[Entry]:
    """The entries of a body in order; a line that a container runtime cut into pieces is one entry."""
    return _joined(_wrapped(_values(body.removeprefix(_BOM).strip())))


class _Text(NamedTuple):
    """A line that is no JSON."""

    text: str


def _values(body: bytes) -> Iterator[Any]:
    """The JSON values of a body, and a `_Text` for each line that is none."""
    if not body:
        return
    try:
        yield from _elements(orjson.loads(body))
        return
    except orjson.JSONDecodeError:
        pass
    first, _, rest = body.partition(b"\n")
    if rest and body.startswith(b"{") and not _is_json(first):
        objects, left = _objects(body.decode(errors="replace"))
        yield from objects
        body = left.encode()
    for line in body.split(b"\n"):
        yield from _line(line)


def _elements(value: Any) -> Iterable[Any]:
    return value if isinstance(value, list) else (value,)


def _is_json(line: bytes) -> bool:
    try:
        orjson.loads(line)
    except orjson.JSONDecodeError:
        return False
    return True


def _line(line: bytes) -> Iterator[Any]:
    try:
        yield from _elements(orjson.loads(line))
    except orjson.JSONDecodeError:
        text = line.decode(errors="replace").rstrip("\r")
        objects, left = _objects(text)
        yield from objects
        if left:
            yield _Text(left if objects else text)


_DECODER = json.JSONDecoder()


def _objects(text: str) -> tuple[list[Fields], str]:
    """The objects a text begins with, one after the other, and the text left over.

    For what orjson does not take but real loggers write: NaN, lone surrogates, objects without a line end between them.
    """
    found: list[Fields] = []
    text = text.strip(_BLANK)
    at = 0
    while text.startswith("{", at):
        try:
            value, end = _DECODER.raw_decode(text, at)
            found.append(_encodable(value))
        except (ValueError, RecursionError):
            break
        at = end + len(text[end : end + 16]) - len(text[end : end + 16].lstrip(_BLANK))
    return found, text[at:]


def _encodable(value: Any) -> Any:
    """The same value with every lone surrogate replaced, which UTF-8 cannot say."""
    if isinstance(value, str):
        return value.encode(errors="replace").decode()
    if isinstance(value, dict):
        return {_encodable(key): _encodable(inner) for key, inner in value.items()}
    return [_encodable(inner) for inner in value] if isinstance(value, list) else value


_CRI = re.compile(r"(\d{4}-\d\d-\d\dT\S{1,40}) (stdout|stderr) ([FP])(?::\S{0,64})? (.*)", re.ASCII | re.DOTALL)
"""The log format of the Kubernetes container runtime interface: time, stream, F(ull) or P(artial), text."""

_DOCKER_KEYS = frozenset({"log", "stream", "time", "attrs"})
_DOCKER_PIECE_BYTES = 16 * 2**10 - 3
"""Docker cuts lines at 16 KiB; a character cut in two may make a piece up to three bytes shorter."""


def _wrapped(values: Iterable[Any]) -> Iterator[Entry | _Piece]:
    for value in values:
        if isinstance(value, dict):
            yield _docker(value) or Entry(value)
        elif isinstance(value, _Text):
            yield _cri(value.text) or Entry(None, value.text, failed=True)
        else:
            yield _plain(value)


def _plain(value: Any) -> Entry:
    """A string as it is, any other value as its JSON text; one too deep to be written is left out."""
    if isinstance(value, str):
        return Entry(None, value)
    try:
        return Entry(None, orjson.dumps(value).decode())
    except orjson.JSONEncodeError:
        return Entry(None, failed=True)


def _cri(line: str) -> _Piece | None:
    match = _CRI.fullmatch(line)
    if match is None:
        return None
    stream = match[2]
    return _Piece({"log.iostream": stream}, unix_nano(match[1]) or 0, stream, match[4], match[3] == "F")


def _docker(fields: Fields) -> _Piece | None:
    """Docker's json-file shape, also with the keys that a log shipper added to it."""
    text, stream = fields.get("log"), fields.get("stream")
    if not isinstance(text, str) or stream not in ("stdout", "stderr"):
        return None
    is_piece = fields.keys() <= _DOCKER_KEYS and not text.endswith("\n") and len(text.encode()) >= _DOCKER_PIECE_BYTES
    outer = {key: value for key, value in fields.items() if key not in ("log", "stream")}
    time = take_time(outer) or 0
    return _Piece({**outer, "log.iostream": stream}, time, stream, text.rstrip("\r\n"), not is_piece)


def _joined(values: Iterable[Entry | _Piece]) -> Iterator[Entry]:
    waiting: dict[str, list[_Piece]] = {}
    for value in values:
        if isinstance(value, Entry):
            yield value
            continue
        pieces = waiting.setdefault(value.stream, [])
        pieces.append(value)
        if value.complete:
            yield _unwrapped(waiting.pop(value.stream))
    for pieces in waiting.values():
        yield _unwrapped(pieces)


def _unwrapped(pieces: list[_Piece]) -> Entry:
    """The entry of a whole line: what is in it, if that is an object, and what the runtime says beside it."""
    text = "".join(piece.text for piece in pieces)
    first = pieces[0]
    objects, left = _objects(text)
    inner = objects[0] if len(objects) == 1 and not left else {"log": text}
    return Entry({**first.outer, **inner}, time=first.time)
