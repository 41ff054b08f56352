"""What sets off a reload: SIGHUP, the admin endpoint, changed files; and what another configuration would change."""

import asyncio
import json
import os
import signal
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from typer.testing import CliRunner

from config.load import Source
from pipeline.__main__ import app
from pipeline.logs import logger
from pipeline.reload.changes import changes
from pipeline.reload.comparing import NotComparable, compare, lines
from pipeline.reload.origin import Origin
from pipeline.reload.reloads import Reloads
from tests.pipeline.daemon import BASE, GONE, Reloadable, changed, running

OTHER = changed(BASE, {"exporters::file::rotation": {"max_megabytes": 50}})


@asynccontextmanager
async def served(daemon: Reloadable, reloads: Reloads | None = None) -> AsyncIterator[None]:
    """Run until the end of the block."""
    reloads = reloads or daemon.reloads
    async with asyncio.TaskGroup() as group:
        running_ = group.create_task(reloads.run())
        # Its signal handlers are there once it has read the files.
        await asyncio.to_thread(daemon.origin.digest, daemon.service.config)
        try:
            yield
        finally:
            reloads.stop()
            await running_


async def ask(daemon: Reloadable, path: str, body: Any = None) -> tuple[int, Any]:
    url = f"http://127.0.0.1:{daemon.service.admin_port}/-/{path}"
    async with aiohttp.ClientSession() as session, session.post(url, json=body) as answer:
        return answer.status, await answer.json()


async def until(is_so: Callable[[], bool]) -> None:
    """Wait for something that happens in other tasks."""
    async with asyncio.timeout(30):
        while not is_so():  # noqa: ASYNC110
            await asyncio.sleep(0.005)


async def test_on_command(tmp_path: Path) -> None:
    """`POST /-/reload` answers with what changed, or with every problem, and has the daemon run what was read."""
    async with running(tmp_path, BASE) as daemon, served(daemon):
        await daemon.write(OTHER)
        status, told = await ask(daemon, "reload")
        assert (status, told["changed"]) == (200, {"exporters::file": ["rotation::max_megabytes"]})
        await daemon.write(changed(BASE, {"processors::batch": {"timeuot": "0s"}, "exporters::file": {"paht": "x"}}))
        status, told = await ask(daemon, "reload")
        assert status == 400
        assert [each.split(": ")[1] for each in told["problems"]] == [
            "processors::batch::timeuot",
            "exporters::file::paht",
        ]
        assert daemon.value("telescrub_reloads_total", outcome="done") == 1
        assert daemon.value("telescrub_reloads_total", outcome="failed") == 1


async def test_many_ask_at_once(tmp_path: Path) -> None:
    """Everybody is answered, after a reload that began after they asked."""
    async with running(tmp_path, BASE) as daemon, served(daemon):
        await daemon.write(OTHER)
        answers = await asyncio.gather(*(ask(daemon, "reload") for _ in range(10)))
    assert [status for status, _ in answers] == [200] * 10


async def test_by_signal(tmp_path: Path) -> None:
    """SIGHUP reloads."""
    async with running(tmp_path, BASE) as daemon, served(daemon):
        await daemon.write(OTHER)
        before = daemon.service.graph
        os.kill(os.getpid(), signal.SIGHUP)
        await until(lambda: daemon.service.graph is not before)
        assert daemon.value("telescrub_reloads_total", outcome="done") == 1


