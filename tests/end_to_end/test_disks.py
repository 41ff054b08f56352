"""Disks that are full, read-only or damaged under a running daemon: it says so, goes on, and loses nothing unseen."""

import contextlib
import json
import os
import random
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest
from opentelemetry.proto.trace.v1.trace_pb2 import TracesData

from tests.backends.process import ServerError, request, wait_until
from tests.chaos.recorder import Recorder, takes_all
from tests.end_to_end.daemon import Telescrub
from wire.signal import Signal

pytestmark = pytest.mark.end_to_end

MIB = 2**20
RETRY = {"initial_interval": "50ms", "max_interval": "200ms"}


def mounted(folder: Path, options: str) -> None:
    folder.mkdir(exist_ok=True)
    done = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(folder)], capture_output=True, check=False
    )
    if done.returncode:
        pytest.skip("file systems cannot be mounted here; run it as root")


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 8 MiB of its own."""
    folder = tmp_path / "disk"
    mounted(folder, "size=8m")
    yield folder
    subprocess.run(["umount", "--lazy", str(folder)], check=True)


def daemon(recorder: Recorder, folder: Path, max_age: str = "0s", **storage: Any) -> Telescrub:
    """Its queue is in `folder`."""
    exporter = {
        "endpoint": recorder.endpoint,
        "tls": {"insecure": True},
        "retry_on_failure": RETRY,
        "sending_queue": {"num_consumers": 1, "max_age": max_age},
    }
    extensions = {
        "health_check": {"endpoint": "@health@"},
        "file_storage": {"directory": str(folder / "queue"), **storage},
    }
    return Telescrub({"traces": {"otlp_grpc": exporter}}, extensions=extensions)


def down(_signal: Signal, _body: bytes, context: grpc.ServicerContext) -> bytes:
    context.abort(grpc.StatusCode.UNAVAILABLE, "for the test")
    raise AssertionError


def span(number: int, size: int = 0) -> bytes:
    data = TracesData()
    name = random.Random(number).randbytes(size // 2).hex()
    ids = {"trace_id": b"\x01" * 16, "span_id": number.to_bytes(8)}
    data.resource_spans.add().scope_spans.add().spans.add(name=name, **ids)
    return data.SerializeToString()


def numbers(recorder: Recorder) -> list[int]:
    """The spans that arrived, in order."""
    return [
        int.from_bytes(each.span_id)
        for receipt in list(recorder.receipts)
        for resource in TracesData.FromString(receipt.body).resource_spans
        for scope in resource.scope_spans
        for each in scope.spans
    ]


def fill(disk: Path) -> None:
    """Leave nothing free."""
    with contextlib.suppress(OSError), (disk / "filling").open("wb", buffering=0) as filling:
        while True:
            filling.write(bytes(4096))


def size_of(disk: Path) -> int:
    """Bytes in use."""
    return shutil.disk_usage(disk).used


def lines(telescrub: Telescrub, text: str) -> list[dict[str, Any]]:
    """What it has logged that has this text in its message, over all its lives."""
    every = telescrub.log_path.read_text().splitlines()
    return [line for each in every if each.startswith("{") and text in (line := json.loads(each))["event"]]


@contextlib.contextmanager
def sending(telescrub: Telescrub) -> Iterator[Callable[[bytes], bytes]]:
    with grpc.insecure_channel(telescrub.address("otlp_grpc")) as channel:
        call = channel.unary_unary(Signal.TRACES.method)
        yield lambda body: bytes(call(body, timeout=30))


def is_taken(send: Callable[[bytes], bytes], body: bytes) -> bool:
    try:
        send(body)
    except grpc.RpcError:
        return False
    return True


@pytest.mark.parametrize("reserve", [0, 2 * MIB], ids=["to the last byte", "but a reserve"])
def test_full_disk(small_disk: Path, reserve: int) -> None:
    """A full disk: new data is refused with the reason, once in the log; what was acknowledged arrives, and then new
    data is taken again.
    """
    with Recorder(slow=0) as recorder, daemon(recorder, small_disk, reserve=reserve) as telescrub:
        recorder.judge = down
        acknowledged = []
        with sending(telescrub) as send:
            with pytest.raises(grpc.RpcError) as caught:  # noqa: PT012
                for number in range(1, 100):
                    send(span(number, 256 * 1024))
                    acknowledged.append(number)
            assert caught.value.code() is grpc.StatusCode.UNAVAILABLE
            assert "exporter otlp_grpc can keep nothing more: " in caught.value.details()
            url = f"{telescrub.url('otlp_http')}/v1/traces"
            refused = request(
                "POST", url, body=span(200, 256 * 1024), headers={"Content-Type": "application/x-protobuf"}
            )
            assert (refused.status, refused.headers["Retry-After"]) == (503, "5")
            assert len(acknowledged) > 8
            assert len(lines(telescrub, "the queue can keep nothing more")) == 1
            recorder.judge = takes_all
            wait_until(lambda: telescrub.metric("otelcol_exporter_queue_size") == 0, seconds=60, what="an empty queue")
            wait_until(lambda: lines(telescrub, "the queue can be written again"), seconds=30, what="recovery")
            wait_until(lambda: is_taken(send, span(300)), seconds=60, what="new data to be taken")
        wait_until(lambda: 300 in numbers(recorder), what="the last span")
        assert sorted(set(numbers(recorder))) == [*acknowledged, 300]
        assert telescrub.is_running()


@pytest.mark.parametrize("reserve", [0, 2 * MIB], ids=["to the last byte", "but a reserve"])
def test_disk_that_stays_full(small_disk: Path, reserve: int) -> None:
    """While the destination stays away, space is given back and filled again for some seconds; what was acknowledged
    arrives afterwards, and the file is empty then.
    """
    with Recorder(slow=0) as recorder, daemon(recorder, small_disk, reserve=reserve) as telescrub:
        recorder.judge = down
        with sending(telescrub) as send:
            acknowledged = [number for number in range(1, 100) if is_taken(send, span(number, 128 * 1024))]
            began = time.monotonic()
            while time.monotonic() < began + 4:
                number = 100 + len(acknowledged)
                acknowledged += [number] if is_taken(send, span(number, 128 * 1024)) else []
                time.sleep(0.1)
            recorder.judge = takes_all
            wait_until(lambda: is_taken(send, span(1000)), seconds=60, what="new data to be taken")
        wait_until(lambda: 1000 in numbers(recorder), what="the last span")
        wait_until(lambda: size_of(small_disk) < MIB, seconds=60, what="a short file")
        assert sorted(set(numbers(recorder))) == [*acknowledged, 1000]


def test_full_disk_and_killed(small_disk: Path) -> None:
    """Killed while its disk is full, the daemon starts again and delivers what it had acknowledged."""
    with Recorder(slow=0) as recorder, daemon(recorder, small_disk, reserve=0) as telescrub:
        recorder.judge = down
        acknowledged = []
        with sending(telescrub) as send, contextlib.suppress(grpc.RpcError):
            for number in range(1, 100):
                send(span(number, 256 * 1024))
                acknowledged.append(number)
        fill(small_disk)
        telescrub.kill()
        recorder.judge = takes_all
        telescrub.start()
        wait_until(lambda: set(acknowledged) <= set(numbers(recorder)), seconds=60, what="what was acknowledged")
        assert list(dict.fromkeys(numbers(recorder))) == acknowledged


def test_read_only_folder(tmp_path: Path) -> None:
    """A folder that cannot be written to: the daemon does not start, and says which folder, with exit code 1."""
    folder = tmp_path / "disk"
    mounted(folder, "size=1m,ro")
    try:
        with (
            Recorder() as recorder,
            pytest.raises(ServerError, match="exit code 1") as caught,
            daemon(recorder, folder),
        ):
            pass
        sentence = f"cannot start: the folder {folder / 'queue'} for queues cannot be used: Read-only file system"
        assert sentence in str(caught.value).replace("\n", " ")
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


COUNT = 120


@contextlib.contextmanager
def left_behind(folder: Path) -> Iterator[tuple[Recorder, Telescrub]]:
    """A daemon that was killed with 120 spans in its queue, and what they go to."""
    with Recorder(slow=0) as recorder, daemon(recorder, folder) as telescrub:
        recorder.judge = down
        with sending(telescrub) as send:
            for number in range(1, COUNT + 1):
                send(span(number, 2000))
        telescrub.kill()
        recorder.judge = takes_all
        yield recorder, telescrub


def queue_file(folder: Path) -> Path:
    return folder / "queue" / "otlp_grpc.queue"


def checkpointed(path: Path) -> None:
    """Bring everything from the log into the file itself, to be damaged there."""
    import sqlite3

    with contextlib.closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")


def flip(path: Path, seed: int, count: int, start: int = 0) -> None:
    """Change some bytes of a file at random places."""
    chance = random.Random(seed)
    with path.open("r+b") as file:
        size = file.seek(0, os.SEEK_END)
        for _ in range(count):
            place = chance.randrange(start, size)
            file.seek(place)
            old = file.read(1)[0]
            file.seek(place)
            file.write(bytes([old ^ (1 << chance.randrange(8))]))


DAMAGES: dict[str, Callable[[Path], None]] = {
    "no header": lambda path: overwrite(path, 0, bytes(100)),
    "flipped bits": lambda path: flip(path, 1, 60, 4096),
    "cut short": lambda path: os.truncate(path, path.stat().st_size // 2),
    "not a queue": lambda path: overwrite(path, 0, os.urandom(path.stat().st_size)),
}


def overwrite(path: Path, place: int, data: bytes) -> None:
    with path.open("r+b") as file:
        file.seek(place)
        file.write(data)


@pytest.mark.parametrize("damage", list(DAMAGES))
def test_damaged_file(tmp_path: Path, damage: str) -> None:
    """A damaged queue file: what can be read of it is sent, in order; the rest is told, once, and counted; new data is
    taken; the daemon starts at the first attempt.
    """
    with left_behind(tmp_path) as (recorder, telescrub):
        checkpointed(queue_file(tmp_path))
        DAMAGES[damage](queue_file(tmp_path))
        telescrub.start()
        with sending(telescrub) as send:
            send(span(1000))
        wait_until(lambda: telescrub.metric("otelcol_exporter_queue_size") == 0, seconds=60, what="an empty queue")
        wait_until(lambda: 1000 in numbers(recorder), what="new data")
        arrived = numbers(recorder)
        assert arrived == sorted(set(arrived))
        assert len(lines(telescrub, "damaged")) >= 1
        lost = COUNT - (len(arrived) - 1)
        told = sum(line.get("items_lost", 0) for line in lines(telescrub, "damaged"))
        if damage in ("no header", "flipped bits"):
            assert lost < COUNT / 2
            assert told == lost == telescrub.metric("telescrub_dropped_items_total", reason="corrupt")


def test_killed_while_salvaging(tmp_path: Path) -> None:
    """Killed again and again while it saves what a damaged file holds, it saves as much as undisturbed."""
    with left_behind(tmp_path) as (recorder, telescrub):
        checkpointed(queue_file(tmp_path))
        overwrite(queue_file(tmp_path), 0, bytes(100))
        copy = tmp_path / "copy"
        shutil.copytree(tmp_path / "queue", copy)
        telescrub.start()
        wait_until(lambda: telescrub.metric("otelcol_exporter_queue_size") == 0, seconds=60, what="an empty queue")
        undisturbed = numbers(recorder)
        telescrub.stop()
        shutil.rmtree(tmp_path / "queue")
        shutil.copytree(copy, tmp_path / "queue")
        recorder.judge = down
        recorder.receipts.clear()
        for kill in range(4):
            kill_as_it_changes(telescrub, tmp_path / "queue", random.Random(kill).uniform(0, 0.02) * (kill > 0))
        recorder.judge = takes_all
        telescrub.start()
        wait_until(lambda: telescrub.metric("otelcol_exporter_queue_size") == 0, seconds=60, what="an empty queue")
        assert numbers(recorder) == undisturbed


def kill_as_it_changes(telescrub: Telescrub, folder: Path, delay: float) -> None:
    """Start it, and kill it a moment after it has begun to change its files."""

    def state() -> list[tuple[str, int, int]]:
        found = []
        for path in folder.iterdir():
            with contextlib.suppress(FileNotFoundError):
                found.append((path.name, path.stat().st_size, path.stat().st_mtime_ns))
        return sorted(found)

    before = state()
    telescrub.launch()
    deadline = time.monotonic() + 30
    while state() == before and time.monotonic() < deadline:
        time.sleep(0.0005)
    time.sleep(delay)
    telescrub.kill()
