"""Reloading under load: every sort of change and of failure, with nothing refused, lost or doubled."""

import asyncio
import json
import socket
import threading
from pathlib import Path
from typing import Any

import orjson
import pytest
from opentelemetry.proto.metrics.v1.metrics_pb2 import AggregationTemporality, Gauge, Metric, NumberDataPoint, Sum
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from exporters.debug import Debug
from pipeline.batch import Batch, Signal
from pipeline.component import NoLedger
from pipeline.errors import Refused
from pipeline.graph import build
from pipeline.reload.changes import Changes
from pipeline.self_metrics import summary
from pipeline.sending.sender import Sender
from pipeline.service import Service
from tests.backends.process import free_port
from tests.payloads import metrics, pairs, traces
from tests.pipeline.daemon import BASE, GONE, UNREDACTED, Load, Reloadable, changed, running, written

PIPELINES, HTTP = "service::pipelines", "receivers::otlp::protocols::http"

GOOD: dict[str, dict[str, Any]] = {
    "nothing": {},
    "an exporter's settings": {"exporters::file::rotation": {"max_megabytes": 50}},
    "how an exporter batches": {"processors::batch::timeout": "10ms"},
    "limits of a queue": {"exporters::file::sending_queue": {"max_items": 100_000}},
    "a receiver's settings": {f"{HTTP}::max_concurrent_requests": 7},
    "a further processor": {
        "processors::redact_phi": {"packs": ["hipaa"]},
        f"{PIPELINES}::traces::processors": ["redact_phi", "batch"],
    },
    "the page of metrics": {"service::telemetry::metrics": {"level": "none"}},
    "the admin endpoint": {"service::admin": GONE},
    "the deadline": {"service::shutdown_timeout": "20s"},
    "a pipeline's name": {
        f"{PIPELINES}::traces": GONE,
        f"{PIPELINES}::traces/second": BASE["service"]["pipelines"]["traces"],
    },
    "an extension": {
        "extensions::health_check": {"endpoint": "127.0.0.1:0"},
        "service::extensions": ["file_storage", "health_check"],
    },
    "another folder of queues": {"extensions::file_storage::directory": "FOLDER/other"},
    "another exporter beside it": {
        "exporters::debug": {},
        f"{PIPELINES}::traces::exporters": ["debug", "file"],
    },
}


@pytest.mark.parametrize("change", GOOD)
async def test_a_change(tmp_path: Path, change: str) -> None:
    """Every request is answered OK, and every span arrives once and in order, also when it is changed back."""
    async with running(tmp_path, BASE) as daemon, Load(daemon) as load:
        await load.more()
        active = at_work()
        assert (await daemon.reload(changed(BASE, GOOD[change]))).problems == ()
        await load.more()
        assert (await daemon.reload(BASE)).problems == ()
        await load.more()
        assert at_work() == active
        accepted = daemon.value("otelcol_receiver_accepted_spans", receiver="otlp", transport="http")
    assert set(load.answers) == {200}
    assert accepted >= len(load.sent) - 1
    assert written(tmp_path) == load.sent


@pytest.mark.parametrize("host", ["0.0.0.0", "localhost"])
async def test_another_host_at_the_same_port(tmp_path: Path, host: str) -> None:
    """A receiver that is opened to other machines, and closed again."""
    port = free_port()
    inside, outside = (changed(BASE, {f"{HTTP}::endpoint": f"{each}:{port}"}) for each in ("127.0.0.1", host))
    async with running(tmp_path, inside) as daemon, Load(daemon) as load:
        for tree in (outside, inside):
            await load.more()
            assert (await daemon.reload(tree)).problems == ()
        await load.more()
    assert set(load.answers) == {200}
    assert written(tmp_path) == load.sent