async def test_changed_files(tmp_path: Path) -> None:
    """A file that has changed and is twice the same is taken, also one behind a symlink, and one of rules."""
    rules = tmp_path / "rules.yaml"
    tree = changed(
        BASE,
        {
            "processors::redact_phi": {"packs": ["hipaa"], "rule_files": ["FOLDER/rules.yaml"]},
            "service::pipelines::traces::processors": ["redact_phi", "batch"],
            "service::reload": {"watch_interval": "1s"},
        },
    )
    tick, waits = asyncio.Semaphore(0), list[float]()

    async def sleep(seconds: float) -> None:
        waits.append(seconds)
        await tick.acquire()

    await asyncio.to_thread(rules.write_text, own_rules("first"))
    async with running(tmp_path, tree) as daemon:
        reloads = Reloads(daemon.service, daemon.origin, daemon.log, sleep=sleep)
        async with served(daemon, reloads):

            def done() -> float:
                return daemon.value("telescrub_reloads_total", outcome="done")

            for _ in range(3):
                tick.release()
            await until(lambda: len(waits) == 4)
            assert done() == 0
            await asyncio.to_thread(rules.write_text, own_rules("second"))
            tick.release()
            await until(lambda: len(waits) == 5)
            assert done() == 0
            tick.release()
            await until(lambda: done() == 1)
            moved = tmp_path / "elsewhere.yaml"
            await asyncio.to_thread(moved.write_text, json.dumps(tree).replace("FOLDER", str(tmp_path)) + "\n\n")
            await asyncio.to_thread(daemon.file.unlink)
            await asyncio.to_thread(daemon.file.symlink_to, moved)
            tick.release()
            tick.release()
            await until(lambda: done() == 2)
    assert set(waits) == {1.0}


