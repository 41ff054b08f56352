"""Reloads of the real daemon under load: `python -m tests.chaos.reloads --reloads 1000 --seed 1`.

Clients send over gRPC and HTTP without ever sending anything again, so that each answer counts. A third of the
configurations is broken, each in another way. Nothing may be refused, lost or doubled, and nothing may be left behind.
"""

import argparse
import asyncio
import json
import random
import sys
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
import grpc
import orjson
from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from processors.otlp_objects import any_value
from tests.backends.process import Server, get, request
from tests.payloads import logs, traces
from tests.pipeline.daemon import GONE, UNREDACTED, Tree, changed
from wire.signal import Signal

__all__ = ["Reloaded", "Report", "run"]

HTTP, GRPC = "receivers::otlp::protocols::http", "receivers::otlp::protocols::grpc"


class Reloaded(Server):
    """The daemon, by a file that is written anew for each reload."""

    program = "telescrub"

    def executable(self) -> Path:
        return Path(sys.executable)

    @property
    def base(self) -> Tree:
        folder, exporters = self.directory, ["file", "file/second"]
        return {
            "receivers": {
                "otlp": {"protocols": {name: {"endpoint": self.address(f"otlp_{name}")} for name in ("grpc", "http")}},
                "json_logs": {"endpoint": self.address("json_logs")},
            },
            "processors": {"batch": {"timeout": "20ms"}, "redact_phi": {"packs": ["hipaa"]}},
            "exporters": {
                "file": {"path": f"{folder}/{{signal}}.jsonl"},
                "file/second": {"path": f"{folder}/second-{{signal}}.jsonl"},
            },
            "extensions": {
                "file_storage": {"directory": f"{folder}/queue"},
                "health_check": {"endpoint": self.address("health")},
            },
            "service": {
                "extensions": ["file_storage", "health_check"],
                "admin": {"endpoint": self.address("admin")},
                "telemetry": {"metrics": {"address": self.address("metrics")}},
                "audit": {"path": f"{folder}/audit"},
                "pipelines": {
                    "traces": {"receivers": ["otlp"], "processors": ["redact_phi", "batch"], "exporters": exporters},
                    "logs": {
                        "receivers": ["otlp", "json_logs"],
                        "processors": ["redact_phi", "batch"],
                        "exporters": exporters,
                    },
                },
            },
        }

    def arguments(self) -> list[str]:
        self.write(self.base)
        return ["-m", "pipeline", "run", "--config", str(self.file)]

    @property
    def file(self) -> Path:
        return self.directory / "telescrub.yaml"

    def write(self, tree: Tree) -> None:
        self.file.write_text(json.dumps(tree, indent=1))

    def is_ready(self) -> bool:
        return get(f"http://{self.address('health')}/").status == 200

    def reload(self) -> tuple[int, list[str]]:
        """The status, and the problems."""
        answer = request("POST", f"http://{self.address('admin')}/-/reload")
        return answer.status, orjson.loads(answer.body).get("problems", [])

    def held(self) -> dict[str, int]:
        """What the process has of the system."""
        assert self._process is not None
        process = Path(f"/proc/{self._process.pid}")
        pages = int((process / "statm").read_text().split()[1])
        return {
            "files": len(list((process / "fd").iterdir())),
            "threads": len(list((process / "task").iterdir())),
            "mebibytes": pages * 4096 // 2**20,
        }