def at_work() -> list[str]:
    """The names of the tasks and threads there are, without those of requests, of the pool that all share, and the one
    that gRPC has for a process and ends some time after the last channel.
    """
    tasks = [task.get_name() for task in asyncio.all_tasks()]
    threads = [thread.name for thread in threading.enumerate() if "(_poll_wrapper)" not in thread.name]
    return sorted(each for each in tasks + threads if not each.startswith(("Task-", "asyncio_")))


def taken_port() -> socket.socket:
    """A socket that another program listens on; it answers nothing."""
    taken = socket.socket()
    taken.bind(("127.0.0.1", 0))
    taken.listen()
    return taken


LOGS = {"receivers": ["json_logs"], "exporters": ["file"], **UNREDACTED}
BROKEN: dict[str, tuple[dict[str, Any], str]] = {
    "an unknown key": (
        {"processors::batch": {"timeuot": "0s"}},
        "FOLDER/telescrub.yaml:13:4: processors::batch::timeuot: there is no key 'timeuot'; did you mean 'timeout'? "
        "Valid: metadata_keys, send_batch_max_size, send_batch_size, timeout",
    ),
    "a file of rules that is not there": (
        {"processors::redact_phi": {"rule_files": ["FOLDER/none.yaml"]}},
        "FOLDER/telescrub.yaml:15:3: processors::redact_phi: FOLDER/none.yaml: the file cannot be read: "
        "No such file or directory",
    ),
    "a port in use": (
        {"receivers::json_logs": {"endpoint": "127.0.0.1:TAKEN"}, f"{PIPELINES}::logs": LOGS},
        "receivers::json_logs: cannot listen on 127.0.0.1:TAKEN; is another program using it?",
    ),
    "a port in use, once other servers run": (
        {
            f"{HTTP}::max_concurrent_requests": 7,
            "extensions::health_check": {"endpoint": "127.0.0.1:0"},
            "service::extensions": ["file_storage", "health_check"],
            "service::admin::endpoint": "127.0.0.1:TAKEN",
        },
        "service::admin: cannot listen on 127.0.0.1:TAKEN; is another program using it?",
    ),
    "no certificate": (
        {f"{HTTP}::tls": {"cert_file": "FOLDER/none.pem", "key_file": "FOLDER/none.pem"}},
        "receivers::otlp: [Errno 2] No such file or directory: 'FOLDER/none.pem'",
    ),
    "a folder of queues that is none": (
        {"extensions::file_storage::directory": "FOLDER/telescrub.yaml/queue"},
        "queues::file: the folder FOLDER/telescrub.yaml/queue for queues cannot be used: Not a directory",
    ),
    "an exporter that cannot write": (
        {"exporters::file::path": "FOLDER/telescrub.yaml/{signal}.jsonl"},
        "exporters::file: [Errno 17] File exists: 'FOLDER/telescrub.yaml'",
    ),
    "a folder of state that is none": (
        {
            "processors::limit_cardinality": {"aggregation": {"storage": "FOLDER/telescrub.yaml/state"}},
            f"{PIPELINES}::metrics": {
                "receivers": ["otlp"],
                "processors": ["limit_cardinality"],
                "exporters": ["file"],
                **UNREDACTED,
            },
        },
        "processors::limit_cardinality: [Errno 20] Not a directory: 'FOLDER/telescrub.yaml/state'",
    ),
    "what only a restart can change": (
        {"service::telemetry::logs": {"level": "debug"}},
        "service::telemetry::logs is read only when the daemon starts; restart it, or leave this as it was",
    ),
    "another key for a queue in use": (
        {"extensions::file_storage::encryption_key": "ab" * 32},
        "exporters::file: its queue is in use with other settings of the storage; restart the daemon, or name another "
        "directory",
    ),
}


