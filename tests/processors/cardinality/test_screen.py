"""`telescrub cardinality` against a running daemon: numbers, names and decisions, never a value."""

import asyncio
import re
import threading
from collections.abc import Iterator

import orjson
import pytest
from opentelemetry.proto.metrics.v1.metrics_pb2 import Metric
from typer.testing import CliRunner

from pipeline.__main__ import app
from pipeline.deadline import Deadline
from pipeline.self_metrics import serve_self_metrics
from pipeline.telemetry import Telemetry
from processors.cardinality.rules import Action
from processors.cardinality.screen import fetch, url_of
from processors.limit_cardinality import LimitCardinalitySettings
from tests.payloads import context, metrics, pairs


def serving(telemetry: Telemetry) -> Iterator[str]:
    """The daemon's own page, in a thread of its own."""
    loop, started, ports = asyncio.new_event_loop(), threading.Event(), []
    stop = asyncio.Event()

    async def serve() -> None:
        async with serve_self_metrics(telemetry, "127.0.0.1", 0, Deadline(1.0)) as port:
            ports.append(port)
            started.set()
            await stop.wait()

    thread = threading.Thread(target=loop.run_until_complete, args=(serve(),))
    thread.start()
    started.wait()
    yield f"http://127.0.0.1:{ports[0]}"
    loop.call_soon_threadsafe(stop.set)
    thread.join()
    loop.close()


@pytest.fixture
def url() -> Iterator[str]:
    """A daemon with a metric of too many pods, and one of user ids."""
    own = context("limit_cardinality")
    tested = LimitCardinalitySettings(max_values_per_label=10, action=Action.OVERFLOW).build(own)
    requests, visits = Metric(name="requests"), Metric(name="visits")
    for number in range(40):
        requests.gauge.data_points.add(attributes=pairs({"pod": f"web-77f9c-{number:05d}", "zone": "a"}))
        visits.gauge.data_points.add(attributes=pairs({"user_id": f"synthetic-{number}"}))
    tested.process(metrics([requests, visits]))
    yield from serving(own.telemetry)


@pytest.fixture
def bare_url() -> Iterator[str]:
    yield from serving(Telemetry())


def test_text(url: str) -> None:
    """The worst first; what was decided, and until when at least."""
    result = CliRunner(env={"COLUMNS": "200"}).invoke(app, ["cardinality", "--url", url])
    assert result.exit_code == 0
    lines = [[cell.strip() for cell in line.split("│")[1:-1]] for line in result.output.splitlines() if "│" in line]
    assert lines[0][:7] == ["requests", "11", "10,000", "40", "pod", "40", "10"]
    assert lines[0][7].startswith("overflow (values), until 20")
    assert lines[0][7].endswith("at least; values look like identifiers")
    assert lines[1:] == [
        ["", "", "", "", "zone", "1", "10", ""],
        ["visits", "1", "10,000", "40", "user_id", "40", "10", "always dropped"],
    ]
    assert "12 of 1,000,000 series within 60 min, about 68 saved; " in result.output
    assert result.output.endswith("MiB; 2 of 2 metrics shown\n")


def test_json(url: str) -> None:
    """Everything the daemon tells, and no value in it."""
    result = CliRunner().invoke(app, ["cardinality", "--url", url, "--format", "json"])
    (told,) = orjson.loads(result.output)
    assert (told["component"], told["pipeline"], told["report"]["series"]) == ("limit_cardinality", "", 12)
    assert "web-" not in result.output
    assert "synthetic" not in result.output


def test_nobody_to_ask(bare_url: str) -> None:
    """Exit 1 with a sentence."""
    result = CliRunner().invoke(app, ["cardinality", "--url", bare_url])
    assert (result.exit_code, result.output) == (
        1,
        "no processor limit_cardinality is running there; add it to a metrics pipeline\n",
    )
    for wrong, sentence in {
        "localhost:8888": "give the whole address of the daemon's own metrics, such as http://127.0.0.1:8888",
        "http://[::1]:1": "http://[::1]:1 does not answer; is the daemon running, and is this where its metrics are?",
        f"{bare_url}/x": f"{bare_url}/x answered 404; reports are given on the daemon's own machine only",
        f"{bare_url}/metrics?": f"{bare_url}/metrics? answers, but not as Telescrub's own metrics do",
    }.items():
        with pytest.raises(ValueError, match=f"^{re.escape(sentence)}$"):
            fetch(wrong)


def test_where_to_ask() -> None:
    """On this machine, wherever the daemon listens."""
    assert url_of(("localhost", 8888)) == "http://localhost:8888"
    assert url_of(("", 1)) == url_of(("0.0.0.0", 1)) == "http://127.0.0.1:1"
    assert url_of(("::", 1)) == "http://[::1]:1"
    with pytest.raises(ValueError, match="the configuration switches the daemon's own metrics off"):
        url_of(None)