GOOD: tuple[Mapping[str, Any], ...] = (
    {},
    {"exporters::file::rotation": {"max_megabytes": 50}},
    {"exporters::file/second::sending_queue": {"max_items": 1_000_000}},
    {"processors::batch::timeout": "0s"},
    {"processors::redact_phi": {"packs": ["hipaa", "lgpd"]}},
    {"processors::redact_phi": {"packs": ["hipaa"], "max_depth": 20}},
    {f"{HTTP}::max_concurrent_requests": 50},
    {f"{GRPC}::max_concurrent_requests": 50},
    {"receivers::json_logs::max_concurrent_requests": 50},
    {"service::telemetry::metrics": {"level": "none"}},
    {"extensions::health_check::path": "/health"},
    {"service::shutdown_timeout": "20s"},
    {"service::pipelines::traces": GONE, "service::pipelines::traces/second": "@service::pipelines::traces"},
    {
        "exporters::debug": {},
        "service::pipelines::logs::exporters": ["debug", "file", "file/second"],
    },
)
BROKEN: tuple[Mapping[str, Any], ...] = (
    {"receivers::otlp": "syntax"},
    {"processors::batch::timeuot": "0s"},
    {"processors::redact_phi": {"rule_files": ["none.yaml"]}},
    {"processors::redact_phi": {"rules": [{"id": "bad", "title": "bad", "patterns": ["("]}]}},
    {f"{HTTP}::max_concurrent_requests": 60, "service::admin::endpoint": "TAKEN"},
    {f"{GRPC}::tls": {"cert_file": "none.pem", "key_file": "none.pem"}, f"{HTTP}::max_concurrent_requests": 60},
    {
        "receivers::otlp/second": {"protocols": {"http": {"endpoint": "TAKEN"}}},
        "service::pipelines::traces/second": {"receivers": ["otlp/second"], "exporters": ["file"], **UNREDACTED},
    },
    {"extensions::file_storage::directory": "/proc/none"},
    {"exporters::file::path": "/proc/none/{signal}.jsonl", "processors::batch::timeout": "0s"},
    {"service::telemetry::logs": {"level": "debug"}},
)


@dataclass
class Report:
    """What happened."""

    reloads: Counter[str] = field(default_factory=Counter)
    answers: Counter[str] = field(default_factory=Counter)
    """To requests of clients: `ok`, or what it was instead."""
    sent: int = 0
    lost: int = 0
    doubled: int = 0
    before: Mapping[str, int] = field(default_factory=dict)
    after: Mapping[str, int] = field(default_factory=dict)
    surprises: list[str] = field(default_factory=list)
    """Reloads that went otherwise than they should."""

    @property
    def is_good(self) -> bool:
        # A connection that is being closed, and one of the pool's threads more or less.
        more = {"files": 3, "threads": 3, "mebibytes": 100}
        kept = all(self.after[each] <= self.before[each] + most for each, most in more.items())
        return set(self.answers) == {"ok"} and not (self.lost or self.doubled or self.surprises) and kept

    def __str__(self) -> str:
        return (
            f"reloads {dict(self.reloads)}; requests {dict(self.answers)}; items {self.sent}, lost {self.lost}, doubled"
            f" {self.doubled}; before {self.before}, after {self.after}; surprises {self.surprises[:3]}"
        )


class _Client(ABC):
    """Sends one item a request, each with a name of its own, and counts the answers."""

    def __init__(self, name: str, daemon: Reloaded, report: Report) -> None:
        self.name, self.daemon, self.report = name, daemon, report
        self.acknowledged: list[str] = []

    async def run(self, stopping: asyncio.Event) -> None:
        async with AsyncExitStack() as stack:
            send = await self._connected(stack)
            number = 0
            while not stopping.is_set():
                number += 1
                item = f"{self.name} {number}"
                try:
                    answer = await send(item)
                except Exception as error:
                    answer = type(error).__name__
                self.report.answers[answer] += 1
                if answer == "ok":
                    self.acknowledged.append(item)
                await asyncio.sleep(0.01)

    @abstractmethod
    async def _connected(self, stack: AsyncExitStack) -> Any:
        """What sends an item, once connected."""


class _Http(_Client):
    async def _connected(self, stack: AsyncExitStack) -> Any:
        session = await stack.enter_async_context(aiohttp.ClientSession())
        url = f"http://{self.daemon.address('otlp_http')}/v1/traces"

        async def send(item: str) -> str:
            headers = {"Content-Type": "application/x-protobuf"}
            body = traces([Span(name=item)]).payload
            async with session.post(url, data=body, headers=headers) as answer:
                return "ok" if answer.status == 200 else f"HTTP {answer.status}"

        return send


class _JsonLogs(_Client):
    async def _connected(self, stack: AsyncExitStack) -> Any:
        session = await stack.enter_async_context(aiohttp.ClientSession())

        async def send(item: str) -> str:
            async with session.post(f"http://{self.daemon.address('json_logs')}/", json={"message": item}) as answer:
                return "ok" if answer.status == 200 else f"HTTP {answer.status}"

        return send