@pytest.mark.parametrize("fault", BROKEN)
async def test_a_broken_configuration(tmp_path: Path, fault: str) -> None:
    """It is not taken and says why; the daemon goes on as before, and takes the next good one."""
    changes, problem = BROKEN[fault]
    with taken_port() as taken:
        port = str(taken.getsockname()[1])
        broken = json.loads(json.dumps(changed(BASE, changes)).replace("TAKEN", port))
        async with running(tmp_path, BASE) as daemon, Load(daemon) as load:
            await load.more()
            before, active = daemon.service.graph, at_work()
            outcome = await daemon.reload(broken)
            assert outcome.changes is None
            assert list(outcome.problems) == [problem.replace("TAKEN", port).replace("FOLDER", str(tmp_path))]
            assert daemon.service.graph is before
            assert daemon.value("telescrub_config_last_reload_successful") == 0
            await load.more()
            assert at_work() == active
            assert (await daemon.reload(changed(BASE, {"processors::batch::timeout": "10ms"}))).problems == ()
            assert daemon.value("telescrub_config_last_reload_successful") == 1
            await load.more()
    assert set(load.answers) == {200}
    assert written(tmp_path) == load.sent


async def test_what_a_processor_remembers(tmp_path: Path) -> None:
    """One whose settings change goes on from what the one before remembered."""
    limits = {"aggregation": {"storage": "FOLDER/state"}}
    tree = changed(
        BASE,
        {
            "processors::delta_to_cumulative": {"max_stale": "60s"},
            "processors::limit_cardinality": limits,
            f"{PIPELINES}::metrics": {
                "receivers": ["otlp"],
                "processors": ["delta_to_cumulative", "limit_cardinality"],
                "exporters": ["file"],
                **UNREDACTED,
            },
        },
    )
    other = {
        "processors::delta_to_cumulative::max_stale": "90s",
        "processors::limit_cardinality": {**limits, "window": "2h"},
    }
    in_place = {"component": "limit_cardinality", "pipeline": "metrics"}
    async with running(tmp_path, tree) as daemon:
        await daemon.service.graph.routers["otlp", Signal.METRICS].consume(delta(5, room="3", second=1))
        outcome = await daemon.reload(changed(tree, other))
        assert outcome.changes is not None
        assert outcome.changes.changed == {
            "processors::delta_to_cumulative": ["max_stale"],
            "processors::limit_cardinality": ["window"],
        }
        await daemon.service.graph.routers["otlp", Signal.METRICS].consume(delta(3, room="3", second=2))
        await daemon.service.graph.routers["otlp", Signal.METRICS].consume(delta(1, room="4", second=3))
        assert daemon.value("telescrub_cardinality_series", **in_place) == 2
    assert totals(tmp_path / "metrics.jsonl") == [0, 5, 8, 0, 1]


def delta(value: int, *, room: str, second: int) -> Batch:
    """One point of a counter that tells what it grew by."""
    point = NumberDataPoint(
        start_time_unix_nano=second * 10**9,
        time_unix_nano=(second + 1) * 10**9,
        as_int=value,
        attributes=pairs({"room": room}),
    )
    temporality = AggregationTemporality.AGGREGATION_TEMPORALITY_DELTA
    visits = Sum(aggregation_temporality=temporality, is_monotonic=True, data_points=[point])
    return metrics([Metric(name="visits", sum=visits)])


def straight(*processors: str) -> dict[str, Any]:
    """A pipeline of metrics through these, in this order."""
    return {"metrics": {"receivers": ["otlp"], "processors": list(processors), "exporters": ["file"]}}


def connected(*processors: str) -> dict[str, Any]:
    """The same, each in a pipeline of its own."""
    first, second = processors
    return {
        "metrics": {"receivers": ["otlp"], "processors": [first], "exporters": ["forward"]},
        "metrics/second": {"receivers": ["forward"], "processors": [second], "exporters": ["file"]},
    }


MOVES: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "in a pipeline": (straight("limit_cardinality", "redact_phi"), straight("redact_phi", "limit_cardinality")),
    "over a connector": (connected("limit_cardinality", "redact_phi"), connected("redact_phi", "limit_cardinality")),
    "into one pipeline": (connected("limit_cardinality", "redact_phi"), straight("redact_phi", "limit_cardinality")),
}


