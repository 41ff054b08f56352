"""A run of the oracle: placements are sent to a running daemon in portions, and all that came of them is searched."""

import json
import time
from base64 import b64decode
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Self

import grpc
from google.protobuf.json_format import MessageToDict

from tests.backends.process import get, request, wait_until
from tests.end_to_end.daemon import Telescrub
from tests.oracle.leaks import Search, folded
from tests.oracle.left import decoded, texts
from tests.oracle.placements import Placement
from tests.oracle.recorder import Recorder

__all__ = ["OTLP_METHODS", "Output", "Result", "Run"]

PORTION = 5_000
"""Placements between two searches."""
_REQUEST_ITEMS = 250
_NEVER_SENT = -1
_SERVICE = "/opentelemetry.proto.collector.{}.v1.{}Service/Export"
OTLP_METHODS = {
    "traces": _SERVICE.format("trace", "Trace"),
    "metrics": _SERVICE.format("metrics", "Metrics"),
    "logs": _SERVICE.format("logs", "Logs"),
}


@dataclass(repr=False)
class Output:
    """What came out: raw bytes, and the distinct texts within."""

    raw: list[bytes] = field(default_factory=list)
    texts: set[str | bytes] = field(default_factory=set)

    def searched(self) -> Iterator[bytes]:
        """Everything to search, also as a reader would understand it."""
        yield from self.raw
        plain = [text if isinstance(text, str) else text.decode("utf-8", "replace") for text in self.texts]
        yield "\n".join(plain).encode()
        yield "\n".join(clear for text in plain if (clear := folded(text)) != text).encode()
        yield b"\n".join(text for text in self.texts if isinstance(text, bytes))


@dataclass(repr=False)
class Result:
    """What a run found."""

    placements: int = 0
    by_cell: Counter[tuple[str, str, str]] = field(default_factory=Counter)
    """Placements in each cell (identifier, place, disguise)."""
    leaks: dict[tuple[str, str, str], dict[int, set[str]]] = field(default_factory=lambda: defaultdict(dict))
    """By cell and placement number, the forms in which it leaked."""
    missing: list[Placement] = field(default_factory=list)
    """Placements of which not even the marker came out: their items were dropped, or the oracle is wrong."""
    chance_hits: int = 0
    """Leaks found of canaries that were never sent; anything but 0 means that the search finds too much."""

    @property
    def leaked(self) -> int:
        """Placements that leaked."""
        return sum(map(len, self.leaks.values()))