async def test_a_change_that_cannot_be_taken(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """One change is one try, also where further files are read; a change of one of those is another one."""
    tree = changed(BASE, {"service::reload": {"watch_interval": "1s"}})
    broken = changed(
        tree,
        {
            "processors::redact_phi": {"packs": ["hipaa"], "rule_files": ["FOLDER/rules.yaml"]},
            "service::pipelines::traces::processors": ["redact_phi", "batch"],
            "exporters::file::path": "FOLDER/telescrub.yaml/{signal}.jsonl",
        },
    )
    tick, looks, said = asyncio.Semaphore(0), list[float](), list[str]()

    async def sleep(seconds: float) -> None:
        looks.append(seconds)
        await tick.acquire()

    async def tried(times: int, failed: int) -> None:
        """Look so often; by then, so many tries have failed, each set off by a change."""
        for _ in range(times):
            number = len(looks)
            tick.release()
            await until(lambda number=number: len(looks) > number)  # type: ignore[misc]
        await until(lambda: daemon.value("telescrub_reloads_total", outcome="failed") >= failed)
        said.extend(line for line in capsys.readouterr().err.splitlines() if "configuration have changed" in line)
        assert len(said) == failed

    rules = tmp_path / "rules.yaml"
    await asyncio.to_thread(rules.write_text, own_rules("first"))
    async with running(tmp_path, tree) as daemon:
        reloads = Reloads(daemon.service, daemon.origin, logger("info"), sleep=sleep)
        async with served(daemon, reloads):
            await until(lambda: len(looks) == 1)
            await daemon.write(broken)
            await tried(2, failed=1)
            await tried(4, failed=1)
            await asyncio.to_thread(rules.write_text, own_rules("second"))
            await tried(2, failed=2)
            await tried(4, failed=2)


def own_rules(title: str) -> str:
    """A file with one rule."""
    return json.dumps({"pack": "own", "rules": [{"id": "own", "title": title, "keys": ["own.key"]}]})


async def test_what_would_change(tmp_path: Path) -> None:
    """Of a running daemon, with its environment; of another file; and of one that does not answer."""
    other = tmp_path / "other.yaml"
    tree = changed(
        BASE,
        {
            "processors::batch": {},
            "receivers::otlp::protocols::http::max_concurrent_requests": 7,
            "service::telemetry::logs": {"level": "debug"},
            "service::admin": GONE,
        },
    )
    await asyncio.to_thread(other.write_text, json.dumps(tree).replace("FOLDER", str(tmp_path)))
    async with running(tmp_path, BASE) as daemon, served(daemon):
        origin = Origin(lambda: [other], daemon.origin.catalogue)
        told = await asyncio.to_thread(compare, origin, f"http://127.0.0.1:{daemon.service.admin_port}")
        assert told == await asyncio.to_thread(compare, origin, str(daemon.file))
        assert told == asdict(changes(daemon.service.config, await asyncio.to_thread(origin.load)))
        broken = Origin(lambda: [Source("x.yaml", "receivers: [")], daemon.origin.catalogue)
        with pytest.raises(NotComparable) as caught:
            await asyncio.to_thread(compare, broken, f"http://127.0.0.1:{daemon.service.admin_port}/")
        assert daemon.value("telescrub_reloads_total", outcome="done") == 0
    assert list(caught.value.problems) == ["x.yaml:1:13: a value or the closing bracket is missing before this"]
    assert list(lines(told)) == [
        "kept     extensions::file_storage",
        "kept     service::telemetry::metrics",
        "kept     service::pipelines::traces",
        "kept     service",
        "removed  service::admin",
        "changed  exporters::file: batching",
        "changed  receivers::otlp: protocols::http::max_concurrent_requests",
    ]
    assert told["impossible"] == [
        "service::telemetry::logs is read only when the daemon starts; restart it, or leave this as it was"
    ]
    with pytest.raises(NotComparable, match="does not answer as the admin endpoint of a daemon does"):
        await asyncio.to_thread(compare, origin, f"http://127.0.0.1:{daemon.service.admin_port}")


async def test_a_senseless_comparison(tmp_path: Path) -> None:
    """Is answered with how it should be asked for."""
    async with running(tmp_path, BASE) as daemon, served(daemon):
        sentence = 'send {"files": [{"name": …, "text": …, "folder": …}, …]}'
        assert await ask(daemon, "diff", ["x"]) == (400, {"problems": [sentence]})
        assert await ask(daemon, "diff", {"files": [{"name": "x"}]}) == (400, {"problems": [sentence]})


async def test_stopping_answers_who_waits(tmp_path: Path) -> None:
    """Whoever asks while the daemon stops, or has asked, is told so."""
    async with running(tmp_path, BASE) as daemon:
        async with asyncio.TaskGroup() as group:
            asking = group.create_task(ask(daemon, "reload"))
            await until(lambda: bool(daemon.reloads.waiting))
            daemon.reloads.stop()
            await daemon.reloads.run()
        stopping = (503, {"problems": ["the daemon is stopping"]})
        assert [asking.result(), await ask(daemon, "reload")] == [stopping] * 2
        assert dict(daemon.service.problems()) == {"service": "it is draining before it stops"}


def test_the_command(tmp_path: Path) -> None:
    """`telescrub validate --against` shows it: exit 0; 1 if it cannot be done while the daemon runs, or is wrong."""
    variations: dict[str, dict[str, Any]] = {
        "old": {},
        "new": {"exporters::file::rotation": {"max_megabytes": 50}},
        "refused": {"service::telemetry::logs": {"level": "debug"}},
        "wrong": {"processors::batch": {"timeuot": "0s"}},
    }
    files = {}
    for name, other in variations.items():
        files[name] = str(tmp_path / f"{name}.yaml")
        Path(files[name]).write_text(json.dumps(changed(BASE, other)))

    def against(name: str, target: str) -> tuple[int, str]:
        shown = CliRunner().invoke(app, ["validate", "--config", files[name], "--against", target])
        return shown.exit_code, shown.output

    assert against("new", files["old"]) == (
        0,
        "kept     extensions::file_storage\n"
        "kept     receivers::otlp\n"
        "kept     service::telemetry::metrics\n"
        "kept     service::admin\n"
        "kept     service::pipelines::traces\n"
        "kept     service\n"
        "changed  exporters::file: rotation::max_megabytes\n",
    )
    code, text = against("refused", files["old"])
    assert (code, text.splitlines()[-1].partition(" ")[0]) == (1, "service::telemetry::logs")
    code, text = against("wrong", files["old"])
    assert (code, "did you mean 'timeout'?" in text) == (1, True)
    assert against("new", "http://127.0.0.1:1")[0] == 1
