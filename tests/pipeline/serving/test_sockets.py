"""Listening sockets that outlive their servers, on real ports and paths."""

import asyncio
import os
import socket
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import pytest

from pipeline.serving.sockets import Sockets, move_socket, parse_address, remove_socket

ANY = "127.0.0.1:0"


def port_of(bound: Sequence[socket.socket]) -> int:
    port: int = bound[0].getsockname()[1]
    return port


@asynccontextmanager
async def answering(bound: Sequence[socket.socket], word: bytes) -> AsyncIterator[None]:
    """A server that says a word to whoever connects."""

    async def answer(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(word)
        writer.close()

    unix = bound[0].family == socket.AF_UNIX
    start = asyncio.start_unix_server if unix else asyncio.start_server
    server = await start(answer, sock=bound[0])
    try:
        yield
    finally:
        server.close()


async def heard(port: int) -> bytes:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    word = await reader.read()
    writer.close()
    await writer.wait_closed()
    return word


async def test_the_new_server_may_start_before_the_old_one_stops() -> None:
    """They have one socket: a connection that the old one has not accepted is the new one's."""
    sockets = Sockets()
    async with AsyncExitStack() as later:
        async with sockets.listening(ANY, "otlp") as first:
            port = port_of(first)
            async with answering(first, b"old"):
                assert await heard(port) == b"old"
            early = asyncio.gather(*[heard(port) for _ in range(50)])
            await asyncio.sleep(0)
            second = await later.enter_async_context(sockets.listening(ANY, "otlp"))
            assert port_of(second) == port
        async with answering(second, b"new"):
            assert set(await early) == {b"new"}
    with pytest.raises(ConnectionRefusedError):
        await heard(port)


@pytest.mark.parametrize("hosts", [("127.0.0.1", "0.0.0.0"), ("0.0.0.0", "127.0.0.1"), ("127.0.0.1", "")])
async def test_another_host_at_the_same_port(hosts: tuple[str, str]) -> None:
    """As when a receiver is opened to other machines: it is there all the time."""
    sockets = Sockets()
    async with AsyncExitStack() as later:
        async with sockets.listening(f"{hosts[0]}:0", "a") as first, answering(first, b"old"):
            port = port_of(first)
            second = await later.enter_async_context(sockets.listening(f"{hosts[1]}:{port}", "a"))
            await later.enter_async_context(answering(second, b"new"))
            assert await heard(port) in (b"old", b"new")
        assert await heard(port) == b"new"


async def test_a_name_and_its_address_are_one_socket() -> None:
    """`localhost` and 127.0.0.1: two sockets would share connections between them."""
    sockets = Sockets()
    async with sockets.listening(ANY, "any") as bound:
        port = port_of(bound)
    async with (
        sockets.listening(f"127.0.0.1:{port}", "a") as first,
        sockets.listening(f"localhost:{port}", "a") as second,
        answering(first, b"old"),
    ):
        assert await heard(port) == b"old"
        assert first[0].getsockname() in [each.getsockname() for each in second]
        assert len(sockets._kept) == len(second)


async def test_another_use_of_the_same_address() -> None:
    """Nothing can be handed over from HTTP to gRPC; the sentence says whose it is."""
    sockets = Sockets()
    async with sockets.listening(ANY, "a") as bound:
        endpoint = f"127.0.0.1:{port_of(bound)}"
        with pytest.raises(OSError, match=f"^cannot listen on {endpoint}; another part of this daemon has it open$"):
            async with sockets.reserved(endpoint, "b"):
                pass


async def test_a_socket_that_is_being_closed() -> None:
    """Whoever wants the same one meanwhile waits, and has a new one."""
    sockets, closing, going_on = Sockets(), asyncio.Event(), asyncio.Event()

    class Slow:
        async def close(self) -> None:
            closing.set()
            await going_on.wait()

    async def make() -> Slow:
        return Slow()

    async with asyncio.TaskGroup() as group:
        stack = AsyncExitStack()
        first = await stack.enter_async_context(sockets.kept(("slow",), make))
        group.create_task(stack.aclose(), name="leaving")
        await closing.wait()
        wanting = group.create_task(AsyncExitStack().enter_async_context(sockets.kept(("slow",), make)), name="wanting")
        await asyncio.sleep(0.01)
        assert not wanting.done()
        going_on.set()
        assert await wanting is not first


async def test_owners_have_ports_of_their_own() -> None:
    """Where any port will do; a port that is named is one for all, so that a renamed receiver gets it."""
    sockets = Sockets()
    async with sockets.listening(ANY, "a") as a, sockets.listening(ANY, "b") as b:
        assert port_of(a) != port_of(b)
        endpoint = f"127.0.0.1:{port_of(a)}"
        with pytest.raises(OSError, match=f"^cannot listen on {endpoint}; another part of this daemon has it open$"):
            async with sockets.listening(endpoint, "a"):
                pass
    async with sockets.listening(endpoint, "a") as a, sockets.listening(endpoint, "b") as b:
        assert port_of(a) == port_of(b)


async def test_addresses_that_cannot_be_used() -> None:
    """The sentence names the endpoint, and nothing stays bound."""
    sockets = Sockets()
    with pytest.raises(OSError, match=r"^cannot listen on 192.0.2.1:0; "):
        async with sockets.listening("192.0.2.1:0", "a"):
            pass
    with pytest.raises(OSError, match=r"^cannot listen on /nowhere/x.sock; No such file or directory$"):
        async with sockets.listening("/nowhere/x.sock", "a", unix=True):
            pass
    assert sockets._kept == {}


async def test_localhost_is_every_address_of_it() -> None:
    """IPv4 always, IPv6 where there is any."""
    async with Sockets().listening(ANY, "a") as bound:
        port = port_of(bound)
    async with Sockets().listening(f"localhost:{port}", "a") as bound, answering(bound[-1:], b"here"):
        assert {each.getsockname()[1] for each in bound} == {port}


async def test_unix_sockets_follow_each_other(tmp_path: Path) -> None:
    """One file, for the daemon's user alone, in place of one that was left behind; gone at the end."""
    path = tmp_path / "otlp.sock"
    with socket.socket(socket.AF_UNIX) as stale:
        stale.bind(str(path))
    sockets = Sockets()
    async with sockets.listening(str(path), "a", unix=True) as first, answering(first, b"old"):
        assert path.stat().st_mode & 0o777 == 0o600
        inode = path.stat().st_ino
        async with sockets.listening(str(path), "a", unix=True) as second:
            assert path.stat().st_ino == inode
            async with answering(second, b"new"):
                reader, writer = await asyncio.open_unix_connection(path)
                assert await reader.read() in (b"old", b"new")
                writer.close()
    assert not path.exists()


async def test_a_path_that_somebody_else_took_is_left_alone(tmp_path: Path) -> None:
    """Another daemon's socket stays."""
    path = tmp_path / "otlp.sock"
    with socket.socket(socket.AF_UNIX) as other:
        async with Sockets().listening(str(path), "a", unix=True):
            path.unlink()
            other.bind(str(path))
        assert path.exists()


def test_only_sockets_are_removed(tmp_path: Path) -> None:
    """A file at the path of a socket is somebody's mistake, and stays."""
    path = tmp_path / "otlp.sock"
    remove_socket(str(path))
    path.write_text("kept")
    remove_socket(str(path))
    assert path.read_text() == "kept"


def test_a_socket_is_moved_in_place_of_another(tmp_path: Path) -> None:
    """It keeps its inode and is for the user alone."""
    with socket.socket(socket.AF_UNIX) as old, socket.socket(socket.AF_UNIX) as new:
        for each, name in ((old, "a"), (new, "b")):
            each.bind(str(tmp_path / name))
        inode = (tmp_path / "b").stat().st_ino
        assert move_socket(str(tmp_path / "b"), str(tmp_path / "a")) == inode
    assert [path.name for path in tmp_path.iterdir()] == ["a"]
    assert (tmp_path / "a").stat().st_mode & 0o777 == 0o600


async def test_a_reserved_port() -> None:
    """Servers that bind it themselves can follow each other; other programs cannot have it, nor can it be taken from
    them.
    """
    sockets = Sockets()
    async with sockets.reserved(ANY, "grpc") as port, sockets.reserved(ANY, "grpc") as again:
        assert again == port
        with socket.socket() as first, socket.socket() as second, socket.socket() as foreign:
            for each in (first, second):
                each.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
                each.bind(("127.0.0.1", port))
                each.listen()
            with pytest.raises(OSError, match="in use"):
                foreign.bind(("127.0.0.1", port))
        with socket.socket() as foreign:
            foreign.bind(("127.0.0.1", 0))
            foreign.listen()
            taken = f"127.0.0.1:{foreign.getsockname()[1]}"
            with pytest.raises(OSError, match=f"^cannot listen on {taken}; is another program using it\\?$"):
                async with sockets.reserved(taken, "grpc"):
                    pass


async def test_no_file_descriptor_is_left() -> None:
    """After many servers, and after errors."""
    sockets = Sockets()

    def open_files() -> int:
        return len(os.listdir("/proc/self/fd"))  # noqa: PTH208

    before = await asyncio.to_thread(open_files)
    for _ in range(20):
        async with sockets.listening(ANY, "a") as bound, answering(bound, b"x"):
            await heard(port_of(bound))
        with pytest.raises(ValueError, match="no"):
            async with sockets.reserved(ANY, "b"):
                raise ValueError("no")
    await asyncio.sleep(0)
    assert await asyncio.to_thread(open_files) == before


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("localhost:4317", ("localhost", 4317)),
        ("[::1]:0", ("::1", 0)),
        (":65535", ("0.0.0.0", 65535)),
    ],
)
def test_addresses(text: str, address: tuple[str, int]) -> None:
    """Host and port; no host is every address."""
    assert parse_address(text) == address


@pytest.mark.parametrize("text", ["localhost", "localhost:", "localhost:65536", "localhost:x", ""])
def test_what_is_no_address(text: str) -> None:
    """Says how to write one."""
    with pytest.raises(
        ValueError, match=r"^write it as host:port, such as localhost:4317, with a port from 0 to 65535$"
    ):
        parse_address(text)