class Run:
    """A daemon with every kind of exporter, between the oracle and its recorder; with the packs that are on by default.

    `redaction=False` lets everything through: the oracle must then find everything.
    """

    def __init__(self, seed: int, redaction: bool = True) -> None:
        self.seed = seed
        self._redaction = redaction
        self.result = Result()
        self.time_ns = time.time_ns() // 10**9 * 10**9
        self._cleanup = ExitStack()
        self._file_read: dict[str, int] = {}

    def __enter__(self) -> Self:
        with ExitStack() as cleanup:
            self.recorder = cleanup.enter_context(Recorder())
            url = self.recorder.url
            otlp, file = {"otlp_http": {"endpoint": url}}, {"file": {"path": "./out/{signal}.jsonl"}}
            remote_write = {"prometheus_remote_write": {"endpoint": f"{url}/api/v1/write"}}
            exporters = {
                "traces": {**otlp, **file},
                "metrics": {**otlp, **file, **remote_write},
                "logs": {**otlp, **file, "loki": {"endpoint": url}},
            }
            self.daemon = cleanup.enter_context(Telescrub(exporters, service=self._service(exporters)))
            self._channel = cleanup.enter_context(grpc.insecure_channel(self.daemon.address("otlp_grpc")))
            self._cleanup = cleanup.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._cleanup.close()

    def _service(self, exporters: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
        allowed: dict[str, Any] = {"processors": ["redact_phi", "batch"]}
        if not self._redaction:
            allowed = {"processors": ["batch"], "redaction": "none", "redaction_reason": "to see what the search finds"}
        receivers = {"traces": ["otlp"], "metrics": ["otlp"], "logs": ["otlp", "json_logs"]}
        return {
            "extensions": ["health_check"],
            "telemetry": {"metrics": {"address": "@metrics@"}, "logs": {"encoding": "json"}},
            "pipelines": {
                signal: {"receivers": receivers[signal], "exporters": list(names), **allowed}
                for signal, names in exporters.items()
            },
        }

    def go(self, numbers: Sequence[int], progress: Callable[[int], None] = lambda _: None) -> Result:
        """Send these placements and search what comes of them."""
        for at in range(0, len(numbers), PORTION):
            self._portion([Placement(self.seed, number) for number in numbers[at : at + PORTION]])
            progress(at)
        return self.result

    def _portion(self, placements: Sequence[Placement]) -> None:
        answers = self.send(placements)
        output = self.output()
        output.raw += answers
        self.result.placements += len(placements)
        self.result.by_cell.update(placement.cell for placement in placements)
        self.search(placements, output)
        self.result.missing += [each for each in placements if not _came_out(each, output)]

    def search(self, placements: Sequence[Placement], output: Output) -> None:
        """Look for the canaries of these placements, and for those of a run that never was."""
        by_number = {placement.number: placement for placement in placements}
        never_sent = [Placement(self.seed + 10**9, number) for number in by_number]
        secrets = [(each.number, each.fact.hidden) for each in placements]
        search = Search([*secrets, *((_NEVER_SENT, each.fact.hidden) for each in never_sent)])
        for data in output.searched():
            for number, form in search.leaks(data):
                if number == _NEVER_SENT:
                    self.result.chance_hits += 1
                else:
                    self.result.leaks[by_number[number].cell].setdefault(number, set()).add(form)

    def send(self, placements: Sequence[Placement]) -> list[bytes]:
        """Send placements; return what the daemon answered."""
        answers: list[bytes] = []
        groups: dict[tuple[str, str], list[Placement]] = defaultdict(list)
        for placement in placements:
            groups[placement.signal, placement.transport].append(placement)
        for (signal, transport), group in groups.items():
            for at in range(0, len(group), _REQUEST_ITEMS):
                answers += self._send(signal, transport, group[at : at + _REQUEST_ITEMS])
        return answers

    def _send(self, signal: str, transport: str, group: Sequence[Placement]) -> list[bytes]:
        if transport == "json_logs":
            body = b"\n".join(placement.line() for placement in group)
            return [_posted(self.daemon.url("json_logs"), body, "application/x-ndjson")]
        messages = [placement.message(self.time_ns) for placement in group]
        if transport == "http_json":
            return [_posted(f"{self.daemon.url('otlp_http')}/v1/{signal}", _otlp_json(messages), "application/json")]
        # Joining requests is joining their bytes.
        payload = b"".join(message.SerializeToString() for message in messages)
        return [self.send_grpc(signal, payload), *self._broken(signal, payload)]

    def send_grpc(self, signal: str, payload: bytes) -> bytes:
        """One request over OTLP/gRPC; its answer."""
        answer: bytes = self._channel.unary_unary(OTLP_METHODS[signal])(payload, timeout=60, wait_for_ready=True)
        return answer

    def _broken(self, signal: str, payload: bytes) -> Iterator[bytes]:
        """The same, cut short: the answers to what cannot be read may not quote it either."""
        try:
            self._channel.unary_unary(OTLP_METHODS[signal])(payload[:-3], timeout=60)
        except grpc.RpcError as error:
            yield str(error).encode()
        for kind, body in (("x-protobuf", payload[:-3]), ("json", b'{"resourceSpans":[{' + payload[-999:])):
            url = f"{self.daemon.url('otlp_http')}/v1/{signal}"
            answer = request("POST", url, body=body, headers={"Content-Type": f"application/{kind}"})
            assert answer.status == 400, answer.body
            yield answer.body

    def settle(self) -> None:
        """Wait until every queue is empty."""
        wait_until(lambda: self.daemon.metric("otelcol_exporter_queue_size") == 0, seconds=120, what="empty queues")

    def output(self) -> Output:
        """Wait until every queue is empty; then all that came out since the last time."""
        self.settle()
        output = Output(self._files())
        for received in self.recorder.take():
            body, message = decoded(received)
            output.raw.append(body)
            output.texts.update(texts(message))
        output.raw.append(get(f"{self.daemon.url('metrics')}/metrics").body)
        return output

    def _files(self) -> list[bytes]:
        """Every file the daemon wrote, its log too: what is new in those that grow, the whole of all others."""
        written: list[bytes] = []
        for path in self.daemon.directory.rglob("*"):
            if path.is_file() and path.name != "telescrub.yaml":
                grows = path.name == "log" or ".jsonl" in path.name
                with path.open("rb") as file:
                    # A rotated file goes on under another name; its number stays.
                    key = str(path.stat().st_ino)
                    file.seek(self._file_read.get(key, 0) if grows else 0)
                    written.append(file.read())
                    self._file_read[key] = file.tell()
        return written


def _came_out(placement: Placement, output: Output) -> bool:
    return placement.marker in output.texts or (
        placement.place == "json_logs line of text"
        and any(placement.marker in text for text in output.texts if isinstance(text, str))
    )


def _posted(url: str, body: bytes, content_type: str) -> bytes:
    answer = request("POST", url, body=body, headers={"Content-Type": content_type})
    assert answer.status == 200, answer.body
    return answer.body


def _otlp_json(messages: Sequence[Any]) -> bytes:
    """One OTLP/JSON request: protobuf's JSON, but with ids in hex."""
    joined = type(messages[0])()
    for message in messages:
        joined.MergeFrom(message)
    return json.dumps(_with_hex_ids(MessageToDict(joined, use_integers_for_enums=True))).encode()


def _with_hex_ids(value: Any) -> Any:
    if isinstance(value, list):
        return [_with_hex_ids(each) for each in value]
    if not isinstance(value, dict):
        return value
    return {
        key: b64decode(each).hex() if key in ("traceId", "spanId", "parentSpanId") else _with_hex_ids(each)
        for key, each in value.items()
    }