@pytest.mark.parametrize("move", MOVES)
@pytest.mark.parametrize("window", ["1h", "2h"])
async def test_redaction_moves(tmp_path: Path, move: str, window: str) -> None:
    """What a processor held before its redaction is redacted, whether it stays or another takes its place."""
    old, new = (changed(HOLDING, {PIPELINES: pipelines}) for pipelines in MOVES[move])
    async with running(tmp_path, old) as daemon:
        await daemon.service.graph.routers["otlp", Signal.METRICS].consume(noted())
        assert (await daemon.reload(changed(new, {"processors::limit_cardinality::window": window}))).problems == ()
    text = (tmp_path / "metrics.jsonl").read_text()
    assert ('"asInt":"5"' in text, "536-90-4399" in text) == (True, False)


async def test_what_is_held_cannot_be_redacted_now(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The reload is refused, with the reason, and nothing is lost: the next one is done."""
    old, new = (changed(HOLDING, {PIPELINES: pipelines}) for pipelines in MOVES["in a pipeline"])
    async with running(tmp_path, old) as daemon:
        await daemon.service.graph.routers["otlp", Signal.METRICS].consume(noted())

        def refused(*_: object) -> None:
            raise Refused("the audit ledger cannot be written", reason="ledger")

        with monkeypatch.context() as patch:
            patch.setattr(NoLedger, "redacted", refused)
            assert (await daemon.reload(new)).problems == [
                "what processors hold back cannot go on before they are replaced: the audit ledger cannot be written"
            ]
        assert (await daemon.reload(new)).problems == ()
    text = (tmp_path / "metrics.jsonl").read_text()
    assert ('"asInt":"5"' in text, "536-90-4399" in text) == (True, False)


HOLDING = changed(
    BASE,
    {
        "processors::redact_phi": {"packs": ["hipaa"]},
        "processors::limit_cardinality": {"always_drop": ["room"], "never_drop": ["note"]},
        "connectors": {"forward": {}},
    },
)


def noted() -> Batch:
    """A gauge with something to redact, and with a label that has `limit_cardinality` hold it back."""
    attributes = pairs({"note": "SSN 536-90-4399", "room": "3"})
    point = NumberDataPoint(time_unix_nano=10**18, as_int=5, attributes=attributes)
    return metrics([Metric(name="visits", gauge=Gauge(data_points=[point]))])


@pytest.mark.parametrize("moves", [True, False])
async def test_what_still_comes_to_a_receiver_that_goes(tmp_path: Path, moves: bool) -> None:
    """It goes where it would have gone, and is turned away if others stand there now."""
    order = ["limit_cardinality", "redact_phi"]
    pipelines = {
        "metrics/second": {"receivers": ["otlp/second"], "exporters": ["forward"]},
        "metrics": {"receivers": ["otlp", "forward"], "processors": order, "exporters": ["file"]},
    }
    old = changed(HOLDING, {"receivers::otlp/second": BASE["receivers"]["otlp"], PIPELINES: pipelines})
    new = changed(HOLDING, {PIPELINES: straight(*(reversed(order) if moves else order))})
    async with running(tmp_path, old) as daemon:
        second = daemon.service.graph.routers["otlp/second", Signal.METRICS]
        await daemon.write(new)
        assert (await daemon.reloads.reload()).problems == ()
        if moves:
            with pytest.raises(Refused, match="this receiver does not run"):
                await second.consume(noted())
        else:
            await second.consume(noted())
        await daemon.service.settle()
    text = (tmp_path / "metrics.jsonl").read_text()
    assert ('"asInt":"5"' in text, "536-90-4399" in text) == (not moves, False)


def totals(file: Path) -> list[int]:
    """The values of all points in a file."""
    return [
        int(point["asInt"])
        for line in file.read_bytes().splitlines()
        for resource in orjson.loads(line)["resourceMetrics"]
        for metric in resource["scopeMetrics"][0]["metrics"]
        for point in metric["sum"]["dataPoints"]
    ]


async def test_a_receiver_and_its_pipeline_go(tmp_path: Path) -> None:
    """What was accepted before is delivered, the address is free again, and their gauges are shown no more."""
    second = BASE["service"]["pipelines"]["traces"]
    tree = changed(
        BASE,
        {
            "receivers::otlp/second": BASE["receivers"]["otlp"],
            "exporters::file/second": {"path": "FOLDER/second-{signal}.jsonl"},
            f"{PIPELINES}::traces/second": {**second, "receivers": ["otlp/second"], "exporters": ["file/second"]},
        },
    )
    async with running(tmp_path, tree) as daemon, Load(daemon) as load:
        port = daemon.http_port("otlp/second")
        await daemon.service.graph.routers["otlp/second", Signal.TRACES].consume(traces([Span(name="one")]))
        assert shown_queues(await asyncio.to_thread(summary, daemon.service.telemetry)) == ["file", "file/second"]
        outcome = await daemon.reload(BASE)
        assert outcome.changes is not None
        gone = ["exporters::file/second", "receivers::otlp/second", "service::pipelines::traces/second"]
        assert outcome.changes.removed == gone
        assert shown_queues(await asyncio.to_thread(summary, daemon.service.telemetry)) == ["file"]
        with socket.socket() as again:
            again.bind(("127.0.0.1", port))
        await load.more()
    assert set(load.answers) == {200}
    assert written(tmp_path) == load.sent
    assert written(tmp_path, "second-traces.jsonl") == ["one"]


async def test_an_exporter_goes_and_a_receiver_has_its_id(tmp_path: Path) -> None:
    """Its health and its gauges are shown no more."""
    tree = changed(
        BASE,
        {
            "exporters::otlp": {"endpoint": "127.0.0.1:9", "tls": {"insecure": True}},
            f"{PIPELINES}::traces::exporters": ["file", "otlp"],
        },
    )
    async with running(tmp_path, tree) as daemon:
        assert (await daemon.reload(BASE)).problems == ()
        assert shown_queues(await asyncio.to_thread(summary, daemon.service.telemetry)) == ["file"]
        assert list(daemon.service.telemetry.reports["health"]) == [("file", "")]


async def test_a_part_that_fails_as_it_is_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """It is logged, without what the error says; the daemon goes on, and stops in order."""

    async def fail(*_: object) -> None:
        raise RuntimeError("patient 536-90-4399")

    monkeypatch.setattr(Debug, "__aexit__", fail)
    tree = changed(BASE, GOOD["another exporter beside it"])
    async with running(tmp_path, tree) as daemon, Load(daemon) as load:
        await load.more()
        assert (await daemon.reload(BASE)).problems == ()
        await load.more()
        assert (await daemon.reload(tree)).problems == ()
        await load.more()
    assert written(tmp_path) == load.sent
    logged = [line for line in capsys.readouterr().err.splitlines() if "RuntimeError" in line]
    assert (len(logged), "536-90-4399" in "".join(logged)) == (2, False)


async def test_a_sender_that_fails_as_it_hands_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The one that has its queue now begins all the same."""
    hand_over = Sender.hand_over

    async def fail(sender: Sender) -> None:
        await hand_over(sender)
        raise RuntimeError

    monkeypatch.setattr(Sender, "hand_over", fail)
    async with running(tmp_path, BASE) as daemon, Load(daemon) as load:
        await load.more()
        assert (await daemon.reload(changed(BASE, GOOD["an exporter's settings"]))).problems == ()
        await load.more()
    assert written(tmp_path) == load.sent


async def test_stopping_after_a_failure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What processors hold is passed on, although what a reload replaced could not be left."""

    async def fail(_: Service) -> None:
        raise RuntimeError

    daemon = Reloadable(tmp_path)
    await daemon.start(changed(HOLDING, {PIPELINES: straight("limit_cardinality", "redact_phi")}))
    await daemon.service.graph.routers["otlp", Signal.METRICS].consume(noted())
    monkeypatch.setattr(Service, "settle", fail)
    with pytest.raises(RuntimeError):
        await daemon.service.__aexit__(None, None, None)
    assert '"asInt":"5"' in (tmp_path / "metrics.jsonl").read_text()


async def test_stopping_during_a_reload(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing that is built meanwhile is started: its deadline would not run."""
    loop = asyncio.get_running_loop()

    async def stop() -> None:
        daemon.service.begin_to_stop()

    def slow(*arguments: Any) -> Any:
        asyncio.run_coroutine_threadsafe(stop(), loop).result()
        return build(*arguments)

    async with running(tmp_path, BASE) as daemon:
        before, active = daemon.service.graph, at_work()
        monkeypatch.setattr("pipeline.service.build", slow)
        outcome = await daemon.reload(changed(BASE, GOOD["a receiver's settings"]))
        assert outcome.problems == ["the daemon is stopping"]
        assert (daemon.service.graph, at_work()) == (before, active)


def shown_queues(told: dict[str, Any]) -> list[str]:
    """The exporters whose queues the page shows."""
    return sorted(each["labels"]["exporter"] for each in told["otelcol_exporter_queue_size"])


async def test_an_exporter_without_its_destination(tmp_path: Path) -> None:
    """What waits for a destination that is away stays in its queue, in order, when the exporter's settings change."""
    with taken_port() as taken:
        tree = changed(
            BASE,
            {
                "exporters::otlp_http": {
                    "endpoint": f"http://127.0.0.1:{taken.getsockname()[1]}",
                    "timeout": "100ms",
                    "retry_on_failure": {"initial_interval": "50ms"},
                },
                f"{PIPELINES}::traces::exporters": ["file", "otlp_http"],
            },
        )
        async with running(tmp_path, tree) as daemon:
            async with Load(daemon) as load:
                await load.more()
                queue = daemon.service.graph.queues["otlp_http"]
                await daemon.reload(changed(tree, {"exporters::otlp_http::timeout": "200ms"}))
                await load.more()
                assert daemon.service.graph.queues["otlp_http"] is queue
            assert queue.left()[Signal.TRACES] == len(load.sent)
    assert set(load.answers) == {200}
    assert written(tmp_path) == load.sent


async def test_many_reloads(tmp_path: Path) -> None:
    """However often it is done, there are as many tasks, threads and open files as before."""
    trees = [changed(BASE, change) for name, change in GOOD.items() if name != "a pipeline's name"]
    async with running(tmp_path, BASE) as daemon, Load(daemon) as load:
        await load.more()
        active, files = at_work(), await asyncio.to_thread(open_files)
        for tree in [*trees, BASE] * 3:
            assert (await daemon.reload(tree)).problems == ()
            await load.more(2)
        assert at_work() == active
        # One connection of the client may be closing.
        assert await asyncio.to_thread(open_files) <= files + 1
    assert set(load.answers) == {200}
    assert written(tmp_path) == load.sent


def open_files() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


async def test_what_it_says(tmp_path: Path) -> None:
    """A reload tells what became of every component and pipeline, with the keys that are different, and no value."""
    async with running(tmp_path, BASE) as daemon:
        outcome = await daemon.reload(changed(BASE, GOOD["a receiver's settings"] | GOOD["a pipeline's name"]))
    assert outcome.changes == Changes(
        kept=[
            "extensions::file_storage",
            "exporters::file",
            "service::telemetry::metrics",
            "service::admin",
            "service",
        ],
        changed={"receivers::otlp": ["protocols::http::max_concurrent_requests"]},
        new=["service::pipelines::traces/second"],
        removed=["service::pipelines::traces"],
        impossible=[],
    )
