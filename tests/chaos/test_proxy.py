"""The proxy breaks connections in the ways it says."""

import socket
from collections.abc import Iterator

import pytest

from tests.chaos.proxy import Fault, FaultProxy
from tests.chaos.statuses import Statuses, answers, takes_at_most

pytestmark = pytest.mark.end_to_end


@pytest.fixture
def proxy() -> Iterator[FaultProxy]:
    """Before a server that answers 204."""
    with Statuses("http://127.0.0.1:1/") as server:
        server.mood = answers(204)
        with FaultProxy(("127.0.0.1", server.port)) as running:
            yield running


def ask(proxy: FaultProxy, seconds: float = 10.0) -> bytes:
    """The first line of an answer."""
    body = b"x" * 1000
    with socket.create_connection(("127.0.0.1", proxy.port), timeout=seconds) as connection:
        connection.sendall(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
        return connection.makefile("rb").readline()


@pytest.mark.parametrize("fault", [Fault.NONE, Fault.SLOW])
def test_passes_on(proxy: FaultProxy, fault: Fault) -> None:
    """What comes is passed on, and so is the answer."""
    proxy.set(fault)
    assert ask(proxy) == b"HTTP/1.1 204 No Content\r\n"


@pytest.mark.parametrize("fault", [Fault.RESET, Fault.UNANSWERED])
def test_resets(proxy: FaultProxy, fault: Fault) -> None:
    """The connection is reset instead of an answer; afterwards all is well."""
    proxy.set(fault)
    with pytest.raises(ConnectionResetError):
        ask(proxy)
    proxy.set(Fault.NONE)
    assert ask(proxy) == b"HTTP/1.1 204 No Content\r\n"


def test_down(proxy: FaultProxy) -> None:
    """Nobody listens, and then somebody does again."""
    proxy.set(Fault.DOWN)
    with pytest.raises(ConnectionRefusedError):
        ask(proxy)
    proxy.set(Fault.NONE)
    assert ask(proxy) == b"HTTP/1.1 204 No Content\r\n"


def test_silent(proxy: FaultProxy) -> None:
    """No answer comes."""
    proxy.set(Fault.SILENT)
    with pytest.raises(TimeoutError):
        ask(proxy, seconds=0.3)


def test_takes_at_most() -> None:
    """413 above the limit; nothing is answered in the destination's place below it."""
    mood = takes_at_most(3)
    verdict = mood(b"four")
    assert verdict is not None
    assert (verdict.status, mood(b"two")) == (413, None)
