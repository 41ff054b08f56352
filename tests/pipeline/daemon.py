"""A daemon within the test's own process that can be reloaded, under constant load."""

import asyncio
import copy
import json
from collections import Counter
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import orjson
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from pipeline.__main__ import catalogue
from pipeline.logs import logger
from pipeline.reload.origin import Origin
from pipeline.reload.reloads import Outcome, Reloads
from pipeline.service import Service
from tests.payloads import traces

__all__ = ["BASE", "GONE", "UNREDACTED", "Load", "Reloadable", "changed", "running", "written"]

Tree = dict[str, Any]
"""A configuration, as plain values."""

UNREDACTED = {"redaction": "none", "redaction_reason": "made-up data"}

BASE: Tree = {
    "receivers": {"otlp": {"protocols": {"http": {"endpoint": "127.0.0.1:0"}}}},
    "processors": {"batch": {"timeout": "0s"}},
    "exporters": {"file": {"path": "FOLDER/{signal}.jsonl"}},
    "extensions": {"file_storage": {"directory": "FOLDER/queue"}},
    "service": {
        "extensions": ["file_storage"],
        "telemetry": {"metrics": {"address": "127.0.0.1:0"}},
        "shutdown_timeout": "10s",
        "admin": {"endpoint": "127.0.0.1:0"},
        "pipelines": {"traces": {"receivers": ["otlp"], "processors": ["batch"], "exporters": ["file"], **UNREDACTED}},
    },
}
"""Spans over HTTP into a file; FOLDER is the test's own."""

GONE = object()
"""The value of a key that is to be taken out."""


def changed(tree: Tree, changes: Mapping[str, Any]) -> Tree:
    """The tree with other values at places such as `exporters::file::path`."""
    other = copy.deepcopy(tree)
    for path, value in changes.items():
        *way, last = path.split("::")
        place = other
        for step in way:
            place = place.setdefault(step, {})
        if value is GONE:
            del place[last]
        else:
            place[last] = value
    return other


class Reloadable:
    """A service that runs by a file of configuration."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.file = folder, folder / "telescrub.yaml"
        self.origin = Origin(lambda: [self.file], catalogue())
        self.log = logger("error")
        self.service: Service
        self.reloads: Reloads

    async def start(self, tree: Tree) -> None:
        await self.write(tree)
        self.service = Service(await asyncio.to_thread(self.origin.load), self.log)
        self.reloads = Reloads(self.service, self.origin, self.log)
        await self.service.__aenter__()

    async def write(self, tree: Tree) -> None:
        """Write the file; what JSON is, is YAML."""
        await asyncio.to_thread(self.file.write_text, json.dumps(tree, indent=1).replace("FOLDER", str(self.folder)))

    async def reload(self, tree: Tree) -> Outcome:
        """Reload, and wait until what was replaced is gone."""
        await self.write(tree)
        outcome = await self.reloads.reload()
        await self.service.settle()
        return outcome

    def http_port(self, receiver: str = "otlp") -> int:
        server: Any = self.service.graph.receivers[receiver]
        return int(server.http.port)

    def value(self, name: str, **labels: str) -> float:
        """Of a self-metric."""
        return self.service.telemetry.registry.get_sample_value(name, labels) or 0.0


@asynccontextmanager
async def running(folder: Path, tree: Tree) -> AsyncIterator[Reloadable]:
    """The daemon for the length of a block."""
    daemon = Reloadable(folder)
    await daemon.start(tree)
    try:
        yield daemon
    finally:
        await daemon.service.__aexit__(None, None, None)


class Load:
    """Entered: sends spans with names of their own, one request after the other over one connection, never twice."""

    def __init__(self, daemon: Reloadable) -> None:
        self._daemon = daemon
        self.answers: Counter[int] = Counter()
        self.sent: list[str] = []
        self._stopping, self._answered = False, asyncio.Condition()

    async def __aenter__(self) -> "Load":
        self._group = await asyncio.TaskGroup().__aenter__()
        self._group.create_task(self._run())
        return self

    async def __aexit__(self, *_: object) -> None:
        self._stopping = True
        await self._group.__aexit__(None, None, None)

    async def more(self, requests: int = 5) -> None:
        """Wait until so many further requests were answered."""
        until = len(self.sent) + requests
        async with self._answered:
            await self._answered.wait_for(lambda: len(self.sent) >= until)

    async def _run(self) -> None:
        headers = {"Content-Type": "application/x-protobuf"}
        async with aiohttp.ClientSession() as session:
            while not self._stopping:
                name = f"span {len(self.sent)}"
                url = f"http://127.0.0.1:{self._daemon.http_port()}/v1/traces"
                async with session.post(url, data=traces([Span(name=name)]).payload, headers=headers) as answer:
                    self.answers[answer.status] += 1
                async with self._answered:
                    self.sent.append(name)
                    self._answered.notify_all()


def written(folder: Path, file: str = "traces.jsonl") -> list[str]:
    """The names of the spans in a file, in their order."""

    def names() -> Iterator[str]:
        for line in (folder / file).read_bytes().splitlines():
            for resource in orjson.loads(line)["resourceSpans"]:
                for scope in resource["scopeSpans"]:
                    yield from (span["name"] for span in scope["spans"])

    return list(names())
