"""A run of the oracle: placements are sent to a running daemon in portions, and all that came of them is searched."""

import json
import time
from base64 import b64decode
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import grpc
from google.protobuf.json_format import MessageToDict

from tests.backends.process import get, request, wait_until
from tests.end_to_end.daemon import Telescrub
from tests.oracle.leaks import Search
from tests.oracle.left import decoded, items, texts
from tests.oracle.partial import is_partly_in
from tests.oracle.placements import Placement, is_marker, never_planted
from tests.oracle.readings import compacted, readings, without_digests
from tests.oracle.recorder import Recorder

__all__ = ["AXES", "OTLP_METHODS", "Output", "Result", "Run"]

PORTION = 5_000
"""Placements between two searches."""
_REQUEST_ITEMS = 250
_PATIENCE_SECONDS = 30
"""How long metrics may be held back to be added up."""
_QUIET_SECONDS = 0.3
_NEVER_SENT = -1
_SERVICE = "/opentelemetry.proto.collector.{}.v1.{}Service/Export"
OTLP_METHODS = {
    "traces": _SERVICE.format("trace", "Trace"),
    "metrics": _SERVICE.format("metrics", "Metrics"),
    "logs": _SERVICE.format("logs", "Logs"),
}


@dataclass(repr=False)
class Output:
    """What came out: raw bytes, the distinct texts within, and of each item of OTLP its own."""

    raw: list[bytes] = field(default_factory=list)
    """Bodies and files that consist of what is in `texts`."""
    texts: set[str | bytes] = field(default_factory=set)
    items: dict[str, set[str]] = field(default_factory=lambda: defaultdict(set))
    """By marker."""

    def searched(self) -> Iterator[bytes]:
        """Everything to search, as it is and in every reading."""
        yield from (compacted(without_digests(each)) for each in self.raw)
        yield from readings(self.texts)

    def has(self, placement: Placement) -> bool:
        """Whether the item of a placement came out."""
        return placement.marker in self.items or (
            placement.place == "json_logs line of text"
            and any(placement.marker in text for text in self.texts if isinstance(text, str))
        )

    def add_item(self, own: Sequence[str | bytes]) -> None:
        """Remember the texts of an item under its marker."""
        plain = [each for each in own if isinstance(each, str)]
        for each in plain:
            if is_marker(each):
                self.items[each].update(plain)


@dataclass(repr=False)
class Result:
    """What a run found."""

    placements: int = 0
    totals: dict[str, Counter[tuple[str, ...]]] = field(default_factory=lambda: defaultdict(Counter))
    """Placements along each of `AXES`."""
    leaks: dict[tuple[str, str, str], dict[int, set[str]]] = field(default_factory=lambda: defaultdict(dict))
    """By cell (identifier, place, disguise) and placement number, the forms in which it leaked."""
    missing: list[Placement] = field(default_factory=list)
    """Placements of which not even the marker came out: their items were dropped, or the oracle is wrong."""
    by_chance: list[str] = field(default_factory=list)
    """Leaks found of canaries that were never sent, value and form; any at all means that the search finds too much."""
    partial: dict[tuple[str, str, str], set[int]] = field(default_factory=lambda: defaultdict(set))
    """By cell, placements of which the item still has the last four digits or the initials."""
    partial_by_chance: int = 0
    """The same of canaries that were never sent."""

    @property
    def leaked(self) -> int:
        """Placements that leaked."""
        return sum(map(len, self.leaks.values()))

    def count(self, placements: Sequence[Placement]) -> None:
        """Add placements to the totals."""
        self.placements += len(placements)
        for name, axes in AXES.items():
            self.totals[name].update(tuple(each.cell[axis] for axis in axes) for each in placements)


AXES = {
    "identifier": (0,),
    "place": (1,),
    "disguise": (2,),
    "identifier × disguise": (0, 2),
    "place × disguise": (1, 2),
}
"""Along which parts of a cell placements are counted."""


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
        self._before: Sequence[Placement] = ()

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
            "audit": {"path": "./audit", "interval": "2s"},
            "pipelines": {
                signal: {"receivers": receivers[signal], "exporters": list(names), **allowed}
                for signal, names in exporters.items()
            },
        }

    def go(self, numbers: Sequence[int], progress: Callable[[int], None] = lambda _: None) -> Result:
        """Send these placements and search what comes of them; `progress` is told how many are done."""
        for at in range(0, len(numbers), PORTION):
            self._portion([Placement(self.seed, number) for number in numbers[at : at + PORTION]])
            progress(self.result.placements)
        return self.result

    def _portion(self, placements: Sequence[Placement]) -> None:
        answers = self.send(placements)
        output = self.output(placements)
        output.texts.update(answers)
        self.result.count(placements)
        self.search(placements, output)
        self.result.missing += [each for each in placements if not output.has(each)]

    def search(self, placements: Sequence[Placement], output: Output) -> None:
        """Look for the canaries of these placements, of those before, of which something may have come late, and for
        those of a run that never was.
        """
        by_number = {placement.number: placement for placement in [*self._before, *placements]}
        self._before = placements
        never_sent = [never_planted(self.seed, placement.number) for placement in placements]
        control = ((_NEVER_SENT - place, fact) for place, fact in enumerate(never_sent))
        search = Search([*((each.number, each.fact) for each in by_number.values()), *control])
        for data in output.searched():
            for number, form in search.leaks(data):
                if number < 0:
                    self.result.by_chance.append(f"{never_sent[_NEVER_SENT - number].value}, {form}")
                else:
                    self.result.leaks[by_number[number].cell].setdefault(number, set()).add(form)
        for placement, never in zip(placements, never_sent, strict=True):
            own = output.items.get(placement.marker, set())
            if is_partly_in(placement.fact, own):
                self.result.partial[placement.cell].add(placement.number)
            self.result.partial_by_chance += is_partly_in(never, own)

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

    def output(self, placements: Sequence[Placement]) -> Output:
        """All that came out since the last time; waits for the markers of these placements, then until all is quiet."""
        output, deadline = Output(), time.monotonic() + _PATIENCE_SECONDS
        self._collect(output)
        while time.monotonic() < deadline and not all(map(output.has, placements)):
            time.sleep(_QUIET_SECONDS)
            self._collect(output)
        while self._collect(output):
            time.sleep(_QUIET_SECONDS)
        output.texts.add(get(f"{self.daemon.url('metrics')}/metrics").body)
        for path, new in self._files():
            # What is exported is in the texts already; what the daemon says of itself is not.
            if path.name == "log" or (path.suffix == ".jsonl" and "audit" in path.parts):
                output.texts.update(new.splitlines())
            else:
                output.raw.append(new)
        return output

    def _collect(self, output: Output) -> int:
        """Wait until every queue is empty; add what was received, and return how many requests that were."""
        self.settle()
        taken = self.recorder.take()
        for received in taken:
            body, message = decoded(received)
            output.raw.append(body)
            output.texts.update(texts(message))
            if received.path.startswith("/v1/"):
                for own in items(message):
                    output.add_item(own)
        return len(taken)

    def _files(self) -> Iterator[tuple[Path, bytes]]:
        """Every file the daemon wrote, its log too: what is new in those that grow, the whole of all others."""
        for path in self.daemon.directory.rglob("*"):
            if path.is_file() and path.name != "telescrub.yaml":
                grows = path.name == "log" or ".jsonl" in path.name
                with path.open("rb") as file:
                    # A rotated file goes on under another name; its number stays.
                    key = str(path.stat().st_ino)
                    file.seek(self._file_read.get(key, 0) if grows else 0)
                    yield path, file.read()
                    self._file_read[key] = file.tell()


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
