"""The codecs of what comes in: OTLP as protobuf and as JSON, JSON logs, compression; and answers of destinations."""

import gzip
import zlib
from random import Random
from typing import Any

import orjson
import zstandard
from google.protobuf.message import Message

from pipeline.batch import Batch
from tests.fuzz import words
from tests.fuzz.messages import message
from tests.fuzz.mutate import damaged
from tests.fuzz.target import Check, Target, must, received, request, signal_of
from tests.fuzz.trees import encoded
from tests.fuzz.watch import check_texts
from wire import otlp, otlp_json, schema
from wire.compression import ENCODINGS, decompress
from wire.json_logs import to_otlp
from wire.signal import Signal

__all__ = ["CODECS"]


def _items(message: Message) -> int:
    """Spans, log records and data points, as the protobuf library sees them."""
    own = int(message.DESCRIPTOR.name in _ITEM_NAMES)
    return own + sum(
        _items(child)
        for each, value in message.ListFields()
        if each.message_type is not None
        for child in (value if each.is_repeated else (value,))
    )


_ITEM_NAMES = {each.name for number, each in enumerate(schema.MESSAGES) if schema.ITEM[number]}


def _otlp() -> Check:
    def check(data: bytes) -> bool:
        batch = received(data)
        if batch is None:
            return False
        again = Batch.received(batch.signal, batch.payload)
        must(again == batch, "a clean payload is changed when it is cleaned again")
        message = batch.decode()
        before = message.ByteSize()
        message.DiscardUnknownFields()
        must(before == message.ByteSize(), "an unknown field is left")
        must(batch.items == _items(message), "items are counted otherwise than the protobuf library does")
        must(otlp.splice(batch.signal, batch.payload, []) == batch.payload, "a splice without edits changes something")
        parts = batch.split(max_items=2, max_bytes=4096)
        must(sum(part.items for part in parts) == batch.items, "a split loses items")
        must(all(Batch.received(part.signal, part.payload) == part for part in parts), "a part of a split is not clean")
        return True

    return check


def _json_request(random: Random) -> bytes:
    """OTLP/JSON: a request written by ours, then changed as a tree and as text."""
    signal = random.choice(tuple(Signal))
    payload = encoded(message(random, signal))
    text = otlp_json.encode(signal, Batch.received(signal, payload).payload) if _is_fine(signal, payload) else b"{}"
    if random.random() < 0.7:
        text = _dumped(_changed(random, orjson.loads(text), 0))
    if random.random() < 0.3:
        text = damaged(random, text)
    return bytes((tuple(Signal).index(signal),)) + text[: 2**20]


def _is_fine(signal: Signal, payload: bytes) -> bool:
    try:
        Batch.received(signal, payload)
    except otlp.Malformed:
        return False
    return True


def _dumped(tree: object) -> bytes:
    try:
        return orjson.dumps(tree)
    except orjson.JSONEncodeError:
        return repr(tree).encode(errors="replace")


_LEAVES: tuple[Any, ...] = (
    *(None, True, False, 0, -1, 2**63, 2**64, -(2**63), 10**25, 1.5, 1e308, "", "NaN", "Infinity", "1", "-0", "1e5"),
    *("AA==", "AA", "_-8=", "5b8efff798038103d269b633813fc60c", "5b8efff7 98038103d269b633813fc60", "eee19b7ec3c1b174"),
    *([], {}, [[]], [{}], [None], {"": ""}, {"stringValue": words.CANARY}, words.CANARY, "SPAN_KIND_SERVER", "９９"),
)


def _changed(random: Random, tree: object, depth: int) -> object:
    """A JSON value with some of what is in it replaced, renamed or repeated."""
    if random.random() < 0.03:
        return random.choice(_LEAVES)
    if random.random() < 0.004:
        return _nested(random, tree)
    if isinstance(tree, dict):
        return {_renamed(random, key): _changed(random, value, depth + 1) for key, value in tree.items()}
    if isinstance(tree, list):
        return [_changed(random, value, depth + 1) for value in tree] * random.choice((1,) * 40 + (0, 2))
    return words.text(random) if isinstance(tree, str) and random.random() < 0.05 else tree


def _renamed(random: Random, key: str) -> str:
    if random.random() > 0.02:
        return key
    snake = "".join(f"_{each.lower()}" if each.isupper() else each for each in key)
    return random.choice((snake, words.key(random), "values", "stringValue", "kvlistValue"))


def _nested(random: Random, tree: object) -> object:
    for _ in range(random.choice((10, 30, 64, 120))):
        tree = {"arrayValue": {"values": [tree]}} if random.random() < 0.5 else [tree]
    return tree