class _Grpc(_Client):
    async def _connected(self, stack: AsyncExitStack) -> Any:
        channel = await stack.enter_async_context(grpc.aio.insecure_channel(self.daemon.address("otlp_grpc")))
        export = channel.unary_unary(f"/{Signal.LOGS.service}/Export")

        async def send(item: str) -> str:
            body = logs([LogRecord(body=any_value(item))]).payload
            try:
                await export(body, timeout=30)
            except grpc.aio.AioRpcError as error:
                return f"gRPC {error.code().name}: {error.details()}"
            return "ok"

        return send


CLIENTS: tuple[type[_Client], ...] = (_Http, _Http, _Grpc, _Grpc, _JsonLogs)


def _variations(seed: int, base: Tree, taken: str) -> Iterator[tuple[bool, Tree]]:
    """Whether it is good, and the configuration; every third is not."""
    chance = random.Random(seed)
    while True:
        for is_good in chance.sample((True, True, False), 3):
            changes = dict(chance.choice(GOOD if is_good else BROKEN))
            for path, value in changes.items():
                if value == "@service::pipelines::traces":
                    changes[path] = base["service"]["pipelines"]["traces"]
            tree = json.loads(json.dumps(changed(base, changes)).replace("TAKEN", taken))
            yield is_good, tree


async def run(daemon: Reloaded, reloads: int, seed: int, *, warm_up: int = 10) -> Report:
    """Reload under load, then stop the daemon and count. What it holds is measured after `warm_up` reloads and at the
    end, both times with the first configuration and no load.
    """
    report, clients = Report(), list[_Client]()
    taken = await asyncio.start_server(lambda _reader, writer: writer.close(), "127.0.0.1", 0)
    variations = _variations(seed, daemon.base, f"127.0.0.1:{taken.sockets[0].getsockname()[1]}")
    async with taken:
        for round_, count in enumerate((warm_up, reloads)):
            stopping = asyncio.Event()
            async with asyncio.TaskGroup() as group:
                for number, kind in enumerate(CLIENTS):
                    clients.append(kind(f"{kind.__name__.strip('_')}{round_}{number}", daemon, report))
                    group.create_task(clients[-1].run(stopping))
                for _ in range(count):
                    await _reload(daemon, *next(variations), report)
                await _reload(daemon, True, daemon.base, report)
                stopping.set()
            # Whatever the last reload replaced is gone before the next one is answered.
            await asyncio.to_thread(daemon.reload)
            held = await asyncio.to_thread(daemon.held)
            report.before, report.after = (held, held) if not round_ else (report.before, held)
    await asyncio.to_thread(daemon.stop)
    await asyncio.to_thread(_account, daemon, clients, report)
    return report


async def _reload(daemon: Reloaded, is_good: bool, tree: Tree, report: Report) -> None:
    await asyncio.to_thread(daemon.write, tree)
    status, problems = await asyncio.to_thread(daemon.reload)
    report.reloads["done" if status == 200 else "failed"] += 1
    if (status == 200) is not is_good:
        report.surprises.append(f"{status} {problems}: {json.dumps(tree)}")


def _account(daemon: Reloaded, clients: list[_Client], report: Report) -> None:
    """Every acknowledged item is once in the files of each exporter."""
    wanted = {item for client in clients for item in client.acknowledged}
    report.sent = len(wanted)
    for prefix in ("", "second-"):
        found = Counter(
            item for name in ("traces", "logs") for item in _items(daemon.directory / f"{prefix}{name}.jsonl")
        )
        report.lost += len(wanted - set(found))
        report.doubled += sum(count - 1 for count in found.values())


def _items(file: Path) -> Iterator[str]:
    for line in file.read_bytes().splitlines():
        told = orjson.loads(line)
        for envelope in (*told.get("resourceSpans", ()), *told.get("resourceLogs", ())):
            for scope in (*envelope.get("scopeSpans", ()), *envelope.get("scopeLogs", ())):
                yield from (span["name"] for span in scope.get("spans", ()))
                yield from (record["body"]["stringValue"] for record in scope.get("logRecords", ()))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--reloads", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    with Reloaded() as daemon:
        report = asyncio.run(run(daemon, arguments.reloads, arguments.seed))
        print(report)
        if not report.is_good:
            print(daemon.log[-4000:])
    sys.exit(not report.is_good)


if __name__ == "__main__":
    main()
