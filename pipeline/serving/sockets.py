"""The sockets servers listen on, bound apart from the servers, so that a new server can take over from an old one
without a connection being turned away between the two.

A server gets duplicates: the one listening socket behind them, with the connections that wait to be accepted, lives as
long as any of them. gRPC binds its own sockets: for it whole servers are kept (receivers/grpc_server.py), and the port,
by a socket that does not listen.
"""

import asyncio
import errno
import os
import socket
import stat
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple, Protocol, TypeVar, cast

__all__ = ["Closable", "SocketAddress", "Sockets", "addresses_of", "move_socket", "parse_address", "remove_socket"]

_ABSENT = (errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT)
"""Errors for an address family this machine does not have: `localhost` may be ::1 where there is no IPv6."""


def parse_address(text: str) -> tuple[str, int]:
    """Host and port of `localhost:4317`, `0.0.0.0:4317`, `[::1]:4317` or `:4317` (every address).

    Raises: `ValueError`.
    """
    host, colon, port = text.rpartition(":")
    if not colon or not port.isdigit() or int(port) > 65535:
        raise ValueError("write it as host:port, such as localhost:4317, with a port from 0 to 65535")
    return host.removeprefix("[").removesuffix("]") or "0.0.0.0", int(port)


class SocketAddress(NamedTuple):
    """One address of a host, with the port."""

    family: socket.AddressFamily
    host: str
    port: int
    scope: int = 0
    """Of an IPv6 address that is valid on one link alone."""

    @property
    def of_family(self) -> tuple[str, int] | tuple[str, int, int, int]:
        """As a socket of the family takes it."""
        return (self.host, self.port, 0, self.scope) if self.family == socket.AF_INET6 else (self.host, self.port)

    def overlaps(self, other: "SocketAddress") -> bool:
        """Whether connections to one are connections to the other, too."""
        hosts = {self.host, other.host}
        same_port = (self.family, self.port) == (other.family, other.port) and self.port != 0
        return same_port and (len(hosts) == 1 or not hosts.isdisjoint(_EVERY))


_EVERY = {"0.0.0.0", "::"}
"""Addresses that mean every address of the machine."""


def addresses_of(endpoint: str) -> list[SocketAddress]:
    """All addresses of `host:port`. Raises: `OSError` for a host that has none."""
    host, port = parse_address(endpoint)
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except OSError as error:
        raise _named(endpoint, error) from None
    addresses = [SocketAddress(family, str(at[0]), int(at[1]), *map(int, at[3:])) for family, _, _, _, at in found]
    return list(dict.fromkeys(addresses))


class Closable(Protocol):
    """What `Sockets` keep."""

    async def close(self) -> None:
        """It is not used any more."""
        ...


K = TypeVar("K", bound=Closable)


@dataclass(slots=True)
class _Kept:
    """One thing that is kept, while there is one, and how many servers use it or wait for it to be made."""

    thing: Closable | None = None
    users: int = 0
    changing: asyncio.Lock = field(default_factory=asyncio.Lock)


class _Bound:
    """A socket that is bound, and where, unless it is a unix socket."""

    def __init__(self, bound: socket.socket, address: SocketAddress | None = None) -> None:
        self.socket, self.address = bound, address

    async def close(self) -> None:
        await asyncio.to_thread(self.socket.close)


class _UnixSocket(socket.socket):
    """A bound unix socket, whose path goes with it unless somebody else has taken it over."""

    inode = 0

    def close(self) -> None:
        if self.inode and self.fileno() >= 0:
            remove_socket(self.getsockname(), self.inode)
        super().close()