def _otlp_json() -> Check:
    def check(data: bytes) -> bool:
        signal = signal_of(data)
        try:
            batch = Batch.received(signal, otlp_json.decode(signal, data[1:]))
        except (otlp_json.MalformedJson, otlp.Malformed) as error:
            check_texts(error)
            return False
        line = otlp_json.encode(signal, batch.payload)
        must(b"\n" not in line, "a line of OTLP/JSON holds a line end")
        must(otlp_json.decode(signal, line) == _told_apart(signal, batch.payload), "JSON and back says something else")
        return True

    return check


def _told_apart(signal: Signal, payload: bytes) -> bytes:
    """The payload as it is after JSON, where every NaN is the same."""
    return otlp_json.decode(signal, otlp_json.encode(signal, payload))


_LOG_KEYS = (
    *(
        "message",
        "msg",
        "@m",
        "short_message",
        "log",
        "level",
        "severity",
        "lvl",
        "time",
        "timestamp",
        "@timestamp",
        "ts",
    ),
    *("traceId", "trace_id", "span_id", "traceparent", "trace_flags", "error", "exception", "err", "stack", "service"),
    *(
        "host",
        "stream",
        "attrs",
        "version",
        "_x",
        "fields",
        "record",
        "dd",
        "labels",
        "resource",
        "body",
        "pri",
        "event",
    ),
)


def _log_value(random: Random, depth: int = 0) -> object:
    shape = random.random()
    if shape < 0.15 and depth < 6:
        return {_log_key(random): _log_value(random, depth + 1) for _ in range(random.randrange(4))}
    if shape < 0.25 and depth < 6:
        return [_log_value(random, depth + 1) for _ in range(random.randrange(4))]
    if shape < 0.45:
        return random.choice((words.number(random) - 2**62, random.uniform(-1e18, 1e18), 1e300, 1790000000.5, 30, 17))
    return random.choice(_LEAVES) if shape < 0.6 else words.text(random)


def _log_key(random: Random) -> str:
    made = random.choice(_LOG_KEYS) if random.random() < 0.7 else words.key(random)
    return made if random.random() < 0.8 else f"{made}.{random.choice(_LOG_KEYS)}"


def _logs(random: Random) -> bytes:
    """JSON logs: lines or an array of objects, of what container runtimes wrap, and of texts."""
    lines = []
    for _ in range(random.choice((1, 1, 2, 5))):
        record = _dumped({_log_key(random): _log_value(random) for _ in range(random.randrange(7))})
        match random.randrange(8):
            case 0:
                record = orjson.dumps({"log": record.decode() + "\n" * random.randrange(2), "stream": "stdout"})
            case 1:
                record = b"2026-01-02T03:04:05.678Z stdout " + random.choice((b"F ", b"P ")) + record
            case 2:
                record = words.text(random).encode(errors="replace")
            case 3:
                record = b'{"a":' * random.choice((10, 100, 5000)) + record
        lines.append(record)
    joint = random.choice((b"\n", b"\n", b"", b",", b"\0"))
    body = joint.join(lines)
    if random.random() < 0.2:
        body = b"[" + b",".join(lines) + b"]"
    return damaged(random, body) if random.random() < 0.3 else body


def _json_logs() -> Check:
    def check(data: bytes) -> bool:
        logs = to_otlp(data, 1_790_000_000 * 10**9)
        batch = Batch.received(Signal.LOGS, logs.payload)
        must(batch.items == logs.items, "the records are counted otherwise than they are")
        must(logs.parse_failures <= logs.items, "more records failed than there are")
        return True

    return check


_MOST_BYTES = 2**20


def _compressed(random: Random) -> bytes:
    """The first byte is the encoding; bombs, several members, cut and damaged streams."""
    encoding = random.randrange(len(ENCODINGS))
    content = request(random) if random.random() < 0.8 else random.choice((b"", b"\0")) * random.choice((2**20, 2**24))
    members = random.choice((1, 1, 1, 2, 3))
    data = b"".join(_one_member(random, encoding, content) for _ in range(members))
    if random.random() < 0.6:
        data = damaged(random, data)
    return bytes((encoding,)) + data


def _one_member(random: Random, encoding: int, content: bytes) -> bytes:
    if ENCODINGS[encoding] == "gzip":
        return gzip.compress(content, 1)
    if ENCODINGS[encoding] == "zstd":
        return zstandard.compress(content, random.choice((-5, 1, 3)))
    return zlib.compress(content, 1)[slice(2, -4) if random.random() < 0.3 else slice(None)]


def _decompress() -> Check:
    def check(data: bytes) -> bool:
        encoding = ENCODINGS[data[0] % len(ENCODINGS)] if data else ENCODINGS[0]
        try:
            out = decompress(encoding, data[1:], _MOST_BYTES)
        except ValueError as error:
            check_texts(error)
            return False
        must(len(out) <= _MOST_BYTES, "more came out than is allowed")
        return True

    return check


CODECS = {
    "otlp": Target(request, _otlp, 25),
    "otlp_json": Target(_json_request, _otlp_json, 15),
    "json_logs": Target(_logs, _json_logs, 15),
    "decompress": Target(_compressed, _decompress, 6),
}