class Sockets:
    """Bound sockets by address; what no server uses any more is closed.

    Of an endpoint with port 0 every `owner` has a port of its own, and the same one each time as long as it is bound.
    """

    def __init__(self) -> None:
        self._kept: dict[tuple[object, ...], _Kept] = {}

    @asynccontextmanager
    async def listening(
        self, endpoint: str, owner: str, *, unix: bool = False
    ) -> AsyncIterator[Sequence[socket.socket]]:
        """Sockets bound to `host:port`, or to the path of a unix socket, for one server, which may close them.

        Raises: `OSError` for an address that cannot be used.
        """
        async with self._bound_unix(endpoint) if unix else self._bound("listening", endpoint, owner) as bound:
            copies: list[socket.socket] = []
            try:
                copies += [_copy(each) for each in bound]
                yield copies
            finally:
                for each in copies:
                    each.close()

    @asynccontextmanager
    async def reserved(self, endpoint: str, owner: str) -> AsyncIterator[int]:
        """The port of `host:port`, kept for servers that bind it themselves, with SO_REUSEPORT, as gRPC does. It closes
        connections that the old server has not accepted when it stops; clients connect again.

        Raises: `OSError` for an address that cannot be used.
        """
        async with self._bound("reserved", endpoint, owner) as bound:
            yield int(bound[0].getsockname()[1])

    @asynccontextmanager
    async def _bound_unix(self, path: str) -> AsyncIterator[Sequence[socket.socket]]:
        async def make() -> _Bound:
            return _Bound(await asyncio.to_thread(_bind_unix, path))

        async with self.kept(("unix", path), make) as bound:
            yield [bound.socket]

    @asynccontextmanager
    async def _bound(self, use: str, endpoint: str, owner: str) -> AsyncIterator[Sequence[socket.socket]]:
        """A socket for each address of the host; with port 0 for the first one alone, since a port that is free on one
        may be taken on another.
        """
        bound: list[socket.socket] = []
        absent: OSError | None = None
        async with AsyncExitStack() as stack:
            for address in await asyncio.to_thread(addresses_of, endpoint):
                try:
                    bound.append(await stack.enter_async_context(self._bound_to(use, address, owner)))
                except OSError as error:
                    if error.errno not in _ABSENT:
                        raise _named(endpoint, error, is_ours=bool(self._overlapping(address))) from None
                    absent = error
                if bound and not address.port:
                    break
            if absent is not None and not bound:
                raise _named(endpoint, absent)
            yield bound

    @asynccontextmanager
    async def _bound_to(self, use: str, address: SocketAddress, owner: str) -> AsyncIterator[socket.socket]:
        async def make() -> _Bound:
            bind = _bind_tcp if use == "listening" else _reserve_tcp
            bound = await asyncio.to_thread(bind, address, self._overlapping(address))
            return _Bound(bound, address._replace(port=bound.getsockname()[1]))

        async with self.kept((use, address, "" if address.port else owner), make) as bound:
            yield bound.socket

    def _overlapping(self, address: SocketAddress) -> list[_Bound]:
        """What is bound to an address that this one has in it, or the other way round: at a reload that changes it."""
        bound = (kept.thing for kept in self._kept.values() if isinstance(kept.thing, _Bound))
        return [each for each in bound if each.address is not None and each.address.overlaps(address)]

    @asynccontextmanager
    async def kept(self, key: tuple[object, ...], make: Callable[[], Awaitable[K]]) -> AsyncIterator[K]:
        """What another server made for the same key, or a new one; closed when nobody uses it any more."""
        kept = self._kept.setdefault(key, _Kept())
        kept.users += 1
        try:
            async with kept.changing:
                if kept.thing is None:
                    kept.thing = await make()
            yield cast(K, kept.thing)
        finally:
            kept.users -= 1
            async with kept.changing:
                if not kept.users and kept.thing is not None:
                    thing, kept.thing = kept.thing, None
                    await thing.close()
            if not kept.users and self._kept.get(key) is kept:
                del self._kept[key]


def remove_socket(path: str, inode: int | None = None) -> None:
    """Remove a unix socket that nobody listens on any more, and, if given, only the one with `inode`. Anything else at
    `path` is left alone.
    """
    with suppress(FileNotFoundError):
        found = Path(path).stat()
        if stat.S_ISSOCK(found.st_mode) and inode in (None, found.st_ino):
            Path(path).unlink()


def move_socket(path: str, to: str) -> int:
    """Put a unix socket in the place of another, for the daemon's user alone; gives its inode, for `remove_socket`."""
    Path(path).chmod(0o600)
    Path(path).replace(to)
    return Path(to).stat().st_ino


def _copy(bound: socket.socket) -> socket.socket:
    return socket.socket(bound.family, bound.type, bound.proto, fileno=os.dup(bound.fileno()))


def _bind_unix(path: str) -> socket.socket:
    """A socket for the daemon's user alone. One left by a process that was killed is replaced."""
    remove_socket(path)
    bound = _UnixSocket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        bound.bind(path)
        bound.inode = Path(path).stat().st_ino
        # Nobody can connect before it listens.
        Path(path).chmod(0o600)
    except OSError as error:
        bound.close()
        raise _named(path, error) from None
    return bound


def _bind_tcp(address: SocketAddress, overlapping: Sequence[_Bound]) -> socket.socket:
    bound = _bind_beside(address, overlapping)
    try:
        # Elsewhere than on Linux two sockets can be bound to one address; only one can listen.
        bound.listen(1024)
    except OSError:
        bound.close()
        raise
    return bound


def _reserve_tcp(address: SocketAddress, overlapping: Sequence[_Bound]) -> socket.socket:
    """A socket that keeps a port for others of this user with SO_REUSEPORT; first without, to see that it is free."""
    if address.port:
        _bind_beside(address, overlapping).close()
    return _bind(address, reuse_port=True)


def _bind_beside(address: SocketAddress, overlapping: Sequence[_Bound]) -> socket.socket:
    """From `localhost` to every address, or back: both are bound for as long as the servers change places. Nothing is
    bound twice: who connects would come to either.
    """
    try:
        return _bind(address)
    except OSError as error:
        is_same = any(each.address == address for each in overlapping)
        if error.errno != errno.EADDRINUSE or not overlapping or is_same:
            raise
    for each in overlapping:
        each.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    return _bind(address, reuse_port=True)


def _bind(address: SocketAddress, *, reuse_port: bool = False) -> socket.socket:
    bound = socket.socket(address.family, socket.SOCK_STREAM)
    try:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if reuse_port:
            bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        if address.family == socket.AF_INET6:
            bound.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        bound.bind(address.of_family)
    except BaseException:
        bound.close()
        raise
    return bound


def _named(endpoint: str, error: OSError, *, is_ours: bool = False) -> OSError:
    why = error.strerror if isinstance(error, socket.gaierror) else os.strerror(error.errno or 0)
    if error.errno == errno.EADDRINUSE:
        why = "another part of this daemon has it open" if is_ours else "is another program using it?"
    return OSError(f"cannot listen on {endpoint}; {why}")
